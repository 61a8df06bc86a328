//! The store: one writer thread that applies requests in order and commits those that came together at once.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use parking_lot::{Mutex, RwLock};
use tantivy::collector::Count;
use tantivy::query::QueryClone as _;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet as _, Index, IndexReader, IndexWriter, ReloadPolicy, TERMINATED, Term};
use tokio::sync::{mpsc, oneshot};

use crate::analysis;
use crate::answer::SearchError;
use crate::document::Layout;
use crate::mapping::{Mappings, Unfit};
use crate::operation::{Done, Operation, Outcome, Put};
use crate::patience::Patience;
use crate::snapshot::Snapshot;
use crate::stamp::{Condition, Stamp, Stamps, conflict};

/// The writer's memory in bytes; beyond it a segment is written.
pub const WRITER_BYTES: usize = 64 * 1024 * 1024;
/// The most requests that share a commit.
const SHARED: usize = 64;

/// How long deleting what is found may take.
const DELETING: Duration = Duration::from_secs(30);

struct Request {
    operations: Vec<Operation>,
    answer: oneshot::Sender<Result<Vec<Outcome>, SearchError>>,
}

impl Request {
    /// Whether it shares no commit: it looks for what those before it wrote, and may take long or fail.
    fn stands_alone(&self) -> bool {
        self.operations.iter().any(|operation| matches!(operation, Operation::DeleteFound { .. }))
    }
}

/// The index on disk.
pub struct Store {
    /// The fields.
    pub layout: Layout,
    /// What searches read; renewed with each commit.
    pub reader: IndexReader,
    /// The fields of the documents.
    pub mappings: Arc<RwLock<Arc<Mappings>>>,
    /// Whether the last commit failed.
    broken: Arc<AtomicBool>,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in a folder, which must exist.
    pub fn open(folder: &Path) -> Result<Self> {
        let (schema, layout) = Layout::schema();
        let segments = folder.join("segments");
        std::fs::create_dir_all(&segments).with_context(|| format!("make {}", segments.display()))?;
        let directory = tantivy::directory::MmapDirectory::open(&segments).context("open the segments")?;
        let index = Index::open_or_create(directory, schema).context("open the segments")?;
        analysis::register(index.tokenizers());
        let writer: IndexWriter = index
            .writer_with_num_threads(1, WRITER_BYTES)
            .context("take the index for writing; is another process using it?")?;
        let reader =
            index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().context("read the segments")?;
        let path = folder.join("mappings.json");
        let mut mappings = Mappings::load(&path)?;
        // What was changed in another start is distinguished by it.
        mappings.starts += 1;
        save(&path, &mappings)?;
        let stamps = Stamps::new(&reader.searcher(), mappings.starts).context("read the segments")?;
        let mappings = Arc::new(RwLock::new(Arc::new(mappings)));
        let broken = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = mpsc::channel(SHARED);
        let worker = Worker {
            writer: Some(writer),
            index: index.clone(),
            layout,
            reader: reader.clone(),
            mappings: Arc::clone(&mappings),
            broken: Arc::clone(&broken),
            path,
            stamps,
        };
        let thread = std::thread::Builder::new()
            .name("search-writer".into())
            .spawn(move || worker.run(receiver))
            .context("start the writer thread")?;
        Ok(Self {
            layout,
            reader,
            mappings,
            broken,
            requests: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Applies operations; they are on disk and can be found when this returns.
    pub async fn apply(&self, operations: Vec<Operation>) -> Result<Vec<Outcome>, SearchError> {
        let sender = self.requests.lock().clone();
        let Some(sender) = sender else { return Err(SearchError::internal("the search index is stopping")) };
        let (answer, answered) = oneshot::channel();
        sender.send(Request { operations, answer }).await.map_err(|_| SearchError::internal("the writer ended"))?;
        answered.await.map_err(|_| SearchError::internal("the writer ended"))?
    }

    /// The indices that an expression names, as they are now; those that don't exist are left out if that is no fault.
    ///
    /// # Errors
    /// One doesn't exist.
    pub fn snapshot(&self, expression: &str, is_lenient: bool) -> Result<Snapshot, SearchError> {
        Snapshot::of(Arc::clone(&self.mappings.read()), self.reader.searcher(), expression, is_lenient)
    }

    /// Whether the last commit failed.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Ends the writer after what it has in hand.
    pub async fn close(&self) {
        self.requests.lock().take();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the search writer ended in a panic");
            }
        }
    }
}

struct Worker {
    /// None after a failure: the next request opens another.
    writer: Option<IndexWriter>,
    index: Index,
    layout: Layout,
    reader: IndexReader,
    mappings: Arc<RwLock<Arc<Mappings>>>,
    broken: Arc<AtomicBool>,
    path: PathBuf,
    stamps: Stamps,
}

/// The state of a commit that is being put together.
struct Round {
    /// The documents with the keys that this round changed; none where one is gone.
    there: HashMap<String, Option<Stamp>>,
    /// Whether the mappings changed.
    mapped: bool,
}

/// Keeps something under a name, or lets it go.
fn set<T>(all: &mut BTreeMap<String, T>, name: String, one: Option<T>, round: &mut Round) -> Done {
    round.mapped = true;
    match one {
        Some(one) => _ = all.insert(name, one),
        None => _ = all.remove(&name),
    }
    Done::Acknowledged
}

impl Worker {
    fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        // What came together with others and stands alone.
        let mut waiting = None;
        while let Some(first) = waiting.take().or_else(|| requests.blocking_recv()) {
            let mut together = vec![first];
            while together.len() < SHARED
                && !together.last().is_some_and(Request::stands_alone)
                && let Ok(next) = requests.try_recv()
            {
                if next.stands_alone() {
                    waiting = Some(next);
                    break;
                }
                together.push(next);
            }
            let (senders, operations): (Vec<_>, Vec<_>) =
                together.into_iter().map(|request| (request.answer, request.operations)).unzip();
            let before = self.mappings.read().clone();
            // tantivy's writer may panic where it can't write; the requests after it must still be served.
            let done = catch_unwind(AssertUnwindSafe(|| self.round(operations)))
                .unwrap_or_else(|_| Err(SearchError::internal("the index can't be written; is the disk full?")));
            self.broken.store(done.is_err(), Ordering::Relaxed);
            match done {
                Ok(outcomes) => {
                    for (sender, outcome) in senders.into_iter().zip(outcomes) {
                        // Whoever asked may be gone: what was done stays done.
                        let _ = sender.send(Ok(outcome));
                    }
                }
                Err(error) => {
                    tracing::error!(error = error.reason, "a commit of the search index failed; it is taken back");
                    *self.mappings.write() = before;
                    // A writer is as good as its last commit: what came after it goes with it.
                    let broken = self.writer.take();
                    if catch_unwind(AssertUnwindSafe(|| drop(broken))).is_err() {
                        tracing::error!("the broken writer of the search index ended in a panic");
                    }
                    for sender in senders {
                        let _ = sender.send(Err(error.clone()));
                    }
                }
            }
        }
        if let Some(writer) = self.writer.take()
            && let Err(error) = writer.wait_merging_threads()
        {
            tracing::error!(%error, "merging the search index failed");
        }
    }

    /// The writer; another one after a failure.
    fn writer(&mut self) -> Result<&mut IndexWriter, SearchError> {
        if self.writer.is_none() {
            self.writer = Some(self.index.writer_with_num_threads(1, WRITER_BYTES)?);
            tracing::info!("the search index is written again");
        }
        self.writer.as_mut().ok_or_else(|| SearchError::internal("the index has no writer"))
    }

    /// Applies the operations of several requests and commits them.
    fn round(&mut self, requests: Vec<Vec<Operation>>) -> Result<Vec<Vec<Outcome>>, SearchError> {
        let mut round = Round { there: HashMap::new(), mapped: false };
        let mut outcomes = Vec::with_capacity(requests.len());
        for operations in requests {
            let mut done = Vec::with_capacity(operations.len());
            for operation in operations {
                done.push(match self.operate(operation, &mut round) {
                    Err(error) if error.status == 503 => return Err(error),
                    outcome => outcome,
                });
            }
            outcomes.push(done);
        }
        if round.mapped {
            // Before the commit: a mapping without documents does no harm, a document without mapping would.
            self.save_mappings().map_err(SearchError::internal)?;
        }
        self.writer()?.commit()?;
        self.reader.reload()?;
        Ok(outcomes)
    }

    fn operate(&mut self, operation: Operation, round: &mut Round) -> Outcome {
        match operation {
            Operation::Put(put) => self.put(put, round),
            Operation::Delete { index, id, condition } => self.delete((&index, &id), condition, round),
            Operation::DeleteFound { indices, is_lenient, body } => {
                // It stands alone in its round: all before it is committed and found.
                let (patience, _waiting) = Patience::new(DELETING);
                let mappings = Arc::clone(&self.mappings.read());
                let snapshot = Snapshot::of(mappings, self.reader.searcher(), &indices, is_lenient)?;
                let query = snapshot.doomed(self.layout, &body, &patience)?;
                let count = snapshot.searcher.search(&patience.limit(query.box_clone()), &Count)?;
                patience.check()?;
                self.writer()?.delete_query(query)?;
                self.stamps.deleted_some(&snapshot.indices, count as u64);
                Ok(Done::DeletedSome(count))
            }
            Operation::CreateIndex { index, body } => {
                if !Arc::make_mut(&mut self.mappings.write()).create(&index, &body)? {
                    return Err(SearchError {
                        status: 400,
                        kind: "resource_already_exists_exception",
                        reason: format!("index [{index}] already exists"),
                    });
                }
                round.mapped = true;
                Ok(Done::Acknowledged)
            }
            Operation::SetMapping { indices, body } => {
                let mut changed = (**self.mappings.read()).clone();
                indices.iter().try_for_each(|index| changed.extend(index, &body))?;
                *self.mappings.write() = Arc::new(changed);
                round.mapped = true;
                Ok(Done::Acknowledged)
            }
            Operation::SetAliases(changes) => {
                Arc::make_mut(&mut self.mappings.write()).rename(&changes)?;
                round.mapped = true;
                Ok(Done::Acknowledged)
            }
            Operation::SetTemplate { name, body } => {
                Ok(set(&mut Arc::make_mut(&mut self.mappings.write()).templates, name, body, round))
            }
            Operation::SetPolicy { name, policy } => {
                Ok(set(&mut Arc::make_mut(&mut self.mappings.write()).policies, name, policy, round))
            }
            Operation::DeleteIndex { index } => {
                if !self.mappings.read().contains(&index) {
                    return Err(SearchError::no_index(&index));
                }
                let term = Term::from_field_text(self.layout.index, &index);
                self.writer()?.delete_term(term);
                let prefix = Layout::key_of(&index, "");
                round.there.retain(|key, _| !key.starts_with(&prefix));
                self.stamps.forget(&index, &prefix);
                Arc::make_mut(&mut self.mappings.write()).remove(&index);
                // What the searcher of the last commit still shows of it must not count as there.
                self.writer()?.commit()?;
                self.reader.reload()?;
                round.mapped = true;
                Ok(Done::Acknowledged)
            }
        }
    }

    fn put(&mut self, put: Put, round: &mut Round) -> Outcome {
        let Put { index, id, source, only_new, condition } = put;
        let key = Layout::key_of(&index, &id);
        let before = self.there(&key, round)?;
        if let (true, Some(Stamp { version, .. })) = (only_new, before) {
            return Err(conflict(&id, &format!("document already exists (current version [{version}])")));
        }
        condition.map_or(Ok(()), |condition| condition.check(&id, before))?;
        let learned = Arc::make_mut(&mut self.mappings.write()).learn(&index, &source);
        match learned {
            Ok(new) => round.mapped |= new,
            Err(Unfit { kind, reason }) => return Err(SearchError { status: 400, kind, reason }),
        }
        if before.is_some() {
            let term = Term::from_field_text(self.layout.key, &key);
            self.writer()?.delete_term(term);
        }
        let stamp = self.stamps.put(&index, &key, before);
        let document = self.layout.document((&index, &id), &source, &self.mappings.read(), stamp);
        self.writer()?.add_document(document)?;
        round.there.insert(key, Some(stamp));
        Ok(if before.is_some() { Done::Updated(stamp) } else { Done::Created(stamp) })
    }

    fn delete(&mut self, (index, id): (&str, &str), condition: Option<Condition>, round: &mut Round) -> Outcome {
        let key = Layout::key_of(index, id);
        let before = self.there(&key, round)?;
        condition.map_or(Ok(()), |condition| condition.check(id, before))?;
        let term = Term::from_field_text(self.layout.key, &key);
        self.writer()?.delete_term(term);
        let stamp = self.stamps.deleted(index, &key, before);
        round.there.insert(key, None);
        Ok(if before.is_some() { Done::Deleted(stamp) } else { Done::NotFound(stamp) })
    }

    /// The document with a key, by its stamp.
    fn there(&self, key: &str, round: &Round) -> Result<Option<Stamp>, SearchError> {
        if let Some(there) = round.there.get(key) {
            return Ok(*there);
        }
        let term = Term::from_field_text(self.layout.key, key);
        for segment in self.reader.searcher().segment_readers() {
            let inverted = segment.inverted_index(self.layout.key)?;
            let found = inverted.read_postings(&term, IndexRecordOption::Basic).map_err(SearchError::internal)?;
            let Some(mut postings) = found else { continue };
            while postings.doc() != TERMINATED {
                if !segment.is_deleted(postings.doc()) {
                    return Ok(Some(Stamp::of(segment, postings.doc())?));
                }
                postings.advance();
            }
        }
        Ok(None)
    }

    fn save_mappings(&self) -> Result<()> {
        save(&self.path, &self.mappings.read())
    }
}

/// Writes the mappings; the file is whole, whatever comes between.
fn save(path: &Path, mappings: &Mappings) -> Result<()> {
    let text = serde_json::to_vec(mappings).context("write the mappings as JSON")?;
    let new = path.with_extension("new");
    let mut file = File::create(&new).with_context(|| format!("make {}", new.display()))?;
    file.write_all(&text).and_then(|()| file.sync_all()).with_context(|| format!("write {}", new.display()))?;
    std::fs::rename(&new, path).with_context(|| format!("put {} into place", path.display()))
}
