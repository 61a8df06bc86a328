//! A data volume that isn't encrypted.

use super::{Around, Rule, said, typed};
use crate::kinds::volume::Spec;

pub(super) const RULE: Rule = Rule {
    name: "volume-in-clear",
    kinds: &["volume"],
    reason: "whoever gets a snapshot or a lost disk can read it",
    fix: "leave `encrypted` on",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(volume: &Spec, _: &Around<'_>) -> Vec<String> {
    said(!volume.encrypted, "it isn't encrypted")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_volume_is_encrypted() {
        assert_eq!(texts(&RULE, json!({"encrypted": false})), ["it isn't encrypted"]);
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
    }
}
