//! A topic in memory: its id, its configuration, its partitions' logs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use uuid::Uuid;

use crate::catalog::Entry;
use crate::log::{Limits, Log, Storage};
use crate::topic_config::{self, Settings};

/// A topic that exists.
#[derive(Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id; another topic of the same name has another.
    pub id: Uuid,
    configuration: RwLock<(Settings, Limits)>,
    partitions: RwLock<Vec<Arc<Log>>>,
}

impl Topic {
    /// Opens or creates the logs of a catalogue entry under the data directory.
    pub fn open(data: &Path, entry: &Entry, storage: &Storage) -> anyhow::Result<Self> {
        let topic = Self {
            name: entry.name.clone(),
            id: entry.id,
            configuration: RwLock::new((entry.settings.clone(), topic_config::limits(&entry.settings))),
            partitions: RwLock::default(),
        };
        topic.grow(data, entry.partitions, storage)?;
        Ok(topic)
    }

    /// Opens or creates logs until there are `count`.
    pub fn grow(&self, data: &Path, count: i32, storage: &Storage) -> anyhow::Result<()> {
        let directory = directory(data, self.id);
        let mut logs = self.partitions.read().clone();
        for partition in logs.len()..count.max(0) as usize {
            let path = directory.join(partition.to_string());
            let log = Log::open(&path, storage.clone())
                .map_err(|error| anyhow::anyhow!("open partition {partition} of topic {}: {error}", self.name))?;
            logs.push(Arc::new(log));
        }
        storage.disk.sync_directory(&directory)?;
        *self.partitions.write() = logs;
        Ok(())
    }

    /// The log of a partition.
    pub fn partition(&self, index: i32) -> Option<Arc<Log>> {
        self.partitions.read().get(usize::try_from(index).ok()?).cloned()
    }

    /// All partitions in order.
    pub fn partitions(&self) -> Vec<Arc<Log>> {
        self.partitions.read().clone()
    }

    /// Number of partitions.
    pub fn count(&self) -> i32 {
        self.partitions.read().len() as i32
    }

    /// What the configuration means for a log.
    pub fn limits(&self) -> Limits {
        self.configuration.read().1
    }

    /// What its creator set.
    pub fn settings(&self) -> Settings {
        self.configuration.read().0.clone()
    }

    /// Replaces the configuration, which must have been checked.
    pub fn configure(&self, settings: Settings) {
        let limits = topic_config::limits(&settings);
        *self.configuration.write() = (settings, limits);
    }
}

/// Where the logs of a topic id are.
pub fn directory(data: &Path, id: Uuid) -> PathBuf {
    logs(data).join(id.to_string())
}

/// Where the logs of all topics are.
pub fn logs(data: &Path) -> PathBuf {
    data.join("logs")
}
