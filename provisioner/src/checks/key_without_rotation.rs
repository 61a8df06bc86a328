//! A key whose material never changes.

use super::{Around, Rule, said, typed};
use crate::kinds::key::Spec;

pub(super) const RULE: Rule = Rule {
    name: "key-without-rotation",
    kinds: &["key"],
    reason: "one key encrypts more and more, and its loss reveals all of that",
    fix: "leave `rotation` on: AWS changes the material, and old data stays readable",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(key: &Spec, _: &Around<'_>) -> Vec<String> {
    said(!key.rotation, "its material never changes")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_key_rotates() {
        assert_eq!(texts(&RULE, json!({"rotation": false})), ["its material never changes"]);
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
    }
}
