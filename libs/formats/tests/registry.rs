//! Messages whose schemas stand in a registry: found, missing, away.

mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lakewright_formats::registry::{Answer, Body, Confluent, Fault, NoAnswer, Registry, Schemas};
use lakewright_formats::{Cause, Decoded, Decoder, Failure, SchemaId, Wire};
use lakewright_platform::http::Client;
use lakewright_platform::secret::Secret;
use serde_json::json;
use server::Server;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

fn schemas(url: &str) -> Schemas {
    let client = Client::new(url).expect("a client");
    Schemas::with_grace(Confluent::new(url, None, client).expect("a registry"), 1 << 20, Duration::ZERO)
}

fn message(id: u32, data: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], data].concat()
}

fn record(name: &str, fields: &str) -> String {
    format!(r#"{{"type": "record", "name": "{name}", "namespace": "shop", "fields": [{fields}]}}"#)
}

#[tokio::test]
async fn a_message_is_read_by_the_schema_that_its_id_names() {
    let server = Server::start().await;
    let money = server.add("money/eu", json!({"schema": record("Money", r#"{"name": "cents", "type": "long"}"#)}));
    let reference = |name: &str, subject: &str| json!({"name": name, "subject": subject, "version": 1});
    let item = json!({
        "schema": record("Item", r#"{"name": "price", "type": "Money"}"#),
        "references": [reference("shop.Money", "money/eu")],
    });
    server.add("item", item);
    // Both refer to the same third one.
    let order = json!({
        "schema": record("Order", r#"{"name": "item", "type": "Item"}, {"name": "total", "type": "shop.Money"}"#),
        "references": [reference("shop.Item", "item"), reference("shop.Money", "money/eu")],
    });
    let order = server.add("order", order);
    let mut decoder = Decoder::new(Wire::Confluent(schemas(&server.url)));
    let mut out = String::new();
    let bytes = message(order, &[2, 4]);
    let id = SchemaId::Confluent(order);
    assert_eq!(decoder.decode(Some(&bytes), &mut out), Err(Failure::Unknown(id)));
    assert_eq!(decoder.learn(id, &CancellationToken::new()).await, Ok(true));
    for _ in 0..10 {
        assert_eq!(decoder.decode(Some(&bytes), &mut out), Ok(Decoded::Text));
        assert_eq!(out, r#"{"item":{"price":{"cents":1}},"total":{"cents":2}}"#);
    }
    let ids = format!("/schemas/ids/{order}");
    assert_eq!(server.asked(), [&ids, "/subjects/item/versions/1", "/subjects/money%2Feu/versions/1"]);
    // Another message of a schema that was referred to has an id of its own.
    let id = SchemaId::Confluent(money);
    assert_eq!(decoder.learn(id, &CancellationToken::new()).await, Ok(true));
    assert_eq!(decoder.decode(Some(&message(money, &[8])), &mut out), Ok(Decoded::Text));
    assert_eq!(out, r#"{"cents":4}"#);
    assert!(
        matches!(decoder.decode(Some(&message(money, &[])), &mut out), Err(Failure::Reject(reject)) if reject.cause == Cause::Data)
    );
}

#[tokio::test]
async fn of_two_versions_of_a_schema_the_one_that_is_referred_to_first_counts() {
    let server = Server::start().await;
    let reference = |subject: &str, version: u32| json!({"name": format!("shop.{subject}"), "subject": subject, "version": version});
    let cents = r#"{"name": "cents", "type": "long"}"#;
    server.add("Common", json!({"schema": record("Common", cents), "references": null}));
    server
        .add("Common", json!({"schema": record("Common", &format!(r#"{cents}, {{"name": "tax", "type": "long"}}"#))}));
    let customer = record("Customer", r#"{"name": "owes", "type": "Common"}"#);
    server.add("Customer", json!({"schema": customer, "references": [reference("Common", 1)]}));
    let order = record("Order", r#"{"name": "total", "type": "Common"}, {"name": "customer", "type": "Customer"}"#);
    let token = CancellationToken::new();
    for (references, text) in [
        (
            [reference("Common", 2), reference("Customer", 1)],
            r#"{"total":{"cents":1,"tax":2},"customer":{"owes":{"cents":3,"tax":4}}}"#,
        ),
        (
            [reference("Customer", 1), reference("Common", 2)],
            r#"{"total":{"cents":1},"customer":{"owes":{"cents":2}}}"#,
        ),
    ] {
        let id = server.add("Order", json!({"schema": order, "references": references}));
        let mut decoder = Decoder::new(Wire::Confluent(schemas(&server.url)));
        assert_eq!(decoder.learn(SchemaId::Confluent(id), &token).await, Ok(true));
        let data: &[u8] = if text.contains("tax") { &[2, 4, 6, 8] } else { &[2, 4] };
        let mut out = String::new();
        assert_eq!(decoder.decode(Some(&message(id, data)), &mut out), Ok(Decoded::Text));
        assert_eq!(out, text);
    }
}

#[tokio::test]
async fn schemas_that_refer_to_too_much_are_refused() {
    let server = Server::start().await;
    let long = format!(r#"{{"type": "fixed", "name": "F", "size": 1, "doc": "{}"}}"#, "x".repeat(3 << 20));
    let references: Vec<_> =
        (1..=3).map(|n| json!({"name": format!("F{n}"), "subject": "long", "version": n})).collect();
    for n in 1..=3 {
        server.add("long", json!({"schema": format!("{long}{}", " ".repeat(n))}));
    }
    let id = server.add("order", json!({"schema": "\"int\"", "references": references}));
    let decoder = Decoder::new(Wire::Confluent(schemas(&server.url)));
    let reject = decoder.learn(SchemaId::Confluent(id), &CancellationToken::new()).await.expect_err("too much");
    assert!(reject.cause == Cause::Schema && reject.to_string().contains("more than 8388608 bytes"), "{reject}");
}

#[tokio::test]
async fn a_context_of_a_registry_is_a_part_of_its_url() {
    let server = Server::start().await;
    let schemas = schemas(&format!("{}/contexts/.team/", server.url));
    assert!(schemas.get(SchemaId::Confluent(7)).await.is_err());
    assert_eq!(server.asked(), ["/contexts/.team/schemas/ids/7"]);
}

#[tokio::test]
async fn json_behind_the_header_is_read_and_protobuf_is_refused() {
    let server = Server::start().await;
    let json = server.add("a", json!({"schema": "{}", "schemaType": "JSON"}));
    let proto = server.add("b", json!({"schema": "message M {}", "schemaType": "PROTOBUF"}));
    let broken = server.add("c", json!({"schema": r#"{"type": "record"}"#}));
    let far = json!({"name": "x", "subject": "nowhere", "version": 4});
    let dangling = server.add("d", json!({"schema": "\"int\"", "references": [far]}));
    let decoder = Decoder::new(Wire::Confluent(schemas(&server.url)));
    let token = CancellationToken::new();
    assert_eq!(decoder.learn(SchemaId::Confluent(json), &token).await, Ok(true));
    let mut out = String::new();
    assert_eq!(decoder.clone().decode(Some(&message(json, b"{\"a\": 1}")), &mut out), Ok(Decoded::Text));
    assert_eq!(out, "{\"a\": 1}");
    for (id, cause, reason) in [
        (proto, Cause::Unsupported, "of the kind PROTOBUF"),
        (broken, Cause::Schema, "lacks its `name`"),
        (dangling, Cause::Schema, "refers to version 4 of `nowhere`"),
    ] {
        let reject = decoder.learn(SchemaId::Confluent(id), &token).await.expect_err("refused");
        assert_eq!(reject.cause, cause);
        assert!(reject.to_string().contains(reason), "{reject}");
    }
}

#[tokio::test]
async fn a_flood_of_messages_with_an_id_that_does_not_exist_asks_once() {
    let server = Server::start().await;
    let mut decoder = Decoder::new(Wire::Confluent(schemas(&server.url)));
    let (mut out, token) = (String::new(), CancellationToken::new());
    let mut rejects = 0;
    for _ in 0..500 {
        match decoder.decode(Some(&message(77, &[0])), &mut out) {
            Err(Failure::Unknown(id)) => {
                let reject = decoder.learn(id, &token).await.expect_err("there is none");
                assert!(reject.to_string().contains("has no schema 77"), "{reject}");
            }
            Err(Failure::Reject(reject)) => {
                assert_eq!(reject.cause, Cause::Schema);
                rejects += 1;
            }
            Ok(_) => panic!("decoded"),
        }
    }
    assert_eq!((rejects, server.asked().len()), (499, 1));
}

#[tokio::test]
async fn a_registry_that_does_not_say_is_no_reason_to_reject() {
    let server = Server::start().await;
    let id = SchemaId::Confluent(server.add("a", json!({"schema": "\"int\""})));
    for (status, body, said) in [
        (503, "busy", "answered 503"),
        (429, "", "answered 429"),
        (401, r#"{"error_code":401,"message":"no"}"#, "give it a user and password"),
        (500, r#"{"error_code":50001,"message":"Error in the backend data store"}"#, "answered 500"),
        // A proxy's, or that of a wrong path.
        (404, "<html>", "is this the registry's URL"),
        (404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#, "is this the registry's URL"),
        (200, "<html>", "didn't answer as a schema registry does"),
    ] {
        let schemas = schemas(&server.url);
        server.state.lock().instead.push((status, body));
        let Err(Fault::Unavailable(first)) = schemas.get(id).await else { panic!("{status}") };
        assert!(first.error.contains(said) && first.error.contains(&server.url), "{}", first.error);
        assert_eq!(server.asked().len(), 1);
        // Asked again at once, without another request.
        let Err(Fault::Unavailable(second)) = schemas.get(id).await else { panic!("{status}") };
        assert!(second.error == first.error && second.retry_in <= first.retry_in);
        assert_eq!(server.asked().len(), 0);
        // And it goes on by itself.
        assert!(matches!(schemas.wait(id, &CancellationToken::new()).await, Ok(Some(Body::Avro(_)))));
        assert_eq!(server.asked().len(), 1);
    }
    let nobody = schemas("http://127.0.0.1:1");
    assert!(matches!(nobody.get(id).await, Err(Fault::Unavailable(_))));
    let token = CancellationToken::new();
    token.cancel();
    assert!(matches!(nobody.wait(id, &token).await, Ok(None)));
}

#[tokio::test]
async fn an_id_that_no_registry_gives_is_refused_without_asking() {
    let server = Server::start().await;
    let mut decoder = Decoder::new(Wire::Confluent(schemas(&server.url)));
    for id in [0x8000_0000, u32::MAX] {
        let outcome = decoder.decode(Some(&message(id, &[0])), &mut String::new());
        assert!(matches!(outcome, Err(Failure::Reject(reject)) if reject.cause == Cause::Header), "{id}");
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn an_id_that_the_registry_says_nothing_of_delays_no_other() {
    let server = Server::start().await;
    let good = SchemaId::Confluent(server.add("a", json!({"schema": "\"int\""})));
    let long: &'static str = Box::leak(" ".repeat((4 << 20) + 1).into_boxed_str());
    let odd = r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#;
    for (status, body, said) in [(404, odd, "is this the registry's URL"), (200, long, "longer than 4194304 bytes")] {
        let schemas = schemas(&server.url);
        for bad in [8, 9] {
            server.state.lock().instead.push((status, body));
            let Err(Fault::Unavailable(fault)) = schemas.get(SchemaId::Confluent(bad)).await else { panic!("{said}") };
            assert!(fault.error.contains(said), "{}", fault.error);
            assert_eq!(server.asked().len(), 1, "{said}");
        }
        assert!(schemas.get(good).await.is_ok(), "{said}");
        assert_eq!(server.asked().len(), 1, "{said}");
    }
}

#[tokio::test]
async fn the_registry_gets_a_user_and_password_and_nobody_else_does() {
    let server = Server::start().await;
    let id = SchemaId::Confluent(server.add("a", json!({"schema": "\"int\""})));
    server.state.lock().authorization = Some("Basic dXNlcjp3b3Jk");
    let login = Secret::new("user:word");
    let client = || Client::new(&server.url).expect("a client");
    let by_login = Confluent::new(&server.url, Some(&login), client()).expect("a registry");
    let in_url = Confluent::new(&server.url.replace("//", "//user:word@"), None, client()).expect("a registry");
    for registry in [by_login, in_url] {
        assert!(!format!("{registry:?}").contains("dXNl"));
        assert!(Schemas::new(registry, 1000).get(id).await.is_ok());
    }
    let error = schemas(&server.url).get(id).await.expect_err("nobody");
    assert!(error.to_string().contains("401"), "{error}");
    let error = Confluent::new("http://far.invalid", Some(&login), client()).expect_err("in clear").to_string();
    assert!(error.contains("no encryption") && !error.contains("word@"), "{error}");
}

/// A registry that answers when it is let, and counts.
struct Slow {
    let_in: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl Registry for Slow {
    async fn ask(&self, id: SchemaId) -> Result<Answer, NoAnswer> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.let_in.acquire().await.expect("open").forget();
        let text = format!(r#"{{"type": "enum", "name": "E", "symbols": ["{}"]}}"#, format!("{id}").replace(' ', "_"));
        Ok(Answer::Avro { text, references: Vec::new() })
    }
}

fn slow(most: usize) -> (Schemas, Arc<Semaphore>, impl Fn() -> usize) {
    let (let_in, asked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let schemas = Schemas::new(Slow { let_in: Arc::clone(&let_in), asked: Arc::clone(&asked) }, most);
    (schemas, let_in, move || asked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn one_request_is_under_way_for_an_id() {
    let (schemas, let_in, asked) = slow(1 << 20);
    let id = SchemaId::Confluent(1);
    // One that gives up while its request is under way.
    let gone = tokio::spawn({
        let schemas = schemas.clone();
        async move { schemas.get(id).await.is_ok() }
    });
    while asked() == 0 {
        tokio::task::yield_now().await;
    }
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let schemas = schemas.clone();
            tokio::spawn(async move { schemas.get(id).await.is_ok() })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(asked(), 1);
    gone.abort();
    assert!(gone.await.expect_err("aborted").is_cancelled());
    let_in.add_permits(1);
    for one in waiting {
        assert!(one.await.expect("ended"));
    }
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn what_was_not_used_longest_is_forgotten_first() {
    let (schemas, let_in, asked) = slow(0);
    let_in.add_permits(100);
    for id in [1, 2, 1] {
        assert!(schemas.get(SchemaId::Confluent(id)).await.is_ok());
    }
    // There is room for the last one only.
    assert_eq!(asked(), 3);
    let (schemas, let_in, asked) = slow(3000);
    let_in.add_permits(1000);
    for id in 0..100 {
        assert!(schemas.get(SchemaId::Confluent(id)).await.is_ok());
        assert!(schemas.known(SchemaId::Confluent(0)).expect("there").is_some(), "{id}");
    }
    assert_eq!(asked(), 100);
    assert!(schemas.known(SchemaId::Confluent(99)).expect("there").is_some());
    assert!(schemas.known(SchemaId::Confluent(50)).expect("gone").is_none());
}
