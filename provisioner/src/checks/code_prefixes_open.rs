//! Code of hosts, jobs and builds in a bucket whose policy doesn't say who writes it.

use std::collections::BTreeSet;

use super::{Around, Rule, said, typed};
use crate::kinds::bucket::Spec;
use crate::kinds::object::Object;
use crate::kinds::release::{self, Release};
use crate::kinds::statement::readable;
use crate::names::CODE;

pub(super) const RULE: Rule = Rule {
    name: "code-prefixes-open",
    kinds: &["bucket"],
    reason: "whoever may write to the bucket, be it by a policy that is meant for something else, decides what hosts, jobs and \
             builds run",
    fix: "say who applies the stack: `deployers = [\"role/NAME\"]` in [stack]",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(bucket: &Spec, around: &Around<'_>) -> Vec<String> {
    let name = &bucket.name;
    let objects = around.of(&Object).filter(|(_, object)| object.bucket == *name).map(|(_, object)| object.key);
    let releases = around.of(&Release).filter(|(_, release)| release.bucket == *name);
    let releases = releases.map(|(_, release)| release::folder(release.architecture).to_owned() + "/");
    let keys: BTreeSet<String> = objects.chain(releases).collect();
    let of_code =
        |folder: &&str| keys.iter().any(|key| key.strip_prefix(*folder).is_some_and(|rest| rest.starts_with('/')));
    let open: Vec<&str> = CODE.into_iter().filter(of_code).filter(|folder| !is_closed(bucket, folder)).collect();
    said(!open.is_empty(), format!("whoever has s3:PutObject on it may write {}", open.join(", ")))
}

/// Whether the bucket's policy refuses what others put into a folder.
fn is_closed(bucket: &Spec, folder: &str) -> bool {
    let place = format!(":{}/{folder}/*", bucket.name);
    let denials = bucket.policy.iter().flat_map(readable).filter(|one| !one.allows);
    let mut exact = denials.filter(|one| !one.actions.but && !one.resources.but);
    exact.any(|one| {
        one.actions.names.iter().any(|action| action == "s3:PutObject")
            && one.resources.names.iter().any(|resource| resource.ends_with(&place))
            && one.conditions.iter().any(|condition| condition.plain_key() == "aws:principalarn")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::checks::tests::{lines, stack};

    #[test]
    fn code_is_written_by_those_who_apply() {
        let deny = |folders: &[&str]| {
            let places: Vec<String> = folders.iter().map(|folder| format!("arn:aws:s3:::code/{folder}/*")).collect();
            json!({"Statement": [{
                "Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": places,
                "Condition": {"ArnNotLike": {"aws:PrincipalArn": ["arn:aws:iam::123456789012:role/deployer"]}},
            }]})
        };
        let with = |policy: Value| {
            stack(&[
                ("bucket.artifacts", json!({"name": "code", "policy": policy})),
                ("bucket.raw", json!({"name": "raw"})),
                ("object.app", json!({"bucket": "code", "key": "hosts/app/stream.json"})),
                ("object.note", json!({"bucket": "raw", "key": "notes/hosts"})),
                ("release.agent", json!({"bucket": "code"})),
            ])
        };
        let open = lines(&RULE, &with(json!(null)));
        assert_eq!(open, ["bucket.artifacts: whoever has s3:PutObject on it may write hosts, releases"]);
        let half = lines(&RULE, &with(deny(&["hosts"])));
        assert_eq!(half, ["bucket.artifacts: whoever has s3:PutObject on it may write releases"]);
        assert_eq!(lines(&RULE, &with(deny(&["hosts", "releases"]))), [""; 0]);
    }
}
