//! Checks of what becomes a part of a key, of a path or of a policy's pattern: it stays where it is meant to be.

use super::Checker;
use crate::names::{CODE, SEARCH_FOLDER, pipeline_folder};
use crate::stack::decode::{At, Entry};
use crate::stack::diagnostics::Diagnostic;
use crate::stack::expand::{ARTIFACTS, RESULTS};
use crate::stack::sections::Bucket;

/// Where Athena's results go in the bucket `results`, and went in `artifacts` once.
const QUERIES: &str = "athena";

/// Whether a character means itself in keys, in paths and in the patterns of policies.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.=+@".contains(c)
}

impl Checker<'_> {
    /// What agents, jobs and S3 write goes into folders of its own.
    pub(super) fn prefixes(&mut self) {
        let file = self.file;
        let shipper = &file.agents.shipper;
        self.prefix("backup_prefix", &shipper.backup_prefix, &shipper.backup_bucket);
        self.prefix("log_prefix", &file.agents.batch.log_prefix, RESULTS);
        self.prefix("log_prefix", &file.agents.stream.spark.log_prefix, RESULTS);
        for bucket in &file.buckets {
            self.logs_beside_code(bucket);
        }
        for group in [&shipper.group, &file.agents.stream.group].into_iter().flatten() {
            if group.sound && (group.is_empty() || group.contains(['*', '?', '$'])) {
                let title = format!("`{}` is no name of a consumer group", group.value);
                self.push(
                    Diagnostic::new(group.span.clone(), title, "must be one name").help(
                        "the host's policy names it, where `*`, `?` and `$` would let the agent into other groups",
                    ),
                );
            }
        }
        let log = &file.agents.producer.log_file;
        if log.sound && (log.is_empty() || log.starts_with('.') || !log.chars().all(is_plain)) {
            let title = format!("`{}` is no file name", log.value);
            self.push(
                Diagnostic::new(log.span.clone(), title, "leads out of the agent's log directory, or may")
                    .help("write a name of letters, digits, `-`, `_` and `.` alone, as in \"shop.log\""),
            );
        }
    }

    fn prefix(&mut self, what: &str, prefix: &At<String>, bucket: &str) {
        if !prefix.sound {
            return;
        }
        if prefix.split('/').any(str::is_empty) {
            let title = format!("`{what}` makes folders without a name");
            let label = if prefix.is_empty() { "no folder" } else { "a `/` too many" };
            self.push(
                Diagnostic::new(prefix.span.clone(), title, label)
                    .help("write it as in \"events\" or \"backup/events\": what follows is set off by a `/`"),
            );
            return;
        }
        if let Some(c) = prefix.chars().find(|c| *c != '/' && !is_plain(*c)) {
            let title = format!("`{what}` can't hold `{}`", c.escape_default());
            self.push(
                Diagnostic::new(prefix.span.clone(), title, "not plain text everywhere").help(
                    "in a policy it would mean more than this prefix; write letters, digits, `-`, `_`, `.` and `/`",
                ),
            );
            return;
        }
        let first = prefix.split('/').next().unwrap_or_default();
        if prefix.split('/').any(|folder| folder.starts_with('.')) {
            let title = format!("`{what}` makes a folder that begins with a dot");
            self.push(
                Diagnostic::new(prefix.span.clone(), title, "hidden")
                    .help("on disks such names are hidden, or lead to the folder above: choose another one"),
            );
        } else if self.is_taken(bucket, first) {
            let title = format!("`{first}/` of the bucket `{bucket}` is Lakewright's own");
            self.push(Diagnostic::new(prefix.span.clone(), title, what_stands_in(first)).help(
                "whoever writes there decides what hosts, jobs, builds and people run, or read: choose another prefix",
            ));
        }
    }

    /// S3 may write access logs under what a bucket's policy names, which ends with a star.
    fn logs_beside_code(&mut self, bucket: &Entry<Bucket>) {
        let section = &bucket.value;
        let Some(target) = section.access_logs.as_ref().filter(|target| target.sound) else { return };
        let own = section.access_logs_prefix.as_ref();
        if own.is_some_and(|prefix| !prefix.sound) {
            return;
        }
        let default = format!("{}/", bucket.name);
        let prefix = own.map_or(default.as_str(), |prefix| prefix.value.as_str());
        let span = own.map_or(&target.span, |prefix| &prefix.span).clone();
        if prefix.contains(['*', '?', '$']) {
            let title = format!("access logs can't begin with `{prefix}`");
            self.push(
                Diagnostic::new(span, title, "`*`, `?` and `$` mean more in a policy")
                    .help("write letters, digits, `-`, `_`, `.` and `/`"),
            );
            return;
        }
        let meets =
            |folder: &str| format!("{folder}/").starts_with(prefix) || prefix.starts_with(&format!("{folder}/"));
        if *target.value == *ARTIFACTS
            && let Some(folder) = self.kept_folders().into_iter().find(|folder| meets(folder))
        {
            let title = format!("access logs would get into `{folder}/` of the bucket `{ARTIFACTS}`");
            self.push(
                Diagnostic::new(span, title, what_stands_in(&folder))
                    .help("choose another `access_logs_prefix`, as in \"access-logs/\", or another bucket"),
            );
        }
    }

    fn is_taken(&self, bucket: &str, folder: &str) -> bool {
        // One bucket may have been given the name of the other.
        [ARTIFACTS, RESULTS].contains(&bucket) && self.kept_folders().iter().any(|own| own == folder)
    }

    /// The folders of the stack's own buckets in which nothing else may stand.
    fn kept_folders(&self) -> Vec<String> {
        let named = CODE.into_iter().chain([QUERIES, SEARCH_FOLDER]).map(str::to_owned);
        named.chain([pipeline_folder(&self.file.stack.name)]).collect()
    }
}

fn what_stands_in(folder: &str) -> &'static str {
    match folder {
        QUERIES => "the results of queries stand there",
        SEARCH_FOLDER => "whom the shipper trusts stands there",
        _ if CODE.contains(&folder) => "what hosts, jobs and builds run stands there",
        _ => "what the pipeline hands on stands there",
    }
}
