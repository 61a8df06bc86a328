//! A host whose metadata service asks for no token.

use super::{Around, Rule, said, typed};
use crate::kinds::launch_template::Spec;

pub(super) const RULE: Rule = Rule {
    name: "host-metadata-v1",
    kinds: &["launch_template"],
    reason: "without tokens, any request that a program on the host can be made to send reads the host's credentials",
    fix: "leave `metadata_tokens_required` on",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(template: &Spec, _: &Around<'_>) -> Vec<String> {
    said(!template.metadata_tokens_required, "the metadata service answers without a token")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn the_metadata_service_asks_for_a_token() {
        let found = texts(&RULE, json!({"metadata_tokens_required": false}));
        assert_eq!(found, ["the metadata service answers without a token"]);
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
    }
}
