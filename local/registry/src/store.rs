//! Subjects and schemas: in memory, and in one file that is written anew with each change.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use lakewright_formats::{MismatchKind, Schema, mismatches};
use lakewright_platform::private;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest schema, in bytes.
const LONGEST: usize = 1 << 20;

/// A schema's text and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its text.
    pub schema: String,
    /// `AVRO` or `JSON`.
    pub kind: String,
}

/// Which versions a subject takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Compatibility {
    /// All.
    None,
    /// Those that read what the one before wrote,
    Backward,
    /// what all before wrote.
    BackwardTransitive,
    /// Those whose data the one before reads,
    Forward,
    /// all before read.
    ForwardTransitive,
    /// Both, with the one before,
    Full,
    /// with all.
    FullTransitive,
}

/// Why a request is refused, as Confluent's registry says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// No such subject.
    Subject(String),
    /// No such version of a subject.
    Version(String),
    /// No such path.
    Path,
    /// No schema of that id, or none of that text under the subject.
    Schema,
    /// No schema, or of a kind that isn't known here.
    Invalid(String),
    /// It doesn't fit those before it.
    Incompatible(String),
    /// It couldn't be written.
    Internal(String),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Held {
    schemas: BTreeMap<u32, Stored>,
    /// By subject the ids of its versions, the first of which is number 1.
    subjects: BTreeMap<String, Vec<u32>>,
    #[serde(default)]
    compatibility: BTreeMap<String, Compatibility>,
}

/// A version of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub number: usize,
    /// The schema's id.
    pub id: u32,
    /// The schema.
    pub stored: Stored,
}

/// What a registry holds.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    held: Mutex<Held>,
}

impl Store {
    /// What stands in a file, or nothing where there is none.
    ///
    /// # Errors
    /// It can't be read.
    pub fn open(path: PathBuf) -> Result<Self> {
        let text = private::read(&path).with_context(|| format!("read the schemas in {}", path.display()))?;
        let held = match text {
            Some(text) => {
                serde_json::from_str(&text).with_context(|| format!("read the schemas in {}", path.display()))?
            }
            None => Held::default(),
        };
        Ok(Self { path, held: Mutex::new(held) })
    }

    /// Changes what is held; nothing is changed that isn't on disk.
    fn change<T>(&self, change: impl FnOnce(&mut Held) -> Result<T, Refused>) -> Result<T, Refused> {
        let mut held = self.held.lock();
        let mut changed = held.clone();
        let outcome = change(&mut changed)?;
        let text = serde_json::to_vec(&changed).map_err(|error| Refused::Internal(error.to_string()))?;
        private::write(&self.path, &text).map_err(|error| Refused::Internal(format!("{error:#}")))?;
        *held = changed;
        Ok(outcome)
    }

    /// The names of the subjects.
    pub fn subjects(&self) -> Vec<String> {
        self.held.lock().subjects.keys().cloned().collect()
    }

    /// A schema by its id.
    pub fn schema(&self, id: u32) -> Result<Stored, Refused> {
        self.held.lock().schemas.get(&id).cloned().ok_or(Refused::Schema)
    }

    /// The versions of a subject, the first one first.
    pub fn versions(&self, subject: &str) -> Result<Vec<Version>, Refused> {
        self.held.lock().versions(subject)
    }

    /// The version of a subject with that schema.
    pub fn find(&self, subject: &str, wanted: &Stored) -> Result<Version, Refused> {
        let versions = self.versions(subject)?;
        versions.into_iter().find(|version| same(&version.stored, wanted)).ok_or(Refused::Schema)
    }

    /// Registers a schema under a subject; gives its id, which is the one that it had if it is there already.
    pub fn register(&self, subject: &str, schema: Stored) -> Result<u32, Refused> {
        check(&schema)?;
        self.change(|held| {
            let before = held.versions(subject).unwrap_or_default();
            if let Some(known) = before.iter().find(|version| same(&version.stored, &schema)) {
                return Ok(known.id);
            }
            let mode = held.compatibility(subject);
            fits(mode, &schema, &before)?;
            let known = held.schemas.iter().find(|(_, stored)| same(stored, &schema)).map(|(id, _)| *id);
            let id = known.unwrap_or_else(|| held.schemas.keys().next_back().map_or(1, |last| last + 1));
            held.schemas.insert(id, schema);
            held.subjects.entry(subject.to_owned()).or_default().push(id);
            Ok(id)
        })
    }

    /// Which versions a subject takes; of the empty name, all that say nothing else.
    pub fn compatibility(&self, subject: &str) -> Compatibility {
        self.held.lock().compatibility(subject)
    }

    /// Sets it.
    pub fn set_compatibility(&self, subject: &str, mode: Compatibility) -> Result<(), Refused> {
        self.change(|held| {
            held.compatibility.insert(subject.to_owned(), mode);
            Ok(())
        })
    }
}

impl Held {
    fn versions(&self, subject: &str) -> Result<Vec<Version>, Refused> {
        let ids = self.subjects.get(subject).ok_or_else(|| Refused::Subject(subject.to_owned()))?;
        let version = |(index, id): (usize, &u32)| {
            Some(Version { number: index + 1, id: *id, stored: self.schemas.get(id)?.clone() })
        };
        Ok(ids.iter().enumerate().filter_map(version).collect())
    }

    fn compatibility(&self, subject: &str) -> Compatibility {
        let own = self.compatibility.get(subject).or_else(|| self.compatibility.get(""));
        own.copied().unwrap_or(Compatibility::Backward)
    }
}

/// Whether two schemas are one: spaces and line breaks don't count.
fn same(one: &Stored, other: &Stored) -> bool {
    let parsed = |stored: &Stored| serde_json::from_str::<Value>(&stored.schema).ok();
    one.kind == other.kind && (one.schema == other.schema || parsed(one).is_some_and(|one| parsed(other) == Some(one)))
}

fn check(schema: &Stored) -> Result<(), Refused> {
    if schema.schema.len() > LONGEST {
        return Err(Refused::Invalid(format!("the schema is longer than {LONGEST} bytes")));
    }
    let wrong = match schema.kind.as_str() {
        "AVRO" => Schema::parse(&schema.schema, &[]).err().map(|reject| reject.to_string()),
        "JSON" => serde_json::from_str::<Value>(&schema.schema).err().map(|error| error.to_string()),
        other => Some(format!("schemas of the kind {other} aren't taken here: AVRO and JSON are")),
    };
    wrong.map_or(Ok(()), |wrong| Err(Refused::Invalid(wrong)))
}

/// Whether an Avro schema fits the versions before it; those of JSON all do.
fn fits(mode: Compatibility, new: &Stored, before: &[Version]) -> Result<(), Refused> {
    use Compatibility::{Backward, BackwardTransitive, Forward, ForwardTransitive, Full, FullTransitive};
    let parsed = |stored: &Stored| Schema::parse(&stored.schema, &[]).ok();
    let (Some(newest), Some(new)) = (before.last(), parsed(new).filter(|_| new.kind == "AVRO")) else { return Ok(()) };
    let is_transitive = matches!(mode, BackwardTransitive | ForwardTransitive | FullTransitive);
    let judged = if is_transitive { before } else { std::slice::from_ref(newest) };
    for version in judged {
        let Some(old) = parsed(&version.stored) else { continue };
        let mut pairs = Vec::new();
        if matches!(mode, Backward | BackwardTransitive | Full | FullTransitive) {
            pairs.push((&new, &old));
        }
        if matches!(mode, Forward | ForwardTransitive | Full | FullTransitive) {
            pairs.push((&old, &new));
        }
        for (reader, writer) in pairs {
            let found = mismatches(reader, writer);
            if let Some(wrong) = found.iter().find(|mismatch| mismatch.kind == MismatchKind::Unreadable) {
                return Err(Refused::Incompatible(format!("version {}: {wrong}", version.number)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn avro(fields: &str) -> Stored {
        let schema = format!(r#"{{"type":"record","name":"r","fields":[{fields}]}}"#);
        Stored { schema, kind: "AVRO".to_owned() }
    }

    #[test]
    fn versions_are_kept_and_fit_those_before_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("schemas.json");
        let store = Store::open(path.clone()).expect("opened");
        let (id, note) =
            (r#"{"name":"id","type":"string"}"#, r#"{"name":"note","type":["null","string"],"default":null}"#);
        assert_eq!(store.register("a-value", avro(id)), Ok(1));
        assert_eq!(store.register("a-value", avro(&format!("{id},{note}"))), Ok(2));
        assert_eq!(store.register("a-value", avro(&format!(" {id}"))), Ok(1), "the same one");
        assert_eq!(store.register("b-value", avro(id)), Ok(1), "the same one under another name");
        let broken = avro(r#"{"name":"amount","type":"long"}"#);
        assert!(matches!(store.register("a-value", broken.clone()), Err(Refused::Incompatible(_))));
        store.set_compatibility("a-value", Compatibility::None).expect("set");
        assert_eq!(store.register("a-value", broken), Ok(3));
        assert!(matches!(store.register("a-value", avro(r#"{"name":"x"}"#)), Err(Refused::Invalid(_))));
        let again = Store::open(path).expect("opened");
        assert_eq!(again.versions("a-value").map(|all| all.iter().map(|one| one.id).collect()), Ok(vec![1, 2, 3]));
        assert_eq!(again.schema(2).map(|stored| stored.kind), Ok("AVRO".to_owned()));
        assert_eq!(
            (again.schema(9), again.versions("none")),
            (Err(Refused::Schema), Err(Refused::Subject("none".into())))
        );
    }
}
