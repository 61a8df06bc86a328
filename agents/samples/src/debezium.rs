//! Change events as Debezium's connector for PostgreSQL writes them.
//!
//! <https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-change-events-value>

use lakewright_config::ColumnType;
use rand::Rng as _;
use serde_json::json;

use crate::avro::{Names, bytes, long, record};
use crate::json::text;
use crate::rows::{Row, Rows};
use crate::value::Source;

/// So many events are of the snapshot that a connector begins with.
const SNAPSHOT: u32 = 5;
/// As many rows there are before some are deleted.
const FEW: usize = 10;
/// What events say of their source.
const CONNECTOR: &str = "postgresql";
const SERVER: &str = "samples";
const SCHEMA: &str = "public";

/// What happened to a row.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) key: String,
    pub(crate) op: Op,
    pub(crate) before: Option<Row>,
    pub(crate) after: Option<Row>,
}

/// What is said of an event besides its rows.
#[derive(Debug)]
pub(crate) struct Op {
    letter: &'static str,
    lsn: i64,
    /// When it was committed and when the connector processed it, in milliseconds since 1970.
    times: [i64; 2],
}

/// The log of a table that changes.
#[derive(Debug)]
pub(crate) struct Changes {
    table: String,
    lsn: i64,
    events: u32,
}

impl Changes {
    /// The log of a table that is empty.
    pub(crate) fn new(table: &str, source: &mut Source) -> Self {
        Self { table: table.to_owned(), lsn: source.rng.random_range(20_000_000..30_000_000), events: 0 }
    }

    /// What happens next: mostly rows are made as long as there are few, then mostly changed, some deleted.
    pub(crate) fn next(&mut self, rows: &mut Rows, source: &mut Source) -> Event {
        self.events = self.events.saturating_add(1);
        self.lsn += source.rng.random_range(40..4000);
        let known = rows.any(source).filter(|_| self.events > SNAPSHOT);
        let chance = source.rng.random_range(0..10);
        let grown = rows.known.len() > FEW;
        let (letter, before, after) = match known {
            Some(index) if grown && chance == 0 => ("d", rows.known.remove(index), None),
            Some(index) if chance < 6 => {
                let before = rows.known[index].clone();
                ("u", Some(before), Some(rows.change(index, source).clone()))
            }
            _ => (if self.events <= SNAPSHOT { "r" } else { "c" }, None, Some(rows.create(source).clone())),
        };
        let key = after.as_ref().or(before.as_ref()).map(|row| row.key.clone()).unwrap_or_default();
        let processed = source.now / 1000;
        let times = [processed - source.rng.random_range(1..300), processed];
        Event { key, op: Op { letter, lsn: self.lsn, times }, before, after }
    }

    /// An event as JSON without its schema.
    pub(crate) fn json(&self, rows: &Rows, op: &Op, before: Option<&Row>, after: Option<&Row>) -> String {
        let mut out = String::new();
        for (part, row) in [("{\"before\":", before), (",\"after\":", after)] {
            out.push_str(part);
            match row {
                Some(row) => rows.push_json(row, &mut out),
                None => out.push_str("null"),
            }
        }
        let Op { letter, lsn, times: [committed, processed] } = op;
        let source = json!({
            "connector": CONNECTOR, "name": SERVER, "ts_ms": committed, "db": SERVER, "schema": SCHEMA, "table": self.table,
            "lsn": lsn,
        });
        out.push_str(&format!(",\"source\":{source},\"op\":"));
        text(letter, &mut out);
        out.push_str(&format!(",\"ts_ms\":{processed}}}"));
        out
    }

    /// An event by [`schema`].
    pub(crate) fn avro(&self, rows: &Rows, op: &Op, before: Option<&Row>, after: Option<&Row>) -> Vec<u8> {
        let mut out = Vec::new();
        for row in [before, after] {
            long(i64::from(row.is_some()), &mut out);
            if let Some(row) = row {
                record(row.values.iter().zip(rows.members()), &mut out);
            }
        }
        for part in [CONNECTOR, SERVER] {
            bytes(part.as_bytes(), &mut out);
        }
        long(op.times[0], &mut out);
        for part in [SERVER, SCHEMA, &self.table] {
            bytes(part.as_bytes(), &mut out);
        }
        long(1, &mut out);
        long(op.lsn, &mut out);
        bytes(op.letter.as_bytes(), &mut out);
        long(1, &mut out);
        long(op.times[1], &mut out);
        out
    }
}

/// The schema of a table's change events.
///
/// # Errors
/// The name of a member that Avro takes for none.
pub(crate) fn schema(table: &str, rows: &Rows) -> Result<String, String> {
    let mut names = Names::default();
    let [envelope, source] = [names.take("Envelope"), names.take("Source")];
    let value = names.record(&format!("{table}_Value"), rows.members())?;
    let value_name = value["name"].clone();
    let field = |name: &str, kind: ColumnType| json!({ "name": name, "type": kind.to_string() });
    let optional =
        |name: &str, kind: serde_json::Value| json!({ "name": name, "type": ["null", kind], "default": null });
    let source = json!({ "type": "record", "name": source, "fields": [
        field("connector", ColumnType::String),
        field("name", ColumnType::String),
        field("ts_ms", ColumnType::Long),
        field("db", ColumnType::String),
        field("schema", ColumnType::String),
        field("table", ColumnType::String),
        optional("lsn", json!("long")),
    ] });
    let envelope = json!({ "type": "record", "name": envelope, "fields": [
        optional("before", value),
        optional("after", value_name),
        { "name": "source", "type": source },
        field("op", ColumnType::String),
        optional("ts_ms", json!("long")),
    ] });
    Ok(envelope.to_string())
}
