//! The map of offsets that every commit carries: what of each topic a table has taken in.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use iceberg::spec::TableMetadata;
use serde::{Deserialize, Serialize};

/// The name of the map among snapshot and table properties.
pub const PROPERTY: &str = "lakewright.offsets";

/// By `CLUSTER ID/TOPIC ID` and partition.
pub(crate) type ByPartition<T> = BTreeMap<String, BTreeMap<i32, T>>;

/// The next offset to take in, by `CLUSTER ID/TOPIC ID` and partition. A topic deleted and made again is another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OffsetMap(ByPartition<i64>);

impl OffsetMap {
    /// The next offset of a partition, if the map knows it.
    pub fn get(&self, topic: &str, partition: i32) -> Option<i64> {
        self.0.get(topic)?.get(&partition).copied()
    }

    /// Moves a partition forward; it never goes back.
    pub fn advance(&mut self, topic: &str, partition: i32, next: i64) {
        let known = self.0.entry(topic.to_owned()).or_default().entry(partition).or_insert(next);
        *known = next.max(*known);
    }

    /// Forgets a topic that is gone for good.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.0.remove(topic);
    }

    /// Forgets all topics of a cluster but one.
    pub(crate) fn keep_only(&mut self, topic: &str) {
        self.0.retain(|known, _| stays(known, topic));
    }

    /// The topics that it knows.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The map as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a map of strings and numbers is JSON")
    }

    /// The map that a table's current data stands for: that of the current snapshot, or of its nearest ancestor that
    /// carries one, because other engines' commits carry none. The table property counts only when no ancestor is
    /// left that has a map (expired snapshots): after a rollback it is ahead of the data.
    ///
    /// # Errors
    /// A map is there and isn't one.
    pub fn committed(metadata: &TableMetadata) -> anyhow::Result<Self> {
        standing(metadata).get(PROPERTY).map_or_else(|| Ok(Self::default()), |text| Self::parse(text))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        serde_json::from_str(text).with_context(|| format!("the table's `{PROPERTY}` is no map of offsets: {text}"))
    }
}

/// The cluster of a `CLUSTER ID/TOPIC ID`.
pub(crate) fn cluster(key: &str) -> &str {
    key.split_once('/').map_or(key, |(cluster, _)| cluster)
}

/// Whether a table whose rows come from one `CLUSTER ID/TOPIC ID` still has to know another. Those of other clusters stay:
/// a stack may go back to one.
pub(crate) fn stays(known: &str, only: &str) -> bool {
    known == only || cluster(known) != cluster(only)
}

/// The properties that say what a table's current data stands for: those of the current snapshot, or of its nearest
/// ancestor that carries a map of offsets; the table's own when none is left.
pub(crate) fn standing(metadata: &TableMetadata) -> &HashMap<String, String> {
    let mut snapshot = metadata.current_snapshot();
    while let Some(current) = snapshot {
        let properties = &current.summary().additional_properties;
        if properties.contains_key(PROPERTY) {
            return properties;
        }
        snapshot = current.parent_snapshot_id().and_then(|parent| metadata.snapshot_by_id(parent));
    }
    metadata.properties()
}

/// A property of the current snapshot, or of its nearest ancestor that carries it; of the table when none is left.
pub(crate) fn carried<'a>(metadata: &'a TableMetadata, property: &str) -> Option<&'a String> {
    let mut snapshot = metadata.current_snapshot();
    while let Some(current) = snapshot {
        if let Some(text) = current.summary().additional_properties.get(property) {
            return Some(text);
        }
        snapshot = current.parent_snapshot_id().and_then(|parent| metadata.snapshot_by_id(parent));
    }
    metadata.properties().get(property)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_written_as_the_contract_says_and_never_go_back() {
        let mut map = OffsetMap::default();
        map.advance("cluster/topic", 1, 30);
        map.advance("cluster/topic", 0, 7);
        map.advance("cluster/topic", 1, 20);
        assert_eq!(map.to_json(), r#"{"cluster/topic":{"0":7,"1":30}}"#);
        assert_eq!(OffsetMap::parse(&map.to_json()).expect("read back"), map);
        assert_eq!((map.get("cluster/topic", 1), map.get("cluster/other", 1)), (Some(30), None));
        assert!(OffsetMap::parse("{\"a\":1}").is_err());
        map.advance("cluster/other", 0, 1);
        map.advance("cluster/gone", 0, 1);
        map.forget("cluster/gone");
        assert_eq!((map.get("cluster/gone", 0), map.get("cluster/other", 0)), (None, Some(1)));
        map.advance("another/topic", 0, 5);
        map.keep_only("cluster/topic");
        assert_eq!((map.get("cluster/topic", 0), map.get("cluster/other", 0)), (Some(7), None));
        assert_eq!(map.get("another/topic", 0), Some(5));
    }
}
