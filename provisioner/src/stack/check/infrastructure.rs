//! Checks of buckets, secrets and queries.

use lakewright_iam::Arn;

use super::Checker;
use crate::stack::decode::Entry;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::sections::Bucket;

impl Checker<'_> {
    pub(super) fn storage(&mut self) {
        let file = self.file;
        for bucket in &file.buckets {
            self.key(bucket.value.key.as_ref(), &bucket.span);
            for key in &bucket.value.former_keys {
                self.key(Some(key), &bucket.span);
            }
            self.access_logs(bucket);
            let Bucket { expire_after, infrequent_after, archive_after, expire_versions_after, .. } = &bucket.value;
            let moves = infrequent_after.iter().chain(archive_after);
            for age in expire_after.iter().chain(expire_versions_after).chain(moves) {
                if age.sound && age.0 % 86_400_000 != 0 {
                    self.push(
                        Diagnostic::new(age.span.clone(), "S3 counts the age of objects in days", "not whole days")
                            .help("write it as in \"30d\""),
                    );
                }
            }
            self.versions(&bucket.value);
            self.moves(&bucket.value);
        }
        for key in &file.keys {
            for arn in key.value.administrators.iter().chain(&key.value.users).filter(|arn| arn.sound) {
                let of_iam = Arn::parse(arn).is_some_and(|arn| arn.service == "iam");
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
            self.own_key(&secret.value.key, &secret.span);
            if secret.value.username.sound && secret.value.username.is_empty() {
                let span = secret.value.username.span.clone();
                self.push(Diagnostic::new(span, "`username` can't be empty", "nobody has no name"));
            }
        }
        if let Some(limit) = file.query.scan_limit.as_ref().filter(|limit| limit.sound && limit.0 < 10_000_000) {
            self.push(Diagnostic::new(limit.span.clone(), "Athena's limit is at least 10 MB", "too small"));
        }
    }

    /// Only where versions are kept there are older ones.
    fn versions(&mut self, bucket: &Bucket) {
        let Some(keep) = bucket.keep_versions.as_ref().filter(|keep| keep.sound) else { return };
        if !bucket.versioning.value {
            let title = "a bucket without `versioning` has no older versions to keep";
            self.push(
                Diagnostic::new(keep.span.clone(), title, "of no use")
                    .help("write `versioning = true`, or remove the line"),
            );
        }
    }

    /// Objects move to cheaper storage as late as S3 takes it, and before they are deleted.
    fn moves(&mut self, bucket: &Bucket) {
        let mut earliest = 30;
        let moves = [("STANDARD_IA", &bucket.infrequent_after, 30), ("GLACIER_IR", &bucket.archive_after, 0)];
        let mut last: Option<(&str, u64)> = None;
        for (class, after, stays) in moves {
            let Some(after) = after.as_ref().filter(|after| after.sound) else {
                // What moves there from where everything begins may do so at once.
                earliest = 0;
                continue;
            };
            let days = after.in_days();
            if days < earliest {
                let title = format!("objects move to {class} after {earliest} days at the earliest");
                self.push(
                    Diagnostic::new(after.span.clone(), title, "too early")
                        .help(format!("write \"{earliest}d\" or more")),
                );
            }
            earliest = days + stays;
            last = Some((class, days));
        }
        let expires = bucket.expire_after.as_ref().filter(|expires| expires.sound);
        if let (Some(expires), Some((class, days))) = (expires, last)
            && expires.in_days() <= days
        {
            let title = format!("objects are deleted before they move to {class}");
            self.push(
                Diagnostic::new(expires.span.clone(), title, "too early")
                    .help(format!("write \"{}d\" or more, or remove the move", days + 1)),
            );
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
}
