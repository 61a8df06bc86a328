//! Restoring from the backup: into the index, by the ids that documents have anyway, or into a topic, at least once.

mod taking;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, NaiveDate, Utc};
use lakewright_aws::Aws;
use lakewright_config::ShipperConfig;
use lakewright_platform::durable;
use lakewright_runtime::Agent;
use serde::{Deserialize, Serialize};

use self::taking::Taking;
use crate::backup::{Named, Origin, Record, Shelves};

/// The file in the state directory that says how far a restoration into a topic is.
const PROGRESS: &str = "restore.json";

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Indices whose names begin so; those of the configuration, if none is given.
    Index(Option<String>),
    /// A topic.
    Topic(String),
}

/// What is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Records of this time or later.
    pub from: DateTime<Utc>,
    /// Records of before this time.
    pub to: DateTime<Utc>,
    /// Where they go.
    pub into: Destination,
}

/// What was done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Records that went on.
    pub records: u64,
    /// Objects that were read.
    pub objects: u64,
    /// Documents that were in their index already.
    pub there: u64,
    /// Records that no index took as what they are.
    pub rejected: u64,
}

/// How far a restoration into a topic is.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// What it is of: another one begins anew.
    of: String,
    /// By stream: the offset that is next.
    next: BTreeMap<String, u64>,
}

/// Restores what is wanted. One that was cut short goes on where it was into a topic; into an index it begins anew, and changes nothing that
/// is there.
///
/// # Errors
/// An object can't be read, a destination takes nothing.
pub async fn restore(agent: &Agent, config: &ShipperConfig, aws: Aws, wanted: &Wanted) -> Result<Restored> {
    ensure!(wanted.from < wanted.to, "`--from` must be before `--to`");
    let aws = aws.of_configured(config.account.as_deref());
    let objects = aws.objects();
    let shelves = Shelves { objects: &objects, bucket: &config.backup_bucket, prefix: &config.backup_prefix };
    let path = agent.state_dir.join(PROGRESS);
    let of = format!("{wanted:?} s3://{}/{}", config.backup_bucket, config.backup_prefix);
    let mut progress = read_progress(&path, &of)?;
    let mut taking = Taking::new((agent, config, &aws), wanted).await?;
    let mut restored = Restored::default();
    for (folder, names) in shelves.list().await? {
        let topic = folder.split('/').next().unwrap_or_default();
        let mut next = progress.next.get(&folder).copied().unwrap_or(0);
        for named in chosen(&names, wanted) {
            if named.last < next || agent.shutdown.is_cancelled() {
                continue;
            }
            let mut records = Vec::new();
            next = shelves
                .read(named, next, |record| {
                    if is_wanted(&record, config, wanted) {
                        records.push(record);
                    }
                    Ok(())
                })
                .await?;
            restored.objects += 1;
            restored.records += records.len() as u64;
            for record in records {
                taking.take(record, topic).await?;
            }
            if let Destination::Topic(_) = wanted.into {
                taking.flush().await?;
                progress.next.insert(folder.clone(), next);
                write_progress(&path, &progress)?;
            }
        }
    }
    taking.flush().await?;
    ensure!(!agent.shutdown.is_cancelled(), "stopped before the end; give the same command again to go on");
    if let Taking::Index(indexing) = &taking {
        let value = |metric| agent.metrics.value(metric).unwrap_or_default() as u64;
        restored.there = value(&lakewright_config::agents::shipper::THERE);
        restored.rejected = value(&lakewright_config::agents::shipper::REJECTED);
        indexing.metrics.trouble.ends();
    } else {
        fs::remove_file(&path)
            .or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    }
    Ok(restored)
}

/// The objects of a stream that may hold records of the time: an object has those from its day up to that of the next one.
fn chosen<'a>(names: &'a [Named], wanted: &'a Wanted) -> impl Iterator<Item = &'a Named> {
    let day = |named: &Named| named.day.as_deref().and_then(|day| day.parse::<NaiveDate>().ok());
    let (first, last) = (wanted.from.date_naive(), wanted.to.date_naive());
    names.iter().enumerate().filter_map(move |(place, named)| {
        let begins_after = day(named).is_some_and(|day| day > last);
        let ends_before =
            names.get(place + 1).and_then(day).zip(day(named)).is_some_and(|(next, own)| next < first && own < first);
        (!begins_after && !ends_before).then_some(named)
    })
}

/// Whether a record is of the time that is wanted: by Kafka's, or where versions before kept none, by its own. One without either is.
/// Those of hosts' logs were in no topic, and go to none.
fn is_wanted(record: &Record, config: &ShipperConfig, wanted: &Wanted) -> bool {
    let time_field = match &record.origin {
        Origin::Topic { .. } => &config.time_field,
        Origin::Host(_) if matches!(wanted.into, Destination::Topic(_)) => return false,
        // Pieces of one that was too long never were a document.
        Origin::Host(_) if record.refused.is_some() => return false,
        Origin::Host(named) => config.sources.get(&named.source).map_or(&config.time_field, |own| &own.time_field),
    };
    let own = || -> Option<DateTime<Utc>> {
        let value: serde_json::Value = serde_json::from_slice(record.body.as_deref()?).ok()?;
        Some(DateTime::parse_from_rfc3339(value.get(time_field)?.as_str()?).ok()?.to_utc())
    };
    let time = record.time_ms.and_then(DateTime::from_timestamp_millis).or_else(own);
    time.is_none_or(|time| wanted.from <= time && time < wanted.to)
}

fn read_progress(path: &Path, of: &str) -> Result<Progress> {
    let begin = || Progress { of: of.to_owned(), next: BTreeMap::new() };
    match fs::read(path) {
        Ok(text) => {
            let read: Progress = serde_json::from_slice(&text).unwrap_or_default();
            Ok(if read.of == of { read } else { begin() })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(begin()),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

fn write_progress(path: &Path, progress: &Progress) -> Result<()> {
    durable::write(path, &serde_json::to_vec(progress).context("write the progress as JSON")?)
}
