//! A search index on a disk that goes with its host.

use super::{Around, Rule, said, typed};
use crate::kinds::launch_template::Spec;

/// How a host's user data names the data volume of a search index.
const MOUNT: &str = "MOUNT=/var/lib/elasticsearch";

pub(super) const RULE: Rule = Rule {
    name: "search-without-volume",
    kinds: &["launch_template"],
    reason: "the index is lost with the host: the next host begins with an empty one",
    fix: "give the host a volume that outlives it: `data_volume_gib = 100`",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(template: &Spec, _: &Around<'_>) -> Vec<String> {
    let indexes = template.user_data.contains("elasticsearch.service");
    said(indexes && !template.user_data.contains(MOUNT), "the search index stands on the host's own disk")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_search_index_stands_on_a_volume_of_its_own() {
        let found = texts(&RULE, json!({"user_data": "start elasticsearch.service"}));
        assert_eq!(found, ["the search index stands on the host's own disk"]);
        let apart = json!({"user_data": "MOUNT=/var/lib/elasticsearch\nstart elasticsearch.service"});
        assert_eq!(texts(&RULE, apart), [""; 0]);
        assert_eq!(texts(&RULE, json!({"user_data": "start shop.service"})), [""; 0]);
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
    }
}
