//! What the shipper shipped: the documents of the index and the lines of the backup, held against the log.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use lakewright_config::ShipperConfig;
use lakewright_platform::http::Client;
use serde_json::{Value, json};

use super::{PATIENCE, Records, Subject, answer, differing, ledger, offsets_since};
use crate::up::agents::Placed;
use crate::up::report::Check;
use crate::up::samples::configs;

/// Every user action of the log is in the index, once.
pub(super) async fn index(subject: &Subject<'_>, placed: &Placed, config: &ShipperConfig) -> Result<Vec<Check>> {
    let topics = config.topics.iter().map(|topic| (topic.as_str(), false)).collect();
    let held = ledger(subject, &config.kafka, &topics).await?;
    let url = format!("{}/{}-*", subject.search.trim_end_matches('/'), config.index);
    let rejected = format!("{}-rejected", config.index);
    let http = Client::new(subject.search)?;
    // What was written a moment ago is made visible; an index that always shows everything needs no such call.
    let _ = http.post(&format!("{url}/_refresh"), &json!({}), PATIENCE).await;
    // What transforms leave out is known by the backup, which has every record as it was read.
    let backup = if config.transforms.is_empty() { Vec::new() } else { read_backup(subject, placed).await? };
    let mut checks = Vec::new();
    for h in held {
        let part = Part {
            terms: vec![
                json!({ "term": { "kafka_topic_id.keyword": h.topic_id } }),
                json!({ "term": { "kafka_partition": h.partition } }),
            ],
            counted: "kafka_offset",
            start: h.start,
        };
        let filter = part.at(json!({ "range": { "kafka_offset": { "gte": h.start } } }));
        let query = json!({ "query": { "bool": { "filter": filter } } });
        let answer =
            http.post(&format!("{url}/_count"), &query, PATIENCE).await.context("count the index's documents")?;
        let found = answer["count"].as_i64().with_context(|| format!("the index answered {answer}"))?;
        let left_out = backup.iter().find(|r| r.topic_id == h.topic_id && r.partition == h.partition);
        let expected = h.end - h.start - left_out.map_or(0, |records| offsets_since(&records.left_out, h.start));
        // An id is made of topic id, partition and offset, so that an offset can stand twice only as a document of its
        // day and as a rejected one; that could hide one that is missing.
        let twice = if found < expected { 0 } else { both(&http, &url, &rejected, &part).await? };
        let wrong = differing(expected, found, found - twice);
        checks.push(Check { what: format!("search: {} partition {}", h.topic, h.partition), expected, found, wrong });
    }
    Ok(checks)
}

/// Whether the backup holds every record of the log.
pub(super) async fn backups(subject: &Subject<'_>) -> Result<Vec<Check>> {
    let (mut checks, mut seen) = (Vec::new(), BTreeSet::new());
    for (placed, config) in configs::<ShipperConfig>(subject.agents)? {
        // Two hosts may share the topics.
        if !seen.insert((config.backup_bucket.clone(), config.backup_prefix.clone())) {
            continue;
        }
        let records = read_backup(subject, placed).await?;
        let topics = config.topics.iter().map(|topic| (topic.as_str(), false)).collect();
        for held in ledger(subject, &config.kafka, &topics).await? {
            let found = records.iter().find(|r| r.topic_id == held.topic_id && r.partition == held.partition);
            let expected = held.end - held.start;
            let offsets = found.map_or(0, |records| records.offsets_since(held.start));
            let lines = offsets + found.map_or(0, |records| records.repeated);
            let what = format!("backup: {} partition {}", held.topic, held.partition);
            checks.push(Check { what, expected, found: lines, wrong: differing(expected, lines, offsets) });
        }
    }
    Ok(checks)
}

/// What the backup of an agent that ran has.
async fn read_backup(subject: &Subject<'_>, placed: &Placed) -> Result<Vec<Records>> {
    answer(subject.surroundings.command_of(placed, "backed-up")?, "the backup").await
}

/// A part of the documents, of each of which a member counts the places.
pub(super) struct Part<'a> {
    /// What they have in common.
    pub terms: Vec<Value>,
    /// The member with the place.
    pub counted: &'a str,
    /// The first place.
    pub start: i64,
}

impl Part<'_> {
    /// The filter of those with the places.
    fn at(&self, places: Value) -> Vec<Value> {
        self.terms.iter().cloned().chain([places]).collect()
    }
}

/// How many of a part's rejected documents stand in an index of a day too.
pub(super) async fn both(http: &Client, url: &str, rejected: &str, part: &Part<'_>) -> Result<i64> {
    const PAGE: usize = 1000;
    let counted = part.counted;
    let (mut both, mut next) = (0, part.start);
    loop {
        let mut filter = part.at(json!({ "range": { counted: { "gte": next } } }));
        filter.push(json!({ "term": { "_index": rejected } }));
        let query = json!({
            "query": { "bool": { "filter": filter } },
            "sort": [{ counted: { "order": "asc", "unmapped_type": "long" } }],
            "size": PAGE,
        });
        let page = http.post(&format!("{url}/_search"), &query, PATIENCE).await?;
        let hits = page["hits"]["hits"].as_array().with_context(|| format!("the index answered {page}"))?;
        let offsets: Vec<i64> = hits.iter().filter_map(|hit| hit["_source"][counted].as_i64()).collect();
        let Some(last) = offsets.last() else { return Ok(both) };
        next = last + 1;
        let query = json!({ "query": { "bool": {
            "filter": part.at(json!({ "terms": { counted: offsets } })),
            "must_not": [{ "term": { "_index": rejected } }],
        } } });
        let answer = http.post(&format!("{url}/_count"), &query, PATIENCE).await?;
        both += answer["count"].as_i64().with_context(|| format!("the index answered {answer}"))?;
    }
}
