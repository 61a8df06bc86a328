//! Which change of its index each document is of, by which clients change what they have seen and nothing else.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tantivy::columnar::Column;
use tantivy::{DocId, Searcher, SegmentReader};

use crate::answer::SearchError;

/// The name of the column with the number of the change.
pub const SEQ_NO: &str = "_seq_no";
/// The name of the column with the start of the index that it was made in.
pub const PRIMARY_TERM: &str = "_primary_term";
/// The name of the column with how often the document was changed.
pub const VERSION: &str = "_version";

/// For how long it is remembered how often a document was changed that is gone, as Elasticsearch has it.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Of how many of them it is at most.
const MOST: usize = 100_000;

/// Which change of its index a document is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the change.
    pub seq_no: u64,
    /// The start of the index that it was made in.
    pub primary_term: u64,
    /// How often the document was changed.
    pub version: u64,
}

impl Stamp {
    /// That of a document.
    ///
    /// # Errors
    /// The segment can't be read.
    pub fn of(segment: &SegmentReader, document: DocId) -> tantivy::Result<Self> {
        let number = |name: &str| -> tantivy::Result<u64> {
            let column: Option<Column<u64>> = segment.fast_fields().column_opt(name)?;
            Ok(column.and_then(|column| column.first(document)).unwrap_or_default())
        };
        Ok(Self { seq_no: number(SEQ_NO)?, primary_term: number(PRIMARY_TERM)?, version: number(VERSION)? })
    }

    /// Puts it into an answer.
    pub fn put(self, answer: &mut Value) {
        answer[VERSION] = json!(self.version);
        answer[SEQ_NO] = json!(self.seq_no);
        answer[PRIMARY_TERM] = json!(self.primary_term);
    }
}

/// The change that a document must be of to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Its number.
    pub seq_no: u64,
    /// The start of the index that it was made in.
    pub primary_term: u64,
}

impl Condition {
    /// That of a request; none where it has none.
    ///
    /// # Errors
    /// One of the two is missing.
    pub fn of(seq_no: Option<u64>, primary_term: Option<u64>) -> Result<Option<Self>, SearchError> {
        match (seq_no, primary_term) {
            (None, None) => Ok(None),
            (Some(seq_no), Some(primary_term)) if primary_term > 0 => Ok(Some(Self { seq_no, primary_term })),
            (None, Some(term)) => {
                Err(SearchError::validation(format!("ifSeqNo is unassigned, but primary term is [{term}]")))
            }
            (Some(seq_no), _) => {
                Err(SearchError::validation(format!("ifSeqNo is set to [{seq_no}], but primary term is [0]")))
            }
        }
    }

    /// Refuses a document that is of another change.
    ///
    /// # Errors
    /// It is, or there is none.
    pub fn check(self, id: &str, there: Option<Stamp>) -> Result<(), SearchError> {
        let Self { seq_no, primary_term } = self;
        let found = match there {
            Some(stamp) if stamp.seq_no == seq_no && stamp.primary_term == primary_term => return Ok(()),
            Some(stamp) => {
                format!("current document has seqNo [{}] and primary term [{}]", stamp.seq_no, stamp.primary_term)
            }
            None => "but no document was found".to_owned(),
        };
        Err(conflict(id, &format!("required seqNo [{seq_no}], primary term [{primary_term}]. {found}")))
    }
}

/// The answer to a change that others came before.
pub fn conflict(id: &str, reason: &str) -> SearchError {
    SearchError {
        status: 409,
        kind: "version_conflict_engine_exception",
        reason: format!("[{id}]: version conflict, {reason}"),
    }
}

/// The stamps that are given next.
#[derive(Debug)]
pub struct Stamps {
    primary_term: u64,
    next: BTreeMap<String, u64>,
    /// How often documents were changed that are gone, by their keys.
    gone: HashMap<String, (u64, Instant)>,
    /// When they went, the first one first; some were put again since.
    went: VecDeque<(Instant, String)>,
}

impl Stamps {
    /// Those after what is there, in the start of that number.
    ///
    /// # Errors
    /// The segments can't be read.
    pub fn new(searcher: &Searcher, primary_term: u64) -> tantivy::Result<Self> {
        let mut next: BTreeMap<String, u64> = BTreeMap::new();
        for segment in searcher.segment_readers() {
            let fast = segment.fast_fields();
            let numbers: Option<Column<u64>> = fast.column_opt(SEQ_NO)?;
            let Some((names, numbers)) = fast.str("_index")?.zip(numbers) else { continue };
            let mut most: HashMap<u64, u64> = HashMap::new();
            for document in segment.doc_ids_alive() {
                if let Some((name, number)) = names.ords().first(document).zip(numbers.first(document)) {
                    let most = most.entry(name).or_default();
                    *most = number.max(*most);
                }
            }
            for (name, most) in most {
                let mut index = String::new();
                names.ord_to_str(name, &mut index)?;
                let next = next.entry(index).or_default();
                *next = (most + 1).max(*next);
            }
        }
        Ok(Self { primary_term, next, gone: HashMap::new(), went: VecDeque::new() })
    }

    fn number(&mut self, index: &str) -> u64 {
        let next = self.next.entry(index.to_owned()).or_default();
        *next += 1;
        *next - 1
    }

    /// That of a document that is put.
    pub fn put(&mut self, index: &str, key: &str, before: Option<Stamp>) -> Stamp {
        let version = match before {
            Some(before) => before.version,
            None => self.gone.remove(key).map_or(0, |(version, _)| version),
        };
        Stamp { seq_no: self.number(index), primary_term: self.primary_term, version: version + 1 }
    }

    /// That of a document that is deleted.
    pub fn deleted(&mut self, index: &str, key: &str, before: Option<Stamp>) -> Stamp {
        let stamp = self.put(index, key, before);
        while self.went.front().is_some_and(|(at, _)| at.elapsed() >= REMEMBERED) {
            let Some((went, key)) = self.went.pop_front() else { break };
            if self.gone.get(&key).is_some_and(|(_, at)| *at == went) {
                self.gone.remove(&key);
            }
        }
        if self.went.len() < MOST {
            let now = Instant::now();
            self.gone.insert(key.to_owned(), (stamp.version, now));
            self.went.push_back((now, key.to_owned()));
        }
        stamp
    }

    /// Takes note of so many documents that are deleted at once.
    pub fn deleted_some(&mut self, indices: &[String], count: u64) {
        for index in indices {
            *self.next.entry(index.clone()).or_default() += count;
        }
    }

    /// Forgets an index, whose keys begin so.
    pub fn forget(&mut self, index: &str, prefix: &str) {
        self.next.remove(index);
        self.gone.retain(|key, _| !key.starts_with(prefix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_changed_by_who_has_seen_it() {
        let stamp = Stamp { seq_no: 5, primary_term: 2, version: 1 };
        let check = |seq_no, primary_term, there| {
            let condition = Condition::of(Some(seq_no), Some(primary_term)).expect("both").expect("one");
            condition.check("a", there).map_err(|error| (error.status, error.reason))
        };
        assert_eq!(check(5, 2, Some(stamp)), Ok(()));
        for (seq_no, primary_term, there, part) in [
            (4, 2, Some(stamp), "current document has seqNo [5] and primary term [2]"),
            (5, 1, Some(stamp), "required seqNo [5], primary term [1]"),
            (5, 2, None, "but no document was found"),
        ] {
            let (status, reason) = check(seq_no, primary_term, there).expect_err(part);
            assert!(status == 409 && reason.contains(part), "{reason}");
        }
        assert_eq!(Condition::of(None, None).expect("none"), None);
        assert!(Condition::of(Some(1), None).is_err() && Condition::of(None, Some(1)).is_err());
    }
}
