//! The file that says which topics there are, the one truth that directories and offsets are cleaned after, and which access
//! control lists.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::acl::Acl;
use crate::disk::{self, Disk, ReplaceError};
use crate::topic_config::Settings;

const VERSION: u32 = 1;
/// Producer ids are promised to the disk in blocks, so that a restart never gives one out again.
const PRODUCER_IDS: i64 = 1000;

/// A topic as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Entry {
    /// Its name, unique at a time.
    pub name: String,
    /// Its id, never used again.
    pub id: Uuid,
    /// Number of partitions.
    pub partitions: i32,
    /// What its creator set.
    pub settings: Settings,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Content {
    version: u32,
    cluster_id: String,
    producer_ids: i64,
    /// Number of starts before this one, which is its leader epoch.
    #[serde(default)]
    epoch: i32,
    topics: Vec<Entry>,
    /// The access control lists.
    #[serde(default)]
    acls: Vec<Acl>,
}

/// The catalogue; every change is durable when its call returns, or undone. After a flush that failed nothing changes.
#[derive(Debug)]
pub struct Catalog {
    path: PathBuf,
    content: Content,
    next_producer: i64,
    disk: Arc<dyn Disk>,
    /// Whether the file on disk may be another than the content.
    failed: bool,
}

impl Catalog {
    /// Opens the catalogue of a data directory or begins one with a new cluster id.
    pub fn open(data: &Path, disk: Arc<dyn Disk>) -> anyhow::Result<Self> {
        let path = data.join("catalog.json");
        let content = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<Content>(&bytes)
                .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content {
                version: VERSION,
                cluster_id: new_cluster_id(),
                producer_ids: 0,
                epoch: -1,
                topics: Vec::new(),
                acls: Vec::new(),
            },
            Err(error) => return Err(anyhow::anyhow!("{}: {error}", path.display())),
        };
        anyhow::ensure!(
            content.version == VERSION,
            "{} has format {}, this version knows {VERSION}; start with an empty data directory",
            path.display(),
            content.version
        );
        let mut catalog = Self { next_producer: content.producer_ids, path, content, disk, failed: false };
        catalog.change(|content| content.epoch += 1)?;
        Ok(catalog)
    }

    /// The cluster's id: 16 random bytes in the alphabet of URLs, as Kafka writes it.
    pub fn cluster_id(&self) -> &str {
        &self.content.cluster_id
    }

    /// The leader epoch of this start: greater than those of all before, whatever became of their records.
    pub fn epoch(&self) -> i32 {
        self.content.epoch
    }

    /// All topics.
    pub fn topics(&self) -> &[Entry] {
        &self.content.topics
    }

    /// Changes the topics.
    pub fn change_topics<T>(&mut self, change: impl FnOnce(&mut Vec<Entry>) -> T) -> io::Result<T> {
        self.change(|content| change(&mut content.topics))
    }

    /// The access control lists.
    pub fn acls(&self) -> &[Acl] {
        &self.content.acls
    }

    /// Changes the access control lists.
    pub fn change_acls<T>(&mut self, change: impl FnOnce(&mut Vec<Acl>) -> T) -> io::Result<T> {
        self.change(|content| change(&mut content.acls))
    }

    /// A producer id that was never given out.
    pub fn producer_id(&mut self) -> io::Result<i64> {
        if self.next_producer == self.content.producer_ids {
            self.change(|content| content.producer_ids += PRODUCER_IDS)?;
        }
        self.next_producer += 1;
        Ok(self.next_producer - 1)
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut Content) -> T) -> io::Result<T> {
        if self.failed {
            let text = format!("an earlier flush of {} failed; restart once the disk is well", self.path.display());
            return Err(io::Error::other(text));
        }
        let mut next = self.content.clone();
        let result = change(&mut next);
        let replaced = disk::replace(&*self.disk, &self.path, &serde_json::to_vec_pretty(&next)?);
        self.failed = matches!(replaced, Err(ReplaceError::Unknown(_)));
        replaced?;
        self.content = next;
        Ok(result)
    }
}

fn new_cluster_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = Uuid::new_v4().as_u128();
    // 128 bits are 21 digits of six bits and one of two.
    let digits = (0..21).map(|digit| (bits >> (122 - 6 * digit)) & 63).chain([(bits & 3) << 4]);
    digits.map(|digit| char::from(ALPHABET[digit as usize])).collect()
}
