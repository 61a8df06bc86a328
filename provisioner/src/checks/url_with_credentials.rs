//! An address on the web that holds a name and a password.

use serde_json::Value;

use super::Rule;
use crate::kind::holds_credentials;

pub(super) const RULE: Rule = Rule {
    name: "url-with-credentials",
    kinds: &["build_project", "function", "launch_template", "object", "pipeline", "schedule_rule", "sns_topic"],
    reason: "whoever may look at the resource reads the password, and it stands in logs of whatever calls the address",
    fix: "put the password into a secret, and give its ARN to what needs it",
    breaks: |spec, _| {
        let mut found = Vec::new();
        look("", spec, &mut found);
        found
    },
};

/// What of a value is such an address, each by its place; the address isn't shown.
fn look(place: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let dot = if place.is_empty() { "" } else { "." };
            members.iter().for_each(|(name, member)| look(&format!("{place}{dot}{name}"), member, found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| look(&format!("{place}[{index}]"), item, found));
        }
        Value::String(text) if holds_credentials(text) => {
            found.push(format!("{place} holds an address with a password"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn addresses_hold_no_passwords() {
        let urls = json!({"https": ["https://example.com/hook", "https://user:hunter2@example.com/hook"]});
        let rule = Rule { kinds: &["sns_topic"], ..RULE };
        assert_eq!(texts(&rule, urls), ["https[1] holds an address with a password"]);
        let rule = Rule { kinds: &["launch_template"], ..RULE };
        let script = |line: &str| json!({"user_data": format!("#!/bin/bash\n{line}\n")});
        let found = texts(&rule, script("curl -f postgres://app:hunter2@db.internal/x"));
        assert_eq!(found, ["user_data holds an address with a password"]);
        for line in
            ["curl https://example.com/a@b:c", "echo user@host", "echo $URL://${USER}:${PASSWORD}@db", "ssh://git@host"]
        {
            assert_eq!(texts(&rule, script(line)), [""; 0], "{line}");
        }
    }
}
