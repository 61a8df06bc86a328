//! What a table's declaration says, held against the newest schema that its registry has, and against the schemas that may follow.

use lakewright_config::ColumnType;
use lakewright_formats::registry::Compatibility;
use lakewright_formats::{MEMBERS, Member};

use super::fits::{Fit, Reading, fits};
use super::{Break, Whom};
use crate::checks::{Allowed, BREAKING_CHANGE};
use crate::resource::Address;
use crate::stack::{At, ColumnSection, Entry, Format, Stack, TableSection, Unknown};

/// The registry that Glue's serializers take where nobody names one.
const GLUE_REGISTRY: &str = "default-registry";

/// What a registry has for a table's messages.
#[derive(Debug)]
pub struct Newest {
    /// Its number among those of its subject.
    pub version: i64,
    /// What it is.
    pub schema: Written,
    /// Which may follow it.
    pub compatibility: Compatibility,
}

/// What a schema writes.
#[derive(Debug)]
pub enum Written {
    /// A row of these members.
    Row(Vec<Member>),
    /// JSON, of which nothing is compared.
    Json,
    /// Rows of which the schema says no members: why.
    Unsaid(String),
    /// Nothing that the stream agent reads: why.
    Unread(String),
}

/// What a registry lets happen, and what a declaration doesn't get from it, though no message is refused for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The table.
    pub address: Address,
    /// What it is.
    pub text: String,
    /// How it is avoided.
    pub fix: String,
    /// Where the stack file says so.
    pub span: std::ops::Range<usize>,
}

/// The name under which the registry has the schemas of a table's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// With Glue one of its registries.
    pub registry: Option<String>,
    /// The subject; with Glue the schema.
    pub name: String,
}

/// The name that a stack gives to the schemas of one of its tables.
pub fn subject(stack: &Stack, table: &TableSection) -> Subject {
    let own = stack.file.topics.get(&table.topic).and_then(|topic| topic.value.name.as_ref());
    let topic = own.map_or(table.topic.value.as_str(), |own| own.value.as_str());
    let named = table.registry_subject.as_ref().map(|named| named.value.as_str());
    if !table.is_of_glue() {
        return Subject { registry: None, name: named.map_or_else(|| format!("{topic}-value"), str::to_owned) };
    }
    let (registry, name) = match named {
        Some(named) => named.split_once('/').unwrap_or((GLUE_REGISTRY, named)),
        None => (GLUE_REGISTRY, topic),
    };
    Subject { registry: Some(registry.to_owned()), name: name.to_owned() }
}

/// The name that the base gives to a table's schemas where the change gives another, though messages come as before: those who
/// send them go on under the old one.
pub fn subject_before(base: &Stack, head: &Stack, table: &Entry<TableSection>) -> Option<Subject> {
    let was = &base.file.tables.get(&table.name)?.value;
    let registry = |table: &TableSection| table.registry.as_ref().map(|registry| registry.value.clone());
    let is_same = was.topic.value == table.value.topic.value && registry(was) == registry(&table.value);
    let before = subject(base, was);
    (is_same && before != subject(head, &table.value)).then_some(before)
}

/// Where the row stands in what a schema writes.
pub fn row_path(table: &TableSection) -> Vec<String> {
    if table.format.value == Format::Debezium {
        return vec!["after".to_owned()];
    }
    table.path.as_ref().map(|path| path.value.members().to_vec()).unwrap_or_default()
}

/// What of a declaration the newest schema doesn't fill, and what may follow it. `name` is the subject's.
pub fn held_against(
    table: &Entry<TableSection>,
    name: &str,
    newest: &Newest,
    allowed: &[Allowed],
) -> (Vec<Break>, Vec<Note>) {
    let address = address(table);
    let allowed = allowed.iter().find(|one| one.rule == BREAKING_CHANGE && one.address == address);
    let mut comparison = Comparison {
        table,
        address,
        allowed: allowed.map(|one| one.reason.clone()),
        schema: format!("version {} of `{name}`", newest.version),
        breaks: Vec::new(),
        notes: Vec::new(),
    };
    match &newest.schema {
        Written::Row(members) => comparison.row(members, newest.compatibility),
        Written::Json => {
            let text = format!("{} is a schema of JSON, of which nothing is compared", comparison.schema);
            comparison.note(text, "look at it yourself", &table.span);
        }
        Written::Unsaid(why) => {
            let text = format!("{} doesn't say which members a row has: {why}", comparison.schema);
            comparison.note(text, "look at what comes, or register a schema of a record", &table.span);
        }
        Written::Unread(why) => {
            let text = format!("messages by {} become rejects: {why}", comparison.schema);
            comparison.breaks(
                text,
                "register a schema of Avro there, or name another by `registry_subject`",
                &table.span,
            );
        }
    }
    (comparison.breaks, comparison.notes)
}

/// The address of a table.
pub fn address(table: &Entry<TableSection>) -> Address {
    Address { kind: "table".into(), name: table.name.clone() }
}

/// Nobody registered a schema for a table's messages.
pub fn unregistered(table: &Entry<TableSection>, name: &str) -> Note {
    Note {
        address: address(table),
        text: format!("its registry has nothing named `{name}`: nobody registered a schema for its messages"),
        fix: "name the subject by `registry_subject` where the producers' is another; else register the schema before messages".to_owned(),
        span: table.span.clone(),
    }
}

struct Comparison<'a> {
    table: &'a Entry<TableSection>,
    address: Address,
    allowed: Option<String>,
    /// The schema, in words.
    schema: String,
    breaks: Vec<Break>,
    notes: Vec<Note>,
}

impl Comparison<'_> {
    fn breaks(&mut self, text: String, fix: &'static str, span: &std::ops::Range<usize>) {
        self.breaks.push(Break {
            address: self.address.clone(),
            whom: Whom::Producers,
            text,
            fix,
            span: Some(span.clone()),
            allowed: self.allowed.clone(),
        });
    }

    fn note(&mut self, text: String, fix: impl Into<String>, span: &std::ops::Range<usize>) {
        self.notes.push(Note { address: self.address.clone(), text, fix: fix.into(), span: span.clone() });
    }

    fn row(&mut self, members: &[Member], compatibility: Compatibility) {
        let table = self.table;
        let is_debezium = table.value.format.value == Format::Debezium;
        let mut filled = Filled::default();
        for column in &table.value.columns {
            let member = member_of(column);
            if is_debezium && MEMBERS.contains(&member) {
                continue;
            }
            let is_required = column.value.required || table.value.key.iter().any(|key| key.value == column.name);
            let was = column.value.was.as_ref().map(|was| was.value.as_str());
            let found = members.iter().find(|one| one.name == member);
            let Some(found) = found.or_else(|| members.iter().find(|one| Some(one.name.as_str()) == was)) else {
                self.missing(column, member, is_required);
                continue;
            };
            self.column(column, found, is_required);
            filled.all.push(member);
            if may_widen(&column.value.column_type, found) {
                filled.narrow.push(member);
            }
            if is_required {
                filled.needed.push(member);
                if found.has_default {
                    filled.defaulted.push(member);
                }
            }
        }
        if table.value.unknown.value == Unknown::Reject {
            self.refused_members(members, is_debezium);
        }
        self.followers(compatibility, &filled);
    }

    fn missing(&mut self, column: &Entry<At<ColumnSection>>, member: &str, is_required: bool) {
        let (name, schema) = (&column.name, &self.schema);
        let fix = "write the field's name with `member`, or register a schema that has it before the change is applied";
        if is_required {
            let text = format!(
                "{schema} has no field `{member}` for the required column `{name}`: its messages become rejects"
            );
            self.breaks(text, fix, &column.span);
        } else {
            let text = format!("{schema} has no field `{member}`: the column `{name}` stays null");
            self.note(text, fix, &column.span);
        }
    }

    fn column(&mut self, column: &Entry<At<ColumnSection>>, found: &Member, is_required: bool) {
        let (name, schema, declared) = (&column.name, self.schema.clone(), &column.value.column_type);
        let reading = Reading {
            unit: column.value.unit.as_ref().map(|unit| unit.value.into()),
            refuses_unknown: self.table.value.unknown.value == Unknown::Reject,
        };
        let field = format!("the field `{}` of {schema} is {}", found.name, found.written);
        if found.unreadable {
            let text = format!("{field}, which no column takes: its messages become rejects");
            self.breaks(text, "write the field as a number or text, or leave out the column", &column.span);
            return;
        }
        let written = found.column_type.as_ref().and_then(|written| written.parse().ok());
        match written.map(|written| fits(declared, reading, &written)) {
            Some(Fit::All) => {}
            Some(Fit::Base64) => {
                let text = format!("{field}: the column `{name}` of {declared} holds its bytes as text of Base64");
                self.note(text, "declare it as `binary` if bytes are meant", &column.span);
            }
            Some(Fit::Some(which)) => {
                let fix = match &found.column_type {
                    Some(kind) => format!("declare it as `{kind}` if such values come"),
                    None => "look at what comes".to_owned(),
                };
                self.note(
                    format!("{field}: in the column `{name}` of {declared}, {which} make a message a reject"),
                    fix,
                    &column.span,
                );
            }
            Some(Fit::None(why)) => {
                let text =
                    format!("{field}, and the column `{name}` is {declared}: its messages become rejects ({why})");
                self.breaks(
                    text,
                    "declare the column as what the schema writes, or another column for it",
                    &column.span,
                );
            }
            None => {
                let text =
                    format!("{field}, of which nobody knows here whether the column `{name}` of {declared} takes it");
                self.note(text, "look at what comes, or write the field as one type that a column has", &column.span);
            }
        }
        if is_required && found.optional {
            let text = format!(
                "the field `{}` of {schema} may be null, and the column `{name}` is required: such messages become rejects",
                found.name
            );
            self.note(
                text,
                "declare it without `required`, or register a schema in which it can't be null",
                &column.span,
            );
        }
    }

    /// Fields that make each message a reject.
    fn refused_members(&mut self, members: &[Member], is_debezium: bool) {
        let takes = |name: &str| {
            self.table.value.columns.iter().any(|column| {
                let was = column.value.was.as_ref().map(|was| was.value.as_str());
                member_of(column) == name || was == Some(name)
            })
        };
        let beyond: Vec<String> = members
            .iter()
            .filter(|one| !(takes(&one.name) || is_debezium && MEMBERS.contains(&one.name.as_str())))
            .map(|one| format!("`{}`", one.name))
            .collect();
        if !beyond.is_empty() {
            let text = format!(
                "{} has fields that no column takes, {}: its messages become rejects",
                self.schema,
                beyond.join(", ")
            );
            self.breaks(text, "declare columns for them, or write `unknown = \"keep\"`", &self.table.span);
        }
    }

    /// What the schemas may do to readers that may follow.
    fn followers(&mut self, compatibility: Compatibility, filled: &Filled<'_>) {
        let Filled { all, needed, defaulted, narrow } = filled;
        let word = compatibility.word();
        let names = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let full = "set the compatibility of the subject to FULL, which lets only fields with a default come and go";
        let (text, fix) = match compatibility {
            Compatibility::None if !all.is_empty() => (
                format!(
                    "the registry's compatibility is {word}: the next schema may leave out {} or give them another type, and readers find null or their messages in the dead letters",
                    names(all)
                ),
                full,
            ),
            Compatibility::Forward => {
                let gone = if defaulted.is_empty() {
                    String::new()
                } else {
                    format!(" the required {} may go, which makes messages rejects, and", names(defaulted))
                };
                (
                    format!(
                        "the registry's compatibility is {word}:{gone} fields come without a default, so that who reads earlier messages by the next schema fails"
                    ),
                    full,
                )
            }
            Compatibility::Backward if !needed.is_empty() || !narrow.is_empty() => {
                let mut may = Vec::new();
                if !needed.is_empty() {
                    may.push(format!("leave out {}, which are required, or let them be null", names(needed)));
                }
                if !narrow.is_empty() {
                    may.push(format!("write {} as a wider type, whose values the column may not hold", names(narrow)));
                }
                let may = may.join("; it may ");
                let text = format!(
                    "the registry's compatibility is {word}: the next schema may {may}; such messages become rejects"
                );
                (text, full)
            }
            Compatibility::Full if !defaulted.is_empty() => (
                format!(
                    "the registry's compatibility is {word}: the next schema may leave out {}, which are required and have a default, and its messages become rejects",
                    names(defaulted)
                ),
                "register a schema in which they have no default, or declare the columns without `required`",
            ),
            _ => return,
        };
        let span = self.table.value.registry.as_ref().map_or_else(|| self.table.span.clone(), |at| at.span.clone());
        self.note(text, fix, &span);
    }
}

/// Members that columns take.
#[derive(Default)]
struct Filled<'a> {
    all: Vec<&'a str>,
    /// Those that required columns take,
    needed: Vec<&'a str>,
    /// and those of them that have a default.
    defaulted: Vec<&'a str>,
    /// Those that a backward compatible schema may write as a type whose values aren't all read.
    narrow: Vec<&'a str>,
}

/// Whether a field that fits a column may become a wider type that a backward compatible schema has, and that doesn't fit it.
fn may_widen(column: &ColumnType, found: &Member) -> bool {
    let (written, wider) = match found.column_type.as_deref() {
        Some("int") => (ColumnType::Int, ColumnType::Long),
        Some("float") => (ColumnType::Float, ColumnType::Double),
        _ => return false,
    };
    let fit = |written: &ColumnType| fits(column, Reading::default(), written);
    fit(&written) == Fit::All && fit(&wider) != Fit::All
}

/// The member that fills a column.
fn member_of(column: &Entry<At<ColumnSection>>) -> &str {
    column.value.member.as_ref().map_or(column.name.as_str(), |member| member.value.as_str())
}

#[cfg(test)]
pub(crate) mod tests;
