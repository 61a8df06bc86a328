//! What groups and transactional producers rely on, in one checksummed journal that is compacted as it grows.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::disk::{self, Disk, ReplaceError};
use crate::ledger::{Change, Committed, Ledger, Place, Transaction};
use crate::log::commit::GroupCommit;

/// A journal smaller than this is never compacted.
const COMPACT_FROM: u64 = 1 << 20;

/// The journal and what it adds up to.
#[derive(Debug)]
pub struct Coordinator {
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
    ledger: Ledger,
}

impl Coordinator {
    /// Opens the journal of a data directory. A torn record at the end, which was never answered, is cut off.
    pub fn open(data: &Path, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let path = data.join("offsets.journal");
        let content = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let mut ledger = Ledger::default();
        let mut rest = content.as_slice();
        while let Some(record) = disk::unframe(rest) {
            let change = serde_json::from_slice(record)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
            ledger.apply(change);
            rest = &rest[disk::FRAME + record.len()..];
        }
        if !rest.is_empty() {
            tracing::warn!(file = %path.display(), cut = rest.len(), "a torn write was cut off");
        }
        let compacted = compact(&ledger)?;
        let file = Arc::new(disk::replace(&*disk, &path, &compacted)?);
        let state =
            State { file, size: compacted.len() as u64, written: 0, compact_at: compact_at(&compacted), ledger };
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
        self.state.lock().ledger.keep_topics(exists);
    }

    /// What a group committed for a partition.
    pub fn get(&self, group: &str, place: Place) -> Option<Committed> {
        self.state.lock().ledger.groups.get(group)?.get(&place).cloned()
    }

    /// Everything that a group committed.
    pub fn all(&self, group: &str) -> Vec<(Place, Committed)> {
        let state = self.state.lock();
        state
            .ledger
            .groups
            .get(group)
            .into_iter()
            .flatten()
            .map(|(&place, committed)| (place, committed.clone()))
            .collect()
    }

    /// Whether a group has committed something.
    pub fn has(&self, group: &str) -> bool {
        self.state.lock().ledger.groups.contains_key(group)
    }

    /// The groups that have committed something.
    pub fn groups(&self) -> Vec<String> {
        self.state.lock().ledger.groups.keys().cloned().collect()
    }

    /// Whether a transaction that hasn't ended yet may change what a group committed for a partition.
    pub fn is_pending(&self, group: &str, place: Place) -> bool {
        self.state.lock().ledger.is_pending(group, place)
    }

    /// What is known of a transactional id.
    ///
    /// # Errors
    /// Once a flush has failed: what is in memory may be gone after a restart, so that nobody may act on it.
    pub fn transaction(&self, id: &str) -> io::Result<Option<Transaction>> {
        let known = self.state.lock().ledger.transactions.get(id).cloned();
        self.commit.check()?;
        Ok(known)
    }

    /// The transactional ids of which something holds; errors as [`Coordinator::transaction`].
    pub fn transactions(&self, holds: impl Fn(&Transaction) -> bool) -> io::Result<Vec<String>> {
        let found = {
            let state = self.state.lock();
            state.ledger.transactions.iter().filter(|(_, t)| holds(t)).map(|(id, _)| id.clone()).collect()
        };
        self.commit.check()?;
        Ok(found)
    }

    /// Returns when everything that could be seen here until now is durable.
    pub async fn settled(self: &Arc<Self>) -> io::Result<()> {
        let until = self.state.lock().written;
        self.wait(until).await
    }

    /// Replaces what is known of a transactional id, or forgets it; durable when this returns.
    pub async fn put_transaction(self: &Arc<Self>, id: &str, transaction: Option<Transaction>) -> io::Result<()> {
        self.write(vec![Change::Transaction { id: id.to_owned(), transaction }]).await
    }

    async fn write(self: &Arc<Self>, changes: Vec<Change>) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let journal = self.clone();
        let until = tokio::task::spawn_blocking(move || journal.append(changes)).await.map_err(io::Error::other)??;
        self.wait(until).await
    }

    async fn wait(self: &Arc<Self>, until: i64) -> io::Result<()> {
        let journal = self.clone();
        self.commit.wait(until, move || journal.flush()).await
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
            state.ledger.apply(change);
        }
        if state.size > state.compact_at {
            self.compact(&mut state)?;
        }
        Ok(state.written)
    }

    fn compact(&self, state: &mut State) -> io::Result<()> {
        let live = compact(&state.ledger)?;
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

fn compact(ledger: &Ledger) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::new();
    for change in ledger.changes() {
        disk::frame(&mut buffer, &serde_json::to_vec(&change)?);
    }
    Ok(buffer)
}

fn compact_at(live: &[u8]) -> u64 {
    (4 * live.len() as u64).max(COMPACT_FROM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power_cut::Fragile;

    fn committed(offset: i64) -> Committed {
        Committed { offset, epoch: 0, metadata: "note".into() }
    }

    #[tokio::test]
    async fn survives_a_torn_end_and_compaction() {
        let data = tempfile::tempdir().unwrap();
        let (kept, gone) = (Uuid::new_v4(), Uuid::new_v4());
        let offsets = Arc::new(Coordinator::open(data.path(), Arc::new(disk::Machine)).unwrap());
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

        let offsets = Coordinator::open(data.path(), Arc::new(disk::Machine)).unwrap();
        assert_eq!(offsets.groups(), ["group"]);
        assert_eq!(offsets.all("group").len(), 4);
        assert_eq!(offsets.get("group", (kept, 3)), Some(committed(19_999)));
        assert_eq!(offsets.get("group", (gone, 0)), None);
    }

    #[tokio::test]
    async fn who_waits_for_a_flush_that_failed_hears_of_it() {
        let data = tempfile::tempdir().unwrap();
        let disk = Fragile::new();
        let journal = Arc::new(Coordinator::open(data.path(), disk.clone()).unwrap());
        let place = (Uuid::new_v4(), 0);
        let append = |offset| journal.append(commits_of("group", vec![(place, committed(offset))]));
        let (first, second) = (append(1).unwrap(), append(2).unwrap());
        disk.fail_after(0);
        for until in [first, second] {
            let flushing = journal.clone();
            journal.commit.wait(until, move || flushing.flush()).await.unwrap_err();
        }
        append(3).unwrap_err();
    }

    fn commits_of(group: &str, commits: Vec<(Place, Committed)>) -> Vec<Change> {
        let change =
            |((topic, partition), committed)| Change::Commit { group: group.to_owned(), topic, partition, committed };
        commits.into_iter().map(change).collect()
    }
}
