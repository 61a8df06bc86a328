//! Committed offsets of consumer groups: a checksummed journal, by topic id, compacted as it grows.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::disk::{self, Disk, ReplaceError};
use crate::log::commit::GroupCommit;

/// A journal smaller than this is never compacted.
const COMPACT_FROM: u64 = 1 << 20;

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

#[derive(Debug, Deserialize, Serialize)]
enum Change {
    Commit { group: String, topic: Uuid, partition: i32, committed: Committed },
    DeleteGroup { group: String },
    DeleteTopic { topic: Uuid },
}

/// All committed offsets.
#[derive(Debug)]
pub struct Offsets {
    path: PathBuf,
    state: Mutex<State>,
    commit: GroupCommit,
    disk: Arc<dyn Disk>,
}

#[derive(Debug)]
struct State {
    file: Arc<File>,
    size: u64,
    /// Bytes ever written, through all compactions: what group commit counts.
    written: i64,
    /// The size at which looking for what can go is worth the work.
    compact_at: u64,
    groups: BTreeMap<String, HashMap<Place, Committed>>,
}

impl Offsets {
    /// Opens the journal of a data directory. A torn record at the end, which was never answered, is cut off.
    pub fn open(data: &Path, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let path = data.join("offsets.journal");
        let content = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let mut groups = BTreeMap::new();
        let mut rest = content.as_slice();
        while let Some(record) = disk::unframe(rest) {
            let change = serde_json::from_slice(record)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
            apply(&mut groups, change);
            rest = &rest[disk::FRAME + record.len()..];
        }
        if !rest.is_empty() {
            tracing::warn!(file = %path.display(), cut = rest.len(), "a torn write was cut off");
        }
        let compacted = compact(&groups)?;
        let file = Arc::new(disk::replace(&*disk, &path, &compacted)?);
        let state =
            State { file, size: compacted.len() as u64, written: 0, compact_at: compact_at(&compacted), groups };
        Ok(Self { path, state: Mutex::new(state), commit: GroupCommit::new(0), disk })
    }

    /// Stores what a group committed; durable when this returns.
    pub async fn commit(self: &Arc<Self>, group: &str, commits: Vec<(Place, Committed)>) -> io::Result<()> {
        let changes = commits.into_iter().map(|((topic, partition), committed)| Change::Commit {
            group: group.to_owned(),
            topic,
            partition,
            committed,
        });
        self.write(changes.collect()).await
    }

    /// Forgets a group; one of the same name inherits nothing.
    pub async fn delete_group(self: &Arc<Self>, group: &str) -> io::Result<()> {
        self.write(vec![Change::DeleteGroup { group: group.to_owned() }]).await
    }

    /// Forgets what all groups committed for a topic.
    pub async fn delete_topic(self: &Arc<Self>, topic: Uuid) -> io::Result<()> {
        self.write(vec![Change::DeleteTopic { topic }]).await
    }

    /// Forgets offsets of topics that aren't there (a crash came between a topic's deletion and this).
    pub fn keep_topics(&self, exists: impl Fn(Uuid) -> bool) {
        for committed in self.state.lock().groups.values_mut() {
            committed.retain(|&(topic, _), _| exists(topic));
        }
    }

    /// What a group committed for a partition.
    pub fn get(&self, group: &str, place: Place) -> Option<Committed> {
        self.state.lock().groups.get(group)?.get(&place).cloned()
    }

    /// Everything that a group committed.
    pub fn all(&self, group: &str) -> Vec<(Place, Committed)> {
        let state = self.state.lock();
        state.groups.get(group).into_iter().flatten().map(|(&place, committed)| (place, committed.clone())).collect()
    }

    /// Whether a group has committed something.
    pub fn has(&self, group: &str) -> bool {
        self.state.lock().groups.contains_key(group)
    }

    /// The groups that have committed something.
    pub fn groups(&self) -> Vec<String> {
        self.state.lock().groups.keys().cloned().collect()
    }

    async fn write(self: &Arc<Self>, changes: Vec<Change>) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let offsets = self.clone();
        let until = tokio::task::spawn_blocking(move || offsets.append(changes)).await.map_err(io::Error::other)??;
        let offsets = self.clone();
        self.commit.wait(until, move || offsets.flush()).await
    }

    fn append(&self, changes: Vec<Change>) -> io::Result<i64> {
        let mut buffer = Vec::new();
        for change in &changes {
            disk::frame(&mut buffer, &serde_json::to_vec(change)?);
        }
        let mut state = self.state.lock();
        self.commit.check()?;
        if let Err(error) = state.file.write_all_at(&buffer, state.size) {
            state.file.set_len(state.size)?;
            return Err(error);
        }
        state.size += buffer.len() as u64;
        state.written += buffer.len() as i64;
        for change in changes {
            apply(&mut state.groups, change);
        }
        if state.size > state.compact_at {
            self.compact(&mut state)?;
        }
        Ok(state.written)
    }

    fn compact(&self, state: &mut State) -> io::Result<()> {
        let live = compact(&state.groups)?;
        match disk::replace(&*self.disk, &self.path, &live) {
            Ok(file) => {
                state.file = Arc::new(file);
                state.size = live.len() as u64;
                state.compact_at = compact_at(&live);
            }
            Err(ReplaceError::Kept(error)) => {
                // What was written stands in the journal: the next attempt may wait until it has grown again.
                tracing::warn!(file = %self.path.display(), %error, "the journal wasn't compacted");
                state.compact_at = state.size + COMPACT_FROM;
            }
            Err(ReplaceError::Unknown(error)) => {
                self.commit.fail(&error);
                return Err(error);
            }
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<i64> {
        let (file, written) = {
            let state = self.state.lock();
            (state.file.clone(), state.written)
        };
        self.disk.sync(&file)?;
        Ok(written)
    }
}

fn compact(groups: &BTreeMap<String, HashMap<Place, Committed>>) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::new();
    for (group, committed) in groups {
        for (&(topic, partition), committed) in committed {
            let change = Change::Commit { group: group.clone(), topic, partition, committed: committed.clone() };
            disk::frame(&mut buffer, &serde_json::to_vec(&change)?);
        }
    }
    Ok(buffer)
}

fn compact_at(live: &[u8]) -> u64 {
    (4 * live.len() as u64).max(COMPACT_FROM)
}

fn apply(groups: &mut BTreeMap<String, HashMap<Place, Committed>>, change: Change) {
    match change {
        Change::Commit { group, topic, partition, committed } => {
            groups.entry(group).or_default().insert((topic, partition), committed);
        }
        Change::DeleteGroup { group } => {
            groups.remove(&group);
        }
        Change::DeleteTopic { topic } => {
            for committed in groups.values_mut() {
                committed.retain(|&(id, _), _| id != topic);
            }
            groups.retain(|_, committed| !committed.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(offset: i64) -> Committed {
        Committed { offset, epoch: 0, metadata: "note".into() }
    }

    #[tokio::test]
    async fn survives_a_torn_end_and_compaction() {
        let data = tempfile::tempdir().unwrap();
        let (kept, gone) = (Uuid::new_v4(), Uuid::new_v4());
        let offsets = Arc::new(Offsets::open(data.path(), Arc::new(disk::Machine)).unwrap());
        for offset in 0..20_000 {
            let commits = (0..4).map(|partition| ((kept, partition), committed(offset))).collect();
            let changes = commits_of("group", commits);
            offsets.append(changes).unwrap();
        }
        assert!(offsets.state.lock().size < 4 * COMPACT_FROM, "the journal grew to {}", offsets.state.lock().size);
        offsets.commit("group", vec![((gone, 0), committed(1))]).await.unwrap();
        offsets.commit("other", vec![((kept, 0), committed(1))]).await.unwrap();
        offsets.delete_topic(gone).await.unwrap();
        offsets.delete_group("other").await.unwrap();
        drop(offsets);

        let path = data.path().join("offsets.journal");
        let mut content = std::fs::read(&path).unwrap();
        let mut torn = Vec::new();
        let change = Change::DeleteGroup { group: "group".into() };
        disk::frame(&mut torn, &serde_json::to_vec(&change).unwrap());
        content.extend_from_slice(&torn[..torn.len() - 3]);
        std::fs::write(&path, content).unwrap();

        let offsets = Offsets::open(data.path(), Arc::new(disk::Machine)).unwrap();
        assert_eq!(offsets.groups(), ["group"]);
        assert_eq!(offsets.all("group").len(), 4);
        assert_eq!(offsets.get("group", (kept, 3)), Some(committed(19_999)));
        assert_eq!(offsets.get("group", (gone, 0)), None);
    }

    fn commits_of(group: &str, commits: Vec<(Place, Committed)>) -> Vec<Change> {
        let change =
            |((topic, partition), committed)| Change::Commit { group: group.to_owned(), topic, partition, committed };
        commits.into_iter().map(change).collect()
    }
}
