//! The stack's transforms, as records on their way to the index get them. The backup holds records as they were read, so that it can be
//! restored into a topic, and into an index by the transforms of then.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use lakewright_config::ShipperConfig;
use lakewright_config::agents::shipper;
use lakewright_runtime::{Agent, Counter};
use lakewright_transform::{Dropped, Event as Changed, Outcome, Place, Transforms};

use crate::source::{Batch, Event, Fate, Made};

/// What transforms add to a record as a rule, in bytes.
const ADDED: usize = 64;

/// Transforms by the source of the records.
#[derive(Debug)]
pub struct Declared {
    all: Transforms,
    /// Those of the topics and of the host's sources.
    by_source: BTreeMap<String, Transforms>,
    /// The sources whose records are objects without a parser.
    of_objects: BTreeSet<String>,
    counts: Option<Counts>,
}

/// What is counted of them.
#[derive(Debug)]
struct Counts {
    /// Records that a condition left out.
    by_condition: Counter,
    /// Those that aren't in a sample.
    by_sample: Counter,
    /// Those that were left out because a transform couldn't be applied.
    by_error: Counter,
    /// Those that a transform couldn't be applied to, whatever became of them then; by transform.
    failed: Vec<Counter>,
}

impl Counts {
    fn of(config: &ShipperConfig, agent: &Agent) -> Self {
        let dropped = |why: &str| agent.metrics.counter(&shipper::DROPPED, &[(shipper::REASON, why)]);
        let failed = config.transforms.iter().enumerate().map(|(index, transform)| {
            let name = format!("{} {}", index + 1, transform.step.word());
            agent.metrics.counter(&shipper::TRANSFORM_ERRORS, &[(shipper::TRANSFORM, name.as_str())])
        });
        Self {
            by_condition: dropped("condition"),
            by_sample: dropped("sample"),
            by_error: dropped("error"),
            failed: failed.collect(),
        }
    }

    fn count_failure(&self, transform: usize) {
        if let Some(counter) = self.failed.get(transform) {
            counter.increment(1);
        }
    }

    fn count(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Keep => {}
            Outcome::Drop { why: Dropped::Condition, .. } => self.by_condition.increment(1),
            Outcome::Drop { why: Dropped::Sample, .. } => self.by_sample.increment(1),
            Outcome::Drop { by, why: Dropped::Error(_) } => {
                self.by_error.increment(1);
                self.count_failure(*by);
            }
            Outcome::Refuse { by, .. } => self.count_failure(*by),
        }
    }
}

impl Declared {
    /// The transforms of a configuration.
    ///
    /// # Errors
    /// All that is wrong with them; nothing is with those of a stack that was planned.
    pub fn new(config: &ShipperConfig) -> Result<Self> {
        let all = match Transforms::new(&config.transforms) {
            Ok(all) => all,
            Err(mistakes) => {
                let told = mistakes.iter().map(|mistake| {
                    format!("transform {}: `{}`: {}; {}", mistake.index + 1, mistake.setting, mistake.what, mistake.fix)
                });
                bail!("`transforms`: {}", told.collect::<Vec<_>>().join("\n"))
            }
        };
        let sources = config.topics.iter().chain(config.sources.keys());
        let by_source = sources.map(|source| (source.clone(), all.of(source))).collect();
        Ok(Self { all, by_source, of_objects: config.sources.keys().cloned().collect(), counts: None })
    }

    /// The same, with what becomes of records counted.
    pub fn counted(config: &ShipperConfig, agent: &Agent) -> Result<Self> {
        Ok(Self { counts: Some(Counts::of(config, agent)), ..Self::new(config)? })
    }

    /// Whether records go on as they are.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Transforms the records of a batch.
    pub fn apply(&self, batch: &mut Batch) {
        if !self.is_empty() {
            batch.events.iter_mut().for_each(|event| self.apply_to(event));
        }
    }

    /// Transforms a record: its body, its time and its index, or its fate.
    pub fn apply_to(&self, event: &mut Event) {
        // There is nothing to transform in a record without a value; a piece of one is none.
        let Some(body) = event.body.clone().filter(|_| event.fate == Fate::Keep) else { return };
        let chosen;
        let source = &event.place.stream.source;
        let transforms = match self.by_source.get(source) {
            Some(transforms) => transforms,
            None => {
                chosen = self.all.of(source);
                &chosen
            }
        };
        if transforms.is_empty() {
            return;
        }
        let arrived = event.time_ms.and_then(DateTime::from_timestamp_millis).unwrap_or_else(Utc::now);
        let place = Place { stream: &event.place.stream.id, sequence: event.place.sequence };
        let begin = if self.of_objects.contains(source) { Changed::of_object } else { Changed::new };
        let mut changed = begin(&body, place, arrived);
        let outcome = transforms.apply(&mut changed);
        if let Some(counts) = &self.counts {
            changed.failures().iter().for_each(|failure| counts.count_failure(failure.by));
            counts.count(&outcome);
        }
        match outcome {
            Outcome::Drop { .. } => event.fate = Fate::Drop,
            Outcome::Refuse { reason, .. } => event.fate = Fate::Refuse(reason),
            Outcome::Keep => {
                let (time, route) = (changed.time(), changed.route().map(Box::from));
                if changed.is_changed() {
                    let mut written = Vec::with_capacity(body.len() + ADDED);
                    changed.write(&mut written);
                    event.body = Some(Bytes::from(written));
                }
                drop(changed);
                event.made = Some(Box::new(Made { of: body, time, route }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lakewright_config::{KafkaConnection, SearchConnection, agents};
    use serde_json::{Value, json};

    use super::*;
    use crate::source::testing::{event, stream};

    fn config(transforms: Value) -> ShipperConfig {
        let written = json!({
            "kafka": KafkaConnection::plaintext("127.0.0.1:9092".to_owned()), "group": "g", "topics": ["facts"], "index": "i",
            "search": SearchConnection::open("http://127.0.0.1:9200"), "time_field": "time", "backup_bucket": "b",
            "backup_prefix": "p", "bulk_bytes": 1000, "bulk_interval_ms": 1000, "transforms": transforms,
        });
        serde_json::from_value(written).expect("a configuration")
    }

    fn applied(declared: &Declared, body: &str) -> Event {
        let mut event = event(&stream(), 7, body.as_bytes());
        declared.apply_to(&mut event);
        event
    }

    fn text(event: &Event) -> &str {
        std::str::from_utf8(event.body.as_deref().expect("a body")).expect("a text")
    }

    #[test]
    fn records_are_transformed_and_kept_as_they_were_read_beside() {
        let declared = Declared::new(&config(json!([
            { "type": "parse_json" },
            { "type": "drop", "when": "level == \"debug\"" },
            { "type": "timestamp", "field": "ts", "formats": ["epoch_ms"] },
            { "type": "mask", "what": ["email"] },
            { "type": "route", "to": "audit", "when": "action == \"login\"" },
        ])));
        let declared = declared.expect("sound");
        let read = r#"{"ts":1767366245000,"who":"ann@example.com","action":"login"}"#;
        let event = applied(&declared, read);
        assert_eq!(text(&event), r#"{"ts":"2026-01-02T15:04:05Z","who":"***","action":"login"}"#);
        let made = event.made.as_ref().expect("made");
        assert_eq!(
            (made.time.map(|time| time.timestamp()), made.route.as_deref()),
            (Some(1_767_366_245), Some("audit"))
        );
        assert_eq!(event.as_read(), Some(read.as_bytes()));
        assert_eq!(applied(&declared, r#"{"level":"debug"}"#).fate, Fate::Drop);
    }

    #[test]
    fn what_they_leave_out_and_cannot_do_is_counted() {
        let config = config(json!([
            { "type": "parse_json", "on_error": "refuse" },
            { "type": "drop", "when": "level == \"debug\"" },
            { "type": "types", "fields": { "status": "int" } },
            { "type": "types", "fields": { "took": "float" }, "on_error": "drop" },
            { "type": "sample", "keep": 0.0, "when": "level == \"trace\"" },
        ]));
        let folder = tempfile::tempdir().expect("a folder");
        let agent = Agent::detached(agents::Agent::Shipper, folder.path().to_owned());
        let declared = Declared::counted(&config, &agent).expect("sound");
        assert!(matches!(applied(&declared, "no JSON").fate, Fate::Refuse(reason) if reason.starts_with("parse_json")));
        assert_eq!(applied(&declared, r#"{"level":"debug"}"#).fate, Fate::Drop);
        assert_eq!(applied(&declared, r#"{"level":"trace"}"#).fate, Fate::Drop);
        assert_eq!(applied(&declared, r#"{"took":"long"}"#).fate, Fate::Drop);
        let event = applied(&declared, r#"{"status":"many"}"#);
        assert!(text(&event).contains("transform_errors"), "{event:?}");
        let values: BTreeMap<String, f64> = agent.metrics.read().into_iter().collect();
        let expected = [
            (&shipper::TRANSFORM_ERRORS, "transform", "1 parse_json"),
            (&shipper::TRANSFORM_ERRORS, "transform", "3 types"),
            (&shipper::TRANSFORM_ERRORS, "transform", "4 types"),
            (&shipper::DROPPED, "reason", "condition"),
            (&shipper::DROPPED, "reason", "error"),
            (&shipper::DROPPED, "reason", "sample"),
        ];
        for (metric, label, value) in expected {
            let name = format!("{}{{{label}=\"{value}\"}}", metric.name);
            assert_eq!(values.get(&name), Some(&1.0), "{name}: {values:#?}");
        }
    }

    #[test]
    fn what_has_no_value_or_is_a_piece_stays_as_it_is() {
        let declared = Declared::new(&config(json!([{ "type": "parse_json", "on_error": "drop" }]))).expect("sound");
        let mut gone = event(&stream(), 1, b"");
        gone.body = None;
        let mut piece = event(&stream(), 2, b"a piece");
        piece.fate = Fate::Piece("too long".to_owned());
        for mut event in [gone, piece] {
            let before = event.fate.clone();
            declared.apply_to(&mut event);
            assert_eq!((event.fate, event.made), (before, None));
        }
    }

    #[test]
    fn transforms_that_no_plan_has_seen_are_refused_with_all_that_is_wrong() {
        let wrong = config(json!([{ "type": "drop" }, { "type": "remove", "fields": ["a..b"] }]));
        let error = Declared::new(&wrong).expect_err("wrong").to_string();
        assert!(error.contains("transform 1: `when`") && error.contains("transform 2: `fields`"), "{error}");
    }
}
