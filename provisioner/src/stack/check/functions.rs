//! Checks of functions: what Lambda, EventBridge and IAM would refuse.

use std::collections::BTreeMap;

use super::Checker;
use crate::kinds::function::rules;
use crate::stack::decode::{At, Entry};
use crate::stack::diagnostics::{Diagnostic, suggest};
use crate::stack::functions::{Function, Statement};

/// Whether S3's filters of events take a character as it is.
fn is_literal(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-!*'()".contains(c)
}

impl Checker<'_> {
    pub(super) fn functions(&mut self) {
        let file = self.file;
        for entry in &file.functions {
            let function = &entry.value;
            // A placeholder for what is no table.
            if function.span.is_empty() {
                continue;
            }
            if function.runtime.sound && !rules::RUNTIMES.contains(&function.runtime.as_str()) {
                let title = format!("Lambda has no runtime `{}` for new functions", *function.runtime);
                let help = suggest(&function.runtime, rules::RUNTIMES, "runtimes");
                self.push(Diagnostic::new(function.runtime.span.clone(), title, "no such runtime").help(help));
            }
            self.code(entry);
            self.times(function);
            self.environment(entry);
            self.statements(&function.statements);
            self.uploads(entry);
        }
    }

    /// S3 calls one function for an upload, from a bucket whose notifications the stack writes.
    fn uploads(&mut self, entry: &Entry<Function>) {
        let file = self.file;
        let Some(upload) = &entry.value.on_upload else { return };
        let bucket = &upload.bucket;
        let single = file.resource.get("bucket").is_some_and(|kind| kind.value.get(bucket).is_some());
        if single && file.buckets.get(bucket).is_none() {
            let title = format!("the bucket `{}` can't call a function", **bucket);
            self.push(Diagnostic::new(bucket.span.clone(), title, "a single resource, which says all of itself").help(
                format!(
                    "declare it as `[buckets.{0}]`, or write the destination into `notifications` of \
                     `[resource.bucket.{0}]` and the function with its permission as a `[resource.function.{1}]`",
                    **bucket, entry.name
                ),
            ));
        } else {
            self.refer("bucket", "buckets", &file.buckets, bucket, &entry.span);
        }
        for (what, filter) in [("prefix", &upload.prefix), ("suffix", &upload.suffix)] {
            if !filter.sound {
                continue;
            }
            if filter.contains(['*', '?']) {
                let title = format!("no key has the {what} `{}`", **filter);
                self.push(
                    Diagnostic::new(filter.span.clone(), title, "S3 knows no wildcards here")
                        .help("write the text that keys begin or end with, as in \"in/\" and \".csv\""),
                );
            } else if let Some(other) = filter.chars().find(|c| !is_literal(*c)) {
                let title = format!("S3 can't select keys by the {what} `{}`", **filter);
                let label = format!("S3 compares `{other}` URL-encoded");
                self.push(Diagnostic::new(filter.span.clone(), title, label).help(format!(
                    "give the keys a {what} of letters, digits and / . _ - ! ' ( ), or write the bucket, the function and its \
                     permission as single resources, the {what} in `notifications` URL-encoded, a space as `+`"
                )));
            } else if filter.len() > 1024 {
                let title = format!("a {what} of {} bytes is too long", filter.len());
                self.push(Diagnostic::new(filter.span.clone(), title, "no key has more than 1024"));
            }
        }
        let others = file.functions.iter().take_while(|other| other.name != entry.name);
        let meets = others
            .filter_map(|other| Some((other, other.value.on_upload.as_ref()?)))
            .find(|(_, other)| bucket.sound && other.bucket.sound && upload.overlaps(other));
        if let Some((other, theirs)) = meets {
            let title = format!("an upload can't call both `{}` and `{}`", other.name, entry.name);
            let said = |text: &str, what: &str| {
                if text.is_empty() { format!("any {what}") } else { format!("the {what} `{text}`") }
            };
            let label = format!(
                "overlaps with {} and {} of `{}`",
                said(&theirs.prefix, "prefix"),
                said(&theirs.suffix, "suffix"),
                other.name
            );
            self.push(Diagnostic::new(upload.span.clone(), title, label).help(
                "S3 refuses filters that overlap: give them different prefixes or suffixes, let one function call the \
                 other, or set `notify = true` and let rules of EventBridge call both",
            ));
        }
    }

    fn code(&mut self, entry: &Entry<Function>) {
        let function = &entry.value;
        match (&function.source, &function.inline) {
            (Some(_), Some(inline)) => self.push(
                Diagnostic::new(inline.span.clone(), "the function has its code twice", "and `source` too")
                    .help("keep `source` or `inline`"),
            ),
            (Some(source), None) if source.sound && source.trim().is_empty() => self.push(
                Diagnostic::new(source.span.clone(), "the function's `source` is empty", "no folder or file")
                    .help("write a folder or file beside the stack file, `source = \"functions/NAME\"`"),
            ),
            (None, None) => self.push(
                Diagnostic::new(entry.span.clone(), format!("the function `{}` has no code", entry.name), "no code")
                    .help("add `source = \"functions/NAME\"`, a folder or file beside the stack file, or `inline`"),
            ),
            (None, Some(inline)) if inline.sound && function.runtime.sound && function.handler.sound => {
                if let Err(error) = rules::inline_file(&function.runtime, &function.handler) {
                    let title = "the inline code can't become a file";
                    self.push(Diagnostic::new(function.handler.span.clone(), title, error.to_string()));
                }
            }
            _ => {}
        }
        if function.handler.sound
            && (function.handler.is_empty() || function.handler.len() > 128 || function.handler.contains(' '))
        {
            let title = format!("`{}` is no handler", *function.handler);
            self.push(
                Diagnostic::new(function.handler.span.clone(), title, "Lambda refuses it")
                    .help("write the module and the function in it, as in `index.handler`"),
            );
        }
    }

    fn times(&mut self, function: &Function) {
        let timeout = &function.timeout;
        if timeout.sound && (!timeout.0.is_multiple_of(1000) || !(1000..=900_000).contains(&timeout.0)) {
            let title = format!("a function can't run for {}", **timeout);
            self.push(
                Diagnostic::new(timeout.span.clone(), title, "one second to 15 minutes, whole seconds")
                    .help("work that takes longer belongs into `[batch]` or on a host"),
            );
        }
        if let Some(every) = function.every.as_ref().filter(|every| every.sound)
            && (every.0 % 60_000 != 0)
        {
            let title = format!("EventBridge can't call a function every {}", **every);
            self.push(
                Diagnostic::new(every.span.clone(), title, "whole minutes only")
                    .help("write it as in \"5m\" or \"1h\""),
            );
        }
    }

    fn environment(&mut self, entry: &Entry<Function>) {
        let mut whole = BTreeMap::new();
        for setting in entry.value.environment.iter().filter(|setting| setting.value.sound) {
            let one = [(setting.name.clone(), setting.value.0.clone())].into();
            if let Err(error) = rules::environment(&one) {
                let text = error.to_string();
                let text = text.strip_prefix("environment: ").unwrap_or(&text).to_owned();
                let (title, fix) = text.split_once("; ").unwrap_or((&text, "choose another name"));
                self.push(Diagnostic::new(setting.span.clone(), title, "not in an environment").help(fix));
            } else {
                whole.extend(one);
            }
        }
        if let Err(error) = rules::environment(&whole) {
            self.push(Diagnostic::new(entry.span.clone(), error.to_string(), "too large"));
        }
    }

    pub(super) fn statement(&mut self, statement: &At<Statement>) {
        let lacks = ["Effect", "Action", "Resource"].into_iter().find(|name| {
            let negated = format!("Not{name}");
            statement.0.get(name).is_none() && statement.0.get(&negated).is_none()
        });
        if let Some(lacks) = lacks {
            self.push(
                Diagnostic::new(statement.span.clone(), format!("the statement lacks `{lacks}`"), "IAM refuses it").help(
                    "write it as in { Effect = \"Allow\", Action = [\"s3:GetObject\"], Resource = [\"arn:aws:s3:::NAME/*\"] }",
                ),
            );
        } else if !matches!(statement.0["Effect"].as_str(), Some("Allow" | "Deny")) {
            self.push(Diagnostic::new(statement.span.clone(), "`Effect` is Allow or Deny", "IAM refuses it"));
        }
    }
}
