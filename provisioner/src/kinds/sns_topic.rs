//! `sns_topic`: an SNS topic with its subscriptions.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_sns::types;
use futures::future::try_join_all;
use lakewright_aws::{Error, ErrorKind, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{compared, describes, differs, in_place, replaces, text, typed, value};
use super::tags::{self, Tags};
use super::{policy, tag_lists, tagged, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};
use crate::services::Services as _;

/// An SNS topic and who gets what is published to it. Somebody who has not yet confirmed counts as subscribed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region: up to 256 letters, digits, `-` and `_`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,256}$"))]
    pub name: String,
    /// What mails say that they come from, at most 100 characters. Without it, AWS's own words.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub display_name: String,
    /// The KMS key, by ARN, id or alias, that encrypts messages; services that publish must be allowed to use it. Without
    /// it, messages aren't encrypted at rest.
    #[serde(default)]
    #[schemars(regex(
        pattern = r"^(arn:aws[a-z-]*:kms:.+|alias/.+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]+)$"
    ))]
    pub key: Option<String>,
    /// The topic's policy as JSON. Without it, AWS's own: whoever the account's IAM policies allow.
    #[serde(default)]
    pub policy: Option<Value>,
    /// The mail addresses that are subscribed. Each must confirm by the mail that AWS sends.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^[^@ ]+@[^@ ]+$")))]
    pub email: Vec<String>,
    /// The URLs, `https://…`, that are subscribed. Each must confirm what AWS posts to it.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^https://.+$")))]
    pub https: Vec<String>,
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
    "sns:TagResource",
    "tag:GetResources",
];

/// What a list says in place of the ARN of a subscription that isn't confirmed.
const PENDING: &str = "PendingConfirmation";
/// The id of the policy that AWS gives a topic.
const DEFAULT_POLICY: &str = "__default_policy_ID";
const PROTOCOLS: [&str; 2] = ["email", "https"];

/// The kind.
#[derive(Debug)]
pub struct SnsTopic;

fn canonical(spec: &mut Spec) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !(1..=256).contains(&spec.name.len()) || !spec.name.chars().all(fits) {
        bail!("`{}` can't be a topic's name: 1 to 256 letters, digits, `-` and `_`", spec.name);
    }
    if spec.display_name.chars().count() > 100 {
        bail!("display_name has more than the 100 characters that SNS takes");
    }
    if let Some(wrong) = spec.email.iter().find(|address| !is_mail_address(address)) {
        bail!("`{wrong}` is no mail address");
    }
    if let Some(wrong) = spec.https.iter().find(|url| !url.starts_with("https://")) {
        bail!("`{wrong}` doesn't begin with https://");
    }
    spec.policy = spec.policy.take().map(policy::canonical);
    Ok(())
}

/// Whether a text looks as mail addresses do.
pub(crate) fn is_mail_address(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(local, domain)| {
        !local.is_empty()
            && domain.split('.').count() > 1
            && domain.split('.').all(|part| !part.is_empty())
            && !text.contains(char::is_whitespace)
            && !domain.contains('@')
    })
}

#[async_trait]
impl Kind for SnsTopic {
    describes!("sns_topic", "an SNS topic with its subscriptions", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Billed { charges: Vec::new(), by_use: "messages; the first thousand mails of a month are free" }
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let texts = |of: &Value, field: &str| -> BTreeSet<String> {
            of[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let anew = matches!(action, Action::Create | Action::Replace);
        let mut new = Vec::new();
        for protocol in PROTOCOLS.iter().filter(|protocol| anew || changed.contains(protocol)) {
            let before = if anew { BTreeSet::new() } else { texts(live, protocol) };
            new.extend(texts(spec, protocol).difference(&before).cloned());
        }
        if new.is_empty() || action == Action::Delete {
            return Vec::new();
        }
        vec![format!("AWS asks {} to confirm; nothing arrives there before that", new.join(", "))]
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "sns").await?.into_iter().collect();
        let mut arns: BTreeSet<String> = tagged.keys().cloned().collect();
        arns.extend(wanted.iter().map(|wanted| arn(context, text(wanted.spec, "name"))));
        let reads = arns.iter().map(async |arn| {
            // What the tagging API doesn't list yet is asked for itself.
            let tags = match tagged.get(arn) {
                Some(tags) => Some(tags.clone()),
                None => tags_of(context, arn).await?,
            };
            let Some(tags) = tags else { return Ok(None) };
            let Some(address) = tags::address(context, "sns_topic", &tags) else { return Ok(None) };
            let wanted = wanted.iter().find(|wanted| *wanted.address == address).map(|wanted| wanted.spec);
            read(context, arn, address, &tags, wanted).await
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let call = context.aws.sns().create_topic().name(&spec.name);
        // A topic of that name with these tags is the answer to the call; one with others is refused.
        if let Err(error) = ask(call.set_tags(Some(tag_lists::owned(context, address))).send()).await {
            let tags = if error.kind == ErrorKind::Invalid {
                tags_of(context, &arn(context, &spec.name)).await?
            } else {
                None
            };
            let Some(tags) = tags else { return Err(error.into()) };
            if tags::address(context, "sns_topic", &tags).as_ref() != Some(address) {
                return Err(tags::taken(error, &format!("the topic {}", spec.name), &tags)
                    .context(format!("`lakewright adopt {address} {}` takes it over", spec.name)));
            }
        }
        settle(context, &spec, &["display_name", "key", "policy", "email", "https"]).await
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
        settle(context, &typed(spec)?, &changed).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        wait::found(ask(context.aws.sns().delete_topic().topic_arn(&live.id).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let arn = if id.starts_with("arn:") { id.to_owned() } else { arn(context, id) };
        let Some(tags) = tags_of(context, &arn).await? else { return Ok(None) };
        read(context, &arn, address.clone(), &tags::claimed(context, address, id, tags)?, None).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.sns().tag_resource().resource_arn(&outcome.id);
        let call = call.set_tags(Some(tag_lists::written(tags)));
        wait::visible(context, || ask(call.clone().send())).await?;
        Ok(())
    }
}

fn arn(context: &Context, name: &str) -> String {
    let Context { region, account, .. } = context;
    format!("arn:{}:sns:{region}:{account}:{name}", tags::partition(region))
}

async fn tags_of(context: &Context, arn: &str) -> Result<Option<Tags>> {
    let answer = wait::found(ask(context.aws.sns().list_tags_for_resource().resource_arn(arn).send()).await)?;
    Ok(answer.map(|answer| tag_lists::read(answer.tags())))
}

/// Who is subscribed by mail or HTTPS.
struct Subscribed {
    protocol: String,
    endpoint: String,
    /// The subscription's ARN; none until it is confirmed.
    arn: Option<String>,
}

impl Subscribed {
    fn read(one: &types::Subscription) -> Result<Self, Error> {
        let arn = one.subscription_arn().needed("sns", "Subscription.SubscriptionArn")?;
        Ok(Self {
            protocol: one.protocol().needed("sns", "Subscription.Protocol")?.to_owned(),
            endpoint: one.endpoint().needed("sns", "Subscription.Endpoint")?.to_owned(),
            arn: Some(arn).filter(|arn| *arn != PENDING).map(str::to_owned),
        })
    }
}

/// Who is subscribed to the topic; none if there is no such topic.
async fn subscriptions(context: &Context, arn: &str) -> Result<Option<Vec<Subscribed>>, Error> {
    let call = context.aws.sns().list_subscriptions_by_topic().topic_arn(arn);
    let Some(all) = wait::found(ask_all(call.into_paginator().items().send()).await)? else { return Ok(None) };
    let ours = all.iter().filter(|one| one.protocol().is_some_and(|protocol| PROTOCOLS.contains(&protocol)));
    ours.map(Subscribed::read).collect::<Result<_, _>>().map(Some)
}

/// The topic of that ARN. What is pending and no longer wanted can't be taken back, goes by itself, and isn't told.
async fn read(
    context: &Context,
    arn: &str,
    address: Address,
    tags: &Tags,
    wanted: Option<&Value>,
) -> Result<Option<Live>> {
    let attributes = ask(context.aws.sns().get_topic_attributes().topic_arn(arn).send());
    let (answer, subscriptions) = tokio::join!(attributes, subscriptions(context, arn));
    let (Some(answer), Some(subscriptions)) = (wait::found(answer)?, subscriptions?) else { return Ok(None) };
    let attributes = answer.attributes().needed("sns", "GetTopicAttributes.Attributes")?;
    // A topic without a name to show or a key lacks the attribute, or has an empty one.
    let attribute = |name: &str| attributes.get(name).filter(|value| !value.is_empty());
    let of_protocol = |protocol: &str| -> Vec<String> {
        let asked = |endpoint: &str| {
            let is_one = |wanted: &Value| {
                wanted[protocol].as_array().into_iter().flatten().any(|one| one.as_str() == Some(endpoint))
            };
            wanted.is_none_or(is_one)
        };
        let found = subscriptions.iter().filter(|one| one.protocol == protocol);
        let found = found.filter(|one| one.arn.is_some() || asked(&one.endpoint));
        let found: BTreeSet<String> = found.map(|one| one.endpoint.clone()).collect();
        found.into_iter().collect()
    };
    let document = attribute("Policy").map(|text| policy::parse(text)).transpose()?;
    let name = arn.rsplit(':').next().unwrap_or_default();
    let spec = Spec {
        name: name.to_owned(),
        display_name: attribute("DisplayName").cloned().unwrap_or_default(),
        key: attribute("KmsMasterKeyId").cloned(),
        policy: document.filter(|document| document["Id"] != DEFAULT_POLICY),
        email: of_protocol("email"),
        https: of_protocol("https"),
    };
    Ok(Some(tags::live(address, tags, arn, value(&spec), &[("arn", arn), ("name", name)])))
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

/// Brings attributes and subscriptions to the spec, those fields that changed.
async fn settle(context: &Context, spec: &Spec, changed: &[&str]) -> Result<Outcome> {
    let arn = arn(context, &spec.name);
    for field in changed {
        let (name, value) = match *field {
            "display_name" => ("DisplayName", spec.display_name.clone()),
            "key" => ("KmsMasterKeyId", spec.key.clone().unwrap_or_default()),
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

async fn subscribe(context: &Context, arn: &str, spec: &Spec) -> Result<()> {
    let living = subscriptions(context, arn).await?.unwrap_or_default();
    for (protocol, wanted) in PROTOCOLS.iter().zip([&spec.email, &spec.https]) {
        let there: Vec<&Subscribed> = living.iter().filter(|one| one.protocol == *protocol).collect();
        for endpoint in wanted.iter().filter(|wanted| there.iter().all(|one| one.endpoint != **wanted)) {
            let call = context.aws.sns().subscribe().topic_arn(arn).protocol(*protocol).endpoint(endpoint);
            let call = call.return_subscription_arn(true);
            wait::visible(context, || ask(call.clone().send())).await?;
        }
        let away = there.into_iter().filter(|one| !wanted.contains(&one.endpoint));
        // AWS lets nobody take back what is pending.
        for subscription in away.filter_map(|one| one.arn.as_ref()) {
            wait::found(ask(context.aws.sns().unsubscribe().subscription_arn(subscription).send()).await)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sns_refuses_is_refused() {
        let refused = |spec: Value| format!("{:#}", SnsTopic.normalise(&spec).expect_err("refused"));
        assert!(refused(json!({"name": "a b"})).contains("can't be a topic's name"));
        assert!(refused(json!({"name": "a", "email": ["ops@here"]})).contains("`ops@here` is no mail address"));
        assert!(refused(json!({"name": "a", "https": ["http://x.example"]})).contains("https://"));
        assert!(is_mail_address("ops@example.com") && !is_mail_address("a@b@c.d") && !is_mail_address("@b.c"));
    }

    #[test]
    fn those_who_must_confirm_are_named() {
        let (before, after) = (json!({"email": ["a@b.c"]}), json!({"email": ["a@b.c", "d@e.f"]}));
        let told = SnsTopic.consequences(Action::Update, &["email"], &before, &after);
        assert_eq!(told, ["AWS asks d@e.f to confirm; nothing arrives there before that"]);
        assert!(SnsTopic.consequences(Action::Update, &["email"], &after, &before).is_empty());
    }
}
