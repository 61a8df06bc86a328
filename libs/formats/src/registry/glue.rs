//! AWS Glue's schema registry.

use async_trait::async_trait;
use aws_sdk_glue::types::{DataFormat, SchemaVersionStatus};
use lakewright_aws::{Aws, ask, client};

use super::{Answer, Registry};
use crate::reject::{Reject, shown};
use crate::wire::SchemaId;

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
}

#[async_trait]
impl Registry for Glue {
    async fn ask(&self, id: SchemaId) -> Result<Answer, String> {
        let SchemaId::Glue(uuid) = id else {
            return Ok(Answer::Missing(Reject::header(format!("{id} is none of Glue's schema registry"))));
        };
        let call = self.client.get_schema_version().schema_version_id(uuid.to_string()).send();
        let answer = match ask(call).await {
            Ok(answer) => answer,
            Err(error) if error.is_not_found() => {
                let message = format!("Glue's schema registry has no {id}: look at the producer's account and region");
                return Ok(Answer::Missing(Reject::schema(message)));
            }
            Err(error) => return Err(error.to_string()),
        };
        match answer.status() {
            Some(SchemaVersionStatus::Available) => {}
            Some(SchemaVersionStatus::Pending) => {
                return Err(format!("{id} isn't checked yet by Glue's schema registry"));
            }
            other => {
                let state = other.map_or("unknown", SchemaVersionStatus::as_str);
                return Ok(Answer::Missing(Reject::schema(format!("{id} is in the state {}", shown(state)))));
            }
        }
        match (answer.data_format(), answer.schema_definition()) {
            (Some(DataFormat::Json), _) => Ok(Answer::Json),
            (Some(DataFormat::Avro), Some(text)) => Ok(Answer::Avro { text: text.to_owned(), references: Vec::new() }),
            (format, _) => {
                let format = format.map_or("unknown", DataFormat::as_str);
                let message = format!("{id} is of the kind {}: Avro and JSON are read", shown(format));
                Ok(Answer::Missing(Reject::unsupported(message)))
            }
        }
    }
}
