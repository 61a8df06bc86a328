//! `session_document`: how Session Manager's shells are encrypted, logged and ended.

mod content;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use aws_sdk_ssm::types::{DocumentDescription, DocumentFormat, DocumentStatus, DocumentType, ResourceTypeForTagging};
use lakewright_aws::{Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{self, One, each};
use super::spec::{in_place, replaces};
use super::tags::{self, Tags};
use super::values::{KeyId, LogGroupName, text};
use super::{tag_lists, tagged, wait};
use crate::kind::{Arn, Billing, Context, Delta, ENDS, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::{Action, Address, Condition};
use crate::services::Services as _;

text!(
    /// A document's name: 3 to 128 letters, digits, `_`, `-` and `.`.
    DocumentName,
    r"^[A-Za-z0-9_.-]{3,128}$",
    not "^([Aa][Ww][Ss]|amazon|amzn)" => "Systems Manager keeps names that begin with `aws`, `amazon` or `amzn` for itself",
    not "^SSM-SessionManagerRunShell$" => "that document is the account's, for sessions that name none: choose another name"
);
text!(
    /// A user of a host: small letters, digits, `_` and `-`.
    UserName,
    r"^[a-z_][a-z0-9_-]{0,31}$",
    not "^root$" => "sessions don't run as root: name another user, who may use `sudo`"
);

/// A document that names how shells which are started by it run. Whoever starts one names it: `aws ssm start-session
/// --document-name NAME`. Sessions that name none run by the account's own document, which this one leaves alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: DocumentName,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub description: String,
    /// The KMS key, by ARN, that encrypts what goes between the host and whoever types, besides TLS: the host needs
    /// `kms:Decrypt` on it, whoever types `kms:GenerateDataKey`. Without it, TLS alone does.
    #[serde(default)]
    pub key: Option<KeyId>,
    /// The name of the log group to which all that is typed and shown is written while it happens. Without it, it is written
    /// nowhere.
    #[serde(default)]
    pub log_group: Option<LogGroupName>,
    /// Whether sessions are refused where a KMS key doesn't encrypt the log group.
    #[serde(default)]
    pub encrypted_log: bool,
    /// After how many minutes without a word a session ends, 1 to 60.
    #[serde(default = "idle_minutes")]
    #[schemars(range(min = 1, max = 60))]
    pub idle_minutes: u32,
    /// After how many minutes a session ends whatever happens in it, 1 to 1440. Without it, it doesn't.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1440))]
    pub max_minutes: Option<u32>,
    /// The user of the hosts that shells run as. Without it, `ssm-user`, whom Systems Manager's agent makes.
    #[serde(default)]
    pub run_as: Option<UserName>,
}

fn idle_minutes() -> u32 {
    20
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("description"),
    in_place("key"),
    in_place("log_group"),
    in_place("encrypted_log"),
    in_place("idle_minutes"),
    in_place("max_minutes"),
    in_place("run_as"),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "ssm:CreateDocument",
    "ssm:DeleteDocument",
    "ssm:DescribeDocument",
    "ssm:GetDocument",
    "ssm:UpdateDocument",
    "ssm:UpdateDocumentDefaultVersion",
    "ssm:AddTagsToResource",
    "ssm:ListTagsForResource",
    "ssm:RemoveTagsFromResource",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("session document", "ssm:{region}:{account}:document/{name}")];
const FACTS: Facts = Facts {
    identified_by: &["name"],
    tag_types: &["ssm:document"],
    review: &["run_as"],
    arns: ARNS,
    rights: super::rights::code::SESSIONS,
    billing: Billing::Free,
    follows: &[
        (&[Action::Update], "sessions that are open go on as they began"),
        (ENDS, "sessions that name it can't be started any more; those that are open go on"),
    ],
    ..Facts::of("session_document", "how Session Manager's shells run", FIELDS, OUTPUTS, ACTIONS)
};

/// How long Systems Manager may take to read a document.
const ACTIVE: Duration = Duration::from_mins(2);
/// The newest version of a document.
const LATEST: &str = "$LATEST";

/// The kind.
#[derive(Debug)]
pub struct SessionDocument;

#[async_trait]
impl Kind for SessionDocument {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "ssm").await?.into_iter().collect();
        let mut arns: BTreeSet<String> = tagged.keys().cloned().collect();
        arns.extend(wanted.iter().map(|wanted| arn(context, &wanted.spec.name)));
        let reads = arns.iter().map(|one| {
            let tags = tagged.get(one);
            let address = each::address(context, FACTS.name, tags, wanted, |spec| arn(context, &spec.name) == *one);
            let read = async move {
                match tagged::owner(context, FACTS.name, tags, tags_of(context, name_of(one))).await? {
                    Some((address, tags)) => read(context, one, address, &tags).await,
                    None => Ok(None),
                }
            };
            One { address, id: one.clone(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.ssm().create_document().name(spec.name.as_str()).content(content::written(spec));
        let call = call.document_type(DocumentType::Session).document_format(DocumentFormat::Json);
        let answer = ask(call.set_tags(Some(tag_lists::owned(context, address))).send()).await;
        let tags = async { Ok(tags_of(context, &spec.name).await?.unwrap_or_default()) };
        let what = format!("the document {}", spec.name);
        if tags::made(context, address, &what, answer, tags).await?.is_none() {
            write(context, spec).await?;
        }
        active(context, spec).await
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        write(context, spec).await?;
        active(context, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        wait::found(ask(context.aws.ssm().delete_document().name(live.spec.name.as_str()).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = name_of(id);
        let Some(tags) = tags_of(context, name).await? else { return Ok(None) };
        let tags = tags::claimed(context, address, id, tags)?;
        read(context, &arn(context, name), address.clone(), &tags).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.ssm().add_tags_to_resource().resource_type(ResourceTypeForTagging::Document);
        ask(call.resource_id(name_of(&outcome.id)).set_tags(Some(tag_lists::written(tags))).send()).await?;
        Ok(())
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        let call = context.aws.ssm().remove_tags_from_resource().resource_type(ResourceTypeForTagging::Document);
        ask(call.resource_id(name_of(&outcome.id)).set_tag_keys(Some(tag_lists::keys(keys))).send()).await?;
        Ok(())
    }
}

fn arn(context: &Context, name: &str) -> String {
    context.site().arn("ssm", &format!("document/{name}"))
}

/// The name in an ARN; what is no ARN is a name.
fn name_of(id: &str) -> &str {
    id.rsplit_once(":document/").map_or(id, |(_, name)| name)
}

async fn tags_of(context: &Context, name: &str) -> Result<Option<Tags>> {
    let call = context.aws.ssm().list_tags_for_resource().resource_type(ResourceTypeForTagging::Document);
    let answer = wait::found(ask(call.resource_id(name).send()).await)?;
    Ok(answer.map(|answer| tag_lists::read(answer.tag_list())))
}

/// The document of that ARN: its default version, by which sessions are started.
async fn read(context: &Context, arn: &str, address: Address, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let name = name_of(arn);
    let answer = ask(context.aws.ssm().get_document().name(name).document_format(DocumentFormat::Json).send()).await;
    let answer = tagged::readable(context, wait::found(answer), tags_of(context, name)).await?;
    let Some(answer) = answer else { return Ok(None) };
    let text = answer.content().needed("ssm", "GetDocument.Content")?;
    let (spec, departures) = content::read(name, text).with_context(|| format!("read the document {name}"))?;
    let mut found = tags::found(address, tags, arn, spec, &[("arn", arn), ("name", name)]);
    found.departures = departures;
    if let Some(status @ (DocumentStatus::Creating | DocumentStatus::Updating)) = answer.status() {
        found.condition = Condition::Pending(status.to_string());
    }
    Ok(Some(found))
}

/// Makes what the spec says the version by which sessions are started. The one before goes: what it said may be said again.
async fn write(context: &Context, spec: &Spec) -> Result<()> {
    let ssm = context.aws.ssm();
    let name = spec.name.as_str();
    let before = described(context, name).await?.and_then(|document| document.default_version);
    let call = ssm.update_document().name(name).content(content::written(spec)).document_version(LATEST);
    let version = match ask(call.document_format(DocumentFormat::Json).send()).await {
        Ok(answer) => answer.document_description.and_then(|document| document.document_version),
        // An attempt whose answer was lost made it, or it was the default before somebody changed that.
        Err(error) if error.is_already_exists() => match saying(context, spec).await? {
            Some(version) => Some(version),
            None => return Err(error.into()),
        },
        Err(error) => return Err(error.into()),
    };
    let version = version.needed("ssm", "DocumentDescription.DocumentVersion")?;
    if before.as_ref() == Some(&version) {
        return Ok(());
    }
    ask(ssm.update_document_default_version().name(name).document_version(&version).send()).await?;
    if let Some(before) = before {
        wait::found(ask(ssm.delete_document().name(name).document_version(before).send()).await)?;
    }
    Ok(())
}

/// The newest version that says what the spec does.
async fn saying(context: &Context, spec: &Spec) -> Result<Option<String>> {
    let name = spec.name.as_str();
    let latest = described(context, name).await?.and_then(|document| document.latest_version);
    let latest: u64 = latest.needed("ssm", "DocumentDescription.LatestVersion")?.parse()?;
    for version in (1..=latest).rev().map(|number| number.to_string()) {
        let call = context.aws.ssm().get_document().name(name).document_version(&version);
        let found = wait::found(ask(call.document_format(DocumentFormat::Json).send()).await)?;
        if found.is_some_and(|found| found.content().is_some_and(|text| content::is(text, spec))) {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

async fn described(context: &Context, name: &str) -> Result<Option<DocumentDescription>> {
    let answer = wait::found(ask(context.aws.ssm().describe_document().name(name).send()).await)?;
    Ok(answer.and_then(|answer| answer.document))
}

/// Waits until sessions can be started by it.
async fn active(context: &Context, spec: &Spec) -> Result<Outcome> {
    let name = spec.name.as_str();
    let probe = async || {
        let document = described(context, name).await?;
        Ok(document.filter(|document| document.status() == Some(&DocumentStatus::Active)).map(|_| ()))
    };
    wait::until(context, ACTIVE, &format!("the document {name} can't be used"), probe).await?;
    let arn = arn(context, name);
    Ok(tags::outcome(&arn, &[("arn", &arn), ("name", name)]))
}
