//! Who decides about a key's use: its policy alone, or IAM policies of the account too.

use lakewright_iam::{Arn, is_account};
use serde_json::Value;

use crate::kinds::statement::readable;

/// Whether a policy allows something to an account as a whole: what that is, IAM policies of the account decide.
pub(super) fn leaves_it_to_iam(policy: &Value) -> bool {
    let is_whole = |name: &String| is_account(name) || Arn::parse(name).is_some_and(|arn| arn.resource == "root");
    let named = readable(policy).filter(|statement| statement.allows).filter_map(|statement| statement.principals);
    named.filter(|who| !who.but).any(|who| who.names.iter().any(is_whole))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Key, Spec};
    use super::*;
    use crate::kind::{Kind as _, Step};
    use crate::resource::Action;

    #[test]
    fn a_policy_that_leaves_it_to_iam_shuts_nobody_out() {
        let said = |policy: Value| {
            let spec: Spec = serde_json::from_value(json!({"alias": "a", "policy": policy})).expect("a key");
            let [live, spec] = [Some(&spec); 2];
            Key.consequences(&Step { action: Action::Update, changed: &["policy"], live, spec }).concat()
        };
        let of = |principal: &str| {
            json!({"Statement": [
                {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"},
            ]})
        };
        for by_iam in [Value::Null, of("arn:aws:iam::123456789012:root"), of("123456789012")] {
            assert!(said(by_iam.clone()).contains("IAM policies of the account"), "{by_iam}");
        }
        let only = said(of("arn:aws:iam::123456789012:role/reader"));
        assert_eq!(only, "from now on only whom the new policy names can read what it encrypts");
    }
}
