//! What an operation reads and changes: the documents of one account and region, within one transaction.

use crate::clock::Delays;
use crate::store::{Change, Scope, Store};
use indexmap::IndexMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The region under which services without regions keep their documents.
pub const GLOBAL: &str = "global";

/// Where the tags of every taggable resource stand, by ARN.
pub(crate) const TAGS: &str = "tags";

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
        State { store: self.store, changes: self.changes, scope, now: self.now, delays: self.delays }
    }

    /// The same transaction in another scope.
    pub fn at(&mut self, scope: Scope) -> State<'_> {
        State { store: self.store, changes: self.changes, scope, now: self.now, delays: self.delays }
    }

    /// One document.
    pub fn get(&self, collection: &str, id: &str) -> Option<&Value> {
        self.store.document(&self.scope, collection, id)
    }

    /// One document as a type; absent when missing or of another shape.
    pub fn read<T: DeserializeOwned>(&self, collection: &str, id: &str) -> Option<T> {
        T::deserialize(self.get(collection, id)?).ok()
    }

    /// All documents of a collection, in the order of their ids.
    pub fn list(&self, collection: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.store
            .documents
            .get(&self.scope)
            .and_then(|collections| collections.get(collection))
            .into_iter()
            .flatten()
            .map(|(id, document)| (id.as_str(), document))
    }

    /// The documents of a collection whose ids are `from` or after it, in order.
    pub fn range<'s>(&'s self, collection: &str, from: &str) -> impl Iterator<Item = (&'s str, &'s Value)> + use<'s> {
        let bounds = (std::ops::Bound::Included(from), std::ops::Bound::Unbounded);
        let documents = self.store.documents.get(&self.scope).and_then(|collections| collections.get(collection));
        let found = documents.map(|documents| documents.range::<str, _>(bounds));
        found.into_iter().flatten().map(|(id, document)| (id.as_str(), document))
    }

    /// All documents of a collection as a type.
    pub fn read_all<T: DeserializeOwned>(&self, collection: &str) -> Vec<T> {
        self.list(collection).filter_map(|(_, document)| T::deserialize(document).ok()).collect()
    }

    /// Writes a document, new or in the place of another.
    pub fn put(&mut self, collection: &str, id: &str, document: impl Serialize) {
        let document = serde_json::to_value(document).expect("documents are plain data with text keys");
        let before = self.collection(collection).insert(id.to_owned(), document);
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
        if before.is_some() {
            self.changed(collection, id, before.clone());
        }
        before
    }

    /// The tags of a resource.
    pub fn tags(&self, arn: &str) -> Tags {
        self.read(TAGS, arn).unwrap_or_default()
    }

    /// Replaces the tags of a resource. The entry in the tag index lives until [`State::forget_tags`].
    pub fn set_tags(&mut self, arn: &str, tags: &Tags) {
        self.put(TAGS, arn, tags);
    }

    /// Adds tags to a resource, or changes their values.
    pub fn add_tags(&mut self, arn: &str, tags: &Tags) {
        let mut all = self.tags(arn);
        for (key, value) in tags {
            all.insert(key.clone(), value.clone());
        }
        self.set_tags(arn, &all);
    }

    /// Takes tags off a resource.
    pub fn remove_tags(&mut self, arn: &str, keys: &[String]) {
        let mut all = self.tags(arn);
        all.retain(|key, _| !keys.contains(key));
        self.set_tags(arn, &all);
    }

    /// Takes a resource out of the tag index, when it is gone.
    pub fn forget_tags(&mut self, arn: &str) {
        self.remove(TAGS, arn);
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

    fn collection(&mut self, collection: &str) -> &mut std::collections::BTreeMap<String, Value> {
        let collections = self.store.documents.entry(self.scope.clone()).or_default();
        if !collections.contains_key(collection) {
            collections.insert(collection.to_owned(), std::collections::BTreeMap::new());
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
