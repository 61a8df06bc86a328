//! What a table's commits say beside their rows: which offsets are settled in it.
//!
//! Maps, each a property of the snapshot: the next offsets ([`PROPERTY`]), of a table those of its own topic; rows of the
//! table that were taken out of a commit because they can't be written, until the dead letters have them ([`REFUSED`]);
//! and, in the dead letters' commits, what is owed to tables in quarantine ([`OWED`]) and which topics the offsets are of
//! ([`TOPICS`]). The leader epochs of the last records ([`EPOCHS`]) stand beside the offsets where they are known. Refused rows, what is owed and
//! topics are absent where there is nothing to say: refused rows and what is owed are none where the
//! snapshot that carries the offsets names none, and topics are those of the nearest ancestor.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use iceberg::spec::TableMetadata;
use serde::{Deserialize, Serialize};

use crate::epochs::{EPOCHS, Epochs};
use crate::offsets::{ByPartition, OffsetMap, PROPERTY, carried, cluster, standing, stays};
use crate::owed::Owed;

/// The property of refused rows.
pub(crate) const REFUSED: &str = "lakewright.refused";
/// The property of what is owed.
pub(crate) const OWED: &str = "lakewright.owed";
/// The property of the topics' ids.
pub(crate) const TOPICS: &str = "lakewright.topics";

/// Offsets whose rows were refused, with the reasons, by `CLUSTER ID/TOPIC ID` and partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Refused(ByPartition<BTreeMap<i64, String>>);

impl Refused {
    /// Adds a row.
    pub(crate) fn add(&mut self, topic: &str, partition: i32, offset: i64, reason: &str) {
        let of = self.0.entry(topic.to_owned()).or_default().entry(partition).or_default();
        of.insert(offset, reason.to_owned());
    }

    /// Those of a partition.
    pub(crate) fn of(&self, topic: &str, partition: i32) -> Option<&BTreeMap<i64, String>> {
        self.0.get(topic)?.get(&partition)
    }

    /// Forgets those of a partition that the dead letters have: all before an offset.
    pub(crate) fn forget_before(&mut self, topic: &str, partition: i32, offset: i64) {
        let Some(partitions) = self.0.get_mut(topic) else { return };
        if let Some(of) = partitions.get_mut(&partition) {
            *of = of.split_off(&offset);
            if of.is_empty() {
                partitions.remove(&partition);
            }
        }
        if partitions.is_empty() {
            self.0.remove(topic);
        }
    }

    /// Forgets those of all topics of a cluster but one.
    pub(crate) fn keep_only(&mut self, topic: &str) {
        self.0.retain(|known, _| stays(known, topic));
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// So many ids are kept of one topic.
const MAX_IDS: usize = 8;

/// The ids that topics bore, by cluster id and name, the one that was read last at the end. The others are of topics that
/// were deleted: ids never come back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Topics(BTreeMap<String, BTreeMap<String, Vec<String>>>);

impl Topics {
    /// Notes which `CLUSTER ID/TOPIC ID` a topic bears; gives the one that is gone for good, if there is one.
    fn note(&mut self, name: &str, key: &str) -> Option<String> {
        let (cluster, id) = key.split_once('/')?;
        let ids = self.0.entry(cluster.to_owned()).or_default().entry(name.to_owned()).or_default();
        if ids.iter().any(|known| known == id) {
            return None;
        }
        let gone = ids.last().map(|gone| format!("{cluster}/{gone}"));
        ids.push(id.to_owned());
        ids.drain(..ids.len().saturating_sub(MAX_IDS));
        gone
    }

    /// The `TOPIC ID` under which a topic of a `CLUSTER ID/TOPIC ID`'s cluster was read last.
    fn last(&self, name: &str, key: &str) -> Option<&str> {
        self.0.get(cluster(key))?.get(name)?.last().map(String::as_str)
    }

    /// Whether a topic was made anew since it bore a `CLUSTER ID/TOPIC ID`.
    pub(crate) fn is_gone(&self, name: &str, key: &str) -> bool {
        let ids = key.split_once('/').and_then(|(cluster, id)| Some((self.0.get(cluster)?.get(name)?, id)));
        ids.is_some_and(|(ids, id)| ids.iter().rev().skip(1).any(|known| known == id))
    }
}

/// What a table's current data stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) offsets: OffsetMap,
    pub(crate) refused: Refused,
    pub(crate) owed: Owed,
    pub(crate) topics: Topics,
    pub(crate) epochs: Epochs,
}

impl Settled {
    /// Notes that a topic is read under a key, and forgets what was settled of one that bore its name before.
    pub(crate) fn read_topic(&mut self, name: &str, key: &str) {
        if let Some(gone) = self.topics.note(name, key) {
            self.offsets.forget(&gone);
            self.owed.forget(&gone);
            self.epochs.forget(&gone);
        }
    }

    /// Whether somebody has read a topic since under another id than a `CLUSTER ID/TOPIC ID`, by the ledger.
    pub(crate) fn is_read_otherwise(&self, found: &Self, name: &str, key: &str) -> bool {
        let last = found.topics.last(name, key);
        last != self.topics.last(name, key) && last != key.split_once('/').map(|(_, id)| id)
    }

    /// Whether somebody has read the topic since under another id than a `CLUSTER ID/TOPIC ID`, by the map of a table,
    /// which is of one topic alone.
    pub(crate) fn takes_another(&self, found: &Self, key: &str) -> bool {
        let mut others = found.offsets.topics().filter(|known| !stays(known, key));
        others.any(|other| !self.offsets.topics().any(|before| before == other))
    }

    /// Reads it from a table's metadata; see [`OffsetMap::committed`] for which snapshot's counts.
    ///
    /// # Errors
    /// A property is there and isn't what it should be.
    pub(crate) fn committed(metadata: &TableMetadata) -> anyhow::Result<Self> {
        let standing = standing(metadata);
        Ok(Self {
            offsets: OffsetMap::committed(metadata)?,
            refused: read(standing.get(REFUSED), REFUSED)?,
            owed: read(standing.get(OWED), OWED)?,
            topics: read(carried(metadata, TOPICS), TOPICS)?,
            epochs: read(standing.get(EPOCHS), EPOCHS)?,
        })
    }

    /// Reads it from properties that say everything.
    ///
    /// # Errors
    /// As [`Settled::committed`].
    pub(crate) fn said(properties: &HashMap<String, String>) -> anyhow::Result<Self> {
        Ok(Self {
            offsets: read(properties.get(PROPERTY), PROPERTY)?,
            refused: read(properties.get(REFUSED), REFUSED)?,
            owed: read(properties.get(OWED), OWED)?,
            topics: read(properties.get(TOPICS), TOPICS)?,
            epochs: read(properties.get(EPOCHS), EPOCHS)?,
        })
    }

    /// The properties of a commit that settles this where `before` was settled. A map that has become empty is written
    /// once more, so that no older one is taken for the current.
    pub(crate) fn properties(&self, before: &Self) -> HashMap<String, String> {
        let mut properties = HashMap::from([(PROPERTY.to_owned(), self.offsets.to_json())]);
        if !(self.refused.is_empty() && before.refused.is_empty()) {
            properties.insert(REFUSED.to_owned(), json(&self.refused));
        }
        if !(self.owed.is_empty() && before.owed.is_empty()) {
            properties.insert(OWED.to_owned(), json(&self.owed));
        }
        if !self.epochs.is_empty() {
            properties.insert(EPOCHS.to_owned(), json(&self.epochs));
        }
        if self.topics != before.topics {
            properties.insert(TOPICS.to_owned(), json(&self.topics));
        }
        properties
    }
}

fn json(map: &impl Serialize) -> String {
    serde_json::to_string(map).expect("a map of texts and numbers is JSON")
}

fn read<T: Default + for<'a> Deserialize<'a>>(text: Option<&String>, property: &str) -> anyhow::Result<T> {
    text.map_or_else(
        || Ok(T::default()),
        |text| serde_json::from_str(text).with_context(|| format!("the table's `{property}` can't be read: {text}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owed::Debt;

    #[test]
    fn properties_are_written_as_the_contract_says() {
        let mut settled = Settled::default();
        settled.offsets.advance("c/t", 0, 7);
        let before = Settled::default();
        let names = |settled: &Settled, before: &Settled| {
            let mut names: Vec<String> = settled.properties(before).into_keys().collect();
            names.sort();
            names
        };
        assert_eq!(names(&settled, &before), [PROPERTY]);
        settled.refused.add("c/t", 0, 5, "too long");
        settled.owed.set("sales", "c/t", 0, Some(Debt { rows: 3, rejects: 6, ..Debt::default() }));
        let properties = settled.properties(&before);
        assert_eq!(properties[REFUSED], r#"{"c/t":{"0":{"5":"too long"}}}"#);
        assert_eq!(properties[OWED], r#"{"sales":{"c/t":{"0":{"rows":3,"rejects":6}}}}"#);
        let debt = Debt { rows: 3, rejects: 6, own: Some(2), undeclared: vec![(9, 12)] };
        settled.owed.set("sales", "c/t", 0, Some(debt.clone()));
        let text = settled.properties(&before)[OWED].clone();
        assert_eq!(text, r#"{"sales":{"c/t":{"0":{"rows":3,"rejects":6,"own":2,"undeclared":[[9,12]]}}}}"#);
        assert_eq!(serde_json::from_str::<Owed>(&text).expect("read back").of("sales", "c/t", 0), Some(&debt));
        // Once more when they are empty, and then no more.
        assert_eq!(names(&before, &settled), [PROPERTY, OWED, REFUSED]);
        assert_eq!(before.properties(&settled)[OWED], "{}");
    }

    #[test]
    fn a_topic_that_was_made_again_leaves_nothing_of_the_old_one() {
        let mut settled = Settled::default();
        for key in ["c/old", "c/other", "d/old"] {
            settled.offsets.advance(key, 0, 7);
            settled.owed.set("sales", key, 0, Some(Debt { rows: 3, rejects: 6, ..Debt::default() }));
        }
        settled.read_topic("facts", "c/old");
        settled.read_topic("facts", "d/old");
        settled.read_topic("more", "c/other");
        let before = settled.clone();
        settled.read_topic("facts", "c/old");
        assert!(settled == before && !settled.properties(&before).contains_key(TOPICS));
        settled.read_topic("facts", "c/new");
        let known = ["c/old", "c/other", "d/old"].map(|key| settled.offsets.get(key, 0));
        assert_eq!(known, [None, Some(7), Some(7)]);
        assert!(settled.owed.of("sales", "c/old", 0).is_none() && settled.owed.of("sales", "d/old", 0).is_some());
        let text = &settled.properties(&before)[TOPICS];
        assert_eq!(text, r#"{"c":{"facts":["old","new"],"more":["other"]},"d":{"facts":["old"]}}"#);
        assert!(settled.topics.is_gone("facts", "c/old") && !settled.topics.is_gone("facts", "c/new"));
        // One that still holds records of the old topic changes nothing, and one that never said so sees that it is old.
        let before = settled.clone();
        settled.read_topic("facts", "c/old");
        assert_eq!(settled, before);
    }

    #[test]
    fn a_rollback_brings_nothing_back_that_was_said_later() {
        let snapshot = |id: i64, parent: &str, summary: &str| {
            format!(
                r#"{{"snapshot-id":{id},{parent}"sequence-number":{id},"timestamp-ms":{id},"manifest-list":"s3://b/m{id}",
                "schema-id":0,"summary":{{"operation":"append"{summary}}}}}"#
            )
        };
        let offsets = r#","lakewright.offsets":"{\"c/t\":{\"0\":50}}""#;
        let debt = r#"{\"sales\":{\"c/t\":{\"0\":{\"rows\":80,\"rejects\":100}}}}"#;
        let properties = format!(
            r#"{{"lakewright.offsets":"{{\"c/t\":{{\"0\":200}}}}","lakewright.owed":"{debt}",
            "lakewright.refused":"{{\"c/t\":{{\"0\":{{\"90\":\"too long\"}}}}}}"}}"#
        );
        let metadata = |snapshots: &str| -> TableMetadata {
            let text = format!(
                r#"{{"format-version":2,"table-uuid":"9c12d441-03fe-4693-9a96-a0705ddf69c1","location":"s3://b/t",
                "last-sequence-number":2,"last-updated-ms":2,"last-column-id":1,"current-schema-id":0,"schemas":[{{
                "schema-id":0,"type":"struct","fields":[{{"id":1,"name":"id","required":true,"type":"string"}}]}}],
                "partition-specs":[{{"spec-id":0,"fields":[]}}],"default-spec-id":0,"last-partition-id":999,
                "sort-orders":[{{"order-id":0,"fields":[]}}],"default-sort-order-id":0,"properties":{properties},
                "current-snapshot-id":1,"refs":{{"main":{{"snapshot-id":1,"type":"branch"}}}},"snapshots":[{snapshots}]}}"#
            );
            serde_json::from_str(&text).expect("metadata")
        };
        // The current snapshot is the first one again; the second said what is owed.
        let later = snapshot(2, r#""parent-snapshot-id":1,"#, &format!(r#"{offsets},"lakewright.owed":"{debt}""#));
        let rolled_back = format!("{},{later}", snapshot(1, "", offsets));
        let settled = Settled::committed(&metadata(&rolled_back)).expect("read");
        assert_eq!(settled.offsets.get("c/t", 0), Some(50));
        assert!(settled.owed.is_empty() && settled.refused.is_empty(), "{settled:?}");
        // Where no snapshot says anything any more, the table's properties do.
        let settled = Settled::committed(&metadata(&snapshot(1, "", ""))).expect("read");
        assert_eq!(settled.offsets.get("c/t", 0), Some(200));
        assert!(settled.owed.of("sales", "c/t", 0).is_some() && settled.refused.of("c/t", 0).is_some());
    }

    #[test]
    fn what_is_paid_and_what_the_dead_letters_have_leaves_nothing_behind() {
        let mut settled = Settled::default();
        settled.refused.add("c/t", 0, 5, "a");
        settled.refused.add("c/t", 0, 9, "b");
        settled.refused.forget_before("c/t", 0, 9);
        assert_eq!(settled.refused.of("c/t", 0).map(BTreeMap::len), Some(1));
        settled.refused.forget_before("c/t", 0, 10);
        settled.owed.set("sales", "c/t", 0, Some(Debt { rows: 3, rejects: 6, ..Debt::default() }));
        settled.owed.set("sales", "c/t", 0, None);
        assert_eq!(settled, Settled::default());
    }

    #[test]
    fn spans_in_which_a_table_is_not_declared_grow_together_and_are_gone_past() {
        let mut owed = Owed::default();
        owed.set("sales", "c/t", 0, Some(Debt { rows: 80, rejects: 100, ..Debt::default() }));
        owed.set("users", "c/t", 0, Some(Debt { rows: 80, rejects: 100, ..Debt::default() }));
        for span in [(200, 250), (250, 250), (250, 300), (400, 410)] {
            owed.pass(&["users"], "c/t", 0, span);
        }
        assert_eq!(owed.of("users", "c/t", 0).map(|debt| debt.undeclared.len()), Some(0));
        let mut debt = owed.of("sales", "c/t", 0).expect("a debt").clone();
        assert_eq!(debt.undeclared, [(200, 300), (400, 410)]);
        (debt.rows, debt.rejects) = (200, 205);
        debt.tidy();
        assert_eq!(debt, Debt { rows: 300, rejects: 300, own: None, undeclared: vec![(400, 410)] });
    }
}
