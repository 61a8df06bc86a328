//! A search host whose users send their passwords in clear.

use super::{Around, Rule, said, typed};
use crate::kinds::launch_template::Spec;

pub(super) const RULE: Rule = Rule {
    name: "search-in-clear",
    kinds: &["launch_template"],
    reason: "whoever is on the way reads passwords and documents, and answers in the index's place",
    fix: "switch `xpack.security.http.ssl` on, as [search] with `login = true` does; a production stack can't allow it",
    breaks: |spec, around| typed(breaks, spec, around),
};

/// How a host's user data switches Elasticsearch's logins on, and TLS.
const LOGINS: &str = "xpack.security.enabled: true";
const TLS: &str = "xpack.security.http.ssl.enabled: true";

fn breaks(template: &Spec, _: &Around<'_>) -> Vec<String> {
    let text = &template.user_data;
    said(text.contains(LOGINS) && !text.contains(TLS), "its search index takes passwords without TLS")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn passwords_go_to_a_search_index_by_tls() {
        let found = texts(&RULE, json!({"user_data": "xpack.security.enabled: true"}));
        assert_eq!(found, ["its search index takes passwords without TLS"]);
        let both = "xpack.security.enabled: true\nxpack.security.http.ssl.enabled: true";
        assert_eq!(texts(&RULE, json!({"user_data": both})), [""; 0]);
        // Without logins another rule says what is wrong.
        assert_eq!(texts(&RULE, json!({"user_data": "xpack.security.enabled: false"})), [""; 0]);
    }
}
