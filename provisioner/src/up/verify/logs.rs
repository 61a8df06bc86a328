//! What the shipper shipped of logs, held against the files: of agents that have ended before it, so that it had all of them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lakewright_config::ShipperConfig;
use lakewright_config::agents::Stops;
use lakewright_config::agents::shipper::sources::index_of;
use lakewright_platform::http::Client;
use serde::Deserialize;
use serde_json::json;

use super::shipped::{Part, both};
use super::{PATIENCE, Subject, answer, differing};
use crate::names::APPLICATION_LOG;
use crate::up::agents::Placed;
use crate::up::report::Check;
use crate::up::samples::configs;

/// What a file holds, and what the backup has of it.
#[derive(Debug, Deserialize)]
struct Logged {
    source: String,
    stream: String,
    path: PathBuf,
    records: i64,
    lines: i64,
    backed_up: i64,
    repeated: i64,
    unknown: i64,
}

/// Every record of the application log is in the index and in the backup, once.
pub(super) async fn logs(subject: &Subject<'_>) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (placed, config) in configs::<ShipperConfig>(subject.agents)? {
        let folders = ended_before(subject, placed)?;
        if folders.is_empty() || config.sources.is_empty() {
            continue;
        }
        let command = subject.surroundings.command_of(placed, "logged")?;
        let mut logged: Vec<Logged> = answer(command, "each log file").await?;
        logged.retain(|one| folders.iter().any(|folder| one.path.starts_with(folder)));
        if config.sources.contains_key(APPLICATION_LOG) {
            checks.extend(unread(&folders, &logged)?);
        }
        let http = Client::new(subject.search)?;
        for one in &logged {
            checks.push(indexed(subject, &http, &config, one).await?);
            checks.push(backed_up(one));
        }
    }
    Ok(checks)
}

/// The folders of the log files of those agents of the shipper's host that end before it.
fn ended_before(subject: &Subject<'_>, shipper: &Placed) -> Result<Vec<PathBuf>> {
    let first = |placed: &&Placed| placed.host == shipper.host && placed.agent.about().stops == Stops::First;
    let folders = subject.agents.iter().filter(first).map(|placed| {
        let folder = placed.state.join("logs");
        std::path::absolute(&folder).with_context(|| format!("find the folder {}", folder.display()))
    });
    folders.collect()
}

/// Files with something in them that no source has: the check of each fails.
fn unread(folders: &[PathBuf], logged: &[Logged]) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for folder in folders {
        let context = || format!("read the folder {}", folder.display());
        for entry in std::fs::read_dir(folder).with_context(context)? {
            let entry = entry.with_context(context)?;
            let is_empty = entry.metadata().with_context(context)?.len() == 0;
            if !is_empty && !logged.iter().any(|one| one.path == entry.path()) {
                let wrong = vec!["no source reads it".to_owned()];
                checks.push(Check { what: format!("logs: {}", shown(&entry.path())), expected: 1, found: 0, wrong });
            }
        }
    }
    Ok(checks)
}

async fn indexed(subject: &Subject<'_>, http: &Client, config: &ShipperConfig, one: &Logged) -> Result<Check> {
    let index = index_of(&config.index, &one.source);
    let url = format!("{}/{index}-*", subject.search.trim_end_matches('/'));
    // What was written a moment ago is made visible; an index that always shows everything needs no such call.
    let _ = http.post(&format!("{url}/_refresh"), &json!({}), PATIENCE).await;
    let part = Part {
        terms: vec![
            json!({ "term": { "log_source.keyword": one.source } }),
            json!({ "term": { "log_stream.keyword": one.stream } }),
        ],
        counted: "log_offset",
        start: 0,
    };
    let query = json!({ "query": { "bool": { "filter": part.terms } } });
    let answer = http.post(&format!("{url}/_count"), &query, PATIENCE).await.context("count the index's documents")?;
    let found = answer["count"].as_i64().with_context(|| format!("the index answered {answer}"))?;
    let twice = both(http, &url, &format!("{index}-rejected"), &part).await?;
    let mut wrong = differing(one.records, found, found - twice);
    if one.lines != one.records {
        wrong.push(format!("the file's lines make {} records", one.lines));
    }
    Ok(Check { what: format!("search: log {} {}", one.source, shown(&one.path)), expected: one.records, found, wrong })
}

fn backed_up(one: &Logged) -> Check {
    let mut wrong = differing(one.records, one.backed_up + one.repeated, one.backed_up);
    if one.unknown > 0 {
        wrong.push(format!("{} lines of no record", one.unknown));
    }
    let what = format!("backup: log {} {}", one.source, shown(&one.path));
    Check { what, expected: one.records, found: one.backed_up + one.repeated, wrong }
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
