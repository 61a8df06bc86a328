//! The section of a stack file that stands for Lambda functions, and the code that they name.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use toml::de::DeValue;

use super::declare::section;
use super::decode::{At, Decode, Decoder, Named, Node};
use super::diagnostics::{Diagnostic, Source};
use super::sections::File;
use super::tables::Architecture;
use super::tags::Tagged;
use super::units::Period;
use super::values::{Setting, Whole};
use super::{layers, resource};
use crate::kinds::function::package;
use crate::resource::Address;

section! {
    /// A Lambda function, with its role, its log group and what calls it.
    Function {
        /// What it is for.
        description: At<String> = At::given(""),
        /// The file or folder beside the stack file that is its code. It is zipped for the upload; equal content is the same
        /// zip, so that only a change of the code changes the function. What begins with a dot stays out.
        source: Option<At<String>> = None,
        /// Its code as a text, of Python or Node.js, in place of `source`.
        inline: Option<At<String>> = None,
        /// The runtime, `python3.13`.
        runtime: At<String>,
        /// What is called: a module and a function in it, `index.handler`.
        handler: At<String>,
        /// Memory in MiB; processors come with it.
        memory_mb: At<Whole<128, 10_240>> = At::given(Whole(128)),
        /// After how long a call is ended: whole seconds, 15 minutes at most.
        timeout: At<Period> = At::given(Period::seconds(30)),
        /// The processors.
        architecture: At<Architecture> = At::given(Architecture::Arm),
        /// Its environment. Secrets have no place here: give it their ARN, `"${secret.NAME.arn}"`.
        environment: Named<At<Setting>> = Named(Vec::new()),
        /// What it may do on AWS besides writing its log and reading what is uploaded: statements of an IAM policy, each with
        /// `Effect`, `Action` and `Resource`.
        statements: At<Vec<At<Statement>>> = At::given(Vec::new()),
        /// Calls it regularly, `"1h"`: whole minutes.
        every: Option<At<Period>> = None,
        /// Calls it on each upload into a bucket, of which it may then read what is uploaded.
        on_upload: Option<Upload> = None,
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}

section! {
    /// The uploads that a function is called on.
    Upload {
        /// The bucket, one of `[buckets]`.
        bucket: At<String>,
        /// What the keys begin with. Default: every key does.
        prefix: At<String> = At::given(""),
        /// What the keys end with. Default: every key does.
        suffix: At<String> = At::given(""),
    }
}

impl Upload {
    /// Whether one upload could call the functions of both: S3 refuses that within a bucket.
    pub fn overlaps(&self, other: &Self) -> bool {
        let starts = |one: &Self, other: &Self| one.prefix.starts_with(other.prefix.as_str());
        let ends = |one: &Self, other: &Self| one.suffix.ends_with(other.suffix.as_str());
        *self.bucket == *other.bucket
            && (starts(self, other) || starts(other, self))
            && (ends(self, other) || ends(other, self))
    }
}

/// A statement of an IAM policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement(pub Value);

impl Decode for Statement {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        match node.get_ref() {
            DeValue::Table(_) => resource::json(node, decoder).map(Self),
            _ => decoder.wrong_type(node, "a table: a statement of an IAM policy"),
        }
    }

    fn placeholder() -> Self {
        Self(Value::Null)
    }
}

impl JsonSchema for Statement {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Statement".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A statement of an IAM policy.",
            "required": ["Effect", "Action", "Resource"],
        })
    }
}

/// The code that a function names, as it was found beside the stack file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Where it is on this machine.
    pub path: String,
    /// The SHA-256 of its zip in base64.
    pub sha256: String,
}

/// The code of a stack's functions, by their addresses.
pub type Codes = BTreeMap<Address, Code>;

/// The hash of the code at a path.
pub(super) fn hash(path: &Path) -> Result<String> {
    package::of_path(path).map(|zip| package::hash(&zip))
}

/// The code that sections and single resources name; each stands beside the file that names it.
pub(super) fn codes(
    file: &File,
    files: &[Source],
    read: impl Fn(&Path) -> Result<String>,
    list: &mut Vec<Diagnostic>,
) -> Codes {
    let sections = file.functions.iter().filter_map(|entry| {
        let source = entry.value.source.as_ref().filter(|source| source.sound)?;
        Some((&entry.name, source.value.as_str(), &source.span))
    });
    let own = file.resource.iter().filter(|kind| kind.name == "function").flat_map(|kind| &kind.value);
    let own = own.filter_map(|one| Some((&one.name, one.value.spec.get("source")?.as_str()?, &one.span)));
    let mut codes = Codes::new();
    for (name, source, span) in sections.chain(own) {
        let (index, _) = layers::locate(files, span);
        let beside = files.get(index).map_or("", |file| file.path.as_str());
        let path = Path::new(beside).parent().unwrap_or(Path::new("")).join(source);
        match read(&path) {
            Ok(sha256) => {
                codes
                    .insert(Address::new("function", name.as_str()), Code { path: path.display().to_string(), sha256 });
            }
            Err(reason) => list.push(
                Diagnostic::new(span.clone(), format!("`{source}` can't be a function's code"), format!("{reason:#}"))
                    .help("name a file or folder beside the stack file"),
            ),
        }
    }
    codes
}
