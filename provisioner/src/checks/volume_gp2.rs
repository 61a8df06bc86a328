//! A data volume of an old type.

use super::{Around, Rule, said, typed};
use crate::kinds::volume::{Spec, Type};

pub(super) const RULE: Rule = Rule {
    name: "volume-gp2",
    kinds: &["volume"],
    reason: "gp3 costs a fifth less, and even a small volume of it is no slower",
    fix: "write `type = \"gp3\"`: EBS changes it in place",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(volume: &Spec, _: &Around<'_>) -> Vec<String> {
    said(volume.kind == Type::Gp2, "it is of the type gp2")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_volume_is_of_a_current_type() {
        assert_eq!(texts(&RULE, json!({"type": "gp2"})), ["it is of the type gp2"]);
        assert_eq!(texts(&RULE, json!({"type": "gp3"})), [""; 0]);
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
    }
}
