//! `lakewright-agent records`: which records of Kafka the tables of plain files have.

use std::io::Write as _;

use anyhow::Context as _;
use lakewright_aws::{Aws, Options};
use lakewright_config::StreamConfig;
use lakewright_lake::plain::PlainTable;
use lakewright_runtime::kafka::spans;
use serde::Serialize;

/// What a table has of a partition.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Records {
    table: String,
    topic_id: String,
    partition: i32,
    /// Spans of offsets without a gap: the first, and the one after the last.
    spans: Vec<(i64, i64)>,
    /// Rows of records that have one already.
    repeated: u64,
}

/// Prints the records of all tables of plain files, as JSON.
///
/// # Errors
/// A table can't be read.
pub async fn run(config: StreamConfig) -> anyhow::Result<()> {
    let aws = Aws::connect(Options::default()).await?.of_configured(config.account.as_deref());
    let mut records = Vec::new();
    for table in config.tables.iter().filter(|table| !table.sink.is_in_catalog()) {
        let places = PlainTable::new(&aws, table)?.places().await.with_context(|| format!("read {}", table.name))?;
        for ((topic_id, partition), offsets) in places {
            let (spans, repeated) = spans(offsets);
            records.push(Records { table: table.name.clone(), topic_id, partition, spans, repeated });
        }
    }
    let text = serde_json::to_string(&records).context("write the records as JSON")?;
    writeln!(std::io::stdout().lock(), "{text}").context("write to standard output")
}
