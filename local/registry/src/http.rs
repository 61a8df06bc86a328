//! The HTTP endpoints.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::store::{Compatibility, Refused, Store, Stored, Version};

/// The largest request, in bytes.
const LARGEST: usize = 4 << 20;

type Shared = State<Arc<Store>>;
type Answer = Result<Json<Value>, Refused>;

/// The routes.
pub fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/", get(async || Json(json!({}))))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(find))
        .route("/subjects/{subject}/versions", get(numbers).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/schemas/ids/{id}", get(schema))
        .route("/schemas/types", get(async || Json(json!(["JSON", "AVRO"]))))
        .route("/config", get(config_of_all).put(set_config_of_all))
        .route("/config/{subject}", get(config).put(set_config))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(store)
}

/// A schema as it is sent.
#[derive(Debug, Deserialize)]
struct Sent {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Value>,
}

impl TryFrom<Sent> for Stored {
    type Error = Refused;

    fn try_from(sent: Sent) -> Result<Self, Refused> {
        if !sent.references.is_empty() {
            return Err(Refused::Invalid("schemas that refer to others aren't taken here".to_owned()));
        }
        Ok(Self { schema: sent.schema, kind: sent.schema_type.unwrap_or_else(|| "AVRO".to_owned()) })
    }
}

#[derive(Debug, Deserialize)]
struct Mode {
    compatibility: Compatibility,
}

async fn subjects(State(store): Shared) -> Json<Value> {
    Json(json!(store.subjects()))
}

async fn numbers(State(store): Shared, Path(subject): Path<String>) -> Answer {
    Ok(Json(json!(store.versions(&subject)?.iter().map(|version| version.number).collect::<Vec<_>>())))
}

async fn register(State(store): Shared, Path(subject): Path<String>, Json(sent): Json<Sent>) -> Answer {
    Ok(Json(json!({ "id": store.register(&subject, sent.try_into()?)? })))
}

async fn find(State(store): Shared, Path(subject): Path<String>, Json(sent): Json<Sent>) -> Answer {
    Ok(described(&subject, &store.find(&subject, &sent.try_into()?)?))
}

async fn version(State(store): Shared, Path((subject, wanted)): Path<(String, String)>) -> Answer {
    let versions = store.versions(&subject)?;
    let found = match wanted.as_str() {
        "latest" | "-1" => versions.last(),
        number => versions.iter().find(|version| number.parse() == Ok(version.number)),
    };
    found.map(|version| described(&subject, version)).ok_or(Refused::Version(wanted))
}

async fn schema(State(store): Shared, Path(id): Path<String>) -> Answer {
    Ok(Json(Value::Object(members(&store.schema(number(&id)?)?))))
}

/// A schema's id as a path has it: a signed number of 32 bits. Confluent's registry has no such path for all else.
fn number(text: &str) -> Result<u32, Refused> {
    let id: i32 = text.parse().map_err(|_| Refused::Path)?;
    u32::try_from(id).map_err(|_| Refused::Schema)
}

async fn config(State(store): Shared, Path(subject): Path<String>) -> Json<Value> {
    Json(json!({ "compatibilityLevel": store.compatibility(&subject) }))
}

async fn config_of_all(State(store): Shared) -> Json<Value> {
    Json(json!({ "compatibilityLevel": store.compatibility("") }))
}

async fn set_config(State(store): Shared, Path(subject): Path<String>, Json(mode): Json<Mode>) -> Answer {
    store.set_compatibility(&subject, mode.compatibility)?;
    Ok(Json(json!({ "compatibility": mode.compatibility })))
}

async fn set_config_of_all(store: Shared, mode: Json<Mode>) -> Answer {
    set_config(store, Path(String::new()), mode).await
}

/// A schema's members; the kind AVRO isn't said.
fn members(stored: &Stored) -> serde_json::Map<String, Value> {
    let mut members = serde_json::Map::new();
    members.insert("schema".to_owned(), json!(stored.schema));
    if stored.kind != "AVRO" {
        members.insert("schemaType".to_owned(), json!(stored.kind));
    }
    members
}

fn described(subject: &str, version: &Version) -> Json<Value> {
    let mut all = members(&version.stored);
    all.insert("subject".to_owned(), json!(subject));
    all.insert("version".to_owned(), json!(version.number));
    all.insert("id".to_owned(), json!(version.id));
    Json(Value::Object(all))
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::Subject(subject) => (StatusCode::NOT_FOUND, 40_401, format!("Subject '{subject}' not found.")),
            Self::Version(version) => (StatusCode::NOT_FOUND, 40_402, format!("Version {version} not found.")),
            Self::Path => (StatusCode::NOT_FOUND, 404, "HTTP 404 Not Found".to_owned()),
            Self::Schema => (StatusCode::NOT_FOUND, 40_403, "Schema not found".to_owned()),
            Self::Invalid(wrong) => (StatusCode::UNPROCESSABLE_ENTITY, 42_201, format!("Invalid schema: {wrong}")),
            Self::Incompatible(wrong) => (
                StatusCode::CONFLICT,
                409,
                format!("Schema being registered is incompatible with an earlier one: {wrong}"),
            ),
            Self::Internal(wrong) => (StatusCode::INTERNAL_SERVER_ERROR, 50_001, wrong),
        };
        (status, Json(json!({ "error_code": code, "message": message }))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_signed_number_of_32_bits() {
        assert_eq!(number("2147483647"), Ok(2_147_483_647));
        assert_eq!(number("-1"), Err(Refused::Schema));
        for text in ["2147483648", "4294967295", "one"] {
            assert_eq!(number(text), Err(Refused::Path), "{text}");
        }
    }
}
