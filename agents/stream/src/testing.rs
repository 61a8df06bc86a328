//! What unit tests share: a schema, rows and declarations of one small table.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::thread::LocalKey;

use iceberg::spec::{NestedField, PrimitiveType, Schema, SchemaRef, Type};
use lakewright_config::{Column, ColumnType, Reading, Table};

use crate::batch::{Batch, Place};
use crate::json::Scanner;
use crate::record::{Metadata, Record};
use crate::table::Rows;

/// A record with nothing but a value.
#[derive(Debug)]
pub(crate) struct Bare;

impl Metadata for Bare {
    fn key(&self) -> Option<&[u8]> {
        None
    }

    fn timestamp(&self) -> Option<i64> {
        None
    }

    fn headers(&self, _: &mut dyn FnMut(&str, Option<&[u8]>)) -> Result<(), String> {
        Ok(())
    }
}

/// Offsets whose records break code, where a test says so.
pub(crate) struct Breaks(&'static LocalKey<RefCell<BTreeSet<i64>>>);

thread_local! {
    static OF_DECODING: RefCell<BTreeSet<i64>> = const { RefCell::new(BTreeSet::new()) };
    static OF_ADDING: RefCell<BTreeSet<i64>> = const { RefCell::new(BTreeSet::new()) };
}

/// What reads a row.
pub(crate) const DECODING: Breaks = Breaks(&OF_DECODING);
/// What adds one that was read.
pub(crate) const ADDING: Breaks = Breaks(&OF_ADDING);

impl Breaks {
    /// It breaks on these from now on, and on no others.
    pub(crate) fn on(&self, offsets: impl IntoIterator<Item = i64>) {
        self.0.set(offsets.into_iter().collect());
    }

    pub(crate) fn may_panic(&self, offset: i64) {
        assert!(!self.0.with_borrow(|offsets| offsets.contains(&offset)), "no record like this");
    }
}

/// The topic's key and name.
pub(crate) const KEY: &str = "c/t";
pub(crate) const TOPIC: &str = "facts";

fn of(fields: &[(&str, PrimitiveType)]) -> SchemaRef {
    let place = [
        ("kafka_topic_id", PrimitiveType::String),
        ("kafka_partition", PrimitiveType::Int),
        ("kafka_offset", PrimitiveType::Long),
        ("ingested_at", PrimitiveType::Timestamptz),
    ];
    let fields = fields
        .iter()
        .chain(&place)
        .zip(1..)
        .map(|((name, kind), id)| Arc::new(NestedField::required(id, *name, Type::Primitive(kind.clone()))));
    Arc::new(Schema::builder().with_fields(fields).build().expect("a schema"))
}

/// The schema of a table of one column, `id`.
pub(crate) fn schema() -> SchemaRef {
    of(&[("id", PrimitiveType::String)])
}

/// The schema of the dead letters.
pub(crate) fn dead_schema() -> SchemaRef {
    of(&[("topic", PrimitiveType::String), ("reason", PrimitiveType::String), ("payload", PrimitiveType::Binary)])
}

/// The declaration of the table.
pub(crate) fn table(name: &str) -> Table {
    let id = Column { required: true, ..Column::new("id", ColumnType::String) };
    Table {
        name: name.into(),
        database: "raw".into(),
        topic: TOPIC.into(),
        location: format!("s3://bucket/raw/{name}"),
        columns: if name == "dead_letters" { vec![] } else { vec![id] },
        key: vec![],
        partition: vec![],
        reading: Reading::default(),
        sink: lakewright_config::Sink::default(),
        existing: None,
    }
}

/// Rows of the table with these offsets of partition 0, and their messages.
pub(crate) fn batch(offsets: Range<i64>) -> Batch {
    let mut rows = Rows::declared(&schema(), &table("sales").columns, true).expect("rows");
    for offset in offsets {
        let message = format!(r#"{{"id":"i{offset}"}}"#);
        let reject = rows.read(&message, &mut Scanner::new(&message)).expect("JSON");
        assert_eq!(reject, None);
        let place = Place { partition: 0, offset, ingested_at: 0 };
        rows.push(&message, Record { topic: 0, payload: Some(message.as_bytes()), place, metadata: &Bare });
    }
    rows.finish(&Arc::from("t")).expect("a batch")
}
