//! `sns_topic`: an SNS topic with its subscriptions.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use async_trait::async_trait;
use lakewright_aws::{ErrorKind, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::each::{self, One, each};
use super::spec::{compared, in_place, replaces};
use super::tags::{self, Tags};
use super::values::{KeyId, MailAddress, text};
use super::{policy, statement, tag_lists, tagged, tagging, wait};
use crate::kind::{
    Arn, Billing, Comparing, Context, Delta, Facts, Field, Found, Grant, HIDDEN, Kind, Outcome, Step, Wanted,
    canonical, fits,
};
use crate::resource::{Action, Address};
use crate::services::Services as _;
use subscriptions::{PROTOCOLS, Subscribed, subscribe, subscriptions};

mod subscriptions;

text!(
    /// A topic's name.
    TopicName,
    r"^[A-Za-z0-9_-]{1,256}$"
);
text!(
    /// A URL, `https://…`.
    HttpsUrl,
    r"^https://.+$"
);

/// An SNS topic and who gets what is published to it. Somebody who has not yet confirmed counts as subscribed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region: up to 256 letters, digits, `-` and `_`.
    pub name: TopicName,
    /// What mails say that they come from, at most 100 characters. Without it, AWS's own words.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub display_name: String,
    /// The KMS key, by ARN, id or alias, that encrypts messages; services that publish must be allowed to use it. Without
    /// it, messages aren't encrypted at rest.
    #[serde(default)]
    pub key: Option<KeyId>,
    /// The topic's policy as JSON. Without it, AWS's own: whoever the account's IAM policies allow.
    #[serde(default)]
    pub policy: Option<Value>,
    /// The mail addresses that are subscribed. Each must confirm by the mail that AWS sends.
    #[serde(default)]
    pub email: Vec<MailAddress>,
    /// The URLs, `https://…`, that are subscribed. Each must confirm what AWS posts to it.
    #[serde(default)]
    pub https: Vec<HttpsUrl>,
}

impl Spec {
    /// Protocol and endpoint of each subscription.
    fn subscriptions(&self) -> impl Iterator<Item = (&str, &str)> {
        let mails = self.email.iter().map(|address| ("email", address.as_str()));
        mails.chain(self.https.iter().map(|url| ("https", url.as_str())))
    }
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("display_name"),
    in_place("key"),
    in_place("policy"),
    compared(in_place("email"), Comparing::AsSet),
    compared(in_place("https"), Comparing::AsSet),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "sns:CreateTopic",
    "sns:DeleteTopic",
    "sns:GetTopicAttributes",
    "sns:SetTopicAttributes",
    "sns:Subscribe",
    "sns:Unsubscribe",
    "sns:ListSubscriptionsByTopic",
    "sns:ListTagsForResource",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("sns topic", "sns:{region}:{account}:{name}")];
const FACTS: Facts = Facts {
    identified_by: &["name"],
    tag_types: &["sns"],
    review: &["policy", "email", "https"],
    sensitive: &["https"],
    arns: ARNS,
    rights: super::rights::messages::NOTICES,
    billing: Billing::ByUse("messages; the first thousand mails of a month are free"),
    tagging: Some(&tagging::Sns),
    ..Facts::of("sns_topic", "an SNS topic with its subscriptions", FIELDS, OUTPUTS, ACTIONS)
};

/// The id of the policy that AWS gives a topic.
const DEFAULT_POLICY: &str = "__default_policy_ID";

/// The kind.
#[derive(Debug)]
pub struct SnsTopic;

/// Whether a text looks as mail addresses do.
pub(crate) fn is_mail_address(text: &str) -> bool {
    fits(MailAddress::PATTERN, text)
}

/// A subscriber for people: of a URL, which can hold a password, its host.
fn shown((protocol, endpoint): (&str, &str)) -> String {
    if protocol == "email" {
        return endpoint.to_owned();
    }
    FACTS.masked("https", &Value::from(endpoint)).as_str().unwrap_or(HIDDEN).to_owned()
}

#[async_trait]
impl Kind for SnsTopic {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.policy = spec.policy.take().map(|policy| policy::of_topic("policy", policy)).transpose()?;
        Ok(())
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let anew = matches!(step.action, Action::Create | Action::Replace);
        let before: BTreeSet<_> = step.live.filter(|_| !anew).into_iter().flat_map(Spec::subscriptions).collect();
        let after: BTreeSet<_> = step.spec.into_iter().flat_map(Spec::subscriptions).collect();
        let new = after.difference(&before).filter(|(protocol, _)| anew || step.changed.contains(protocol));
        let new: Vec<String> = new.map(|one| shown(*one)).collect();
        if new.is_empty() {
            return Vec::new();
        }
        vec![format!("AWS asks {} to confirm; nothing arrives there before that", new.join(", "))]
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        let get = spec.subscriptions().map(|one| Grant::to(shown(one), "get what is published to it"));
        let policy = match &spec.policy {
            Some(policy) => statement::grants(policy, "it"),
            None => vec![Grant::to("whomever the account's IAM policies name", "SNS:Publish and SNS:Subscribe")],
        };
        policy.into_iter().chain(get).collect()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "sns").await?.into_iter().collect();
        let mut arns: BTreeSet<String> = tagged.keys().cloned().collect();
        arns.extend(wanted.iter().map(|wanted| arn(context, &wanted.spec.name)));
        let reads = arns.iter().map(|one| {
            let tags = tagged.get(one);
            let address = each::address(context, FACTS.name, tags, wanted, |spec| arn(context, &spec.name) == *one);
            let read = async move {
                let owner = tagged::owner(context, FACTS.name, tags, tags_of(context, one)).await?;
                let Some((address, tags)) = owner else { return Ok(None) };
                let wanted = wanted.iter().find(|wanted| *wanted.address == address).map(|wanted| wanted.spec);
                read(context, one, address, &tags, wanted).await
            };
            One { address, id: one.clone(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.sns().create_topic().name(spec.name.as_str());
        // A topic of that name with these tags is the answer to the call; one with others is refused.
        if let Err(error) = ask(call.set_tags(Some(tag_lists::owned(context, address))).send()).await {
            let tags = if error.kind == ErrorKind::Invalid {
                tags_of(context, &arn(context, &spec.name)).await?
            } else {
                None
            };
            let Some(tags) = tags else { return Err(error.into()) };
            tags::own_or_taken(context, address, error, &format!("the topic {}", spec.name), &tags)
                .map_err(|taken| taken.context(format!("`lakewright adopt {address} {}` takes it over", spec.name)))?;
        }
        settle(context, spec, &["display_name", "key", "policy", "email", "https"]).await
    }

    async fn update(&self, context: &Context, Delta { spec, changed, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
        settle(context, spec, &changed).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        wait::found(ask(context.aws.sns().delete_topic().topic_arn(&live.id).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let arn = if id.starts_with("arn:") { id.to_owned() } else { arn(context, id) };
        let Some(tags) = tags_of(context, &arn).await? else { return Ok(None) };
        read(context, &arn, address.clone(), &tags::claimed(context, address, id, tags)?, None).await
    }
}

fn arn(context: &Context, name: &str) -> String {
    context.site().arn("sns", name)
}

async fn tags_of(context: &Context, arn: &str) -> Result<Option<Tags>> {
    let answer = wait::found(ask(context.aws.sns().list_tags_for_resource().resource_arn(arn).send()).await)?;
    Ok(answer.map(|answer| tag_lists::read(answer.tags())))
}

/// The topic of that ARN. What is pending and no longer wanted can't be taken back, goes by itself, and isn't shown.
async fn read(
    context: &Context,
    arn: &str,
    address: Address,
    tags: &Tags,
    wanted: Option<&Spec>,
) -> Result<Option<Found<Spec>>> {
    let attributes = ask(context.aws.sns().get_topic_attributes().topic_arn(arn).send());
    let (answer, subscriptions) = tokio::join!(attributes, subscriptions(context, arn));
    let answer = tagged::readable(context, wait::found(answer), tags_of(context, arn)).await?;
    let Some(answer) = answer else { return Ok(None) };
    let Some(subscriptions) = subscriptions? else { return Ok(None) };
    let attributes = answer.attributes().needed("sns", "GetTopicAttributes.Attributes")?;
    // A topic without a name to show or a key lacks the attribute, or has an empty one.
    let attribute = |name: &str| attributes.get(name).filter(|value| !value.is_empty());
    let asked = |one: &Subscribed| wanted.is_none_or(|wanted| wanted.subscriptions().any(|pair| pair == one.pair()));
    let found: BTreeSet<_> =
        subscriptions.iter().filter(|one| one.arn.is_some() || asked(one)).map(Subscribed::pair).collect();
    let of_protocol = |name| found.iter().filter(move |(protocol, _)| *protocol == name).map(|(_, endpoint)| *endpoint);
    let document = attribute("Policy").map(|text| policy::parse(text)).transpose()?;
    let name = lakewright_iam::Arn::parse(arn).map_or(arn, |arn| arn.resource);
    let spec = Spec {
        name: name.into(),
        display_name: attribute("DisplayName").cloned().unwrap_or_default(),
        key: attribute("KmsMasterKeyId").cloned().map(KeyId::from),
        policy: document.filter(|document| !is_default(context, arn, document)),
        email: of_protocol("email").map(MailAddress::from).collect(),
        https: of_protocol("https").map(HttpsUrl::from).collect(),
    };
    Ok(Some(tags::found(address, tags, arn, spec, &[("arn", arn), ("name", name)])))
}

/// AWS's policy of a topic that was given none.
fn default_policy(context: &Context, arn: &str) -> Value {
    json!({
        "Version": "2008-10-17",
        "Id": DEFAULT_POLICY,
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [
                "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
                "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish",
            ],
            "Resource": arn,
            "Condition": {"StringEquals": {"AWS:SourceOwner": context.account}},
        }],
    })
}

/// Whether a policy is AWS's own, as it is made today or with the action that it had besides at first. Permissions that are
/// added by hand keep its id.
fn is_default(context: &Context, arn: &str, document: &Value) -> bool {
    let statement = |policy: &Value| canonical(&policy["Statement"], Comparing::AsSet);
    let own = policy::canonical(default_policy(context, arn));
    let mut first = own.clone();
    if let Some(actions) = first["Statement"][0]["Action"].as_array_mut() {
        actions.push(json!("SNS:Receive"));
    }
    [own, first].iter().any(|own| statement(own) == statement(document))
}

/// Brings attributes and subscriptions to the spec, those fields that changed.
async fn settle(context: &Context, spec: &Spec, changed: &[&str]) -> Result<Outcome> {
    let arn = arn(context, &spec.name);
    for field in changed {
        let (name, value) = match *field {
            "display_name" => ("DisplayName", spec.display_name.clone()),
            "key" => ("KmsMasterKeyId", spec.key.clone().unwrap_or_default().into()),
            "policy" => {
                let document = spec.policy.clone().unwrap_or_else(|| default_policy(context, &arn));
                ("Policy", document.to_string())
            }
            _ => continue,
        };
        let call = context.aws.sns().set_topic_attributes().topic_arn(&arn);
        let call = call.attribute_name(name).attribute_value(value);
        wait::visible(context, || ask(call.clone().send())).await?;
    }
    if PROTOCOLS.iter().any(|protocol| changed.contains(protocol)) {
        subscribe(context, &arn, spec).await?;
    }
    Ok(tags::outcome(&arn, &[("arn", &arn), ("name", &spec.name)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::AnyKind as _;

    #[test]
    fn what_sns_refuses_is_refused() {
        let refused = |spec: Value| format!("{:#}", SnsTopic.normalise(&spec).expect_err("refused"));
        assert!(refused(json!({"name": "a b"})).contains("`name` can't be `a b`"));
        assert!(refused(json!({"name": "a", "email": ["ops@here"]})).contains("`email[0]` can't be `ops@here`"));
        assert!(refused(json!({"name": "a", "https": ["http://x.example"]})).contains("https://"));
        assert!(refused(json!({"name": "a", "display_name": "x".repeat(101)})).contains("has 101 characters"));
    }

    #[test]
    fn mail_addresses_have_one_at_sign_and_a_domain_of_several_parts() {
        for right in ["ops@example.com", "team+shop@example.com", "o'hara@mail.example.co.uk", "ü@ü.example"] {
            assert!(is_mail_address(right), "{right}");
        }
        let wrongs =
            ["", "a", "a@b", "a@b@c.d", "@b.c", "a@", "a@.b", "a@b.", "a@b..c", "a b@c.d", "a@b.c\n", "\u{a0}@b.c"];
        for wrong in wrongs {
            assert!(!is_mail_address(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn those_who_must_confirm_are_named() {
        let of = |email: &[&str]| Spec {
            name: "a".into(),
            display_name: String::new(),
            key: None,
            policy: None,
            email: email.iter().map(|&address| address.into()).collect(),
            https: Vec::new(),
        };
        let (before, after) = (of(&["a@b.c"]), of(&["a@b.c", "d@e.f"]));
        let told = |live, spec| {
            let step = Step { action: Action::Update, changed: &["email"], live: Some(live), spec: Some(spec) };
            Kind::consequences(&SnsTopic, &step)
        };
        assert_eq!(told(&before, &after), ["AWS asks d@e.f to confirm; nothing arrives there before that"]);
        assert!(told(&after, &before).is_empty());
    }
}
