//! The rules of names: what AWS, Kafka and Glue take.

use lakewright_iam::is_account;

use super::Checker;
use crate::kinds::bucket;
use crate::names;
use crate::stack::decode::Named;
use crate::stack::diagnostics::Diagnostic;
use std::ops::Range;

/// What is wrong with a text as a name; `None` when nothing is.
fn rule(name: &str, length: Range<usize>, allowed: fn(char) -> bool, words: &str) -> Option<String> {
    if !length.contains(&name.chars().count()) {
        return Some(format!("must have {} to {} characters", length.start, length.end - 1));
    }
    if let Some(wrong) = name.chars().find(|c| !allowed(*c)) {
        return Some(format!("can't hold `{wrong}`: only {words}"));
    }
    None
}

fn lower_dash(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

fn lower_underscore(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

fn word_dash(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// What is wrong with a text as the name of a column or table.
pub(super) fn identifier_mistake(name: &str) -> Option<String> {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Some("must begin with a letter".to_owned());
    }
    rule(name, 1..129, lower_underscore, "lower case letters, digits and `_`")
}

/// What is wrong with a text as the name of a stack.
pub fn stack_name_mistake(name: &str) -> Option<String> {
    let edge = (!name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-'))
        .then(|| "must begin with a letter and not end with `-`".to_owned());
    // What is named after the one would be the other's too, and policies could keep neither from it.
    let raw = name.strip_suffix("-raw").map(|other| {
        let (database, own) = (names::database(name), names::database(other));
        format!("can't end with `-raw`: the catalog of a stack `{other}` has `{own}` and `{database}`")
    });
    rule(name, 2..25, lower_dash, "lower case letters, digits and `-`").or(edge).or(raw)
}

/// What is wrong with a text as the name of a host, which is a folder too.
pub fn host_name_mistake(name: &str) -> Option<String> {
    rule(name, 1..21, lower_dash, "lower case letters, digits and `-`")
}

impl Checker<'_> {
    pub(super) fn names(&mut self) {
        let stack = &self.file.stack;
        if stack.name.sound {
            let mistake = stack_name_mistake(&stack.name);
            self.name_mistake("stack", &stack.name, &stack.name.span, mistake, "it begins the name of every bucket");
        }
        if let Some(region) = stack.region.as_ref().filter(|region| region.sound && !is_region(region)) {
            self.push(
                Diagnostic::new(
                    region.span.clone(),
                    format!("`{}` is no AWS region", region.value),
                    "no region is named so",
                )
                .help(crate::stack::diagnostics::nearest(region, REGIONS).map_or_else(
                    || "regions are named as in `eu-north-1`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                )),
            );
        }
        if let Some(account) = stack.account.as_ref().filter(|account| account.sound)
            && !is_account(account)
        {
            self.push(Diagnostic::new(account.span.clone(), "`account` is no AWS account", "must be twelve digits"));
        }
        self.foreign_buckets();
        let days =
            [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
        let retention = &stack.log_retention;
        if retention.sound && !days.iter().any(|days| retention.0 == days * 86_400_000) {
            let list = days.map(|days| format!("{days}d")).join(", ");
            self.push(
                Diagnostic::new(
                    retention.span.clone(),
                    "CloudWatch can't keep logs for that long",
                    "no such retention",
                )
                .help(format!("write one of {list}")),
            );
        }
        let file = self.file;
        self.section_names("topic", &file.topics, |name| topic_mistake(name, true));
        for topic in &file.topics {
            if let Some(name) = topic.value.name.as_ref().filter(|name| name.sound) {
                self.name_mistake("topic", name, &name.span, topic_mistake(name, false), "Kafka refuses it");
            }
        }
        self.section_names("key", &file.keys, |name| rule(name, 1..65, word_dash, "letters, digits, `-` and `_`"));
        self.section_names("secret", &file.secrets, |name| {
            rule(name, 1..65, word_dash, "letters, digits, `-` and `_`")
        });
        self.section_names("host", &file.hosts, |name| {
            // Security groups and roles of the brokers, the models, the stream job, the endpoints, the flow logs, functions and the pipelines
            // have these names.
            let own = ["kafka", "batch-jobs", "endpoints", "flow-logs", "pipeline", "pipeline-plan", "pipeline-apply"];
            let own = own.contains(&name)
                || (name == names::STREAM_JOB && file.streams_on_spark())
                || name.starts_with("function-")
                || (name == "ci" && (file.ci.is_some() || file.pipeline.is_some()));
            let taken = own.then(|| "name taken by Lakewright's own".to_owned());
            host_name_mistake(name).or(taken)
        });
        self.section_names("function", &file.functions, |name| {
            rule(name, 1..25, lower_dash, "lower case letters, digits and `-`")
        });
        self.section_names("table", &file.tables, identifier_mistake);
        self.bucket_names();
    }

    /// Buckets of others have names that S3 takes, and owners, and aren't the stack's own.
    fn foreign_buckets(&mut self) {
        let file = self.file;
        for one in &file.stack.foreign_buckets {
            self.name_mistake(
                "bucket",
                &one.name,
                &one.span,
                bucket::name::mistake(&one.name),
                "S3 has none of that name",
            );
            if one.value.sound && !is_account(&one.value) {
                let title = format!("`{}` is no AWS account", one.value.value);
                let said = Diagnostic::new(one.value.span.clone(), title, "must be twelve digits");
                self.push(said.help(format!("write the account that the bucket {} belongs to", one.name)));
            }
            let own = file.buckets.iter().find(|own| own.value.name.as_deref() == Some(&one.name));
            if let Some(own) = own {
                let title =
                    format!("the bucket `{}` can't be another account's: `[buckets.{}]` makes it", one.name, own.name);
                self.push(
                    Diagnostic::new(one.span.clone(), title, "made by this stack").help("leave out one of the two"),
                );
            }
        }
    }

    fn bucket_names(&mut self) {
        let file = self.file;
        for bucket in &file.buckets {
            if let Some(name) = bucket.value.name.as_ref() {
                if name.sound {
                    self.name_mistake("bucket", name, &name.span, bucket::name::mistake(name), "S3 refuses it");
                }
                continue;
            }
            // The stack's own name is counted with its greatest length: the same sections may serve another stack.
            let mistake = rule(&bucket.name, 1..25, lower_dash, "lower case letters, digits and `-`");
            self.name_mistake(
                "bucket",
                &bucket.name,
                &bucket.span,
                mistake,
                "it becomes part of the bucket's name on AWS",
            );
        }
    }

    fn section_names<T>(&mut self, what: &str, all: &Named<T>, mistake: impl Fn(&str) -> Option<String>) {
        for entry in all {
            self.name_mistake(what, &entry.name, &entry.span, mistake(&entry.name), "it becomes its name on AWS");
        }
    }

    fn name_mistake(&mut self, what: &str, name: &str, span: &Range<usize>, mistake: Option<String>, why: &str) {
        if let Some(mistake) = mistake {
            self.push(
                Diagnostic::new(span.clone(), format!("a {what} can't be named `{name}`"), mistake)
                    .help(format!("choose another name: {why}")),
            );
        }
    }
}

/// What is wrong with a topic's name; as a section's name it is part of an address too, which takes no dot.
fn topic_mistake(name: &str, section: bool) -> Option<String> {
    if name.starts_with("__") {
        return Some("names with `__` are Kafka's own".to_owned());
    }
    if section {
        return rule(name, 1..250, word_dash, "letters, digits, `-` and `_` (`name` may hold dots)");
    }
    rule(name, 1..250, |c| word_dash(c) || c == '.', "letters, digits, `.`, `-` and `_`")
}

/// Regions to guess from; there may be others.
const REGIONS: [&str; 20] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-central-2",
    "eu-south-1",
    "ap-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "me-central-1",
    "af-south-1",
];
/// Where in its part of the world a region lies.
const DIRECTIONS: [&str; 9] =
    ["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];

/// Whether a text has the shape of a region's name, `eu-north-1`, `us-gov-west-1`.
pub fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    match parts.split_last() {
        Some((number, words)) => {
            (2..=3).contains(&words.len())
                && words.iter().all(letters)
                && words.last().is_some_and(|direction| DIRECTIONS.contains(direction))
                && number.len() == 1
                && number.chars().all(|c| c.is_ascii_digit())
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_those_who_take_them() {
        assert!(
            is_region("eu-north-1") && is_region("us-gov-west-1") && !is_region("stockholm") && !is_region("eu-nort-1")
        );
        assert!(topic_mistake("__offsets", true).is_some() && topic_mistake("a.b", true).is_some());
        assert_eq!(topic_mistake("a.b", false), None);
        assert!(identifier_mistake("2x").is_some() && identifier_mistake("user-id").is_some());
    }
}
