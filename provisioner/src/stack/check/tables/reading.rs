//! Checks of how messages become a table's rows.

use lakewright_config::ColumnType;
use lakewright_platform::http::check_encrypted;

use super::super::Checker;
use crate::stack::decode::{At, Entry};
use crate::stack::diagnostics::Diagnostic;
use crate::stack::tables::{ColumnSection, Format, KafkaPart, OnTombstone, TableSection, Unknown};

impl Checker<'_> {
    pub(super) fn reading(&mut self, table: &Entry<TableSection>) {
        let section = &table.value;
        if !section.format.sound {
            return;
        }
        self.one_table(table);
        let path = section.path.as_ref().map(|path| path.span.clone());
        if let (Some(span), Format::Envelope) = (&path, *section.format) {
            self.push(
                Diagnostic::new(span.clone(), "an envelope has its row at `data`", "not at a `path`")
                    .help("write `format = \"json\"` for messages of any shape, or remove `path`"),
            );
        }
        if let (Some(span), Format::Debezium) = (path, *section.format) {
            self.push(
                Diagnostic::new(span, "a change event has its row at `before` or `after`", "not at a `path`")
                    .help("remove `path`: columns take the members of the source's row"),
            );
        }
        self.registry(table);
        for (at, part) in section.kafka.iter().enumerate().filter(|(_, part)| part.sound) {
            if section.kafka[..at].iter().any(|other| other.sound && other.value == part.value) {
                let title = format!("`{}` is named twice in `kafka`", part.value.word());
                self.push(Diagnostic::new(part.span.clone(), title, "once is enough").help("remove it"));
            }
        }
        self.tombstones(table);
        self.evolving(table);
        self.members_taken(table);
        self.units(table);
    }

    /// The registry is one that the format needs, and that can be asked.
    fn registry(&mut self, table: &Entry<TableSection>) {
        let (section, name) = (&table.value, &table.name);
        let registry = section.registry.as_ref().filter(|registry| registry.sound);
        if let Some(secret) = section.registry_secret.as_ref().filter(|secret| secret.sound) {
            if !secret.value.starts_with("arn:") {
                self.refer("secret", "secrets", &self.file.secrets, secret, &table.span);
            }
            if section.is_of_glue() || section.registry.is_none() {
                let title = "`registry_secret` has no use without the URL of a registry";
                self.push(Diagnostic::new(secret.span.clone(), title, "nobody logs in by it").help("remove it"));
            }
        }
        if let (Some(subject), None) = (&section.registry_subject, &section.registry) {
            let title = "`registry_subject` has no use without a `registry`";
            self.push(Diagnostic::new(subject.span.clone(), title, "nobody is asked for it").help("remove it"));
        }
        let Some(registry) = registry else {
            if section.registry.is_none() && *section.format == Format::Avro {
                let title = format!("`tables.{name}` lacks `registry`");
                let label = "is read by the schemas of a registry";
                self.push(Diagnostic::new(section.format.span.clone(), title, label).help(
                    "add `registry = \"https://…\"` for one that speaks Confluent's REST API, or `registry = \"glue\"`",
                ));
            }
            return;
        };
        let span = registry.span.clone();
        if matches!(*section.format, Format::Envelope | Format::Json) {
            self.push(
                Diagnostic::new(span, "JSON is read without schemas", "nobody asks it")
                    .help("remove `registry`, or write `format = \"avro\"` or `format = \"debezium\"`"),
            );
            return;
        }
        if section.is_of_glue() {
            return;
        }
        let url = registry.value.as_str();
        let host = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"))
            .map(|rest| rest.split('/').next().unwrap_or_default());
        let (title, label, help) = match host {
            None | Some("") => (
                format!("`{url}` is no registry"),
                "neither a URL nor `glue`",
                "write `https://HOST`, or `glue` for AWS Glue's schema registry",
            ),
            // What agents are told of it, the table's declaration says too: before anything is made.
            Some(_) if url.contains("${") => (
                "a registry's URL can't refer to a resource".to_owned(),
                "isn't known before an apply",
                "write the host's name, of a record in a private zone for one of this stack",
            ),
            Some(host) if host.contains('@') => (
                "a password doesn't stand in a stack file".to_owned(),
                "has a user in it",
                "put user and password into a secret and name it by `registry_secret`",
            ),
            Some(_) if section.registry_secret.is_some() && check_encrypted(url).is_err() => (
                "a password would go in clear".to_owned(),
                "not encrypted",
                "write `https://`, or remove `registry_secret`",
            ),
            Some(_) => return,
        };
        self.push(Diagnostic::new(span, title, label).help(help));
    }

    /// A topic whose messages name no table has one.
    fn one_table(&mut self, table: &Entry<TableSection>) {
        let (section, file) = (&table.value, self.file);
        let other =
            file.tables.iter().find(|other| other.name != table.name && other.value.topic.value == section.topic.value);
        if let Some(other) = other.filter(|_| *section.format != Format::Envelope && section.topic.sound) {
            let title = format!("the topic `{}` has another table, `{}`", section.topic.value, other.name);
            let label = format!("each message is a row of `{}`", table.name);
            self.push(Diagnostic::new(section.format.span.clone(), title, label).help(
                "messages that are to be rows of several tables name theirs, in the format `envelope`; else give each \
                 table a topic of its own",
            ));
        }
    }

    /// Columns come from messages only where tables are the stack's own, and of Iceberg.
    fn evolving(&mut self, table: &Entry<TableSection>) {
        let section = &table.value;
        if !section.unknown.sound {
            return;
        }
        let evolves = *section.unknown == Unknown::Evolve;
        if let Some(most) = section.max_new_columns.as_ref().filter(|_| !evolves) {
            let title = "`max_new_columns` is for tables that get columns from their messages";
            self.push(
                Diagnostic::new(most.span.clone(), title, "has no use here")
                    .help("write `unknown = \"evolve\"`, or remove it"),
            );
        }
        let span = section.unknown.span.clone();
        if evolves && section.existing.is_some() {
            let title = format!("no column is added to `{}`, which others made", table.name);
            self.push(
                Diagnostic::new(span, title, "an existing table isn't changed")
                    .help("write `unknown = \"drop\"` or `\"reject\"`, or `\"keep\"` if it has a column `unknown` of the type string"),
            );
        } else if evolves && !section.is_in_catalog() {
            let title = format!("`{}` is plain files, which have the columns that are declared", table.name);
            let label = format!("has no use with `sink = \"{}\"`", section.sink.value.word());
            self.push(Diagnostic::new(span, title, label).help("write `unknown = \"keep\"`, or remove `sink`"));
        }
    }

    fn tombstones(&mut self, table: &Entry<TableSection>) {
        let section = &table.value;
        if !section.on_tombstone.sound || *section.on_tombstone != OnTombstone::Row {
            return;
        }
        let span = section.on_tombstone.span.clone();
        let keyed = section.kafka.iter().any(|part| matches!(part.value, KafkaPart::Key | KafkaPart::KeyBytes));
        let required = |name: &str| section.key.iter().any(|column| column.value == name);
        let required = section.columns.iter().find(|column| column.value.required || required(&column.name));
        let (title, label, help) = if *section.format == Format::Debezium {
            (
                "a change event says itself that a row is deleted".to_owned(),
                "the tombstone after it is passed over".to_owned(),
                "remove `on_tombstone`".to_owned(),
            )
        } else if *section.format == Format::Envelope {
            (
                "a record without a value can't be a row of an envelope's table".to_owned(),
                "it names no table".to_owned(),
                "write `format = \"json\"`, or remove `on_tombstone`".to_owned(),
            )
        } else if !keyed {
            (
                "a record without a value says nothing but its key".to_owned(),
                "and the table has no column for that".to_owned(),
                "add `kafka = [\"key\"]`".to_owned(),
            )
        } else if let Some(column) = required {
            (
                "a record without a value fills no declared column".to_owned(),
                format!("`{}` is required", column.name),
                "take `required` away, and identify rows by `key = [\"kafka_key\"]`".to_owned(),
            )
        } else {
            return;
        };
        self.push(Diagnostic::new(span, title, label).help(help));
    }

    /// A member fills one column.
    fn members_taken(&mut self, table: &Entry<TableSection>) {
        let columns = &table.value.columns;
        let member = |column: &Entry<At<ColumnSection>>| match &column.value.member {
            Some(member) => member.value.clone(),
            None => column.name.clone(),
        };
        for (at, column) in columns.iter().enumerate() {
            let Some(named) = column.value.member.as_ref().filter(|named| named.sound) else { continue };
            if named.value.is_empty() {
                let title = format!("the member of `{}` has no name", column.name);
                self.push(Diagnostic::new(named.span.clone(), title, "empty").help("name it, or remove this line"));
                continue;
            }
            let other = columns.iter().enumerate().find(|(other, one)| {
                *other != at && member(one) == named.value && (*other < at || one.value.member.is_none())
            });
            if let Some((_, other)) = other {
                let title = format!("the columns `{}` and `{}` take one member", other.name, column.name);
                self.push(
                    Diagnostic::new(named.span.clone(), title, "taken already")
                        .help("a member fills one column; give the other one a `member` of its own"),
                );
            }
        }
    }

    /// A unit is one of times.
    fn units(&mut self, table: &Entry<TableSection>) {
        let is_time =
            |one: &ColumnType| matches!(one, ColumnType::Time | ColumnType::Timestamp | ColumnType::Timestamptz);
        for column in table.value.columns.iter().filter(|column| column.value.sound) {
            let column_type = &column.value.column_type;
            if let Some(unit) = column.value.unit.as_ref().filter(|_| !column_type.has(is_time)) {
                let title = format!("`{}` has a `unit`, but holds no time", column.name);
                self.push(
                    Diagnostic::new(unit.span.clone(), title, format!("is a {column_type}"))
                        .help("declare it as timestamptz, timestamp or time, or remove `unit`"),
                );
            }
        }
    }
}
