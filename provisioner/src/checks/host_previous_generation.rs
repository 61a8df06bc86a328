//! A host of a type that AWS has newer ones for.

use super::{Around, Rule, said, typed};
use crate::families;
use crate::kinds::launch_template::Spec;

pub(super) const RULE: Rule = Rule {
    name: "host-previous-generation",
    kinds: &["launch_template"],
    reason: "AWS has newer types that are faster at the same price, and offers old ones in fewer zones each year",
    fix: "choose a type of a newer family: m7i or m7g for m4, t3 for t1",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(template: &Spec, _: &Around<'_>) -> Vec<String> {
    let name = &template.instance_type;
    said(families::is_previous(name), format!("{name} is of a previous generation"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_host_is_of_a_current_generation() {
        assert_eq!(texts(&RULE, json!({"instance_type": "m4.large"})), ["m4.large is of a previous generation"]);
        assert_eq!(texts(&RULE, json!({"instance_type": "m7i.large"})), [""; 0]);
    }
}
