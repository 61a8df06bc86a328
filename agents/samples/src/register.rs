//! Registering the schemas of sample messages.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use aws_sdk_glue::types::{Compatibility, DataFormat, SchemaId as GlueSchema, SchemaVersionStatus};
use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use lakewright_aws::{Aws, ask, client};
use lakewright_config::Registry;
use lakewright_formats::SchemaId;
use lakewright_formats::registry::in_place;
use lakewright_platform::http::Client;
use serde_json::{Value, json};

use crate::topic::Needed;

/// How long the registry on this machine may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The registry of schemas that name none, which Glue makes by itself.
const GLUES_OWN: &str = "default-registry";

/// Registers the schema of a topic's messages; gives its id. One that is registered already has the id that it had.
///
/// # Errors
/// The registry can't be asked, or doesn't take it.
pub(crate) async fn register(aws: &Aws, topic: &str, needed: &Needed) -> Result<SchemaId> {
    match &needed.registry {
        Registry::Glue => glue(aws, topic, &needed.text).await,
        Registry::Confluent { url, .. } => match in_place()? {
            Some(here) => confluent(&here, topic, &needed.text).await,
            None => bail!("sample messages are registered on this machine alone, not in {url}"),
        },
    }
}

/// By the topic's name, as Glue's serializers name schemas. What the declaration says is what is written, so that no change of
/// it is refused as incompatible.
async fn glue(aws: &Aws, topic: &str, text: &str) -> Result<SchemaId> {
    let glue = client!(aws, "glue", aws_sdk_glue);
    let create = glue.create_schema().schema_name(topic).data_format(DataFormat::Avro);
    let create = create.compatibility(Compatibility::None).schema_definition(text);
    let id = match ask(create.send()).await {
        Ok(made) => made.schema_version_id().map(str::to_owned),
        Err(error) if error.is_already_exists() => {
            let schema = GlueSchema::builder().registry_name(GLUES_OWN).schema_name(topic).build();
            let register = glue.register_schema_version().schema_id(schema).schema_definition(text);
            let version =
                ask(register.send()).await.with_context(|| format!("register a version of the schema {topic}"))?;
            ensure!(
                version.status() == Some(&SchemaVersionStatus::Available),
                "Glue's schema registry takes the schema of {topic} as {}",
                version.status().map_or("unknown", SchemaVersionStatus::as_str)
            );
            version.schema_version_id().map(str::to_owned)
        }
        Err(error) => return Err(error).with_context(|| format!("register the schema {topic}")),
    };
    let id = id.context("Glue's schema registry gave a schema no id")?;
    Ok(SchemaId::Glue(id.parse().with_context(|| format!("`{id}` is no schema version's id"))?))
}

/// Under the topic's name as Confluent's serializers have it; compatibility as with Glue's.
async fn confluent(url: &str, topic: &str, text: &str) -> Result<SchemaId> {
    let client = Client::new(url)?;
    let subject = format!("{topic}-value");
    let config = json!({ "compatibility": "NONE" });
    let request = Request::put(format!("{url}/config/{subject}")).header(CONTENT_TYPE, "application/json");
    let request = request.body(Bytes::from(config.to_string())).context("set the compatibility")?;
    let (status, _) = client.exchange(request, PATIENCE).await.context("set the compatibility")?;
    ensure!(status.is_success(), "the schema registry refuses the compatibility of {subject}: {status}");
    let asked = client.post(&format!("{url}/subjects/{subject}/versions"), &json!({ "schema": text }), PATIENCE).await;
    let answer: Value = asked.with_context(|| format!("register the schema {subject}"))?;
    let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok());
    Ok(SchemaId::Confluent(id.with_context(|| format!("the schema registry answered {answer}"))?))
}
