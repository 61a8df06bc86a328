//! A host with a root volume of an old type.

use super::{Around, Rule, said, typed};
use crate::kinds::launch_template::Spec;

pub(super) const RULE: Rule = Rule {
    name: "host-volume-gp2",
    kinds: &["launch_template"],
    reason: "gp3 costs a fifth less, and even a small volume of it is no slower",
    fix: "write `volume_type = \"gp3\"`",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(template: &Spec, _: &Around<'_>) -> Vec<String> {
    said(template.volume_type == "gp2", "its volume is of the type gp2")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_hosts_volume_is_of_a_current_type() {
        assert_eq!(texts(&RULE, json!({"volume_type": "gp2"})), ["its volume is of the type gp2"]);
        assert_eq!(texts(&RULE, json!({"volume_type": "gp3"})), [""; 0]);
    }
}
