//! Messages that other Avro libraries wrote, among them the serializer that producers in Python use; `written/make.py` made them.

use std::sync::Arc;

use async_trait::async_trait;
use lakewright_formats::registry::{Answer, Registry, Schemas};
use lakewright_formats::{Decoded, Decoder, Schema, SchemaId, Wire};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

const WRITTEN: &str = include_str!("written/messages.json");

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
    async fn ask(&self, id: SchemaId) -> Result<Answer, String> {
        assert_eq!(id, SchemaId::Confluent(1));
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
