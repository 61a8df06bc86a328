//! A host of a type that AWS doesn't have.

use super::{Around, Rule, typed};
use crate::families;
use crate::kinds::launch_template::Spec;

pub(super) const RULE: Rule = Rule {
    name: "host-unknown-family",
    kinds: &["launch_template"],
    reason: "AWS refuses to start a host of a type that doesn't exist",
    fix: "write a type that AWS offers; allow it if it is newer than this program",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(template: &Spec, _: &Around<'_>) -> Vec<String> {
    let name = &template.instance_type;
    let near = families::unknown(name);
    near.map(|near| format!("{name} is of no family known here: {near} is the nearest")).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_host_is_of_a_known_family() {
        let found = texts(&RULE, json!({"instance_type": "m77i.large"}));
        assert_eq!(found, ["m77i.large is of no family known here: m7i is the nearest"]);
        assert_eq!(texts(&RULE, json!({"instance_type": "m7i.large"})), [""; 0]);
    }
}
