//! A statement that allows all but what it names.

use serde_json::Value;

use super::{Rule, of_policies};
use crate::kind::Listed;
use crate::kinds::statement::readable;

pub(super) const RULE: Rule = Rule {
    name: "not-action",
    kinds: &["bucket", "key", "managed_policy", "queue", "role", "sns_topic"],
    reason: "it allows whatever nobody thought of, and what AWS adds later",
    fix: "name what is allowed: `Action` and `Resource`",
    breaks: |spec, around| of_policies(breaks, spec, around),
};

fn breaks(name: &str, policy: &Value) -> Vec<String> {
    let allowing = readable(policy).filter(|statement| statement.allows);
    let said = allowing.flat_map(|statement| {
        let all_but = |what: &str, listed: &Listed| {
            listed.but.then(|| format!("{name} allows {what} but {}", listed.names.join(", ")))
        };
        [all_but("every action", &statement.actions), all_but("all resources", &statement.resources)]
    });
    said.flatten().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::{lines, stack};

    #[test]
    fn what_is_allowed_is_named() {
        let not_action =
            json!({"Statement": [{"Effect": "Allow", "NotAction": ["s3:NoSuch", "a:B"], "Resource": "*"}]});
        let not_resource = json!({"Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:*", "NotResource": "arn:aws:s3:::a"},
            {"Effect": "Deny", "Principal": "*", "NotAction": "s3:Get*", "Resource": "*"},
        ]});
        let desired = stack(&[
            ("role.r", json!({"policies": {"p": not_action}})),
            ("bucket.b", json!({"policy": not_resource})),
            ("queue.q", json!({})),
        ]);
        let expected = [
            "role.r: its policy p allows every action but a:B, s3:NoSuch",
            "bucket.b: its policy allows all resources but arn:aws:s3:::a",
        ];
        assert_eq!(lines(&RULE, &desired), expected);
    }
}
