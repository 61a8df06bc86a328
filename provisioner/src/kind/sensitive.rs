//! What of a spec can hold a secret, and what is shown in its place.

use serde_json::Value;

use super::Facts;

/// What stands for a value that can hold a secret.
pub const HIDDEN: &str = "(sensitive)";
/// What stands for one that changes.
pub const CHANGES: &str = "(sensitive, changes)";

impl Facts {
    /// Whether what stands at a path of a spec, `stages[0].actions[build].configuration`, can hold a secret, wholly or in
    /// part.
    pub fn is_sensitive(&self, path: &str) -> bool {
        self.sensitive_below(path).next().is_some()
    }

    /// What stands at a path of a spec, as it may be shown: of each text that can hold a secret nothing is left, and of an
    /// address on the web its scheme and host.
    pub fn masked(&self, path: &str, value: &Value) -> Value {
        let mut value = value.clone();
        for below in self.sensitive_below(path) {
            mask(&mut value, &below);
        }
        value
    }

    /// Of each sensitive place that lies at a path, above or below it: its way down from there; empty where all of it is
    /// sensitive.
    fn sensitive_below<'a>(&self, path: &'a str) -> impl Iterator<Item = Vec<&'static str>> + use<'a> {
        let parts: Vec<&str> = parts(path).collect();
        self.sensitive.iter().filter_map(move |place| {
            let place: Vec<&'static str> = place.split('.').collect();
            let lies = place.iter().zip(&parts).all(|(place, part)| *place == "*" || place == part);
            lies.then(|| place.into_iter().skip(parts.len()).collect())
        })
    }
}

/// The members and items that a path leads through: `stages`, `0`, `name` of `stages[0].name`; a list's order is its own.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.trim_end_matches(" (order)").split(['.', '[', ']']).filter(|part| !part.is_empty())
}

fn mask(value: &mut Value, below: &[&str]) {
    match (value, below.split_first()) {
        (Value::Object(members), Some((name, rest))) => {
            let named = members.iter_mut().filter(|(member, _)| *name == "*" || *name == member.as_str());
            named.for_each(|(_, member)| mask(member, rest));
        }
        (Value::Array(items), Some((_, rest))) => items.iter_mut().for_each(|item| mask(item, rest)),
        (Value::Object(members), None) => members.values_mut().for_each(|member| mask(member, &[])),
        (Value::Array(items), None) => items.iter_mut().for_each(|item| mask(item, &[])),
        (Value::Null | Value::Bool(_), _) => {}
        (value, _) => *value = Value::from(value.as_str().map_or_else(|| HIDDEN.to_owned(), hidden)),
    }
}

/// What of a text may be shown: of an address on the web its scheme and host, of anything else nothing.
fn hidden(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme)) else {
        return HIDDEN.to_owned();
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, more) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    if host.is_empty() || !host.chars().all(plain) {
        return HIDDEN.to_owned();
    }
    let hides = host != authority || !matches!(more, "" | "/");
    format!("{scheme}://{host}{}", if hides { format!("/{HIDDEN}") } else { more.to_owned() })
}

/// Whether an address with a name and a password stands in a text, as in `postgres://shop:hunter2@db/shop`; one whose
/// password a script fills in holds none.
pub fn holds_credentials(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let scheme = text[..at].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
        let rest = &text[at + "://".len()..];
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | '`'));
        let user = rest[..end.unwrap_or(rest.len())].rsplit_once('@').map(|(user, _)| user);
        let password = user.and_then(|user| user.split_once(':')).map(|(_, password)| password);
        scheme && password.is_some_and(|password| !password.is_empty() && !password.contains('$'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const FACTS: Facts = Facts {
        sensitive: &["environment", "https", "stages.*.actions.*.configuration.OAuthToken"],
        ..Facts::of("gadget", "for tests", &[], &[], &[])
    };

    #[test]
    fn of_what_can_hold_a_secret_only_hosts_are_shown() {
        for (text, shown) in [
            ("hunter2", "(sensitive)"),
            ("https://example.com", "https://example.com"),
            ("https://example.com/", "https://example.com/"),
            ("https://user:hunter2@example.com", "https://example.com/(sensitive)"),
            ("https://user:p@ss@example.com:8443/hook?token=hunter2", "https://example.com:8443/(sensitive)"),
            ("https://example.com/services/hunter2", "https://example.com/(sensitive)"),
            ("https://example.com?token=hunter2", "https://example.com/(sensitive)"),
            ("https://hunter2@", "(sensitive)"),
            ("https://${secret.x.arn}/y", "(sensitive)"),
            ("postgres://user:hunter2@db/x", "(sensitive)"),
        ] {
            assert_eq!(FACTS.masked("https[0]", &json!(text)), json!(shown), "{text}");
        }
    }

    #[test]
    fn what_stands_at_a_path_is_hidden_from_above_and_below() {
        let variables = json!({"NAME": "hunter2", "NUMBER": 7, "NONE": null});
        let shown = json!({"NAME": "(sensitive)", "NUMBER": "(sensitive)", "NONE": null});
        assert_eq!(FACTS.masked("environment", &variables), shown);
        assert_eq!(FACTS.masked("environment.NAME", &json!("hunter2")), json!("(sensitive)"));
        assert_eq!(FACTS.masked("environments", &variables), variables);
        let stages = json!([{"name": "a", "actions": [{"configuration": {"OAuthToken": "hunter2", "Owner": "me"}}]}]);
        let masked =
            json!([{"name": "a", "actions": [{"configuration": {"OAuthToken": "(sensitive)", "Owner": "me"}}]}]);
        assert_eq!(FACTS.masked("stages", &stages), masked);
        assert_eq!(FACTS.masked("stages[a].actions[0]", &stages[0]["actions"][0]), masked[0]["actions"][0]);
        assert_eq!(FACTS.masked("stages[0].actions[0].configuration.Owner", &json!("me")), json!("me"));
        assert!(FACTS.is_sensitive("stages[0]") && FACTS.is_sensitive("https (order)") && !FACTS.is_sensitive("name"));
        assert!(!FACTS.is_sensitive("stages[0].actions[0].configuration.Owner"));
    }

    #[test]
    fn addresses_with_a_password_are_found() {
        for text in ["https://user:hunter2@example.com", "run 'postgres://u:p@db/x' now", "a\nb=amqps://u:p@q@host:1/"]
        {
            assert!(holds_credentials(text), "{text}");
        }
        for text in [
            "https://example.com",
            "https://user@example.com",
            "https://example.com/a:b@c",
            "https://example.com:8443/x",
            "https://user:@example.com",
            "postgres://${USER}:${PASSWORD}@db",
            "a://b c:d@e",
            "://u:p@host",
        ] {
            assert!(!holds_credentials(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_part_of_a_secret_is_shown(
            secret in "hunter2[a-z]{0,8}", scheme in "https?|ftp|", before in "[ -~]{0,8}", after in "[ -~]{0,8}",
        ) {
            let host = format!("{scheme}://{before}:{secret}@example.com/{after}");
            let path = format!("{scheme}://example.com/{before}{secret}{after}");
            for text in [host, path, secret.clone()] {
                let shown = FACTS.masked("environment.X", &json!(text)).to_string();
                prop_assert!(!shown.contains("hunter2"), "{text}: {shown}");
            }
        }
    }
}
