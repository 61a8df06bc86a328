//! All documents of all accounts: in memory, with a journal on disk.
//!
//! A transaction is one line of the journal, written with one `write` before its answer goes out: an answered change
//! survives `kill -9` of this process. The journal is synced to the medium once a second and when it is compacted,
//! so that a power cut loses at most the last second. What a change made unreachable outside of the documents (a file of
//! S3) is deleted after that sync only, so that the document that a power cut brings back finds its file.

mod hidden;

use hidden::Hidden;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// The journal is folded into a snapshot when it is longer than this.
const COMPACT_AT: u64 = 64 << 20;

/// Whose documents: an account and a region (`global` for services that have no regions).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The account's 12 digits.
    pub account: String,
    /// The region's name.
    pub region: String,
}

impl Scope {
    /// The scope of `account` in `region`.
    pub fn new(account: &str, region: &str) -> Self {
        Self { account: account.to_owned(), region: region.to_owned() }
    }
}

/// Collection name → document id → document.
pub(crate) type Collections = BTreeMap<String, BTreeMap<String, Value>>;

/// One document before or after a change.
#[derive(Debug)]
pub(crate) struct Change {
    pub scope: Scope,
    pub collection: String,
    pub id: String,
    pub before: Option<Value>,
}

/// The documents and their journal.
#[derive(Debug)]
pub(crate) struct Store {
    pub documents: BTreeMap<Scope, Collections>,
    /// What fault rules keep invisible.
    pub hidden: Hidden,
    /// When each resource that the tagging API doesn't list yet was tagged.
    pub tagged: HashMap<(Scope, String), i64>,
    /// The tags of what is gone and still listed by the tagging API, and when it went.
    pub untagged: BTreeMap<(Scope, String), (Value, i64)>,
    folder: PathBuf,
    generation: u64,
    journal: File,
    length: u64,
    synced: u64,
    /// A sync failed: what the medium holds of this journal is unknown, so that only a new one counts.
    doubtful: bool,
    /// Files that no document names any more, to be deleted once that is synced.
    freed: Vec<PathBuf>,
}

/// A point of the journal that is to be synced.
#[derive(Debug)]
pub(crate) struct Unsynced {
    generation: u64,
    length: u64,
    journal: io::Result<File>,
    freed: Vec<PathBuf>,
}

impl Unsynced {
    /// Syncs it; the system reports a failure once, so that trying again means nothing.
    pub fn sync(&mut self) -> io::Result<()> {
        let journal = std::mem::replace(&mut self.journal, Err(io::Error::other("it was tried already")));
        journal?.sync_data()
    }
}

impl Store {
    /// Reads what stands in `folder`; a torn last line, the trace of a crash, is cut off.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut documents = BTreeMap::new();
        let mut generation = 0;
        let snapshot = folder.join("snapshot.jsonl");
        if snapshot.exists() {
            for line in BufReader::new(File::open(&snapshot)?).lines() {
                let line: Value = serde_json::from_str(&line?).map_err(io::Error::other)?;
                if let Some(number) = line.get("generation").and_then(Value::as_u64) {
                    generation = number;
                } else {
                    replay(&mut documents, &line);
                }
            }
        }
        let path = journal_path(folder, generation);
        let mut length = 0;
        if path.exists() {
            let mut reader = BufReader::new(File::open(&path)?);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line)? > 0 {
                let Some(change) = line.strip_suffix(b"\n").and_then(|text| serde_json::from_slice(text).ok()) else {
                    break;
                };
                replay(&mut documents, &change);
                length += line.len() as u64;
                line.clear();
            }
        }
        let journal = OpenOptions::new().create(true).append(true).open(&path)?;
        journal.set_len(length)?;
        // What was read counts from now on, for who deletes files that it doesn't name.
        journal.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(Self {
            documents,
            hidden: Hidden::default(),
            tagged: HashMap::new(),
            untagged: BTreeMap::new(),
            folder: folder.to_owned(),
            generation,
            journal,
            length,
            synced: length,
            doubtful: false,
            freed: Vec::new(),
        })
    }

    /// Writes the documents as they stand after `changes`.
    pub fn record(&mut self, changes: &[Change]) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut written = Vec::with_capacity(changes.len());
        for change in changes {
            let after = self.document(&change.scope, &change.collection, &change.id);
            written.push(json!([change.scope.account, change.scope.region, change.collection, change.id, after]));
        }
        let mut line = serde_json::to_vec(&written)?;
        line.push(b'\n');
        if let Err(error) = self.journal.write_all(&line) {
            // Half a line would hide every later one from the next start.
            self.journal.set_len(self.length)?;
            return Err(error);
        }
        self.length += line.len() as u64;
        // The change stands in the journal already: a failed compaction is no reason to refuse it.
        if self.length > COMPACT_AT
            && let Err(error) = self.compact()
        {
            tracing::warn!(%error, "cannot compact the journal");
        }
        Ok(())
    }

    /// One document.
    pub fn document(&self, scope: &Scope, collection: &str, id: &str) -> Option<&Value> {
        self.documents.get(scope)?.get(collection)?.get(id)
    }

    /// Deletes files as soon as the changes recorded so far are synced.
    pub fn free(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        self.freed.extend(files);
    }

    /// The journal as it stands, if something waits for its sync.
    pub fn unsynced(&mut self) -> Option<Unsynced> {
        if self.synced == self.length && self.freed.is_empty() && !self.doubtful {
            return None;
        }
        let journal = if self.doubtful {
            Err(io::Error::other("an earlier sync of it failed"))
        } else {
            self.journal.try_clone()
        };
        let freed = std::mem::take(&mut self.freed);
        Some(Unsynced { generation: self.generation, length: self.length, journal, freed })
    }

    /// Notes how a sync ended; the files that may be deleted now. After a failure the documents are written anew, and
    /// while that fails too, nothing is deleted.
    pub fn synced(&mut self, point: Unsynced, result: io::Result<()>) -> io::Result<Vec<PathBuf>> {
        let replaced = self.generation != point.generation;
        if let Err(error) = &result
            && !replaced
        {
            tracing::error!(%error, "cannot sync the journal; all documents are written anew");
            self.doubtful = true;
        }
        let written = if self.doubtful {
            self.compact()
        } else {
            // A snapshot that took the journal's place in between is synced as a whole.
            if !replaced {
                self.synced = self.synced.max(point.length);
            }
            Ok(())
        };
        match written {
            Ok(()) => Ok(point.freed),
            Err(error) => {
                self.freed.extend(point.freed);
                Err(error)
            }
        }
    }

    fn compact(&mut self) -> io::Result<()> {
        let generation = self.generation + 1;
        let temporary = self.folder.join("snapshot.tmp");
        let mut out = io::BufWriter::new(File::create(&temporary)?);
        writeln!(out, "{}", json!({ "generation": generation }))?;
        for (scope, collections) in &self.documents {
            for (collection, documents) in collections {
                for (id, document) in documents {
                    writeln!(out, "{}", json!([[scope.account, scope.region, collection, id, document]]))?;
                }
            }
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        let journal = OpenOptions::new().create(true).append(true).open(journal_path(&self.folder, generation))?;
        journal.set_len(0)?;
        // From here on the new journal counts, whatever happens after it.
        fs::rename(&temporary, self.folder.join("snapshot.jsonl"))?;
        let old = journal_path(&self.folder, self.generation);
        self.generation = generation;
        self.journal = journal;
        self.length = 0;
        self.synced = 0;
        self.doubtful = true;
        File::open(&self.folder)?.sync_all()?;
        self.doubtful = false;
        fs::remove_file(old)
    }
}

fn journal_path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("journal-{generation}.jsonl"))
}

fn replay(documents: &mut BTreeMap<Scope, Collections>, line: &Value) {
    for change in line.as_array().into_iter().flatten() {
        let text = |index: usize| change.get(index).and_then(Value::as_str).unwrap_or_default();
        let collections = documents.entry(Scope::new(text(0), text(1))).or_default();
        let collection = collections.entry(text(2).to_owned()).or_default();
        match change.get(4) {
            None | Some(Value::Null) => collection.remove(text(3)),
            Some(document) => collection.insert(text(3).to_owned(), document.clone()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &mut Store, id: &str, value: Value) {
        let scope = Scope::new("123456789012", "eu-north-1");
        let before = store
            .documents
            .entry(scope.clone())
            .or_default()
            .entry("things".to_owned())
            .or_default()
            .insert(id.to_owned(), value);
        store.record(&[Change { scope, collection: "things".to_owned(), id: id.to_owned(), before }]).unwrap();
    }

    #[test]
    fn a_torn_last_line_is_cut_and_the_rest_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        put(&mut store, "a", json!(1));
        put(&mut store, "b", json!(2));
        drop(store);
        let path = journal_path(folder.path(), 0);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"[[\"123456789012\",\"eu").unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        put(&mut store, "c", json!(3));
        let store = Store::open(folder.path()).unwrap();
        let things = &store.documents[&Scope::new("123456789012", "eu-north-1")]["things"];
        assert_eq!(things.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    fn things(store: &Store) -> Vec<String> {
        store.documents[&Scope::new("123456789012", "eu-north-1")]["things"].keys().cloned().collect()
    }

    #[test]
    fn after_a_sync_that_failed_only_a_new_journal_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        put(&mut store, "a", json!(1));
        store.free([PathBuf::from("unused")]);
        let failure = || Err(io::Error::other("the disk has a bad sector"));
        // The documents can't be written anew either.
        let obstacle = folder.path().join("snapshot.tmp");
        fs::create_dir(&obstacle).unwrap();
        let point = store.unsynced().unwrap();
        store.synced(point, failure()).unwrap_err();
        put(&mut store, "b", json!(2));
        let mut point = store.unsynced().expect("what isn't synced is tried again");
        let result = point.sync();
        assert!(result.is_err(), "the same journal's next sync says nothing about what was lost");
        store.synced(point, result).unwrap_err();

        // The old journal lost what it couldn't write.
        fs::write(journal_path(folder.path(), 0), "").unwrap();
        fs::remove_dir(&obstacle).unwrap();
        let mut point = store.unsynced().unwrap();
        let result = point.sync();
        assert_eq!(store.synced(point, result).unwrap(), [PathBuf::from("unused")], "files are deleted now");
        assert!(store.unsynced().is_none());
        put(&mut store, "c", json!(3));
        assert!(store.unsynced().unwrap().sync().is_ok());
        assert_eq!(things(&Store::open(folder.path()).unwrap()), ["a", "b", "c"]);
    }

    #[test]
    fn a_sync_that_failed_before_the_journal_was_replaced_means_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        put(&mut store, "a", json!(1));
        store.free([PathBuf::from("unused")]);
        let point = store.unsynced().unwrap();
        store.compact().unwrap();
        put(&mut store, "b", json!(2));
        let generation = store.generation;
        let files = store.synced(point, Err(io::Error::other("the disk has a bad sector"))).unwrap();
        assert_eq!((files, store.generation), (vec![PathBuf::from("unused")], generation));
        assert!(store.unsynced().is_some(), "the new journal is still to be synced");
    }

    #[test]
    fn compaction_keeps_everything() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        put(&mut store, "a", json!(1));
        store.compact().unwrap();
        put(&mut store, "b", json!({ "x": [1, 2] }));
        let store = Store::open(folder.path()).unwrap();
        let things = &store.documents[&Scope::new("123456789012", "eu-north-1")]["things"];
        assert_eq!(things["a"], 1);
        assert_eq!(things["b"], json!({ "x": [1, 2] }));
    }
}
