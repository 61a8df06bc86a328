//! A host whose metadata service answers beyond the host itself.

use super::{Around, Rule, said, typed};
use crate::kinds::launch_template::Spec;

pub(super) const RULE: Rule = Rule {
    name: "metadata-hops",
    kinds: &["launch_template"],
    reason: "an answer that goes further than the host reaches containers and whatever forwards requests, with the host's credentials",
    fix: "leave `metadata_hop_limit` at 1",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(template: &Spec, _: &Around<'_>) -> Vec<String> {
    let hops = template.metadata_hop_limit;
    said(hops > 1, format!("the metadata service's answers go {hops} hops far"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn the_metadata_service_answers_the_host_alone() {
        let found = texts(&RULE, json!({"metadata_hop_limit": 2}));
        assert_eq!(found, ["the metadata service's answers go 2 hops far"]);
        assert_eq!(texts(&RULE, json!({"metadata_hop_limit": 1})), [""; 0]);
    }
}
