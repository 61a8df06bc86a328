//! `oidc_provider`: an OpenID Connect provider whose tokens roles may trust.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_iam::operation::get_open_id_connect_provider::GetOpenIdConnectProviderOutput as Provider;
use aws_sdk_iam::types::RoleDetail;
use lakewright_aws::{Error, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::each::{self, One, each};
use super::spec::{compared, in_place, replaces};
use super::values::text;
use super::{policy, role, tag_lists, tags, wait};
use crate::kind::{
    Arn, Billing, CONTINUED, Comparing, Context, Delta, ENDS, Facts, Field, Found, Grant, Kind, Outcome, Wanted,
};
use crate::resource::{Address, Obstacle};
use crate::services::Services as _;

text!(
    /// A provider's address.
    ProviderUrl,
    r"^https://.{1,247}$"
);

/// An OpenID Connect provider. An account has one of each URL: one that isn't this stack's is used by naming its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The provider's address, `https://token.actions.githubusercontent.com`.
    pub url: ProviderUrl,
    /// For whom its tokens are issued. Default: `sts.amazonaws.com`.
    #[serde(default = "clients")]
    #[schemars(inner(length(min = 1, max = 255)))]
    pub client_ids: Vec<String>,
}

fn clients() -> Vec<String> {
    vec!["sts.amazonaws.com".to_owned()]
}

const FIELDS: &[Field] = &[replaces("url"), compared(in_place("client_ids"), Comparing::AsSet)];
const OUTPUTS: &[&str] = &["arn"];
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
const ARNS: &[Arn] = &[("provider", "iam::{account}:oidc-provider/{url:host}")];
const FACTS: Facts = Facts {
    renamed_fields: &[("clients", "client_ids")],
    review: &["url", "client_ids"],
    arns: ARNS,
    rights: super::rights::identity::IDENTITIES,
    billing: Billing::Free,
    follows: &[(ENDS, "it stays, without this stack's tags, while roles trust it that don't go with it")],
    ..Facts::of("oidc_provider", "a provider of identities that roles may trust", FIELDS, OUTPUTS, ACTIONS)
};

/// How long IAM may list a role that was deleted.
const FORGOTTEN: Duration = Duration::from_secs(20);

/// The kind.
#[derive(Debug)]
pub struct OidcProvider;

#[async_trait]
impl Kind for OidcProvider {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.url = spec.url.trim_end_matches('/').into();
        let host = spec.url.strip_prefix("https://").unwrap_or_default();
        let is_host = !host.is_empty() && !host.contains(|c: char| matches!(c, '?' | '#') || c.is_whitespace());
        if !is_host && !spec.url.contains("${") {
            bail!("`{}` is no provider's address: IAM takes a host and a path, without spaces and a query", spec.url);
        }
        Ok(())
    }

    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.url != spec.url
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        let grant = |client: &String| {
            let who = format!("whoever has a token of {} for {client}", spec.url.as_str());
            Grant::to(who, "become the roles that trust it")
        };
        spec.client_ids.iter().map(grant).collect()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        // No list has their tags: those are looked at that the stack wants, and that its roles trust.
        let mut arns: Vec<String> = wanted.iter().map(|one| arn(context, &one.spec.url)).collect();
        for role in role::details(context).await?.roles.iter().filter(|role| is_own(context, role)) {
            arns.extend(trusted(role)?);
        }
        arns.sort();
        arns.dedup();
        let reads = arns.iter().map(|one| {
            let address = each::address(context, FACTS.name, None, wanted, |spec| arn(context, &spec.url) == *one);
            let is_wanted = address.is_some();
            let read = async move {
                let Some(provider) = describe(context, one).await? else { return Ok(None) };
                match read(context, one, &provider)? {
                    None if is_wanted => Err(foreign(one).into()),
                    found => Ok(found),
                }
            };
            One { address, id: one.clone(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let arn = arn(context, &spec.url);
        let call = context.aws.iam().create_open_id_connect_provider().url(spec.url.as_str());
        let call = call.set_client_id_list(Some(spec.client_ids.clone()));
        match ask(call.set_tags(Some(tag_lists::owned(context, address))).send()).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let provider = describe(context, &arn).await?;
                let tags = provider.map(|provider| tag_lists::read(provider.tags())).unwrap_or_default();
                if tags::address(context, "oidc_provider", &tags).as_ref() != Some(address) {
                    return Err(anyhow::Error::new(error).context(foreign(&arn)));
                }
                settle(context, &arn, spec).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(outcome(&arn))
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        settle(context, &live.id, spec).await?;
        Ok(outcome(&live.id))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        if is_trusted(context, &live.id).await? {
            let keys = [tags::STACK, tags::ADDRESS, tags::APPLIED, CONTINUED].map(str::to_owned);
            let call = context.aws.iam().untag_open_id_connect_provider().open_id_connect_provider_arn(&live.id);
            wait::found(ask(call.set_tag_keys(Some(keys.into())).send()).await)?;
            return Ok(());
        }
        let call = context.aws.iam().delete_open_id_connect_provider().open_id_connect_provider_arn(&live.id);
        wait::found(ask(call.send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(mut provider) = describe(context, id).await? else { return Ok(None) };
        let claimed = tags::claimed(context, address, id, tag_lists::read(provider.tags()))?;
        provider.tags = Some(tag_lists::listed(&claimed));
        read(context, id, &provider)
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.iam().tag_open_id_connect_provider().open_id_connect_provider_arn(&outcome.id);
        let call = call.set_tags(Some(tag_lists::written(tags)));
        wait::visible(context, || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        let call = context.aws.iam().untag_open_id_connect_provider().open_id_connect_provider_arn(&outcome.id);
        ask(call.set_tag_keys(Some(tag_lists::keys(keys))).send()).await?;
        Ok(())
    }
}

/// The ARN of the account's provider at an address.
fn arn(context: &Context, url: &str) -> String {
    let host = url.trim_start_matches("https://").trim_end_matches('/');
    context.site().global("iam", &format!("oidc-provider/{host}"))
}

fn foreign(arn: &str) -> Obstacle {
    Obstacle::new(
        format!("{arn} is there already and isn't this stack's, and an account has one provider of each address"),
        format!(
            "write `existing = true` under [ci] to use it as it is, or take it over by `lakewright adopt \
             oidc_provider.github {arn}`"
        ),
    )
}

/// Whether a role that exists trusts a provider. The stack's own count too: with `existing = true` its role goes on using
/// a provider that is no longer declared. Those are asked for one by one, because the list of all holds a role for a
/// while after it was deleted.
async fn is_trusted(context: &Context, arn: &str) -> Result<bool> {
    for role in &role::details(context).await?.roles {
        if !trusted(role)?.iter().any(|one| one == arn) {
            continue;
        }
        let name = role.role_name().needed("iam", "RoleDetail.RoleName")?;
        if !is_own(context, role) || lives(context, name).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a role carries the stack's tag.
fn is_own(context: &Context, role: &RoleDetail) -> bool {
    tag_lists::read(role.tags()).get(tags::STACK) == Some(&context.stack)
}

/// Whether a role of the stack exists. One that was deleted a moment ago may still be listed.
async fn lives(context: &Context, name: &str) -> Result<bool> {
    let began = Instant::now();
    loop {
        if wait::found(ask(context.aws.iam().get_role().role_name(name).send()).await)?.is_none() {
            return Ok(false);
        }
        if began.elapsed() >= context.pace.patience(FORGOTTEN) {
            return Ok(true);
        }
        tokio::time::sleep(context.pace.poll).await;
    }
}

/// The ARNs of the providers whose tokens a role trusts.
fn trusted(role: &RoleDetail) -> Result<Vec<String>, Error> {
    let document = role.assume_role_policy_document().needed("iam", "RoleDetail.AssumeRolePolicyDocument")?;
    let Ok(trust) = policy::parse(document) else { return Ok(Vec::new()) };
    let statements = trust["Statement"].as_array().into_iter().flatten();
    let federated =
        statements.flat_map(|statement| statement["Principal"]["Federated"].as_array().into_iter().flatten());
    Ok(federated.filter_map(Value::as_str).map(str::to_owned).collect())
}

async fn describe(context: &Context, arn: &str) -> Result<Option<Provider>, Error> {
    let call = context.aws.iam().get_open_id_connect_provider().open_id_connect_provider_arn(arn);
    wait::found(ask(call.send()).await)
}

fn outcome(arn: &str) -> Outcome {
    tags::outcome(arn, &[("arn", arn)])
}

fn read(context: &Context, arn: &str, provider: &Provider) -> Result<Option<Found<Spec>>> {
    let tags = tag_lists::read(provider.tags());
    let Some(address) = tags::address(context, "oidc_provider", &tags) else { return Ok(None) };
    let url = provider.url().needed("iam", "GetOpenIDConnectProvider.Url")?;
    let spec = Spec { url: format!("https://{url}").into(), client_ids: provider.client_id_list().to_vec() };
    Ok(Some(tags::found(address, &tags, arn, spec, &[("arn", arn)])))
}

/// Brings the clients to those of the spec.
async fn settle(context: &Context, arn: &str, spec: &Spec) -> Result<()> {
    let call = context.aws.iam().get_open_id_connect_provider().open_id_connect_provider_arn(arn);
    let provider = wait::visible(context, || ask(call.clone().send())).await?;
    let present = provider.client_id_list();
    for client in spec.client_ids.iter().filter(|client| !present.contains(client)) {
        let call = context.aws.iam().add_client_id_to_open_id_connect_provider().open_id_connect_provider_arn(arn);
        ask(call.client_id(client).send()).await?;
    }
    for client in present.iter().filter(|client| !spec.client_ids.contains(client)) {
        let call = context.aws.iam().remove_client_id_from_open_id_connect_provider().open_id_connect_provider_arn(arn);
        ask(call.client_id(client).send()).await?;
    }
    Ok(())
}
