//! What the coordinator's journal adds up to: committed offsets of groups, and transactions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a group committed for a partition.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// Leader epoch, as the client gave it.
    pub epoch: i32,
    /// The client's own note.
    pub metadata: String,
}

/// A partition of a topic id.
pub type Place = (Uuid, i32);

/// Where a transactional id stands.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Phase {
    /// Its producer has begun nothing.
    Empty,
    /// A transaction is open.
    Ongoing,
    /// It is decided; markers are being written.
    Committing,
    /// It is decided; markers are being written.
    Aborting,
    /// All partitions have their markers.
    Committed,
    /// All partitions have their markers.
    Aborted,
}

/// What is known of a transactional id.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Transaction {
    /// Its producer's id.
    pub producer_id: i64,
    /// Its producer's epoch; producers with an older one are fenced.
    pub epoch: i16,
    /// The id and epoch that its producer had when it asked for the present ones, if it had any: its answer may have
    /// been lost.
    pub renewed: Option<(i64, i16)>,
    /// How long a transaction may be open, ms.
    pub timeout_ms: i32,
    /// Where it stands.
    pub phase: Phase,
    /// The partitions that it writes to.
    pub partitions: BTreeSet<Place>,
    /// The groups that it commits offsets for.
    pub groups: BTreeSet<String>,
    /// The offsets that count once it is committed.
    pub offsets: Vec<(String, Place, Committed)>,
    /// When the open transaction was begun, or else the last one ended; ms since 1970.
    pub since: i64,
}

/// One record of the journal.
#[derive(Debug, Deserialize, Serialize)]
pub enum Change {
    /// A group commits an offset.
    Commit {
        /// The group.
        group: String,
        /// The topic's id.
        topic: Uuid,
        /// The partition.
        partition: i32,
        /// What it committed.
        committed: Committed,
    },
    /// A group is forgotten.
    DeleteGroup {
        /// The group.
        group: String,
    },
    /// A topic is forgotten.
    DeleteTopic {
        /// The topic's id.
        topic: Uuid,
    },
    /// A transactional id stands elsewhere. The decision to commit is the record that makes its offsets count.
    Transaction {
        /// The transactional id.
        id: String,
        /// Where it stands; none: it is forgotten.
        transaction: Option<Transaction>,
    },
}

/// Committed offsets and transactions.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By group.
    pub groups: BTreeMap<String, HashMap<Place, Committed>>,
    /// By transactional id.
    pub transactions: BTreeMap<String, Transaction>,
}

impl Ledger {
    /// Takes one record in.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Commit { group, topic, partition, committed } => {
                self.groups.entry(group).or_default().insert((topic, partition), committed);
            }
            Change::DeleteGroup { group } => {
                self.groups.remove(&group);
                for transaction in self.transactions.values_mut() {
                    transaction.offsets.retain(|(other, ..)| *other != group);
                }
            }
            Change::DeleteTopic { topic } => self.keep_topics(|id| id != topic),
            Change::Transaction { id, transaction: None } => {
                self.transactions.remove(&id);
            }
            Change::Transaction { id, transaction: Some(mut transaction) } => {
                if transaction.phase == Phase::Committing {
                    for (group, place, committed) in transaction.offsets.drain(..) {
                        self.groups.entry(group).or_default().insert(place, committed);
                    }
                }
                self.transactions.insert(id, transaction);
            }
        }
    }

    /// The records that make an empty ledger this one.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let commits = self.groups.iter().flat_map(|(group, committed)| {
            committed.iter().map(|(&(topic, partition), committed)| Change::Commit {
                group: group.clone(),
                topic,
                partition,
                committed: committed.clone(),
            })
        });
        let transactions = self.transactions.iter();
        commits.chain(
            transactions.map(|(id, known)| Change::Transaction { id: id.clone(), transaction: Some(known.clone()) }),
        )
    }

    /// Forgets topics that aren't there.
    pub fn keep_topics(&mut self, exists: impl Fn(Uuid) -> bool) {
        for committed in self.groups.values_mut() {
            committed.retain(|&(topic, _), _| exists(topic));
        }
        self.groups.retain(|_, committed| !committed.is_empty());
        for transaction in self.transactions.values_mut() {
            transaction.partitions.retain(|&(topic, _)| exists(topic));
            transaction.offsets.retain(|&(_, (topic, _), _)| exists(topic));
        }
    }

    /// Whether a transaction that hasn't ended yet may change what a group committed for a partition.
    pub fn is_pending(&self, group: &str, place: Place) -> bool {
        let pending = |t: &Transaction| t.offsets.iter().any(|(other, at, _)| other == group && *at == place);
        self.transactions.values().any(pending)
    }
}
