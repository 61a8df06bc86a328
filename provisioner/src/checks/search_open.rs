//! A search host that asks nobody who they are.

use super::{Around, Rule, said, typed};
use crate::kinds::launch_template::Spec;

pub(super) const RULE: Rule = Rule {
    name: "search-open",
    kinds: &["launch_template"],
    reason: "whoever is in its network reads, changes and deletes every index",
    fix: "take `login = false` in [search] away, or allow it where nothing but a demonstration stands in it; a production stack can't",
    breaks: |spec, around| typed(breaks, spec, around),
};

/// How a host's user data switches Elasticsearch's logins off.
const OFF: &str = "xpack.security.enabled: false";

fn breaks(template: &Spec, _: &Around<'_>) -> Vec<String> {
    said(template.user_data.contains(OFF), "its search index asks for no login, and answers without TLS")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_search_host_asks_who_somebody_is() {
        let found = texts(&RULE, json!({"user_data": "echo 'xpack.security.enabled: false' >> elasticsearch.yml"}));
        assert_eq!(found, ["its search index asks for no login, and answers without TLS"]);
        assert_eq!(texts(&RULE, json!({"user_data": "xpack.security.enabled: true"})), [""; 0]);
    }
}
