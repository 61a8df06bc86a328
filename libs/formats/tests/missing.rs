//! Ids that a registry doesn't know: yet, or ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lakewright_formats::registry::{Answer, Body, Fault, NoAnswer, Registry, Schemas};
use lakewright_formats::{Schema, SchemaId};
use tokio_util::sync::CancellationToken;

/// A registry of which the first machines that are asked don't know any schema yet.
struct Late {
    ignorant: usize,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl Registry for Late {
    async fn ask(&self, _: SchemaId) -> Result<Answer, NoAnswer> {
        if self.asked.fetch_add(1, Ordering::SeqCst) >= self.ignorant {
            return Ok(Answer::Avro { text: "\"int\"".to_owned(), references: Vec::new() });
        }
        // A reject, whatever it says.
        Ok(Answer::Missing(Schema::parse("", &[]).expect_err("no schema")))
    }
}

fn late(ignorant: usize, grace: Duration) -> (Schemas, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    (Schemas::with_grace(Late { ignorant, asked: Arc::clone(&asked) }, 1 << 20, grace), asked)
}

#[tokio::test]
async fn a_schema_that_not_all_machines_of_a_registry_know_yet_is_waited_for() {
    let (schemas, asked) = late(2, Duration::from_hours(1));
    let (id, token) = (SchemaId::Confluent(1), CancellationToken::new());
    let Err(Fault::Unavailable(fault)) = schemas.get(id).await else { panic!("rejected") };
    assert!(fault.error.contains("it is asked again"), "{}", fault.error);
    assert!(matches!(schemas.wait(id, &token).await, Ok(Some(Body::Avro(_)))));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn ids_that_never_come_are_not_waited_for_again_and_again() {
    let (schemas, asked) = late(usize::MAX, Duration::from_nanos(1));
    let token = CancellationToken::new();
    for id in 0..8 {
        assert!(matches!(schemas.get(SchemaId::Confluent(id)).await, Err(Fault::Unavailable(_))), "{id}");
        assert!(schemas.wait(SchemaId::Confluent(id), &token).await.is_err(), "{id}");
    }
    assert_eq!(asked.swap(0, Ordering::SeqCst), 16);
    for id in 8..100 {
        assert!(matches!(schemas.get(SchemaId::Confluent(id)).await, Err(Fault::Reject(_))), "{id}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 92);
}

/// A registry that knows one id.
struct Only(SchemaId, Arc<AtomicUsize>);

#[async_trait]
impl Registry for Only {
    async fn ask(&self, id: SchemaId) -> Result<Answer, NoAnswer> {
        self.1.fetch_add(1, Ordering::SeqCst);
        if id == self.0 {
            return Ok(Answer::Json);
        }
        Ok(Answer::Missing(Schema::parse("", &[]).expect_err("no schema")))
    }
}

#[tokio::test]
async fn a_flood_of_different_ids_that_do_not_exist_is_no_flood_of_requests() {
    let (known, asked) = (SchemaId::Confluent(0), Arc::new(AtomicUsize::new(0)));
    let schemas = Schemas::with_grace(Only(known, Arc::clone(&asked)), 1 << 20, Duration::ZERO);
    assert!(schemas.get(known).await.is_ok());
    let (mut rejects, mut later) = (0, 0);
    for id in 1..=10_000 {
        match schemas.get(SchemaId::Confluent(id)).await {
            Err(Fault::Reject(_)) => rejects += 1,
            Err(Fault::Unavailable(fault)) => {
                assert!(fault.error.contains("200 ids that don't exist"), "{}", fault.error);
                later += 1;
            }
            Ok(_) => panic!("found"),
        }
    }
    assert_eq!((rejects, later, asked.load(Ordering::SeqCst)), (200, 9800, 201));
    // Messages whose schema is known are read meanwhile.
    assert!(matches!(schemas.known(known), Ok(Some(Body::Json))));
}
