//! What all connections share: topics, producer ids, committed offsets, groups, access control lists.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use kafka_protocol::error::ResponseError;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use crate::acl::Acl;
use crate::catalog::{Catalog, Entry};
use crate::coordinator::Coordinator;
use crate::disk::Disk;
use crate::group::Groups;
use crate::log::Storage;
use crate::refusal::Refusal;
use crate::scram::Keyring;
use crate::topic::{self, Topic};
use crate::topic_config::Settings;
use crate::turns::Turns;
use crate::{Config, Fsync, Logins};

/// The only node.
pub const NODE: i32 = 1;
/// Each partition keeps files open and indexes in memory.
const MOST_PARTITIONS: i32 = 1000;

/// The node.
#[derive(Debug)]
pub struct Broker {
    /// How it was started.
    pub config: Config,
    /// The cluster's id.
    pub cluster_id: String,
    /// Committed offsets and the states of transactions.
    pub coordinator: Arc<Coordinator>,
    /// Consumer groups.
    pub groups: Groups,
    /// What all logs have in common.
    pub storage: Storage,
    /// One transactional id's requests, one after the other.
    pub transactions: Turns,
    /// What is kept of passwords by which clients have logged in.
    pub keyring: Keyring,
    catalog: Mutex<Catalog>,
    topics: RwLock<Topics>,
    acls: RwLock<Arc<Vec<Acl>>>,
    logins: OnceLock<Arc<dyn Logins>>,
}

#[derive(Debug, Default)]
struct Topics {
    by_name: BTreeMap<String, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

impl Broker {
    /// Opens everything in the data directory and removes what deleted topics left behind. Blocks on the disk.
    pub fn open(config: Config, disk: Arc<dyn Disk>) -> anyhow::Result<Self> {
        let data = &config.data;
        let catalog = Catalog::open(data, disk.clone())?;
        std::fs::create_dir_all(topic::logs(data))?;
        disk.sync_directory(data)?;
        for entry in std::fs::read_dir(topic::logs(data))? {
            let path = entry?.path();
            let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<Uuid>().ok());
            if id.is_some_and(|id| catalog.topics().iter().all(|topic| topic.id != id)) {
                std::fs::remove_dir_all(&path)?;
            }
        }
        let storage = Storage { fsync: config.fsync, disk: disk.clone(), epoch: catalog.epoch() };
        let mut topics = Topics::default();
        for entry in catalog.topics() {
            topics.insert(Arc::new(Topic::open(data, entry, &storage)?));
        }
        let coordinator =
            Coordinator::open(data, disk).map_err(|error| anyhow::anyhow!("open committed offsets: {error}"))?;
        coordinator.keep_topics(|id| topics.by_id.contains_key(&id));
        Ok(Self {
            cluster_id: catalog.cluster_id().to_owned(),
            coordinator: Arc::new(coordinator),
            groups: Groups::default(),
            transactions: Turns::default(),
            keyring: Keyring::default(),
            acls: RwLock::new(Arc::new(catalog.acls().to_vec())),
            catalog: Mutex::new(catalog),
            topics: RwLock::new(topics),
            logins: OnceLock::new(),
            config,
            storage,
        })
    }

    /// Lets clients log in from now on; the first one given stays.
    pub fn take_logins(&self, logins: Arc<dyn Logins>) {
        _ = self.logins.set(logins);
    }

    /// Who judges clients that log in.
    pub fn logins(&self) -> Option<&dyn Logins> {
        self.logins.get().map(AsRef::as_ref)
    }

    /// The access control lists.
    pub fn acls(&self) -> Arc<Vec<Acl>> {
        self.acls.read().clone()
    }

    /// Changes the access control lists. What is changed is durable when this returns. Blocks on the disk.
    pub fn change_acls<T>(&self, change: impl FnOnce(&mut Vec<Acl>) -> T) -> Result<T, Refusal> {
        let mut catalog = self.catalog.lock();
        let result = catalog.change_acls(change).map_err(|error| storage(&error))?;
        *self.acls.write() = Arc::new(catalog.acls().to_vec());
        Ok(result)
    }

    /// The topic of a name.
    pub fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().by_name.get(name).cloned()
    }

    /// The topic of an id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.topics.read().by_id.get(&id).cloned()
    }

    /// All topics by name.
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics.read().by_name.values().cloned().collect()
    }

    /// Creates a topic, or says whether it could be. It is durable when this returns. Blocks on the disk.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        settings: Settings,
        validate_only: bool,
    ) -> Result<Option<Arc<Topic>>, Refusal> {
        check_name(name)?;
        let partitions = if partitions == -1 { self.config.partitions } else { partitions };
        check_partitions(partitions)?;
        let mut catalog = self.catalog.lock();
        if self.topic(name).is_some() {
            return Err((ResponseError::TopicAlreadyExists, format!("topic {name} exists already")));
        }
        if validate_only {
            return Ok(None);
        }
        let entry = Entry { name: name.to_owned(), id: Uuid::new_v4(), partitions, settings };
        // The logs come first: after a crash in between, a directory that the catalogue doesn't name is removed.
        let directory = topic::directory(&self.config.data, entry.id);
        let created = std::fs::create_dir_all(&directory)
            .map_err(anyhow::Error::from)
            .and_then(|()| Topic::open(&self.config.data, &entry, &self.storage))
            .and_then(|topic| Ok((topic, self.storage.disk.sync_directory(&topic::logs(&self.config.data))?)))
            .and_then(|(topic, ())| {
                catalog.change_topics(|topics| topics.push(entry))?;
                Ok(topic)
            });
        match created {
            Ok(topic) => {
                let topic = Arc::new(topic);
                self.topics.write().insert(topic.clone());
                Ok(Some(topic))
            }
            Err(error) => {
                let _ = std::fs::remove_dir_all(&directory);
                Err(storage(&error))
            }
        }
    }

    /// Deletes a topic and its logs. Blocks on the disk. What groups committed for it is the caller's to forget.
    pub fn delete_topic(&self, id: Uuid) -> Result<(), Refusal> {
        let mut catalog = self.catalog.lock();
        let Some(topic) = self.topic_by_id(id) else {
            return Err((ResponseError::UnknownTopicId, format!("there is no topic with id {id}")));
        };
        catalog.change_topics(|topics| topics.retain(|entry| entry.id != id)).map_err(|error| storage(&error))?;
        self.topics.write().remove(&topic);
        for log in topic.partitions() {
            log.delete();
        }
        if let Err(error) = std::fs::remove_dir_all(topic::directory(&self.config.data, id)) {
            tracing::warn!(topic = topic.name, %error, "a deleted topic's files are left until the next start");
        }
        Ok(())
    }

    /// Adds partitions to a topic. Blocks on the disk.
    pub fn grow_topic(&self, topic: &Topic, count: i32, validate_only: bool) -> Result<(), Refusal> {
        let mut catalog = self.catalog.lock();
        if count <= topic.count() {
            let text =
                format!("topic {} has {} partitions already, and they can't be fewer", topic.name, topic.count());
            return Err((ResponseError::InvalidPartitions, text));
        }
        check_partitions(count)?;
        if validate_only {
            return Ok(());
        }
        // The catalogue comes first: after a crash in between, the logs are made by the next start.
        let set = |topics: &mut Vec<Entry>| {
            topics.iter_mut().filter(|entry| entry.id == topic.id).for_each(|entry| entry.partitions = count);
        };
        catalog.change_topics(set).map_err(|error| storage(&error))?;
        topic.grow(&self.config.data, count, &self.storage).map_err(|error| storage(&error))
    }

    /// Replaces a topic's configuration, already checked. Blocks on the disk.
    pub fn configure_topic(
        &self,
        topic: &Topic,
        change: impl FnOnce(Settings) -> Result<Settings, Refusal>,
        validate_only: bool,
    ) -> Result<(), Refusal> {
        let mut catalog = self.catalog.lock();
        let settings = change(topic.settings())?;
        if validate_only {
            return Ok(());
        }
        let set = |topics: &mut Vec<Entry>| {
            let found = topics.iter_mut().find(|entry| entry.id == topic.id);
            found.map(|entry| entry.settings = settings.clone())
        };
        let found = catalog.change_topics(set).map_err(|error| storage(&error))?;
        if found.is_none() {
            return Err((ResponseError::UnknownTopicOrPartition, format!("topic {} was deleted", topic.name)));
        }
        topic.configure(settings);
        Ok(())
    }

    /// A producer id that was never given out. Blocks on the disk.
    pub fn producer_id(&self) -> std::io::Result<i64> {
        self.catalog.lock().producer_id()
    }

    /// Flushes all logs.
    pub async fn flush(&self) {
        for topic in self.topics() {
            for log in topic.partitions() {
                if let Err(error) = log.flush_all().await {
                    tracing::error!(topic = topic.name, %error, "flush failed");
                }
            }
        }
    }

    /// Drops what retention lets go. Blocks on the disk.
    pub fn retain(&self) {
        for topic in self.topics() {
            for log in topic.partitions() {
                match log.retain(&topic.limits(), now()) {
                    Ok(0) => {}
                    Ok(segments) => tracing::info!(topic = topic.name, segments, "retention dropped old segments"),
                    Err(error) => tracing::error!(topic = topic.name, %error, "retention failed"),
                }
            }
        }
    }

    /// Whether flushing is a task of its own.
    pub fn flush_interval(&self) -> Option<std::time::Duration> {
        match self.config.fsync {
            Fsync::BeforeAcknowledge => None,
            Fsync::Every(interval) => Some(interval),
        }
    }
}

impl Topics {
    fn insert(&mut self, topic: Arc<Topic>) {
        self.by_id.insert(topic.id, topic.clone());
        self.by_name.insert(topic.name.clone(), topic);
    }

    fn remove(&mut self, topic: &Topic) {
        self.by_id.remove(&topic.id);
        self.by_name.remove(&topic.name);
    }
}

/// Now, in ms since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64)
}

fn storage(error: &dyn std::fmt::Display) -> Refusal {
    (ResponseError::KafkaStorageError, error.to_string())
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.chars().all(known) {
        let text = format!("topic name {name:?} must be 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'");
        return Err((ResponseError::InvalidTopicException, text));
    }
    Ok(())
}

fn check_partitions(count: i32) -> Result<(), Refusal> {
    if (1..=MOST_PARTITIONS).contains(&count) {
        return Ok(());
    }
    Err((ResponseError::InvalidPartitions, format!("the number of partitions must be from 1 to {MOST_PARTITIONS}")))
}
