//! A network whose default security group lets things through.

use super::{Around, Rule, said, typed};
use crate::kinds::vpc::{DefaultGroup, Spec};

pub(super) const RULE: Rule = Rule {
    name: "default-group-open",
    kinds: &["vpc"],
    reason: "whatever is made in the network without naming a group gets that one, and reaches all others in it and \
             everything outside",
    fix: "leave `default_group` closed, and name a group for whatever is made in the network",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(vpc: &Spec, _: &Around<'_>) -> Vec<String> {
    said(vpc.default_group == DefaultGroup::Open, "its default group is left to others")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn the_default_group_is_closed() {
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
        assert_eq!(texts(&RULE, json!({"default_group": "closed"})), [""; 0]);
        assert_eq!(texts(&RULE, json!({"default_group": "open"})), ["its default group is left to others"]);
    }
}
