//! A role to which a policy is attached that stands outside of the file.

use lakewright_iam::Arn;

use super::{Around, Rule, typed};
use crate::kinds::role::{PolicyArn, Spec};

pub(super) const RULE: Rule = Rule {
    name: "foreign-policy",
    kinds: &["role"],
    reason: "what it allows is shown by no plan, and whoever may change it changes what the role may do",
    fix: "write what the role needs into its `policies`; policies of AWS's own may be attached",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(role: &Spec, _: &Around<'_>) -> Vec<String> {
    let attached = role.attached_policies.iter().map(PolicyArn::as_str);
    let foreign = attached.filter_map(Arn::parse).filter(|arn| arn.account != "aws");
    let text = |arn: Arn<'_>| {
        format!("{arn} is attached, and whoever may write policies in account {} changes it", arn.account)
    };
    foreign.map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn what_a_role_may_do_stands_in_the_file() {
        let attached = json!({"attached_policies": [
            "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore", "arn:aws:iam::666666666666:policy/anything",
        ]});
        let text = "arn:aws:iam::666666666666:policy/anything is attached, and whoever may write policies in account \
                    666666666666 changes it";
        assert_eq!(texts(&RULE, attached), [text]);
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
    }
}
