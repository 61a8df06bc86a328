//! AWS Glue's schema registry.

use async_trait::async_trait;
use aws_sdk_glue::types::{
    Compatibility as GlueCompatibility, DataFormat, SchemaId as SchemaIdentifier, SchemaVersionNumber,
    SchemaVersionStatus,
};
use lakewright_aws::{Aws, ask, client};

use super::{Answer, Compatibility, Newest, NoAnswer, Registry};
use crate::reject::{Reject, shown};
use crate::wire::SchemaId;

/// So many versions are looked at for the newest that isn't failed.
const MOST_FAILED: usize = 20;

/// The schema registry of an account and region.
#[derive(Debug)]
pub struct Glue {
    client: aws_sdk_glue::Client,
}

impl Glue {
    /// The registry of the connection's account and region.
    pub fn new(aws: &Aws) -> Self {
        Self { client: client!(aws, "glue", aws_sdk_glue) }
    }

    /// The newest schema of a name in a registry, and which may follow it; `None` if there is none.
    ///
    /// # Errors
    /// The registry doesn't say now.
    pub async fn newest(&self, registry: &str, schema: &str) -> Result<Option<Newest>, NoAnswer> {
        let id = SchemaIdentifier::builder().registry_name(registry).schema_name(schema).build();
        let found = match ask(self.client.get_schema().schema_id(id.clone()).send()).await {
            Ok(found) => found,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(NoAnswer::Registry(error.to_string())),
        };
        let word = found.compatibility().map_or("unknown", GlueCompatibility::as_str);
        let compatibility = Compatibility::of(word);
        let compatibility =
            compatibility.ok_or_else(|| NoAnswer::Registry(format!("it names the compatibility `{}`", shown(word))))?;
        let mut wanted = SchemaVersionNumber::builder().latest_version(true).build();
        let mut looked = 1;
        let (newest, version) = loop {
            let call = self.client.get_schema_version().schema_id(id.clone()).schema_version_number(wanted).send();
            let newest = match ask(call).await {
                Ok(newest) => newest,
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(NoAnswer::Registry(error.to_string())),
            };
            let version = newest.version_number().unwrap_or_default();
            // One that didn't pass the check of compatibility writes no messages: the one before does.
            if newest.status() != Some(&SchemaVersionStatus::Failure) || version <= 1 || looked == MOST_FAILED {
                break (newest, version);
            }
            looked += 1;
            wanted = SchemaVersionNumber::builder().version_number(version - 1).build();
        };
        let name = format!("version {version} of `{}`", shown(schema));
        let answer = answer(newest.status(), (newest.data_format(), newest.schema_definition()), &name)?;
        Ok(Some(Newest { version, answer, compatibility }))
    }
}

#[async_trait]
impl Registry for Glue {
    async fn ask(&self, id: SchemaId) -> Result<Answer, NoAnswer> {
        let SchemaId::Glue(uuid) = id else {
            return Ok(Answer::Unreadable(Reject::header(format!("{id} is none of Glue's schema registry"))));
        };
        let call = self.client.get_schema_version().schema_version_id(uuid.to_string()).send();
        let found = match ask(call).await {
            Ok(found) => found,
            Err(error) if error.is_not_found() => {
                let message = format!("Glue's schema registry has no {id}: look at the producer's account and region");
                return Ok(Answer::Missing(Reject::schema(message)));
            }
            Err(error) => return Err(NoAnswer::Registry(error.to_string())),
        };
        answer(found.status(), (found.data_format(), found.schema_definition()), &id.to_string())
    }
}

/// What a version of a schema is, which messages name so.
fn answer(
    status: Option<&SchemaVersionStatus>,
    (format, text): (Option<&DataFormat>, Option<&str>),
    name: &str,
) -> Result<Answer, NoAnswer> {
    match status {
        Some(SchemaVersionStatus::Available) => {}
        Some(SchemaVersionStatus::Pending) => {
            return Err(NoAnswer::Id(format!("{name} isn't checked yet by Glue's schema registry")));
        }
        other => {
            let state = other.map_or("unknown", SchemaVersionStatus::as_str);
            return Ok(Answer::Unreadable(Reject::schema(format!("{name} is in the state {}", shown(state)))));
        }
    }
    match (format, text) {
        (Some(DataFormat::Json), _) => Ok(Answer::Json),
        (Some(DataFormat::Avro), Some(text)) => Ok(Answer::Avro { text: text.to_owned(), references: Vec::new() }),
        (format, _) => {
            let format = format.map_or("unknown", DataFormat::as_str);
            let message = format!("{name} is of the kind {}: Avro and JSON are read", shown(format));
            Ok(Answer::Unreadable(Reject::unsupported(message)))
        }
    }
}
