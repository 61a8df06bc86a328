//! Checks of buckets, secrets and hosts.

use super::Checker;
use crate::stack::decode::Entry;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::sections::Bucket;

impl Checker<'_> {
    pub(super) fn storage(&mut self) {
        let file = self.file;
        for bucket in &file.buckets {
            self.key(bucket.value.key.as_ref(), &bucket.span);
            self.access_logs(bucket);
            for age in bucket.value.expire_after.iter().chain([&bucket.value.expire_versions_after]) {
                if age.sound && age.0 % 86_400_000 != 0 {
                    self.push(
                        Diagnostic::new(age.span.clone(), "S3 counts the age of objects in days", "not whole days")
                            .help("write it as in \"30d\""),
                    );
                }
            }
        }
        for key in &file.keys {
            for arn in key.value.administrators.iter().chain(&key.value.users).filter(|arn| arn.sound) {
                let of_iam = arn.starts_with("arn:") && arn.split(':').nth(2) == Some("iam");
                if !of_iam && !arn.starts_with("${") {
                    let title = format!("`{}` is no ARN of IAM", arn.value);
                    self.push(
                        Diagnostic::new(arn.span.clone(), title, "no role, user or account")
                            .help("write it as in \"arn:aws:iam::123456789012:role/auditor\""),
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

    /// Access logs go to another bucket that S3 can write them to, and never back to where they came from.
    fn access_logs(&mut self, bucket: &Entry<Bucket>) {
        let buckets = &self.file.buckets;
        let Some(target) = bucket.value.access_logs.as_ref().filter(|target| target.sound) else {
            if let Some(prefix) = &bucket.value.access_logs_prefix {
                let title = format!("bucket `{}` has a prefix for access logs and writes none", bucket.name);
                self.push(
                    Diagnostic::new(prefix.span.clone(), title, "of no use alone")
                        .help("name the bucket that they go to with `access_logs`, or remove the line"),
                );
            }
            return;
        };
        self.refer("bucket", "buckets", buckets, target, &bucket.span);
        let mut path = vec![bucket.name.as_str()];
        let mut next = Some(target.value.as_str());
        while let Some(name) = next {
            path.push(name);
            if path[..path.len() - 1].contains(&name) {
                let title = format!("access logs would be logged without end: {}", path.join(" → "));
                self.push(
                    Diagnostic::new(target.span.clone(), title, "a circle")
                        .help("let all of them log to one bucket that logs to none"),
                );
                return;
            }
            next = buckets.get(name).and_then(|one| one.value.access_logs.as_ref()).map(|at| at.value.as_str());
        }
        if let Some(key) = buckets.get(target).and_then(|one| one.value.key.as_ref()) {
            let title = format!("bucket `{}` can't take access logs in: a KMS key encrypts it", target.value);
            self.push(
                Diagnostic::new(target.span.clone(), title, format!("is encrypted by the key `{}`", key.value))
                    .help("S3 writes access logs only where its own keys encrypt: name a bucket without `key`"),
            );
        }
    }

    pub(super) fn hosts(&mut self) {
        let file = self.file;
        for host in &file.hosts {
            let kind = &host.value.instance_type;
            if kind.sound && !is_instance_type(kind) {
                let title = format!("`{}` is no EC2 instance type", kind.value);
                self.push(
                    Diagnostic::new(kind.span.clone(), title, "no such shape")
                        .help("write it as in `t3.small` or `m7g.large`"),
                );
            }
            self.key(host.value.key.as_ref(), &host.span);
            for (index, agent) in host.value.agents.iter().enumerate() {
                if agent.sound
                    && host.value.agents[..index].iter().any(|other| other.sound && other.value == agent.value)
                {
                    let title = format!("agent `{}` stands here twice", agent.word());
                    self.push(Diagnostic::new(agent.span.clone(), title, "a host runs an agent once"));
                }
            }
            if let Some(image) = host.value.image.as_ref().filter(|image| image.sound)
                && !image.starts_with("resolve:ssm:")
                && !image.starts_with("ami-")
            {
                self.push(
                    Diagnostic::new(image.span.clone(), format!("`{}` is no image", image.value), "can't be started")
                        .help("write an image's id, `ami-…`, or `resolve:ssm:PARAMETER`"),
                );
            }
        }
    }
}

/// Whether a text has the shape of an instance type: family with a generation, dot, size.
fn is_instance_type(text: &str) -> bool {
    let Some((family, size)) = text.split_once('.') else { return false };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let family_fine = family.starts_with(|c: char| c.is_ascii_lowercase())
        && family.chars().any(|c| c.is_ascii_digit())
        && family.chars().all(plain);
    let named = ["nano", "micro", "small", "medium", "large", "xlarge", "metal"].contains(&size);
    let number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let multiple = size.strip_suffix("xlarge").is_some_and(number)
        || size.strip_prefix("metal-").and_then(|size| size.strip_suffix("xl")).is_some_and(number);
    family_fine && (named || multiple)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_types_are_told_from_others() {
        assert!(is_instance_type("t3.small") && is_instance_type("m7g.2xlarge") && is_instance_type("c7i.metal-24xl"));
        assert!(!is_instance_type("t3") && !is_instance_type("small") && !is_instance_type("t3.tiny"));
    }
}
