//! The verification at the end of `up --for`: the Kafka log is the ledger that everything is held against.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lakewright_aws::Aws;
use lakewright_config::agents::{Need, Stops};
use lakewright_config::{Format, KafkaConnection, Manifest, Materialization, Model, ShipperConfig, StreamConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::process::Command;

use logs::logs;
use shipped::{backups, index};

use super::agents::{Placed, Surroundings};
use super::report::{Check, Verified};
use super::samples::configs;
use crate::app::query::{Rows, ask};

mod logs;
mod shipped;

const PATIENCE: Duration = Duration::from_secs(120);

/// What a partition of the log holds: offsets from `start` to just before `end`.
#[derive(Debug, Clone, Deserialize)]
pub struct Held {
    /// The topic.
    pub topic: String,
    /// Its id.
    pub topic_id: String,
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub start: i64,
    /// The offset after the last one.
    pub end: i64,
    /// How many of the records between them become no rows and no dead letters, as they have no value.
    #[serde(default)]
    pub without_value: i64,
}

impl Held {
    /// How many records have to be accounted for.
    fn expected(&self) -> i64 {
        self.end - self.start - self.without_value
    }
}

/// The topics of tables, and whether records without a value are passed over there: behind deletions, as Debezium sends them.
type Topics<'a> = BTreeMap<&'a str, bool>;

/// What is verified.
pub struct Subject<'a> {
    /// The account.
    pub aws: &'a Aws,
    /// The stack's name.
    pub stack: &'a str,
    /// The artifacts bucket.
    pub artifacts: &'a str,
    /// The agents' program.
    pub agent: &'a Path,
    /// The Kafka that agents use instead of the one that they are configured for.
    pub kafka: Option<&'a str>,
    /// The search cluster's URL.
    pub search: &'a str,
    /// The agents that ran.
    pub agents: &'a [Placed],
    /// What they were started with.
    pub surroundings: &'a Surroundings,
    /// Whether topics got sample messages.
    pub sampled: bool,
}

/// Everything that was checked.
pub async fn verify(subject: &Subject<'_>) -> Result<Verified> {
    let mut checks = Vec::new();
    let mut dead_letters = None;
    let streams: Vec<StreamConfig> = configs(subject.agents)?.into_iter().map(|(_, config)| config).collect();
    if let Some(first) = streams.first() {
        let all_tables = || streams.iter().flat_map(|config| &config.tables);
        let mut names: BTreeMap<String, bool> = BTreeMap::new();
        for config in &streams {
            let tables = config.tables.iter().filter(|table| table.is_own()).map(|table| (table, false));
            let tables = tables.chain([(&config.dead_letters, true)]);
            names.extend(tables.map(|(table, dead)| (format!("\"{}\".\"{}\"", table.database, table.name), dead)));
        }
        // A table of others need not say where its rows came from.
        let theirs: BTreeSet<&str> = all_tables().filter(|t| t.existing.is_some()).map(|t| t.topic.as_str()).collect();
        let topics = all_tables().filter(|t| !theirs.contains(t.topic.as_str()));
        let topics = topics.map(|t| (t.topic.as_str(), t.reading.format == Format::Debezium)).collect();
        let (raw, letters) = raw_zone(subject, &first.kafka, &names, &topics).await?;
        checks.extend(raw);
        dead_letters = Some(letters);
    }
    checks.extend(indices(subject).await?);
    let held = (!checks.is_empty()).then(|| checks.iter().map(|check| check.expected).sum());
    // The backup has what the index has.
    checks.extend(backups(subject).await?);
    checks.extend(logs(subject).await?);
    if subject.agents.iter().any(|placed| placed.agent.needs(Need::Models)) {
        checks.extend(models(subject).await?);
    }
    let produced = subject.agents.iter().any(|placed| placed.agent.about().stops == Stops::First);
    Ok(Verified { checks, held, produced: produced || subject.sampled, dead_letters })
}

/// Whether the search index holds every user action of the log.
pub async fn indices(subject: &Subject<'_>) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (placed, config) in configs::<ShipperConfig>(subject.agents)? {
        checks.extend(index(subject, placed, &config).await?);
    }
    Ok(checks)
}

/// What the log holds of the topics.
async fn ledger(subject: &Subject<'_>, kafka: &KafkaConnection, topics: &Topics<'_>) -> Result<Vec<Held>> {
    let mut command = Command::new(subject.agent);
    command.args(["ledger", "--bootstrap", subject.kafka.unwrap_or(&kafka.bootstrap)]);
    for (topic, has_tombstones) in topics {
        command.args(["--topic", topic]);
        if *has_tombstones {
            command.args(["--without-value", topic]);
        }
    }
    answer(command, "the log").await
}

/// What an agent's program writes when it is asked what something, `of`, holds.
async fn answer<T: DeserializeOwned>(mut command: Command, of: &str) -> Result<T> {
    let output = command.output().await.with_context(|| format!("ask what {of} holds"))?;
    if !output.status.success() {
        bail!("what {of} holds can't be read: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("read what {of} holds"))
}

/// A partition by topic id and number.
type Place = (String, i32);

/// Every offset of the log is in one raw table or among the dead letters, once. Of each table it is said whether it is
/// one of dead letters, and of these how many there are comes back too.
async fn raw_zone(
    subject: &Subject<'_>,
    kafka: &KafkaConnection,
    tables: &BTreeMap<String, bool>,
    topics: &Topics<'_>,
) -> Result<(Vec<Check>, i64)> {
    let held = ledger(subject, kafka, topics).await?;
    let bounds: Vec<String> = held
        .iter()
        .map(|h| {
            format!(
                "(kafka_topic_id = '{}' AND kafka_partition = {} AND kafka_offset >= {})",
                h.topic_id, h.partition, h.start
            )
        })
        .collect();
    let of_table = |(table, dead): (&String, &bool)| {
        let dead = i32::from(*dead);
        format!("SELECT kafka_topic_id, kafka_partition, kafka_offset, {dead} AS dead FROM {table}")
    };
    let all = tables.iter().map(of_table).collect::<Vec<_>>().join(" UNION ALL ");
    let sql = format!(
        "SELECT kafka_topic_id, kafka_partition, count(*) AS row_count, count(DISTINCT kafka_offset) AS offset_count, \
         max(kafka_offset) AS last_offset, sum(dead) AS dead_count FROM ({all}) AS raw_rows WHERE {} GROUP BY kafka_topic_id, kafka_partition",
        if bounds.is_empty() { "false".to_owned() } else { bounds.join(" OR ") }
    );
    let rows = ask(subject.aws, subject.stack, &sql).await.context("count the raw zone's rows")?;
    let mut found: BTreeMap<Place, [i64; 3]> = BTreeMap::new();
    let mut letters = 0;
    for row in &rows.rows {
        let value = |column: usize| number(row, column);
        let topic_id = row.first().cloned().flatten().unwrap_or_default();
        found.insert((topic_id, value(1)? as i32), [value(2)?, value(3)?, value(4)?]);
        letters += value(5)?;
    }
    for records in plain_tables(subject).await? {
        let start = held.iter().find(|h| h.topic_id == records.topic_id && h.partition == records.partition);
        let Some(start) = start.map(|h| h.start) else { continue };
        let last = records.spans.last().map_or(start, |(_, end)| *end) - 1;
        let offsets = records.offsets_since(start);
        let sum = found.entry((records.topic_id, records.partition)).or_default();
        *sum = [sum[0] + offsets + records.repeated, sum[1] + offsets, sum[2].max(last)];
    }
    let checks = held
        .iter()
        .map(|h| {
            let expected = h.expected();
            let [rows, offsets, last] =
                found.get(&(h.topic_id.clone(), h.partition)).copied().unwrap_or([0, 0, h.end - 1]);
            let mut wrong = differing(expected, rows, offsets);
            if last >= h.end {
                wrong.push(format!("offset {last} was never in the log"));
            }
            Check { what: format!("raw zone: {} partition {}", h.topic, h.partition), expected, found: rows, wrong }
        })
        .collect();
    Ok((checks, letters))
}

/// What a table of plain files, or the backup, has of a partition.
#[derive(Debug, Deserialize)]
struct Records {
    topic_id: String,
    partition: i32,
    /// Spans of offsets: the first, and the one after the last.
    spans: Vec<(i64, i64)>,
    /// Rows of records that have one already.
    repeated: i64,
    /// Of the backup: spans of the offsets of records that transforms leave out of the index.
    #[serde(default)]
    left_out: Vec<(i64, i64)>,
}

impl Records {
    /// How many offsets it has from one on.
    fn offsets_since(&self, start: i64) -> i64 {
        offsets_since(&self.spans, start)
    }
}

/// How many offsets of spans there are from one on.
fn offsets_since(spans: &[(i64, i64)], start: i64) -> i64 {
    spans.iter().map(|(from, end)| (end - from.max(&start)).max(0)).sum()
}

/// What the tables of plain files have.
async fn plain_tables(subject: &Subject<'_>) -> Result<Vec<Records>> {
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    for (placed, config) in configs::<StreamConfig>(subject.agents)? {
        // Two hosts may have the same tables.
        let plain = config.tables.iter().filter(|table| !table.sink.is_in_catalog());
        if plain.filter(|table| seen.insert(table.location.clone())).count() == 0 {
            continue;
        }
        let command = subject.surroundings.command_of(placed, "records")?;
        all.extend(answer::<Vec<Records>>(command, "the folder of plain files").await?);
    }
    Ok(all)
}

fn number(row: &[Option<String>], column: usize) -> Result<i64> {
    let text = row.get(column).cloned().flatten().unwrap_or_else(|| "0".to_owned());
    text.parse().with_context(|| format!("`{text}` is no number"))
}

/// What is wrong when so many rows with so many different offsets stand where so many are expected.
fn differing(expected: i64, rows: i64, distinct: i64) -> Vec<String> {
    let mut wrong = Vec::new();
    if distinct < expected {
        wrong.push(format!("{} missing", expected - distinct));
    }
    if distinct > expected {
        wrong.push(format!("{} too many", distinct - expected));
    }
    if rows > distinct {
        wrong.push(format!("{} twice", rows - distinct));
    }
    wrong
}

/// Every model's table equals what its query gives now.
async fn models(subject: &Subject<'_>) -> Result<Vec<Check>> {
    let object = subject.aws.objects().get(subject.artifacts, "models/manifest.json", None).await;
    let object = object.context("read the models")?;
    let manifest: Manifest = serde_json::from_slice(&object.body).context("read the models")?;
    let mut checks = Vec::new();
    for model in &manifest.models {
        let one = recount(subject, &manifest.database, model).await;
        checks.push(one.with_context(|| format!("recount the model {}", model.name))?);
    }
    Ok(checks)
}

async fn recount(subject: &Subject<'_>, database: &str, model: &Model) -> Result<Check> {
    let table = format!("\"{database}\".\"{}\"", model.name);
    let query = model.sql.trim().trim_end_matches(';');
    let scalar = async |sql: String| -> Result<i64> {
        let rows: Rows = ask(subject.aws, subject.stack, &sql).await?;
        number(rows.rows.first().map(Vec::as_slice).unwrap_or_default(), 0)
    };
    let expected = scalar(format!("SELECT count(*) AS n FROM ({query}) AS recount")).await?;
    let found = scalar(format!("SELECT count(*) AS n FROM {table}")).await?;
    let mut wrong = Vec::new();
    let missing =
        format!("SELECT count(*) AS n FROM (SELECT * FROM ({query}) AS recount EXCEPT SELECT * FROM {table}) AS d");
    let missing = scalar(missing).await?;
    if missing > 0 {
        wrong.push(format!("{missing} rows missing or different"));
    }
    match model.materialization {
        Materialization::Replace => {
            let extra = format!(
                "SELECT count(*) AS n FROM (SELECT * FROM {table} EXCEPT SELECT * FROM ({query}) AS recount) AS d"
            );
            let extra = scalar(extra).await?;
            if extra > 0 {
                wrong.push(format!("{extra} rows too many or different"));
            }
            if found != expected && wrong.is_empty() {
                wrong.push("the same rows, but not as often".to_owned());
            }
        }
        Materialization::Merge => {
            // Rows that the query no longer gives stay; none stands twice.
            let key: Vec<String> = model.key.iter().map(|column| format!("\"{column}\"")).collect();
            let keys = format!("SELECT count(*) AS n FROM (SELECT DISTINCT {} FROM {table}) AS k", key.join(", "));
            let keys = scalar(keys).await?;
            if keys != found {
                wrong.push(format!("{} rows for keys that have one", found - keys));
            }
        }
        Materialization::Append => {}
    }
    Ok(Check { what: format!("warehouse: {}", model.name), expected, found, wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_repeats_are_told_apart() {
        assert!(differing(10, 10, 10).is_empty());
        assert_eq!(differing(10, 9, 9), ["1 missing"]);
        assert_eq!(differing(10, 12, 9), ["1 missing", "3 twice"]);
        assert_eq!(differing(10, 11, 11), ["1 too many"]);
    }
}
