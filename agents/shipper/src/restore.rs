//! Restoring from the backup: into the index, by the ids that documents have anyway, or into a topic, at least once.

mod taking;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use chrono::{DateTime, NaiveDate, Utc};
use lakewright_aws::Aws;
use lakewright_config::ShipperConfig;
use lakewright_config::agents::shipper;
use lakewright_config::restoring::{Destination, Reached, Refusal, Restored};
use lakewright_platform::{durable, turn};
use lakewright_runtime::Agent;
use serde::{Deserialize, Serialize};

use self::taking::Taking;
use crate::backup::{Named, Origin, Record, Shelves};

/// The file in the state directory that says how far a restoration into a topic is.
const PROGRESS: &str = "restore.json";
/// The file in the state directory that a restoration holds while it runs.
const LOCK: &str = "restore.lock";
/// How long one that is ending is waited for.
const ENDING: Duration = Duration::from_secs(10);

/// What is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Records of this time or later.
    pub from: DateTime<Utc>,
    /// Records of before this time.
    pub to: DateTime<Utc>,
    /// The topics, and sources of hosts, whose records are restored; of all when empty.
    pub only: Vec<String>,
    /// Where they go.
    pub into: Destination,
    /// Reads and counts, and restores nothing.
    pub dry_run: bool,
}

impl Wanted {
    /// All records, for that destination.
    pub fn all(into: Destination) -> Self {
        Self { from: DateTime::<Utc>::MIN_UTC, to: DateTime::<Utc>::MAX_UTC, only: Vec::new(), into, dry_run: false }
    }

    /// The same, with each topic and source once and in order: those who want the same go on with one another's progress.
    fn in_order(&self) -> Self {
        let only: BTreeSet<String> = self.only.iter().cloned().collect();
        Self { only: only.into_iter().collect(), ..self.clone() }
    }
}

/// How far a restoration into a topic is.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// What it is of: another one begins anew.
    of: String,
    /// By stream: the offset that is next.
    next: BTreeMap<String, u64>,
}

/// Restores what is wanted, and tells how far it is after each object. One that was cut short goes on where it was into a topic; into an
/// index it begins anew, and changes nothing that is there.
///
/// # Errors
/// Another one runs by the same state directory; an object can't be read, a destination takes nothing; a [`Refusal`] where the backup
/// has nothing of it.
pub async fn restore(
    agent: &Agent,
    config: &ShipperConfig,
    aws: Aws,
    wanted: &Wanted,
    tell: &mut (dyn FnMut(Reached) + Send),
) -> Result<Restored> {
    ensure!(wanted.from < wanted.to, "`--from` must be before `--to`");
    // One that only counts writes nothing.
    let _held = if wanted.dry_run { None } else { Some(hold(&agent.state_dir, ENDING).await?) };
    let wanted = &wanted.in_order();
    let aws = aws.of_configured(config.account.as_deref());
    let objects = aws.objects();
    let shelves = Shelves { objects: &objects, bucket: &config.backup_bucket, prefix: &config.backup_prefix };
    let path = agent.state_dir.join(PROGRESS);
    let of = format!("{wanted:?} s3://{}/{}", config.backup_bucket, config.backup_prefix);
    let into_topic = matches!(wanted.into, Destination::Topic(_)) && !wanted.dry_run;
    let mut progress = if into_topic { read_progress(&path, &of)? } else { Progress::default() };
    let is_new = progress.next.is_empty();
    let streams = of_interest(shelves.list().await?, config, wanted)?;
    let mut taking = Taking::new((agent, config, &aws), wanted).await?;
    let mut restored = Restored::default();
    let of = streams.values().map(|names| chosen(names, wanted).count() as u64).sum();
    let mut reached = Reached { of, ..Reached::default() };
    for (folder, names) in &streams {
        let mut next = progress.next.get(folder).copied().unwrap_or(0);
        for named in chosen(names, wanted) {
            if agent.shutdown.is_cancelled() {
                continue;
            }
            reached.objects += 1;
            if named.last < next {
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
            if !wanted.dry_run {
                for record in records {
                    taking.take(record, stream_name(folder)).await?;
                }
            }
            if into_topic {
                taking.flush().await?;
                progress.next.insert(folder.clone(), next);
                write_progress(&path, &progress)?;
            }
            reached.records = restored.records;
            tell(reached);
        }
    }
    taking.flush().await?;
    ensure!(!agent.shutdown.is_cancelled(), "stopped before the end; give the same command again to go on");
    if restored.records == 0 && is_new {
        return Err(Refusal::Nothing { days: days(&streams) }.into());
    }
    if let Taking::Index(indexing) = &taking {
        let value = |metric| agent.metrics.value(metric).unwrap_or_default() as u64;
        restored.there = value(&shipper::THERE);
        restored.new = value(&shipper::INDEXED).saturating_sub(restored.there);
        restored.rejected = value(&shipper::REJECTED);
        restored.refused = value(&shipper::REFUSED);
        indexing.metrics.trouble.ends();
    } else if into_topic {
        fs::remove_file(&path)
            .or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    }
    Ok(restored)
}

/// Holds a state directory against other restorations until the file is dropped: two would send the same records.
///
/// # Errors
/// Another restoration holds it for longer than the given time.
async fn hold(folder: &Path, longest: Duration) -> Result<File> {
    turn::take(&folder.join(LOCK), longest).await?.map_err(|holder| {
        anyhow!("{holder} restores already, by {}: wait until it is done, or end it first", folder.display())
    })
}

/// The topic, or the source of hosts, whose records stand in a folder.
fn stream_name(folder: &str) -> &str {
    folder.split('/').next().unwrap_or_default()
}

/// The streams of a backup that are asked for.
///
/// # Errors
/// There are none.
fn of_interest(
    mut streams: BTreeMap<String, Vec<Named>>,
    config: &ShipperConfig,
    wanted: &Wanted,
) -> Result<BTreeMap<String, Vec<Named>>> {
    if streams.is_empty() {
        let place = format!("s3://{}/{}", config.backup_bucket, config.backup_prefix);
        return Err(Refusal::Empty { place }.into());
    }
    let names: BTreeSet<&str> = streams.keys().map(|folder| stream_name(folder)).collect();
    if let Some(name) = wanted.only.iter().find(|name| !names.contains(name.as_str())) {
        let names = names.into_iter().map(str::to_owned).collect();
        return Err(Refusal::Unknown { name: name.clone(), names }.into());
    }
    streams.retain(|folder, _| wanted.only.is_empty() || wanted.only.iter().any(|name| name == stream_name(folder)));
    Ok(streams)
}

/// The days on which the first and the last object of streams begin.
fn days(streams: &BTreeMap<String, Vec<Named>>) -> Option<(String, String)> {
    let days: BTreeSet<&String> = streams.values().flatten().filter_map(|named| named.day.as_ref()).collect();
    Some(((*days.first()?).clone(), (*days.last()?).clone()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_restoration_is_refused_while_one_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let soon = Duration::from_millis(1);
        let held = hold(folder.path(), soon).await.expect("it is free");
        let error = hold(folder.path(), soon).await.expect_err("it is held").to_string();
        assert!(error.contains(&format!("process {} (", std::process::id())), "{error}");
        assert!(error.contains(") restores already, by /"), "{error}");
        drop(held);
        hold(folder.path(), soon).await.expect("it is free");
    }

    #[test]
    fn the_order_of_names_makes_no_other_restoration() {
        let of = |only: &[&str]| Wanted {
            only: only.iter().map(|name| (*name).to_owned()).collect(),
            ..Wanted::all(Destination::Topic("t".to_owned()))
        };
        assert_eq!(of(&["b", "a", "b"]).in_order(), of(&["a", "b"]).in_order());
        assert_ne!(of(&["a"]).in_order(), of(&["a", "b"]).in_order());
    }
}
