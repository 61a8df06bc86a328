//! What becomes of tags: those that the stack gives are compared one by one, and nobody else's are touched.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Cause, Change, Step};
use crate::kind::{AnyKind, NAME, applied, name_tag};
use crate::resource::{Address, Desired, Live, Part, Resource};

/// Tags by key.
type Tags = BTreeMap<String, String>;

/// The tags that a resource is to carry, its name among them, without those that the stack ignores.
pub(super) fn meant(desired: &Desired, resource: &Resource) -> Tags {
    let mut meant = Tags::from([(NAME.to_owned(), name_tag(&desired.stack, &resource.address))]);
    meant.extend(resource.tags.clone());
    meant.retain(|key, _| !is_ignored(desired, key));
    meant
}

/// Whether the stack file leaves tags of that key to others.
pub(super) fn is_ignored(desired: &Desired, key: &str) -> bool {
    desired.ignore_tags.iter().any(|pattern| is_like(pattern, key))
}

/// What the tags of something that exists differ in from what they are to be, and why.
pub(super) struct Tagging<'a> {
    pub(super) desired: &'a Desired,
    pub(super) live: &'a Live,
    /// What is recorded of what was last applied.
    pub(super) recorded: Option<&'a str>,
    /// Whether it had another address when that was.
    pub(super) is_moved: bool,
}

impl Tagging<'_> {
    /// The differences, `tags.KEY` of the resource itself and `ID.tags.KEY` of what it made beside itself. What the resource
    /// gets anyway is written on its parts too, and isn't said again.
    pub(super) fn changes(&self, kind: &dyn AnyKind, meant: &Tags) -> Vec<Change> {
        let Some(carried) = self.live.tags.as_ref().filter(|_| !kind.is_tagless()) else { return Vec::new() };
        let mut changes = self.between("", carried, meant, None);
        let keys: Vec<String> = changes.iter().filter_map(|change| change.tag.clone()).collect();
        for Part { id, tags, given } in &self.live.parts {
            let of_part = self.between(&format!("{id}."), tags, meant, given.as_deref()).into_iter();
            let own = of_part.filter(|one| one.tag.as_ref().is_none_or(|key| !keys.contains(key)));
            // The resource itself is as the file says.
            changes.extend(own.map(|one| Change { cause: Cause::Drift, ..one }));
        }
        changes
    }

    fn between(&self, prefix: &str, carried: &Tags, meant: &Tags, given: Option<&str>) -> Vec<Change> {
        let change = |key: &str, before: Option<&String>, after: Option<&String>, cause| Change {
            path: format!("{prefix}tags.{key}"),
            before: before.map(String::as_str).into(),
            after: after.map(String::as_str).into(),
            unknown: false,
            forces_replacement: false,
            cause,
            tag: Some(key.to_owned()),
        };
        let others = meant.iter().filter(|(key, value)| carried.get(*key) != Some(*value));
        let mut changes: Vec<Change> =
            others.map(|(key, value)| change(key, carried.get(key), Some(value), self.cause(key, value))).collect();
        // Whoever forged or took away the record may say of any tag that it was the stack's.
        let is_known = self.live.whose.fault().is_none();
        let left = carried.iter().filter(|(key, value)| {
            let is_ours = || applied::set_tag(self.recorded, key, value) || applied::set_tag(given, key, value);
            is_known && !meant.contains_key(*key) && !is_ignored(self.desired, key) && is_ours()
        });
        changes.extend(left.map(|(key, value)| change(key, Some(value), None, Cause::File)));
        changes
    }

    /// Why a tag isn't what it is to be.
    fn cause(&self, key: &str, value: &str) -> Cause {
        let was_set = applied::set_tag(self.recorded, key, value);
        // The name is written with every resource, and recorded only where the file gives another one.
        let was_named = key == NAME
            && value == name_tag(&self.desired.stack, &self.live.address)
            && !self.is_moved
            && !applied::named_tag(self.recorded, NAME)
            && !applied::is_of_nothing(self.recorded);
        if was_set || was_named || self.live.whose.fault().is_some() { Cause::Drift } else { Cause::File }
    }
}

/// Whether what is recorded can be written anew although the tags weren't compared: it says nothing of any, and won't.
pub(super) fn are_of_no_concern(kind: &dyn AnyKind, live: &Live, recorded: Option<&str>, tags: &Tags) -> bool {
    live.tags.is_some() || kind.is_tagless() || tags.is_empty() && !applied::holds_more(kind.facts(), recorded)
}

/// The tags of a new resource that the stack file gives it.
pub(super) fn created(resource: &Resource) -> Option<Change> {
    let tags = &resource.tags;
    (!tags.is_empty()).then(|| Change {
        path: "tags".to_owned(),
        before: Value::Null,
        after: tags.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect(),
        unknown: false,
        forces_replacement: false,
        cause: Cause::File,
        tag: Some(String::new()),
    })
}

impl Change {
    /// Whether it is one of a tag.
    pub fn is_of_tag(&self) -> bool {
        self.tag.is_some()
    }
}

impl Step {
    /// Whether nothing but tags changes of what exists: no call of its kind's own is made.
    pub fn is_of_tags(&self) -> bool {
        self.action == super::Action::Update
            && !self.changes.is_empty()
            && self.changes.iter().all(Change::is_of_tag)
            && self.moved_from.is_none()
    }

    /// The tags of the resource itself that are written.
    pub fn set_tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.changes.iter().filter_map(|change| {
            let key = change.tag.as_deref().filter(|key| change.path.strip_prefix("tags.") == Some(*key))?;
            Some((key, change.after.as_str()?))
        })
    }

    /// The keys of tags that are taken away.
    pub fn gone_tags(&self) -> Vec<&str> {
        let gone = self.changes.iter().filter(|change| change.after.is_null());
        let mut keys: Vec<&str> = gone.filter_map(|change| change.tag.as_deref()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Leaves the tags that a change would have written as they are.
    pub(super) fn keep_tag(&mut self, change: &Change) {
        let Some(key) = change.tag.as_ref().filter(|key| change.path == format!("tags.{key}")) else { return };
        for tags in [&mut self.tags, &mut self.carries] {
            match change.before.as_str() {
                Some(value) => drop(tags.insert(key.clone(), value.to_owned())),
                None => drop(tags.remove(key)),
            }
        }
    }

    /// Says that what it made beside itself gets its tags too.
    pub(super) fn tell_of_parts(&mut self) {
        let parts = self.live.as_ref().map_or(0, |live| live.parts.len());
        if parts > 0 && self.changes.iter().any(Change::is_of_tag) {
            let them = if parts == 1 { "the host".to_owned() } else { format!("the {parts} things") };
            self.consequences.push(format!("{them} that it started carry its tags too, and go on as they are"));
        }
    }
}

/// Whether a text fits a pattern, in which `*` stands for any text.
pub fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// What was the stack's of the tags of something, and is otherwise now: a line for each.
pub(super) fn moved(address: &Address, old: &Live, new: &Live) -> Vec<String> {
    let (Some(before), Some(after)) = (&old.tags, &new.tags) else { return Vec::new() };
    let was_ours = |key: &str, value: &str| key == NAME || applied::set_tag(old.applied.as_deref(), key, value);
    let moved = before.iter().filter(|(key, value)| was_ours(key, value) && after.get(*key) != Some(*value));
    let line = |(key, value): (&String, &String)| match after.get(key) {
        Some(now) => format!("{address}.tags.{key}: was \"{value}\", is \"{now}\""),
        None => format!("{address}.tags.{key}: was \"{value}\", is gone"),
    };
    moved.map(line).collect()
}
