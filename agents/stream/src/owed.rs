//! What the dead letters' floor went past without tables that were in quarantine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::offsets::ByPartition;

/// From where on a table in quarantine lacks what the dead letters' map covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Debt {
    /// Its rows from this offset on.
    pub(crate) rows: i64,
    /// What it would have refused from this offset on: nobody has judged it.
    pub(crate) rejects: i64,
    /// Its own map when it was known last: where that has gone back since, the table was rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) own: Option<i64>,
    /// Spans of offsets, ascending, in which it wasn't declared: what is its own there is among the dead letters. The
    /// second offset of each is the one after the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) undeclared: Vec<(i64, i64)>,
}

impl Debt {
    /// Goes past what isn't owed, and forgets it.
    pub(crate) fn tidy(&mut self) {
        for (from, to) in &self.undeclared {
            for offset in [&mut self.rows, &mut self.rejects] {
                if (*from..*to).contains(offset) {
                    *offset = *to;
                }
            }
        }
        let oldest = self.rows.min(self.rejects);
        self.undeclared.retain(|(_, to)| *to > oldest);
    }
}

/// What is owed, by table, `CLUSTER ID/TOPIC ID` and partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Owed(BTreeMap<String, ByPartition<Debt>>);

impl Owed {
    /// What is owed to a table of a partition.
    pub(crate) fn of(&self, table: &str, topic: &str, partition: i32) -> Option<&Debt> {
        self.0.get(table)?.get(topic)?.get(&partition)
    }

    /// What is owed of a partition, by table.
    pub(crate) fn of_partition(&self, topic: &str, partition: i32) -> BTreeMap<&str, &Debt> {
        let of = |table| self.of(table, topic, partition);
        self.0.keys().filter_map(|table| Some((table.as_str(), of(table)?))).collect()
    }

    /// A span of a partition in which some tables aren't declared.
    pub(crate) fn pass(&mut self, declared: &[&str], topic: &str, partition: i32, (from, to): (i64, i64)) {
        for (_, topics) in self.0.iter_mut().filter(|(table, _)| !declared.contains(&table.as_str())) {
            let debt = topics.get_mut(topic).and_then(|partitions| partitions.get_mut(&partition));
            let Some(debt) = debt.filter(|_| from < to) else { continue };
            match debt.undeclared.last_mut() {
                Some((_, end)) if *end == from => *end = to,
                _ => debt.undeclared.push((from, to)),
            }
        }
    }

    /// Sets what is owed; `None`: nothing.
    pub(crate) fn set(&mut self, table: &str, topic: &str, partition: i32, debt: Option<Debt>) {
        if let Some(debt) = debt {
            let topics = self.0.entry(table.to_owned()).or_default();
            topics.entry(topic.to_owned()).or_default().insert(partition, debt);
            return;
        }
        let Some(topics) = self.0.get_mut(table) else { return };
        if let Some(partitions) = topics.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                topics.remove(topic);
            }
        }
        if topics.is_empty() {
            self.0.remove(table);
        }
    }

    /// Forgets a topic that is gone for good.
    pub(crate) fn forget(&mut self, topic: &str) {
        for topics in self.0.values_mut() {
            topics.remove(topic);
        }
        self.0.retain(|_, topics| !topics.is_empty());
    }

    /// Whether nothing is owed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
