//! Whether one schema reads what another wrote: Avro's schema resolution, and what it lets through although the meaning changes.

use std::fmt;

use crate::calendar::Unit;
use crate::reject::shown;
use crate::schema::{Enum, Fixed, Name, Node, NodeId, Record, Schema};

/// Pairs of types that are compared at most: schemas can refer to themselves in ways that are never done.
const MAX_STEPS: u32 = 1_000_000;

/// Why what one schema wrote isn't read, or not as it was meant, by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The way to the value, as in `order.items[].price`; empty for the whole.
    pub at: String,
    /// What it means.
    pub kind: MismatchKind,
    /// A sentence for people.
    pub reason: String,
}

/// What a mismatch means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MismatchKind {
    /// A reader of Avro fails.
    Unreadable,
    /// A reader of Avro succeeds, with values that mean something else: milliseconds as microseconds, say.
    Meaning,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() { f.write_str(&self.reason) } else { write!(f, "`{}`: {}", self.at, self.reason) }
    }
}

/// What of the writer's values the reader doesn't read, or reads as something else; nothing if it reads all.
pub fn mismatches(reader: &Schema, writer: &Schema) -> Vec<Mismatch> {
    let mut comparison =
        Comparison { reader, writer, under_way: Vec::new(), at: Vec::new(), found: Vec::new(), steps: 0 };
    comparison.types(reader.root, writer.root);
    comparison.found
}

struct Comparison<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    /// Pairs that are being compared: what refers to itself fits if all else does.
    under_way: Vec<(NodeId, NodeId)>,
    at: Vec<String>,
    found: Vec<Mismatch>,
    steps: u32,
}

impl<'a> Comparison<'a> {
    fn types(&mut self, reader: NodeId, writer: NodeId) {
        if self.under_way.contains(&(reader, writer)) {
            return;
        }
        self.steps += 1;
        if self.steps > MAX_STEPS {
            if self.steps == MAX_STEPS + 1 {
                self.unreadable("the schemas are too entangled to be compared");
            }
            return;
        }
        self.under_way.push((reader, writer));
        self.nodes(reader, writer);
        self.under_way.pop();
    }

    fn nodes(&mut self, reader: NodeId, writer: NodeId) {
        let (theirs, ours): (&'a Schema, &'a Schema) = (self.writer, self.reader);
        match (&ours.nodes[reader], &theirs.nodes[writer]) {
            (_, Node::Union(branches)) => branches.iter().for_each(|branch| self.types(reader, *branch)),
            (Node::Union(branches), _) => self.branch_of(branches, writer),
            (Node::Array(reader), Node::Array(writer)) => self.inside("[]", *reader, *writer),
            (Node::Map(reader), Node::Map(writer)) => self.inside("{}", *reader, *writer),
            (Node::Record(reader), Node::Record(writer)) => self.records(reader, writer),
            (Node::Enum(reader), Node::Enum(writer)) => self.enums(reader, writer),
            (reader, writer) => self.leaves(reader, writer),
        }
    }

    fn inside(&mut self, part: &str, reader: NodeId, writer: NodeId) {
        self.at.push(part.to_owned());
        self.types(reader, writer);
        self.at.pop();
    }

    /// One of the reader's branches takes what the writer wrote.
    fn branch_of(&mut self, branches: &[NodeId], writer: NodeId) {
        let before = self.found.len();
        let mut least: Option<Vec<Mismatch>> = None;
        for branch in branches {
            self.types(*branch, writer);
            let found = self.found.split_off(before);
            if found.is_empty() {
                return;
            }
            // Of a branch of the same kind it says what doesn't fit in it.
            let same = kind(&self.reader.nodes[*branch]) == kind(&self.writer.nodes[writer]);
            if same && least.as_ref().is_none_or(|least| found.len() < least.len()) {
                least = Some(found);
            }
        }
        match least {
            Some(found) => self.found.extend(found),
            None => {
                self.unreadable(format!("no branch of the reader's union takes {}", kind(&self.writer.nodes[writer])));
            }
        }
    }

    fn records(&mut self, reader: &'a Record, writer: &'a Record) {
        self.names(&reader.name, &writer.name);
        for field in &reader.fields {
            let written = writer.fields.iter().find(|written| written.name == field.name);
            let written =
                written.or_else(|| writer.fields.iter().find(|written| field.aliases.contains(&written.name)));
            self.at.push(field.name.clone());
            match written {
                Some(written) => self.types(field.node, written.node),
                None if field.has_default => {}
                None => self.unreadable("the writer has no such field, and the reader no default for it"),
            }
            self.at.pop();
        }
    }

    fn enums(&mut self, reader: &Enum, writer: &Enum) {
        self.names(&reader.name, &writer.name);
        if reader.default.as_ref().is_some_and(|default| reader.symbols.contains(default)) {
            return;
        }
        let missing: Vec<_> = writer.symbols.iter().filter(|symbol| !reader.symbols.contains(symbol)).collect();
        if let Some(first) = missing.first() {
            let more = if missing.len() > 1 { format!(" and {} others", missing.len() - 1) } else { String::new() };
            self.unreadable(format!("the reader lacks the symbol `{}`{more}, and a default", shown(first)));
        }
    }

    /// Names fit without their namespaces, or by an alias of the reader's.
    fn names(&mut self, reader: &Name, writer: &Name) {
        let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
        let fits = last(&reader.full) == last(&writer.full)
            || reader.aliases.iter().any(|alias| *alias == writer.full || last(alias) == last(&writer.full));
        if !fits {
            self.unreadable(format!(
                "the type's name is `{}`, and the reader's `{}` has no such alias",
                shown(&writer.full),
                shown(&reader.full)
            ));
        }
    }

    fn leaves(&mut self, reader: &Node, writer: &Node) {
        let (read, written) = (kind(reader), kind(writer));
        let promoted = matches!(
            (written, read),
            ("int", "long" | "float" | "double")
                | ("long", "float" | "double")
                | ("float", "double")
                | ("string", "bytes")
                | ("bytes", "string")
        );
        if read != written && !promoted {
            self.unreadable(format!("{written} was written, and {read} is read"));
            return;
        }
        if let (Some(read), Some(written)) = (fixed(reader), fixed(writer)) {
            self.names(&read.name, &written.name);
            if read.size != written.size {
                self.unreadable(format!("{} bytes were written, and {} are read", written.size, read.size));
                return;
            }
        }
        if let (Node::Decimal { precision: read, .. }, Node::Decimal { precision: written, .. }) = (reader, writer)
            && written > read
        {
            self.add(
                MismatchKind::Meaning,
                format!("a decimal of {written} digits was written, and of {read} is read"),
            );
        }
        let (read, written) = (meaning(reader), meaning(writer));
        if read != written {
            let word = |meaning: Option<String>| meaning.unwrap_or_else(|| "a plain value".to_owned());
            let reason = format!("{} was written, and {} is read", word(written), word(read));
            self.add(MismatchKind::Meaning, reason);
        }
    }

    fn unreadable(&mut self, reason: impl Into<String>) {
        self.add(MismatchKind::Unreadable, reason.into());
    }

    fn add(&mut self, kind: MismatchKind, reason: String) {
        let mut at = String::new();
        for part in &self.at {
            let dot = if at.is_empty() || part.starts_with(['[', '{']) { "" } else { "." };
            at.push_str(dot);
            at.push_str(&shown(part));
        }
        self.found.push(Mismatch { at, kind, reason });
    }
}

/// Avro's word for what stands in the bytes.
pub(crate) fn kind(node: &Node) -> &'static str {
    match node {
        Node::Null => "null",
        Node::Boolean => "boolean",
        Node::Int | Node::Date | Node::Time(Unit::Millis) => "int",
        Node::Long | Node::Time(_) | Node::Timestamp { .. } => "long",
        Node::Float => "float",
        Node::Double => "double",
        Node::Bytes | Node::Decimal { fixed: None, .. } => "bytes",
        Node::String | Node::UuidText => "string",
        Node::Fixed(_) | Node::Uuid(_) | Node::Duration(_) | Node::Decimal { .. } => "fixed",
        Node::Enum(_) => "enum",
        Node::Array(_) => "array",
        Node::Map(_) => "map",
        Node::Union(_) => "union",
        Node::Record(_) => "record",
    }
}

fn fixed(node: &Node) -> Option<&Fixed> {
    match node {
        Node::Fixed(fixed) | Node::Uuid(fixed) | Node::Duration(fixed) => Some(fixed),
        Node::Decimal { fixed, .. } => fixed.as_ref(),
        _ => None,
    }
}

/// What the bytes mean beyond themselves.
pub(crate) fn meaning(node: &Node) -> Option<String> {
    match node {
        Node::Date => Some("a date".to_owned()),
        Node::Time(unit) => Some(format!("a time in {}", unit.word())),
        Node::Timestamp { unit, zoned: true } => Some(format!("a timestamp in {}", unit.word())),
        Node::Timestamp { unit, zoned: false } => Some(format!("a local timestamp in {}", unit.word())),
        Node::Decimal { scale, .. } => Some(format!("a decimal of {scale} places")),
        Node::Uuid(_) => Some("a uuid".to_owned()),
        Node::Duration(_) => Some("a duration".to_owned()),
        // A uuid as text is text to who reads it as such.
        _ => None,
    }
}
