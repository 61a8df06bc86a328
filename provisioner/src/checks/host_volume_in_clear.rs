//! A host with a root volume that isn't encrypted.

use super::{Around, Rule, said, typed};
use crate::kinds::launch_template::Spec;

pub(super) const RULE: Rule = Rule {
    name: "host-volume-in-clear",
    kinds: &["launch_template"],
    reason: "whoever gets a snapshot or a lost disk can read it",
    fix: "leave `volume_encrypted` on",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(template: &Spec, _: &Around<'_>) -> Vec<String> {
    said(!template.volume_encrypted, "its volume isn't encrypted")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_hosts_volume_is_encrypted() {
        assert_eq!(texts(&RULE, json!({"volume_encrypted": false})), ["its volume isn't encrypted"]);
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
    }
}
