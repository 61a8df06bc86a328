//! Checks of Kafka, topics, buckets, secrets and hosts.

use super::Checker;
use crate::stack::diagnostics::{Diagnostic, suggest};
use crate::stack::sections::Authentication;
use crate::stack::units::Period;

/// The brokers' instance types that MSK offers for provisioned clusters.
const BROKERS: [&str; 17] = [
    "kafka.t3.small",
    "kafka.m5.large",
    "kafka.m5.xlarge",
    "kafka.m5.2xlarge",
    "kafka.m5.4xlarge",
    "kafka.m5.8xlarge",
    "kafka.m5.12xlarge",
    "kafka.m5.16xlarge",
    "kafka.m5.24xlarge",
    "kafka.m7g.large",
    "kafka.m7g.xlarge",
    "kafka.m7g.2xlarge",
    "kafka.m7g.4xlarge",
    "kafka.m7g.8xlarge",
    "kafka.m7g.12xlarge",
    "kafka.m7g.16xlarge",
    "kafka.m7g.24xlarge",
];

impl Checker<'_> {
    pub(super) fn kafka(&mut self) {
        let Some(kafka) = &self.file.kafka else { return };
        if kafka.version.sound && !is_supported(&kafka.version) {
            let (label, help) = match version(&kafka.version) {
                Some(_) => ("too old", "MSK's topic API needs Kafka 3.6 or later: write as in \"3.9.x\""),
                None => ("no version", "write it as MSK names it: \"3.6.0\", \"3.9.x\", \"4.0.x.kraft\""),
            };
            let title = format!("Kafka's version can't be `{}`", kafka.version.value);
            self.push(Diagnostic::new(kafka.version.span.clone(), title, label).help(help));
        }
        if kafka.instance_type.sound && !BROKERS.contains(&kafka.instance_type.as_str()) {
            let title = format!("MSK has no brokers of type `{}`", kafka.instance_type.value);
            self.push(Diagnostic::new(kafka.instance_type.span.clone(), title, "no such type").help(suggest(
                &kafka.instance_type,
                BROKERS,
                "types",
            )));
        }
        let network = &self.file.network;
        let zones = network.zone_letters().len().min(3) as u64;
        if network.zones.sound && zones == 1 {
            self.push(
                Diagnostic::new(network.zones_span(), "MSK needs at least two zones", "only one")
                    .help("name two or three zones"),
            );
        } else if kafka.brokers.sound && zones > 0 && **kafka.brokers % zones != 0 {
            let title = format!("{} brokers can't be spread over {zones} zones", **kafka.brokers);
            self.push(
                Diagnostic::new(kafka.brokers.span_or(&kafka.span), title, format!("must be a multiple of {zones}"))
                    .help(match **kafka.brokers / zones {
                        0 => format!("write {zones}"),
                        fewer => format!("write {} or {}", fewer * zones, (fewer + 1) * zones),
                    }),
            );
        }
        self.key(Some(&kafka.key), &kafka.span);
        if !kafka.authentication.sound {
            return;
        }
        match (*kafka.authentication, &kafka.secret) {
            (Authentication::Scram, None) => {
                let title = "`kafka` lacks `secret`";
                let diagnostic =
                    Diagnostic::new(kafka.authentication.span_or(&kafka.span), title, "SCRAM logs in by a secret");
                self.push(diagnostic.help(
                    "add `secret = \"NAME\"` and a section `[secrets.NAME]`, or write `authentication = \"none\"`",
                ));
            }
            (Authentication::Scram, Some(secret)) => {
                self.refer("secret", "secrets", &self.file.secrets, secret, &kafka.span);
            }
            (Authentication::None, Some(secret)) => {
                let title = "`secret` has no use without SCRAM";
                self.push(
                    Diagnostic::new(secret.span.clone(), title, "nobody logs in with it")
                        .help("write `authentication = \"scram\"`, or remove the line"),
                );
            }
            (Authentication::None, None) => {}
        }
    }

    pub(super) fn topics(&mut self) {
        let file = self.file;
        for topic in &file.topics {
            let Some(kafka) = &file.kafka else {
                let title = format!("topic `{}` has no cluster", topic.name);
                self.push(
                    Diagnostic::new(topic.span.clone(), title, "needs a cluster").help("add a section `[kafka]`"),
                );
                return;
            };
            let brokers = &kafka.brokers;
            if let Some(replication) = topic.value.replication.as_ref().filter(|at| at.sound && brokers.sound)
                && replication.0 > brokers.0
            {
                let title = format!("{} brokers can't hold {} replicas", brokers.0, replication.0);
                let label = format!("at most {}", brokers.0);
                self.push(
                    Diagnostic::new(replication.span.clone(), title, label)
                        .help("each replica stands on a broker of its own: add brokers or lower this"),
                );
            }
            let retention = &topic.value.retention;
            if retention.sound && !(Period::seconds(60)..=Period::days(3650)).contains(retention) {
                let title = "`retention` is out of range";
                self.push(Diagnostic::new(retention.span.clone(), title, "must be between a minute and ten years"));
            }
            for setting in &topic.value.configuration {
                if setting.name == "retention.ms" {
                    let title = "`retention.ms` is set by `retention`";
                    self.push(
                        Diagnostic::new(setting.span.clone(), title, "set twice")
                            .help("write `retention = \"7d\"` instead"),
                    );
                }
            }
        }
    }

    pub(super) fn storage(&mut self) {
        let file = self.file;
        for bucket in &file.buckets {
            self.key(bucket.value.key.as_ref(), &bucket.span);
            for age in bucket.value.expire_after.iter().chain([&bucket.value.expire_versions_after]) {
                if age.sound && age.0 % 86_400_000 != 0 {
                    self.push(
                        Diagnostic::new(age.span.clone(), "S3 counts the age of objects in days", "not whole days")
                            .help("write it as in \"30d\""),
                    );
                }
            }
        }
        for secret in &file.secrets {
            self.key(Some(&secret.value.key), &secret.span);
            if secret.value.username.sound && secret.value.username.is_empty() {
                let span = secret.value.username.span.clone();
                self.push(Diagnostic::new(span, "`username` can't be empty", "nobody has no name"));
            }
        }
        if let Some(limit) = file.query.scan_limit.as_ref().filter(|limit| limit.sound && limit.0 < 10_000_000) {
            self.push(Diagnostic::new(limit.span.clone(), "Athena's limit is at least 10 MB", "too small"));
        }
    }
}

/// The first two numbers of a version that MSK could have, `3.9.x`, `3.6.0`, `4.0.x.kraft`.
fn version(text: &str) -> Option<(u32, u32)> {
    let text = text.strip_suffix(".kraft").unwrap_or(text);
    let parts: Vec<&str> = text.split('.').collect();
    let [major, minor, patch] = parts[..] else { return None };
    let patch_fine = patch == "x" || patch.parse::<u32>().is_ok();
    Some((major.parse().ok()?, minor.parse().ok()?)).filter(|_| patch_fine)
}

fn is_supported(text: &str) -> bool {
    version(text).is_some_and(|version| version >= (3, 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_others() {
        assert!(is_supported("3.6.0") && is_supported("3.9.x") && is_supported("4.0.x.kraft"));
        assert!(!is_supported("3.5.1") && !is_supported("latest") && !is_supported("3.9"));
    }
}
