//! `oidc_provider`: an OpenID Connect provider whose tokens roles may trust.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{compared, describes, in_place, replaces, typed, value};
use super::wire::texts;
use super::{role, tags, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

/// An OpenID Connect provider. An account has one of each URL: one that isn't this stack's is used by naming its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The provider's address, `https://token.actions.githubusercontent.com`.
    #[schemars(regex(pattern = r"^https://.{1,247}$"))]
    pub url: String,
    /// For whom its tokens are issued. Default: `sts.amazonaws.com`.
    #[serde(default = "clients")]
    #[schemars(inner(length(min = 1, max = 255)))]
    pub clients: Vec<String>,
}

fn clients() -> Vec<String> {
    vec!["sts.amazonaws.com".to_owned()]
}

const FIELDS: &[Field] = &[replaces("url"), compared(in_place("clients"), Comparing::AsSet)];
const OUTPUTS: &[&str] = &["arn"];
/// How long IAM may tell of a role that was deleted.
const FORGOTTEN: Duration = Duration::from_secs(20);
const ACTIONS: &[&str] = &[
    "iam:CreateOpenIDConnectProvider",
    "iam:GetOpenIDConnectProvider",
    "iam:DeleteOpenIDConnectProvider",
    "iam:AddClientIDToOpenIDConnectProvider",
    "iam:RemoveClientIDFromOpenIDConnectProvider",
    "iam:TagOpenIDConnectProvider",
    "iam:UntagOpenIDConnectProvider",
    "iam:GetAccountAuthorizationDetails",
    "iam:GetRole",
];

/// The kind.
#[derive(Debug)]
pub struct OidcProvider;

fn canonical(spec: &mut Spec) -> Result<()> {
    spec.url = spec.url.trim_end_matches('/').to_owned();
    let Some(host) = spec.url.strip_prefix("https://").filter(|host| !host.is_empty() && !host.contains(['?', '#']))
    else {
        bail!("`{}` is no provider's address: IAM takes those that begin with https:// and have no query", spec.url);
    };
    if spec.url.len() > 255 || host.contains(char::is_whitespace) {
        bail!("`{}` is no provider's address: at most 255 characters and no spaces", spec.url);
    }
    Ok(())
}

#[async_trait]
impl Kind for OidcProvider {
    describes!("oidc_provider", "a provider of identities that roles may trust", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        live["url"] != spec["url"]
    }

    fn consequences(&self, action: Action, _changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Delete | Action::Replace => {
                vec!["it stays, without this stack's tags, while roles trust it that don't go with it".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        // No list tells of their tags: those are looked at that the stack wants, and that its roles trust.
        let mut arns: Vec<String> = wanted.iter().map(|one| arn(context, text(one.spec, "url"))).collect();
        for role in role::details(context).await? {
            if tags::of(list(&role, "Tags")).get(tags::STACK) == Some(&context.stack) {
                arns.extend(trusted(&role));
            }
        }
        arns.sort();
        arns.dedup();
        let providers = try_join_all(arns.iter().map(|arn| describe(context, arn))).await?;
        let mut live = Vec::new();
        for (arn, provider) in arns.iter().zip(providers) {
            let Some(provider) = provider else { continue };
            let is_wanted = wanted.iter().any(|one| self::arn(context, text(one.spec, "url")) == *arn);
            match read(context, arn, &provider) {
                Some(found) => live.push(found),
                None if is_wanted => bail!("{}", foreign(arn)),
                None => {}
            }
        }
        Ok(live)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let arn = arn(context, &spec.url);
        let input = json!({"Url": spec.url, "ClientIDList": spec.clients, "Tags": tags::pairs(context, address)});
        match call(context, "CreateOpenIDConnectProvider", input).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let provider = describe(context, &arn).await?.unwrap_or_default();
                if tags::address(context, "oidc_provider", &tags::of(list(&provider, "Tags"))).as_ref() != Some(address)
                {
                    return Err(anyhow::Error::new(error).context(foreign(&arn)));
                }
                settle(context, &arn, &spec).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(outcome(&arn))
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        settle(context, &live.id, &typed(spec)?).await?;
        Ok(outcome(&live.id))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let this = json!({"OpenIDConnectProviderArn": live.id});
        if is_trusted(context, &live.id).await? {
            let input =
                json!({"OpenIDConnectProviderArn": live.id, "TagKeys": [tags::STACK, tags::ADDRESS, tags::APPLIED]});
            wait::found(call(context, "UntagOpenIDConnectProvider", input).await)?;
            return Ok(());
        }
        wait::found(call(context, "DeleteOpenIDConnectProvider", this).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let Some(provider) = describe(context, id).await? else { return Ok(None) };
        Ok(read(context, id, &tags::claim(context, address, id, provider, "Tags")?))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let input = json!({"OpenIDConnectProviderArn": outcome.id, "Tags": tags::list_of(tags)});
        wait::visible(context, || call(context, "TagOpenIDConnectProvider", input.clone())).await?;
        Ok(())
    }
}

async fn call(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    context.aws.call(Service::Iam, operation, input).await
}

/// The ARN of the account's provider at an address.
fn arn(context: &Context, url: &str) -> String {
    let host = url.trim_start_matches("https://").trim_end_matches('/');
    format!("arn:{}:iam::{}:oidc-provider/{host}", tags::partition(&context.region), context.account)
}

fn foreign(arn: &str) -> String {
    format!(
        "{arn} is there already and isn't this stack's, and an account has one provider of each address: write \
         `existing = true` under [ci] to use it as it is, or take it over by `lakewright adopt oidc_provider.github {arn}`"
    )
}

/// Whether a role that lives trusts a provider. The stack's own count too: with `existing = true` its role goes on using
/// a provider that is no longer declared. Those are asked for one by one, because the list of all tells of a role for a
/// while after it was deleted.
async fn is_trusted(context: &Context, arn: &str) -> Result<bool> {
    for role in role::details(context).await?.into_iter().filter(|role| trusted(role).iter().any(|one| one == arn)) {
        let is_own = tags::of(list(&role, "Tags")).get(tags::STACK) == Some(&context.stack);
        if !is_own || lives(context, text(&role, "RoleName")).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a role of the stack lives. One that was deleted a moment ago may still be told of.
async fn lives(context: &Context, name: &str) -> Result<bool> {
    let began = Instant::now();
    loop {
        if wait::found(call(context, "GetRole", json!({"RoleName": name})).await)?.is_none() {
            return Ok(false);
        }
        if began.elapsed() >= context.settles.min(FORGOTTEN) {
            return Ok(true);
        }
        tokio::time::sleep(context.poll).await;
    }
}

/// The ARNs of the providers whose tokens a role trusts.
fn trusted(role: &Value) -> Vec<String> {
    let Ok(trust) = super::policy::parse(text(role, "AssumeRolePolicyDocument")) else { return Vec::new() };
    let statements = list(&trust, "Statement").iter();
    statements.flat_map(|statement| texts(&statement["Principal"], "Federated")).collect()
}

async fn describe(context: &Context, arn: &str) -> Result<Option<Value>> {
    let answer = call(context, "GetOpenIDConnectProvider", json!({"OpenIDConnectProviderArn": arn})).await;
    Ok(wait::found(answer)?)
}

fn outcome(arn: &str) -> Outcome {
    tags::outcome(arn, &[("arn", arn)])
}

fn read(context: &Context, arn: &str, provider: &Value) -> Option<Live> {
    let tags = tags::of(list(provider, "Tags"));
    let address = tags::address(context, "oidc_provider", &tags)?;
    let spec = Spec { url: format!("https://{}", text(provider, "Url")), clients: texts(provider, "ClientIDList") };
    Some(tags::live(address, &tags, arn, value(&spec), &[("arn", arn)]))
}

/// Brings the clients to those of the spec.
async fn settle(context: &Context, arn: &str, spec: &Spec) -> Result<()> {
    let this = json!({"OpenIDConnectProviderArn": arn});
    let provider = wait::visible(context, || call(context, "GetOpenIDConnectProvider", this.clone())).await?;
    let present = texts(&provider, "ClientIDList");
    let change = |client: &str| json!({"OpenIDConnectProviderArn": arn, "ClientID": client});
    for client in spec.clients.iter().filter(|client| !present.contains(client)) {
        call(context, "AddClientIDToOpenIDConnectProvider", change(client)).await?;
    }
    for client in present.iter().filter(|client| !spec.clients.contains(client)) {
        call(context, "RemoveClientIDFromOpenIDConnectProvider", change(client)).await?;
    }
    Ok(())
}
