//! What a changed declaration breaks for those who read a table, and for those whose messages fill it.

mod fits;
pub mod registry;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use crate::checks::{Allowed, BREAKING_CHANGE};
use crate::resource::Address;
use crate::stack::{At, ColumnSection, Entry, OnTombstone, Stack, TableSection, Unknown};

/// For whom something breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// Those who query the table.
    Readers,
    /// Those who send the topic's messages: what they send becomes rejects, or fills columns wrongly.
    Producers,
    /// All of them.
    Both,
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Readers => "readers",
            Self::Producers => "producers",
            Self::Both => "readers and producers",
        })
    }
}

/// A change of a table that breaks somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// The table.
    pub address: Address,
    /// For whom it breaks.
    pub whom: Whom,
    /// What has changed.
    pub text: String,
    /// How it is avoided.
    pub fix: &'static str,
    /// Where the stack file says so; nowhere for what it no longer says.
    pub span: Option<Range<usize>>,
    /// Why that is meant, when the stack file says so.
    pub allowed: Option<String>,
}

/// What breaks with the tables of `head` for those who know the ones of `base`, in the order of the tables of `base`.
pub fn breaks(base: &Stack, head: &Stack, allowed: &[Allowed]) -> Vec<Break> {
    let mut found = Vec::new();
    for table in &base.file.tables {
        let address = registry::address(table);
        let allowed = allowed.iter().find(|one| one.rule == BREAKING_CHANGE && one.address == address);
        let mut comparison =
            Comparison { address, allowed: allowed.map(|one| one.reason.clone()), span: None, found: Vec::new() };
        match head.file.tables.iter().find(|now| now.name == table.name) {
            Some(now) => {
                comparison.span = Some(now.span.clone());
                comparison.tables(&table.value, &now.value);
            }
            None => comparison.push(Whom::Both, "the table is gone", "keep it until nobody reads it or sends to it"),
        }
        found.append(&mut comparison.found);
    }
    found
}

/// The comparison of one table.
struct Comparison {
    address: Address,
    allowed: Option<String>,
    /// What is compared now.
    span: Option<Range<usize>>,
    found: Vec<Break>,
}

impl Comparison {
    fn push(&mut self, whom: Whom, text: impl Into<String>, fix: &'static str) {
        self.found.push(Break {
            address: self.address.clone(),
            whom,
            text: text.into(),
            fix,
            span: self.span.clone(),
            allowed: self.allowed.clone(),
        });
    }

    fn tables(&mut self, base: &TableSection, head: &TableSection) {
        self.messages(base, head);
        let keys =
            |table: &TableSection| table.key.iter().map(|name| name.value.clone()).collect::<Vec<_>>().join(", ");
        let names = |name: &str| head.columns.iter().find(|now| renamed(now) == Some(name)).map(|now| now.name.clone());
        let renamed_keys: Vec<String> =
            base.key.iter().map(|name| names(name).unwrap_or_else(|| name.value.clone())).collect();
        let now: BTreeSet<&str> = head.key.iter().map(|name| name.value.as_str()).collect();
        if renamed_keys.iter().map(String::as_str).collect::<BTreeSet<_>>() != now {
            let text = format!("its key was {}, and is {}", keys(base), keys(head));
            self.push(Whom::Readers, text, "leave the key: what merges rows by it would merge others");
        }
        for column in &base.columns {
            let same = head.columns.iter().find(|now| now.name == column.name);
            let now = same.or_else(|| head.columns.iter().find(|now| renamed(now) == Some(&column.name)));
            let Some(now) = now else {
                let rejects = head.unknown.value == Unknown::Reject;
                let whom = if rejects { Whom::Both } else { Whom::Readers };
                self.push(whom, format!("the column `{}` is gone", column.name), "keep it, it may be null");
                continue;
            };
            let table = self.span.replace(now.span.clone());
            if same.is_none() {
                let text = format!("the column `{}` is called `{}` now", column.name, now.name);
                self.push(Whom::Readers, text, "add a column beside it, and fill both for a while");
            }
            let required = |table: &TableSection, name: &str, column: &ColumnSection| {
                column.required || table.key.iter().any(|key| key.value == name)
            };
            let needed = (required(base, &column.name, &column.value), required(head, &now.name, &now.value));
            self.columns((&column.name, &*column.value), (&now.name, &*now.value), needed);
            self.span = table;
        }
        for now in &head.columns {
            let known = |name: &str| base.columns.iter().any(|column| column.name == name);
            let required = now.value.required || head.key.iter().any(|key| key.value == now.name);
            if required && !known(&now.name) && !renamed(now).is_some_and(known) {
                let table = self.span.replace(now.span.clone());
                let text = format!("the new column `{}` is required: messages without it become rejects", now.name);
                self.push(Whom::Producers, text, "add it without `required`");
                self.span = table;
            }
        }
        for added in base.reading().added() {
            if !head.reading().added().contains(&added) {
                let text = format!("the column `{}` is gone", added.name);
                self.push(Whom::Readers, text, "leave the line that adds it");
            }
        }
    }

    /// How messages are written.
    fn messages(&mut self, base: &TableSection, head: &TableSection) {
        if base.topic.value != head.topic.value {
            let text = format!("it is filled from the topic `{}`, no longer from `{}`", *head.topic, *base.topic);
            self.push(Whom::Producers, text, "declare another table for the other topic");
        }
        let place = |table: &TableSection| {
            let existing = table.existing.as_ref().map(|existing| existing.value.clone());
            (table.sink.value, existing, table.bucket.value.clone())
        };
        if place(base) != place(head) {
            let text = "its rows go elsewhere: its `sink`, `existing` or `bucket` is another";
            self.push(Whom::Readers, text, "declare another table beside it, and let readers move");
        }
        let (was, is) = (base.reading(), head.reading());
        let text = |what: &str| format!("its {what} has changed: messages that are written as before become rejects");
        let table = "declare another table, with a topic of its own, for messages of the other form";
        if was.format != is.format {
            self.push(Whom::Producers, text("`format`"), table);
        }
        if was.path != is.path {
            self.push(Whom::Producers, text("`path`"), table);
        }
        let registry = |table: &TableSection| table.registry.as_ref().map(|registry| registry.value.clone());
        if registry(base) != registry(head) {
            let fix = "register there every schema that messages in the topic were written by, under the same id";
            self.push(Whom::Producers, "its `registry` is another, which may not know the schemas of before", fix);
        }
        if was.unknown != is.unknown && head.unknown.value == Unknown::Reject {
            let text = "messages with members that no column takes become rejects";
            self.push(Whom::Producers, text, "write `unknown = \"keep\"` and look at what comes first");
        }
        if base.unknown.value == Unknown::Evolve && head.unknown.value != Unknown::Evolve {
            let text = "the columns that came from messages go, but for those that are declared";
            self.push(Whom::Readers, text, "declare the ones that are read, or leave `unknown = \"evolve\"`");
        }
        if was.on_tombstone != is.on_tombstone && head.on_tombstone.value == OnTombstone::Reject {
            self.push(Whom::Both, "tombstones are rows no longer", "leave `on_tombstone = \"row\"`");
        }
    }

    fn columns(
        &mut self,
        (old, base): (&str, &ColumnSection),
        (name, head): (&str, &ColumnSection),
        needed: (bool, bool),
    ) {
        if !head.column_type.widens(&base.column_type) {
            let text = format!("the column `{name}` was {}, and is {}", base.column_type, head.column_type);
            self.push(Whom::Both, text, "add a column of the other type: types only widen");
        }
        match needed {
            (false, true) => {
                let text = format!("the column `{name}` is required now: messages without it become rejects");
                self.push(Whom::Producers, text, "leave out `required`");
            }
            (true, false) => {
                let text = format!("the column `{name}` may be null now");
                self.push(Whom::Readers, text, "leave `required`, unless all who read it take nulls");
            }
            _ => {}
        }
        let unit = |column: &ColumnSection| column.unit.as_ref().map(|unit| unit.value);
        if unit(base) != unit(head) {
            let text = format!("the column `{name}` counts another `unit`");
            self.push(Whom::Producers, text, "add a column for times that are written otherwise");
        }
        let member = |name: &str, column: &ColumnSection| {
            column.member.as_ref().map_or_else(|| name.to_owned(), |member| member.value.clone())
        };
        let (was, is) = (member(old, base), member(name, head));
        let still = |member: &str| head.was.as_ref().is_some_and(|was| was.value == member);
        if was != is && !still(&was) {
            let text = format!("the column `{name}` takes the member `{is}`, no longer `{was}`");
            self.push(Whom::Producers, text, "write the member that they send with `member`");
        }
        if let Some(was) = base.was.as_ref().filter(|was| !still(&was.value) && was.value != is) {
            let text = format!("the column `{name}` no longer takes the member `{}`, its name of before", was.value);
            self.push(Whom::Producers, text, "leave the line with `was` until nobody sends it");
        }
    }
}

/// The name that a column had before.
fn renamed(column: &Entry<At<ColumnSection>>) -> Option<&str> {
    column.value.was.as_ref().map(|was| was.value.as_str())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::stack::parse;

    const BASE: &str = r#"[stack]
name = "shop"

[network]
zones = ["a", "b"]

[kafka]
brokers = 2

[keys.main]

[buckets.raw]

[topics.orders]
[topics.others]

[hosts.app]
agents = ["stream"]

[tables.orders]
topic = "orders"
format = "json"
key = ["id"]
kafka = ["key"]
unknown = "keep"
on_tombstone = "reject"

[tables.orders.columns]
id = "string"
count = "int"
mail = { type = "string", required = true }
at = { type = "timestamptz", unit = "millis" }
place = "struct<street: string, floor: int>"
"#;

    fn stack(changes: &[(&str, &str)]) -> Stack {
        let mut text = BASE.to_owned();
        for (old, new) in changes {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        parse(Path::new("test.toml"), &text, None).unwrap_or_else(|error| panic!("{}", error.render(false)))
    }

    fn broken(base: &Stack, head: &Stack) -> Vec<String> {
        let found = breaks(base, head, &[]);
        found.iter().map(|one| format!("{}: {}", one.whom, one.text)).collect()
    }

    #[test]
    fn what_breaks_is_said_for_whom() {
        let mail = "mail = { type = \"string\", required = true }";
        for (change, expected) in [
            (("count = \"int\"\n", ""), "readers: the column `count` is gone"),
            (
                ("count = \"int\"", "count = \"string\""),
                "readers and producers: the column `count` was int, and is string",
            ),
            (
                ("street: string, floor: int", "street: string"),
                "readers and producers: the column `place` was struct<street: string, floor: int>, and is struct<street: string>",
            ),
            (
                ("count = \"int\"", "count = { type = \"int\", required = true }"),
                "producers: the column `count` is required now: messages without it become rejects",
            ),
            ((mail, "mail = \"string\""), "readers: the column `mail` may be null now"),
            (
                (mail, "email = { type = \"string\", required = true, was = \"mail\" }"),
                "readers: the column `mail` is called `email` now",
            ),
            (
                (mail, "mail = { type = \"string\", required = true, member = \"eMail\" }"),
                "producers: the column `mail` takes the member `eMail`, no longer `mail`",
            ),
            (("\"millis\"", "\"micros\""), "producers: the column `at` counts another `unit`"),
            (
                (mail, "mail = { type = \"string\", required = true }\nnew = { type = \"int\", required = true }"),
                "producers: the new column `new` is required: messages without it become rejects",
            ),
            (
                ("topic = \"orders\"", "topic = \"others\""),
                "producers: it is filled from the topic `others`, no longer from `orders`",
            ),
            (
                ("format = \"json\"", "format = \"json\"\npath = \"after\""),
                "producers: its `path` has changed: messages that are written as before become rejects",
            ),
            (("kafka = [\"key\"]\n", ""), "readers: the column `kafka_key` is gone"),
            (("unknown = \"keep\"\n", ""), "readers: the column `unknown` is gone"),
            (("key = [\"id\"]", "key = [\"id\", \"mail\"]"), "readers: its key was id, and is id, mail"),
            (
                ("format = \"json\"", "format = \"json\"\nsink = \"parquet\""),
                "readers: its rows go elsewhere: its `sink`, `existing` or `bucket` is another",
            ),
        ] {
            assert_eq!(broken(&stack(&[]), &stack(&[change])), [expected], "{change:?}");
        }
    }

    #[test]
    fn what_widens_or_adds_breaks_nobody() {
        let head = stack(&[
            ("count = \"int\"", "count = \"long\"\nnote = \"string\""),
            ("floor: int", "floor: long, door: string"),
            ("kafka = [\"key\"]", "kafka = [\"key\", \"timestamp\"]"),
        ]);
        assert_eq!(broken(&stack(&[]), &head), [""; 0]);
        assert_eq!(breaks(&stack(&[]), &stack(&[]), &[]), []);
    }

    #[test]
    fn columns_that_came_from_messages_are_missed_when_they_go() {
        let evolving = stack(&[("unknown = \"keep\"", "unknown = \"evolve\"")]);
        let said = "readers: the columns that came from messages go, but for those that are declared";
        assert_eq!(broken(&evolving, &stack(&[])), [said]);
        assert_eq!(broken(&stack(&[]), &evolving), [""; 0]);
    }

    #[test]
    fn a_rename_breaks_producers_when_the_old_name_is_forgotten() {
        let mail = "mail = { type = \"string\", required = true }";
        let renamed = stack(&[(mail, "email = { type = \"string\", required = true, was = \"mail\" }")]);
        let done = stack(&[(mail, "email = { type = \"string\", required = true }")]);
        let said = "producers: the column `email` no longer takes the member `mail`, its name of before";
        assert_eq!(broken(&renamed, &done), [said]);
        // A key that is renamed is the same key.
        let key =
            stack(&[("id = \"string\"", "order = { type = \"string\", was = \"id\" }"), ("[\"id\"]", "[\"order\"]")]);
        assert_eq!(broken(&stack(&[]), &key), ["readers: the column `id` is called `order` now"]);
    }

    #[test]
    fn what_is_agreed_is_allowed_by_its_table() {
        let gone = stack(&[("[tables.orders", "[tables.others"), ("count = \"int\"\n", "")]);
        let address = || Address { kind: "table".into(), name: "orders".into() };
        let allowed = Allowed { rule: BREAKING_CHANGE.into(), address: address(), reason: "agreed".into() };
        let found = breaks(&stack(&[]), &gone, &[allowed]);
        let [one] = found.as_slice() else { panic!("one: {found:?}") };
        assert_eq!(
            (&one.address, one.whom, one.allowed.as_deref(), &one.span),
            (&address(), Whom::Both, Some("agreed"), &None)
        );
    }
}
