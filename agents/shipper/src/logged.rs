//! What the log files of this host hold, and what the backup has of it: read anew, from the first byte, by a reader that knows no checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use flate2::read::MultiGzDecoder;
use lakewright_aws::Aws;
use lakewright_config::ShipperConfig;
use lakewright_tail::{Files, Framing, Moment};
use serde::Serialize;

use crate::backup::{Origin, Record, Shelves};
use crate::local::open_anew;

/// How many bytes of records are read at once.
const PART: usize = 4 << 20;
/// How long nothing may come, by the reader's clock, before all is read: longer than copies and last lines are waited for.
const QUIET: Duration = Duration::from_mins(2);
/// The step of that clock.
const STEP: Duration = Duration::from_secs(1);

/// What a file of a source holds, and what the backup has of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Logged {
    /// The source.
    pub source: String,
    /// The stream: one generation of a file's contents.
    pub stream: String,
    /// The file.
    pub path: String,
    /// Its records.
    pub records: u64,
    /// How many records its lines make, counted without the reader that the shipper has.
    pub lines: u64,
    /// How many of the records have a line in the backup.
    pub backed_up: u64,
    /// Lines of the backup for records that have one already.
    pub repeated: u64,
    /// Lines of the backup for what is no record of the file.
    pub unknown: u64,
}

/// What a stream holds.
#[derive(Debug)]
struct Contents {
    path: PathBuf,
    /// Where its records begin.
    places: BTreeSet<u64>,
    lines: u64,
}

/// By source and stream.
type All = BTreeMap<(String, String), Contents>;

/// What the files of all sources hold that are there now, and what the backup has of them. Nothing may write to them meanwhile.
///
/// # Errors
/// A file or an object can't be read.
pub async fn logged(state: &Path, config: &ShipperConfig, aws: &Aws) -> Result<Vec<Logged>> {
    let (folder, sources) = (state.join("logged"), config.sources.clone());
    let read = tokio::task::spawn_blocking(move || {
        let mut all = All::new();
        for (source, declared) in &sources {
            remove(&folder)?;
            fs::create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
            if let Some(files) = open_anew(declared, folder.join("checkpoint"))? {
                read(source, files, &mut all)?;
            }
        }
        remove(&folder)?;
        anyhow::Ok(all)
    });
    let all = read.await.context("reading the files was cut short")??;
    held_against(all, config, aws).await
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Reads all files, as if time passed until nothing more can come.
fn read(source: &str, mut files: Files, all: &mut All) -> Result<()> {
    let framing = files.framing().clone();
    let (mut now, mut quiet) = (Moment::now(), Duration::ZERO);
    while quiet < QUIET {
        let records = files.poll(now, PART);
        if records.is_empty() {
            now = now.plus(STEP);
            quiet += STEP;
            continue;
        }
        quiet = Duration::ZERO;
        for record in records {
            files.settle(&record.stream, record.next);
            let key = (source.to_owned(), record.stream.to_string());
            let contents = all.entry(key).or_insert_with(|| {
                let path = record.path.as_deref().unwrap_or(Path::new("")).to_owned();
                Contents { path, places: BTreeSet::new(), lines: 0 }
            });
            // Of a record in pieces the last one counts.
            if record.piece.is_none_or(|piece| piece.last) {
                contents.places.insert(record.sequence);
            }
        }
    }
    for ((_, stream), contents) in all.iter_mut().filter(|((of, _), _)| of == source) {
        let context = || format!("read {} ({stream})", contents.path.display());
        contents.lines = count(&contents.path, &framing).with_context(context)?;
    }
    Ok(())
}

/// How many records the lines of a file make.
fn count(path: &Path, framing: &Framing) -> Result<u64> {
    let mut file = BufReader::new(File::open(path)?);
    let is_packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> = if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let (mut reader, mut line, mut records) = (BufReader::new(reader), Vec::new(), 0);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(records);
        }
        let text = line.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text));
        // A line without its end isn't one yet; blank ones between records are none.
        let Some(text) = text.filter(|text| records > 0 || !text.is_empty()) else { continue };
        let begins = if matches!(framing, Framing::Lines) { !text.is_empty() } else { framing.starts(text) };
        records += u64::from(begins || records == 0);
    }
}

/// Holds what files have against the backup.
async fn held_against(all: All, config: &ShipperConfig, aws: &Aws) -> Result<Vec<Logged>> {
    let aws = aws.of_configured(config.account.as_deref());
    let objects = aws.objects();
    let shelves = Shelves { objects: &objects, bucket: &config.backup_bucket, prefix: &config.backup_prefix };
    let mut listed = shelves.list().await?;
    let mut logged = Vec::new();
    for ((source, stream), contents) in all {
        let (mut found, mut repeated, mut unknown) = (BTreeSet::new(), 0, 0);
        for named in listed.remove(&format!("{source}/{stream}")).unwrap_or_default() {
            let take = |record: Record| {
                let is_of_it = matches!(&record.origin, Origin::Host(host) if host.stream == stream);
                if !is_of_it || !contents.places.contains(&record.offset) {
                    unknown += u64::from(record.refused.is_none());
                } else if !found.insert(record.offset) {
                    repeated += 1;
                }
                Ok(())
            };
            shelves.read(&named, 0, take).await?;
        }
        logged.push(Logged {
            path: contents.path.display().to_string(),
            records: contents.places.len() as u64,
            lines: contents.lines,
            backed_up: found.len() as u64,
            source,
            stream,
            repeated,
            unknown,
        });
    }
    Ok(logged)
}
