//! Checks of tags: what AWS takes, what is Lakewright's own, and what carries any.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Checker;
use crate::kind::{MOST_TAGS, RESERVED};
use crate::kinds;
use crate::plan::is_like;
use crate::stack::decode::{At, Entry, Named};
use crate::stack::diagnostics::Diagnostic;
use crate::stack::resource::TAGS;
use crate::stack::sections::File;
use crate::stack::tags::{Tagged, inherited};

/// The characters of a tag's key and value.
const KEY: usize = 128;
const VALUE: usize = 256;

impl Checker<'_> {
    /// The tags of the stack, its sections and its single resources.
    pub(super) fn tags(&mut self) {
        let file = self.file;
        self.ignored();
        self.of_builds();
        self.tagged("stack", &file.stack.tags, None);
        for (section, tags) in sections(file) {
            self.tagged(&section, tags, Some(&file.stack.tags));
        }
        for kind in &file.resource {
            let carries = kinds::named(&kind.name).is_none_or(|kind| !kind.is_tagless());
            for one in &kind.value {
                let path = format!("resource.{}.{}", kind.name, one.name);
                match one.value.places.get(TAGS).filter(|_| !carries) {
                    Some(place) => self.carries_none(&kind.name, &path, place),
                    None => self.tagged(&path, &one.value.tags, Some(&file.stack.tags)),
                }
            }
        }
    }

    fn carries_none(&mut self, kind: &str, path: &str, place: &Range<usize>) {
        let title = format!("`{path}` can't have tags: a {kind} carries none of a stack's");
        self.push(
            Diagnostic::new(place.clone(), title, "no tags")
                .help("remove them; docs/tags.md lists what carries tags, and why the rest doesn't"),
        );
    }

    /// Patterns are patterns of keys.
    fn ignored(&mut self) {
        let file = self.file;
        for pattern in file.stack.ignore_tags.iter().filter(|pattern| pattern.sound) {
            if pattern.value.is_empty() || pattern.value.chars().count() > KEY {
                let title = format!("`{}` can't be a pattern of `ignore_tags`", pattern.value);
                self.push(Diagnostic::new(
                    pattern.span.clone(),
                    title,
                    format!("1 to {KEY} characters of a tag's key"),
                ));
            } else if pattern.value.starts_with(RESERVED) {
                let title = format!("`{}` in `ignore_tags` does nothing", pattern.value);
                let label = "Lakewright's own tags say whose a thing is, and are always read";
                self.push(
                    Diagnostic::new(pattern.span.clone(), title, label)
                        .help("leave it out: `ignore_tags` is for tags that others write"),
                );
            }
        }
    }

    /// CodeBuild takes less than all others.
    /// <https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Tag.html>
    fn of_builds(&mut self) {
        let file = self.file;
        let Some(pipeline) = &file.pipeline else { return };
        let all = file.stack.tags.iter().chain(&pipeline.tags).filter(|one| one.value.sound);
        let is_refused = |one: &&Entry<At<String>>| {
            !(1..VALUE).contains(&one.value.chars().count()) || one.name.chars().count() == KEY
        };
        for one in all.filter(is_refused) {
            let title = format!("the tag `{}` is none that CodeBuild takes, which `[pipeline]` needs", one.name);
            let label = format!("a value has 1 to {} characters, a key 1 to {}", VALUE - 1, KEY - 1);
            self.push(Diagnostic::new(one.value.span.clone(), title, label));
        }
    }

    /// The tags of one section, with those that it inherits.
    fn tagged(&mut self, path: &str, tags: &Tagged, stack: Option<&Tagged>) {
        let mut alike: BTreeMap<String, &str> = BTreeMap::new();
        for one in tags {
            if let Some((what, why)) = mistake_of_key(&one.name) {
                let title = format!("`{path}.tags`: `{}` {what}", one.name);
                self.push(Diagnostic::new(one.span.clone(), title, why));
            } else if let Some(other) = alike.insert(one.name.to_lowercase(), &one.name) {
                let title = format!("`{path}.tags`: `{other}` and `{}` differ by capitals alone", one.name);
                self.push(
                    Diagnostic::new(one.span.clone(), title, "IAM takes them for one")
                        .help("give one of them another key, or remove it"),
                );
            }
            if let Some(what) = one.value.sound.then(|| mistake_of_value(&one.value)).flatten() {
                let title = format!("`{path}.tags`: the value of `{}` {what}", one.name);
                self.push(Diagnostic::new(one.value.span.clone(), title, "AWS wouldn't take it"));
            }
            self.is_ignored(path, one);
        }
        let all = stack.map_or_else(|| inherited(tags, None), |stack| inherited(stack, Some(tags)));
        let last = tags.iter().last();
        if let Some(last) = last.filter(|_| all.len() > MOST_TAGS) {
            let title = format!("`{path}` has {} tags; there is room for {MOST_TAGS}", all.len());
            self.push(
                Diagnostic::new(last.span.clone(), title, "one too many")
                    .help("AWS takes 50 for each resource, of which Lakewright keeps some for its own; remove some"),
            );
        }
    }

    fn is_ignored(&mut self, path: &str, one: &Entry<At<String>>) {
        let pattern = self.file.stack.ignore_tags.iter().find(|pattern| is_like(&pattern.value, &one.name));
        if let Some(pattern) = pattern {
            let title = format!("`{path}.tags` sets `{}`, which `ignore_tags` leaves to others", one.name);
            let mut diagnostic = Diagnostic::new(one.span.clone(), title, "set here");
            diagnostic.also.push((pattern.span.clone(), "ignored here".to_owned()));
            self.push(diagnostic.help("remove the one or the other"));
        }
    }
}

/// The sections that have tags, by their paths.
fn sections(file: &File) -> Vec<(String, &Tagged)> {
    let single = [
        ("network", Some(&file.network.tags)),
        ("kafka", file.kafka.as_ref().map(|one| &one.tags)),
        ("batch", file.batch.as_ref().map(|one| &one.tags)),
        ("search", file.search.as_ref().map(|one| &one.tags)),
        ("query", Some(&file.query.tags)),
        ("pipeline", file.pipeline.as_ref().map(|one| &one.tags)),
        ("ci", file.ci.as_ref().map(|one| &one.tags)),
        ("alarms", file.alarms.as_ref().map(|one| &one.tags)),
        ("budget", file.budget.as_ref().map(|one| &one.tags)),
    ];
    let single = single.into_iter().filter_map(|(path, tags)| Some((path.to_owned(), tags?)));
    let named = [
        named("buckets", &file.buckets, |one| &one.tags),
        named("keys", &file.keys, |one| &one.tags),
        named("secrets", &file.secrets, |one| &one.tags),
        named("hosts", &file.hosts, |one| &one.tags),
        named("functions", &file.functions, |one| &one.tags),
    ];
    single.chain(named.into_iter().flatten()).collect()
}

fn named<'a, T>(section: &str, all: &'a Named<T>, tags: fn(&'a T) -> &'a Tagged) -> Vec<(String, &'a Tagged)> {
    all.iter().map(|one| (format!("{section}.{}", one.name), tags(&one.value))).collect()
}

/// Why a text can't be the key of a tag, and what to know about that.
fn mistake_of_key(key: &str) -> Option<(String, String)> {
    let reserved = ["aws:", RESERVED].into_iter().find(|prefix| key.to_lowercase().starts_with(prefix));
    if let Some(prefix) = reserved {
        let whose = if prefix == RESERVED { "Lakewright" } else { "AWS" };
        return Some((format!("begins with `{prefix}`"), format!("{whose} keeps such keys for itself")));
    }
    if key.is_empty() || key.chars().count() > KEY {
        return Some(("can't be a tag's key".to_owned(), format!("a key has 1 to {KEY} characters")));
    }
    let strange = key.chars().find(|letter| !fits(*letter))?;
    Some((format!("can't be a tag's key: AWS takes no {strange:?} there"), ALLOWED.to_owned()))
}

/// Why a text can't be the value of a tag.
fn mistake_of_value(value: &str) -> Option<String> {
    let length = value.chars().count();
    if length > VALUE {
        return Some(format!("has {length} characters; AWS takes {VALUE}"));
    }
    let strange = value.chars().find(|letter| !fits(*letter))?;
    Some(format!("holds {strange:?}: {ALLOWED}"))
}

/// What AWS's services all take.
const ALLOWED: &str = "letters, digits, spaces and any of + - = . _ : / @";

fn fits(letter: char) -> bool {
    letter.is_alphanumeric() || letter == ' ' || "+-=._:/@".contains(letter)
}
