//! Messages that other Avro libraries wrote, among them the serializers that producers use with Confluent's and with Glue's
//! schema registry; `written/make.py` and `written/Glue.java` made them.

use std::sync::Arc;

use async_trait::async_trait;
use lakewright_formats::registry::{Answer, NoAnswer, Registry, Schemas};
use lakewright_formats::{Decoded, Decoder, Failure, Schema, SchemaId, Wire};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

const WRITTEN: &str = include_str!("written/messages.json");

/// The second order by Glue's serializer, plain and compressed.
const BY_GLUE: &str = include_str!("written/glue.hex");

const FIRST: &str = concat!(
    r#"{"id":9007199254740993,"state":"NEW","total":12.5000,"made":"2026-11-22T20:45:00.123456Z","#,
    r#""seen":"1969-12-31T23:59:59.999000Z","day":"1969-02-28","at":"23:59:59.999999","until":"00:00:01.005000","#,
    r#""key":"a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf","hash":"AH//","weight":null,"ratio":0.5,"tags":[],"stock":{},"#,
    r#""raw":"AAECAwQ=","gift":true,"parent":null}"#
);

const SECOND: &str = concat!(
    r#"{"id":-9223372036854775808,"state":"PAID","total":-99999999999999.9999,"made":"2026-11-22T20:45:00.123456Z","#,
    r#""seen":"2026-12-31T23:59:59.999000Z","day":"2024-02-28","at":"23:59:59.999999","until":"00:00:01.005000","#,
    r#""key":"a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf","hash":"AH//","weight":0.1,"ratio":0.5,"tags":["a\"b","日本","\n"],"#,
    r#""stock":{"a":1,"b":-2},"raw":"AAECAwQ=","gift":"yes","parent":"#
);

/// A registry that knows the schema of the file as its first.
struct First(String);

#[async_trait]
impl Registry for First {
    async fn ask(&self, id: SchemaId) -> Result<Answer, NoAnswer> {
        let version = "b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63".parse().expect("a UUID");
        assert!(id == SchemaId::Confluent(1) || id == SchemaId::Glue(version), "{id}");
        Ok(Answer::Avro { text: self.0.clone(), references: Vec::new() })
    }
}

#[tokio::test]
async fn what_other_libraries_wrote_is_read() {
    let written: Value = serde_json::from_str(WRITTEN).expect("JSON");
    let schema = written["schema"].to_string();
    let second = format!("{SECOND}{FIRST}}}");
    let avro = Wire::Avro(Arc::new(Schema::parse(&schema, &[]).expect("a schema")));
    let mut plain = Decoder::new(avro);
    let mut confluent = Decoder::new(Wire::Confluent(Schemas::new(First(schema), 1 << 20)));
    assert_eq!(confluent.learn(SchemaId::Confluent(1), &CancellationToken::new()).await, Ok(true));
    let messages = written["messages"].as_array().expect("messages");
    assert_eq!(messages.len(), 6);
    for (index, message) in messages.iter().enumerate() {
        let bytes = hex::decode(message["hex"].as_str().expect("text")).expect("hexadecimal");
        let decoder = if message["by"] == "confluent-kafka" { &mut confluent } else { &mut plain };
        let mut out = String::new();
        assert_eq!(decoder.decode(Some(&bytes), &mut out), Ok(Decoded::Text), "{}", message["by"]);
        assert_eq!(out, if index < 3 { FIRST } else { &second }, "{}", message["by"]);
    }
}

#[tokio::test]
async fn what_the_serializer_of_glue_wrote_is_read() {
    let written: Value = serde_json::from_str(WRITTEN).expect("JSON");
    let schemas = Schemas::new(First(written["schema"].to_string()), 1 << 20);
    let mut decoder = Decoder::new(Wire::Glue(schemas));
    let messages: Vec<_> = BY_GLUE.lines().map(|line| hex::decode(line).expect("hexadecimal")).collect();
    assert_eq!(messages.iter().map(|message| message[1]).collect::<Vec<_>>(), [0, 5]);
    for message in messages {
        let mut out = String::new();
        if let Err(Failure::Unknown(id)) = decoder.decode(Some(&message), &mut out) {
            assert_eq!(decoder.learn(id, &CancellationToken::new()).await, Ok(true));
        }
        assert_eq!(decoder.decode(Some(&message), &mut out), Ok(Decoded::Text));
        assert_eq!(out, format!("{SECOND}{FIRST}}}"));
    }
}
