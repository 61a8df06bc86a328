//! AWS Glue's schema registry: found, missing, away.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use lakewright_aws::Aws;
use lakewright_formats::registry::{Answer, Fault, Glue, Schemas};
use lakewright_formats::{Cause, Decoded, Decoder, Failure, SchemaId, Wire};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const AVRO: u128 = 1;
const JSON: u128 = 2;
const PROTOBUF: u128 = 3;
const PENDING: u128 = 4;
const FAILED: u128 = 5;
const MISSING: u128 = 6;
const DENIED: u128 = 7;

/// Answers as Glue's API reference says.
async fn answer(headers: HeaderMap, body: String) -> (StatusCode, String) {
    let asked: Value = serde_json::from_str(&body).expect("JSON");
    if headers["x-amz-target"] == "AWSGlue.GetSchema" {
        return (StatusCode::OK, json!({"Compatibility": "BACKWARD"}).to_string());
    }
    assert_eq!(headers["x-amz-target"], "AWSGlue.GetSchemaVersion");
    if let Some(wanted) = asked.get("SchemaVersionNumber") {
        // The last two of four versions failed.
        let number = wanted["VersionNumber"].as_i64().unwrap_or(4);
        let status = if number > 2 { "FAILURE" } else { "AVAILABLE" };
        let version =
            json!({"SchemaDefinition": "\"long\"", "DataFormat": "AVRO", "Status": status, "VersionNumber": number});
        return (StatusCode::OK, version.to_string());
    }
    let id: Uuid = asked["SchemaVersionId"].as_str().expect("an id").parse().expect("a UUID");
    let version = |format: &str, status: &str| {
        let text =
            json!({"SchemaVersionId": id, "SchemaDefinition": "\"long\"", "DataFormat": format, "Status": status});
        (StatusCode::OK, text.to_string())
    };
    let refused = |code: &str| (StatusCode::BAD_REQUEST, json!({"__type": code, "Message": "no"}).to_string());
    match id.as_u128() {
        AVRO => version("AVRO", "AVAILABLE"),
        JSON => version("JSON", "AVAILABLE"),
        PROTOBUF => version("PROTOBUF", "AVAILABLE"),
        PENDING => version("AVRO", "PENDING"),
        FAILED => version("AVRO", "FAILURE"),
        MISSING => refused("EntityNotFoundException"),
        _ => refused("AccessDeniedException"),
    }
}

async fn registry() -> Glue {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(answer))).await });
    let aws = Aws::with_keys("eu-central-1", &url, "key", "secret").expect("a connection");
    Glue::new(&aws)
}

async fn schemas() -> Schemas {
    Schemas::with_grace(registry().await, 1 << 20, Duration::ZERO)
}

#[tokio::test]
async fn the_newest_version_is_the_last_that_did_not_fail() {
    let newest = registry().await.newest("default-registry", "orders").await.expect("an answer").expect("a version");
    assert_eq!(newest.version, 2);
    assert!(matches!(newest.answer, Answer::Avro { .. }), "{:?}", newest.answer);
}

fn message(id: u128, data: &[u8]) -> Vec<u8> {
    [&[3, 0], &Uuid::from_u128(id).as_bytes()[..], data].concat()
}

#[tokio::test]
async fn versions_are_found_by_the_id_in_the_header() {
    let mut decoder = Decoder::new(Wire::Glue(schemas().await));
    let (mut out, token) = (String::new(), CancellationToken::new());
    for (id, data, text) in [(AVRO, &[2][..], "1"), (JSON, b"{}", "{}")] {
        let expected = SchemaId::Glue(Uuid::from_u128(id));
        assert_eq!(decoder.decode(Some(&message(id, data)), &mut out), Err(Failure::Unknown(expected)));
        assert_eq!(decoder.learn(expected, &token).await, Ok(true));
        assert_eq!(decoder.decode(Some(&message(id, data)), &mut out), Ok(Decoded::Text));
        assert_eq!(out, text);
    }
}

#[tokio::test]
async fn a_version_that_is_none_is_told_from_a_registry_that_does_not_say() {
    let schemas = schemas().await;
    for (id, cause, reason) in [
        (PROTOBUF, Cause::Unsupported, "of the kind PROTOBUF"),
        (FAILED, Cause::Schema, "in the state FAILURE"),
        (MISSING, Cause::Schema, "has no schema version 00000000-0000-0000-0000-000000000006"),
    ] {
        let Err(Fault::Reject(reject)) = schemas.get(SchemaId::Glue(Uuid::from_u128(id))).await else { panic!("{id}") };
        assert_eq!(reject.cause, cause);
        assert!(reject.to_string().contains(reason), "{reject}");
    }
    let Err(Fault::Unavailable(unavailable)) = schemas.get(SchemaId::Glue(Uuid::from_u128(DENIED))).await else {
        panic!("denied")
    };
    assert!(unavailable.error.contains("AccessDenied"), "{}", unavailable.error);
}

#[tokio::test]
async fn a_version_that_is_being_checked_is_waited_for() {
    let schemas = schemas().await;
    let Err(Fault::Unavailable(unavailable)) = schemas.get(SchemaId::Glue(Uuid::from_u128(PENDING))).await else {
        panic!("pending")
    };
    assert!(unavailable.error.contains("isn't checked yet"), "{}", unavailable.error);
    // Others aren't, meanwhile.
    assert!(schemas.get(SchemaId::Glue(Uuid::from_u128(AVRO))).await.is_ok());
}
