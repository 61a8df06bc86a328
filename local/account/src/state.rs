//! What an operation reads and changes: the documents of one account and region, within one transaction.

use crate::clock::Delays;
use crate::store::{Change, Scope, Store};
use crate::visibility::Sight;
use indexmap::IndexMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The region under which services without regions keep their documents.
pub const GLOBAL: &str = "global";

/// Where documents stand that must be found before an account is known: buckets, whose names no two accounts have, and access
/// keys that were given out.
pub(crate) fn of_all_accounts() -> Scope {
    Scope::new("", GLOBAL)
}

/// Where the tags of every taggable resource stand, by ARN.
pub(crate) const TAGS: &str = "tags";

/// Seconds after which the tagging API lists a new resource, when the account has delays.
const TAGGING_SECONDS: i64 = 15;
/// Seconds for which the tagging API goes on listing what is gone, when the account has delays.
const LINGER_SECONDS: i64 = 600;

/// Tags in the order in which they were given.
pub type Tags = IndexMap<String, String>;

/// The first key of a tag that AWS refuses: too long, with too long a value, or AWS's own.
pub fn refused_tag(tags: &Tags) -> Option<&str> {
    let fits = |key: &str, value: &str| {
        (1..=128).contains(&key.chars().count())
            && value.chars().count() <= 256
            && !key.to_lowercase().starts_with("aws:")
    };
    tags.iter().find(|(key, value)| !fits(key, value)).map(|(key, _)| key.as_str())
}

/// The tags of a member that is an object of keys and values.
pub fn tags_of_object(input: &Value, member: &str) -> Tags {
    let pairs = input.get(member).and_then(Value::as_object).into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// A transaction over the documents of one scope: all of its changes become durable together, or none.
#[derive(Debug)]
pub struct State<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) changes: &'a mut Vec<Change>,
    pub(crate) scope: Scope,
    pub(crate) now: i64,
    pub(crate) delays: Delays,
    pub(crate) sight: Option<Arc<Sight>>,
}

impl State<'_> {
    /// The transaction's time, in milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// How long states take.
    pub fn delays(&self) -> Delays {
        self.delays
    }

    /// When something that begins now and takes `seconds` on AWS is done; now without delays.
    pub fn done_in(&self, seconds: i64) -> i64 {
        self.delays.done_at(self.now, seconds)
    }

    /// Whose documents these are.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The same transaction in another region of the account ([`GLOBAL`] for IAM).
    pub fn region(&mut self, region: &str) -> State<'_> {
        let scope = Scope::new(&self.scope.account, region);
        self.at(scope)
    }

    /// The same transaction in another scope.
    pub fn at(&mut self, scope: Scope) -> State<'_> {
        State {
            store: self.store,
            changes: self.changes,
            scope,
            now: self.now,
            delays: self.delays,
            sight: self.sight.clone(),
        }
    }

    /// One document.
    pub fn get(&self, collection: &str, id: &str) -> Option<&Value> {
        let document = self.store.document(&self.scope, collection, id)?;
        (!self.conceals(collection, id)).then_some(document)
    }

    /// Whether a fault rule hides the document from this request.
    pub(crate) fn conceals(&self, collection: &str, id: &str) -> bool {
        self.hidden(collection).is_some_and(|hidden| hidden.contains_key(id))
            && self.sight.as_ref().is_some_and(|sight| !sight.finds_hidden(collection))
    }

    /// The documents of a collection that a fault rule hides from most requests.
    fn hidden(&self, collection: &str) -> Option<&BTreeMap<String, i64>> {
        self.store.hidden.of(&self.scope, collection)
    }

    /// The documents of a collection that are left out of the lists of this request.
    fn unlisted(&self, collection: &str) -> Option<&BTreeMap<String, i64>> {
        self.hidden(collection).filter(|_| self.sight.as_ref().is_some_and(|sight| !sight.lists_hidden()))
    }

    /// How many milliseconds a fault rule keeps invisible what this request makes; 0 without one.
    pub(crate) fn late(&self) -> i64 {
        self.sight.as_ref().map_or(0, |sight| sight.late())
    }

    /// One document as a type; absent when missing or of another shape.
    pub fn read<T: DeserializeOwned>(&self, collection: &str, id: &str) -> Option<T> {
        T::deserialize(self.get(collection, id)?).ok()
    }

    /// All documents of a collection, in the order of their ids.
    pub fn list(&self, collection: &str) -> impl Iterator<Item = (&str, &Value)> {
        let unlisted = self.unlisted(collection);
        self.store
            .documents
            .get(&self.scope)
            .and_then(|collections| collections.get(collection))
            .into_iter()
            .flatten()
            .filter(move |(id, _)| unlisted.is_none_or(|unlisted| !unlisted.contains_key(*id)))
            .map(|(id, document)| (id.as_str(), document))
    }

    /// The documents of a collection whose ids are `from` or after it, in order.
    pub fn range<'s>(&'s self, collection: &str, from: &str) -> impl Iterator<Item = (&'s str, &'s Value)> + use<'s> {
        let bounds = (std::ops::Bound::Included(from), std::ops::Bound::Unbounded);
        let documents = self.store.documents.get(&self.scope).and_then(|collections| collections.get(collection));
        let found = documents.map(|documents| documents.range::<str, _>(bounds));
        let unlisted = self.unlisted(collection);
        let listed = move |id: &str| unlisted.is_none_or(|unlisted| !unlisted.contains_key(id));
        let found = found.into_iter().flatten().map(|(id, document)| (id.as_str(), document));
        found.filter(move |(id, _)| listed(id))
    }

    /// All documents of a collection as a type.
    pub fn read_all<T: DeserializeOwned>(&self, collection: &str) -> Vec<T> {
        self.list(collection).filter_map(|(_, document)| T::deserialize(document).ok()).collect()
    }

    /// Writes a document, new or in the place of another.
    pub fn put(&mut self, collection: &str, id: &str, document: impl Serialize) {
        let document = serde_json::to_value(document).expect("documents are plain data with text keys");
        let before = self.collection(collection).insert(id.to_owned(), document);
        if before.is_none()
            && let Some(late) = self.sight.as_ref().and_then(|sight| sight.hides(collection))
        {
            self.store.hidden.hide(&self.scope, collection, id, self.now + late);
        }
        self.changed(collection, id, before);
    }

    /// Changes a document in place; false when there is none.
    pub fn update(&mut self, collection: &str, id: &str, change: impl FnOnce(&mut Value)) -> bool {
        let Some(mut document) = self.get(collection, id).cloned() else { return false };
        change(&mut document);
        self.put(collection, id, document);
        true
    }

    /// Removes a document and returns it.
    pub fn remove(&mut self, collection: &str, id: &str) -> Option<Value> {
        let before = self.collection(collection).remove(id);
        self.store.hidden.forget(&self.scope, collection, id);
        if before.is_some() {
            self.changed(collection, id, before.clone());
        }
        before
    }

    /// The tags of a resource.
    pub fn tags(&self, arn: &str) -> Tags {
        self.read(TAGS, arn).unwrap_or_default()
    }

    /// The same for a change, which must keep those too that a fault rule hides.
    fn stored_tags(&self, arn: &str) -> Tags {
        let stored = self.store.document(&self.scope, TAGS, arn);
        stored.and_then(|tags| serde_json::from_value(tags.clone()).ok()).unwrap_or_default()
    }

    /// Replaces the tags of a resource. The entry in the tag index stays until [`State::forget_tags`].
    pub fn set_tags(&mut self, arn: &str, tags: &Tags) {
        if self.delays.factor() > 0.0 && self.store.document(&self.scope, TAGS, arn).is_none() {
            let (now, delays) = (self.now, self.delays);
            self.store.tagged.retain(|_, at| !delays.visible(*at, now, TAGGING_SECONDS));
            self.store.tagged.insert((self.scope.clone(), arn.to_owned()), now);
        }
        self.put(TAGS, arn, tags);
    }

    /// Adds tags to a resource, or changes their values.
    pub fn add_tags(&mut self, arn: &str, tags: &Tags) {
        let mut all = self.stored_tags(arn);
        for (key, value) in tags {
            all.insert(key.clone(), value.clone());
        }
        self.set_tags(arn, &all);
    }

    /// Takes tags off a resource.
    pub fn remove_tags(&mut self, arn: &str, keys: &[String]) {
        let mut all = self.stored_tags(arn);
        all.retain(|key, _| !keys.contains(key));
        self.set_tags(arn, &all);
    }

    /// Whether the tagging API lists the resource by now: it learns of new ones late. After a restart it knows all.
    fn tagging_lists(&self, arn: &str) -> bool {
        let at = self.store.tagged.get(&(self.scope.clone(), arn.to_owned()));
        at.is_none_or(|at| self.delays.visible(*at, self.now, TAGGING_SECONDS))
    }

    /// Takes a resource out of the tag index, when it is gone.
    pub fn forget_tags(&mut self, arn: &str) {
        let Some(tags) = self.remove(TAGS, arn) else { return };
        if self.delays.factor() > 0.0 {
            let (now, delays) = (self.now, self.delays);
            self.store.untagged.retain(|_, (_, at)| !delays.visible(*at, now, LINGER_SECONDS));
            self.store.untagged.insert((self.scope.clone(), arn.to_owned()), (tags, now));
        }
    }

    /// The ARNs and tags that the tagging API shows: it learns late of what is new and of what is gone.
    pub(crate) fn listed_tags(&self) -> Vec<(&str, &Value)> {
        let there = self.list(TAGS).filter(|(arn, _)| self.tagging_lists(arn));
        let gone = self.store.untagged.iter().filter(|((scope, arn), (_, at))| {
            *scope == self.scope
                && self.store.document(scope, TAGS, arn).is_none()
                && !self.delays.visible(*at, self.now, LINGER_SECONDS)
        });
        let mut all: Vec<_> = there.chain(gone.map(|((_, arn), (tags, _))| (arn.as_str(), tags))).collect();
        all.sort_unstable_by_key(|(arn, _)| *arn);
        all
    }

    /// What an earlier call with this client token answered.
    ///
    /// `Err(())` when the token was used with another input: each service has its own code for that. The input is
    /// compared whole.
    #[expect(clippy::result_unit_err, reason = "the only failure is the mismatch; its code is the service's")]
    pub fn answered(&self, operation: &str, token: &str, input: &Value) -> Result<Option<Value>, ()> {
        match self.get("tokens", &format!("{operation}/{token}")) {
            None => Ok(None),
            Some(entry) if entry["input"] == fingerprint(input) => Ok(Some(entry["answer"].clone())),
            Some(_) => Err(()),
        }
    }

    /// Remembers the answer to a call with a client token.
    pub fn remember(&mut self, operation: &str, token: &str, input: &Value, answer: &Value) {
        let entry = json!({ "input": fingerprint(input), "answer": answer, "at": self.now });
        self.put("tokens", &format!("{operation}/{token}"), entry);
    }

    fn collection(&mut self, collection: &str) -> &mut BTreeMap<String, Value> {
        let collections = self.store.documents.entry(self.scope.clone()).or_default();
        if !collections.contains_key(collection) {
            collections.insert(collection.to_owned(), BTreeMap::new());
        }
        collections.get_mut(collection).expect("the collection was just made")
    }

    fn changed(&mut self, collection: &str, id: &str, before: Option<Value>) {
        self.changes.push(Change {
            scope: self.scope.clone(),
            collection: collection.to_owned(),
            id: id.to_owned(),
            before,
        });
    }
}

/// A hash of an input that doesn't depend on the order of members.
fn fingerprint(input: &Value) -> String {
    use sha2::{Digest, Sha256};
    fn canonical(value: &Value, out: &mut String) {
        match value {
            Value::Object(members) => {
                let mut names: Vec<_> = members.keys().collect();
                names.sort();
                for name in names {
                    out.push_str(name);
                    out.push(':');
                    canonical(&members[name], out);
                    out.push(',');
                }
                out.push('}');
            }
            Value::Array(items) => {
                for item in items {
                    canonical(item, out);
                    out.push(';');
                }
                out.push(']');
            }
            scalar => out.push_str(&scalar.to_string()),
        }
    }
    let mut text = String::new();
    canonical(input, &mut text);
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Tags from a list of objects, `key` and `value` being the names of their members.
pub fn tags_of(list: &[Value], key: &str, value: &str) -> Tags {
    let text = |tag: &Value, name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    list.iter().map(|tag| (text(tag, key), text(tag, value))).collect()
}

/// Tags as a list of objects with the members `key` and `value`.
pub fn tag_list(tags: &Tags, key: &str, value: &str) -> Value {
    tags.iter().map(|(name, text)| json!({ key: name, value: text })).collect()
}

/// Work on the documents of a new account.
#[cfg(test)]
pub(crate) fn with_state<T>(work: impl FnOnce(&mut State<'_>) -> T) -> T {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(folder.path()).expect("a store");
    let mut changes = Vec::new();
    let scope = Scope::new("123456789012", "eu-north-1");
    let delays = Delays::None;
    work(&mut State { store: &mut store, changes: &mut changes, scope, now: 0, delays, sight: None })
}
