//! Resource policies: what makes one malformed, and what makes one public.

use serde_json::Value;

/// The reason why a text is no resource policy, if it is none.
pub(crate) fn fault(text: &str, principal: bool) -> Option<String> {
    let policy: Value = match serde_json::from_str(text) {
        Ok(policy) => policy,
        Err(_) => return Some("Policies must be valid JSON and the first byte must be '{'".to_owned()),
    };
    let Some(members) = policy.as_object() else {
        return Some("Policies must be valid JSON and the first byte must be '{'".to_owned());
    };
    if let Some(unknown) = members.keys().find(|name| !["Version", "Id", "Statement"].contains(&name.as_str())) {
        return Some(format!("Unknown field {unknown}"));
    }
    if let Some(version) = members.get("Version")
        && version != "2012-10-17"
        && version != "2008-10-17"
    {
        return Some("The policy must contain a valid version string".to_owned());
    }
    let statements = match members.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.iter().collect::<Vec<_>>(),
        Some(statement @ Value::Object(_)) => vec![statement],
        _ => return Some("Missing required field Statement".to_owned()),
    };
    statements.into_iter().find_map(|statement| statement_fault(statement, principal))
}

fn statement_fault(statement: &Value, principal: bool) -> Option<String> {
    const KNOWN: [&str; 9] =
        ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    let Some(members) = statement.as_object() else { return Some("A statement must be an object".to_owned()) };
    if let Some(unknown) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Some(format!("Unknown field {unknown}"));
    }
    let either = |one: &str, other: &str| members.contains_key(one) != members.contains_key(other);
    if !members.get("Effect").is_some_and(|effect| effect == "Allow" || effect == "Deny") {
        return Some("Missing or invalid Effect: it must be Allow or Deny".to_owned());
    }
    if !either("Action", "NotAction") {
        return Some("Missing required field Action".to_owned());
    }
    let texts = |name: &str| match members.get(name) {
        None => true,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty() && items.iter().all(Value::is_string),
        Some(_) => false,
    };
    if let Some(wrong) = ["Action", "NotAction", "Resource", "NotResource"].iter().find(|name| !texts(name)) {
        return Some(format!("{wrong} must be a text or a list of texts"));
    }
    let actions = members.get("Action").or_else(|| members.get("NotAction"));
    let action = |text: &str| {
        text == "*" || text.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty())
    };
    let good = match actions {
        Some(Value::String(text)) => action(text),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).all(action),
        _ => false,
    };
    if !good {
        return Some("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".to_owned());
    }
    if principal && !either("Principal", "NotPrincipal") {
        return Some("Missing required field Principal".to_owned());
    }
    if !principal && (members.contains_key("Principal") || members.contains_key("NotPrincipal")) {
        return Some("Policy document should not specify a principal.".to_owned());
    }
    if members.get("Condition").is_some_and(|condition| !condition.is_object()) {
        return Some("Condition must be an object".to_owned());
    }
    None
}

/// The resources that a policy names.
pub(crate) fn resources(text: &str) -> Vec<String> {
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    let one_or_all = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        other => vec![other.clone()],
    };
    one_or_all(&policy["Statement"])
        .iter()
        .flat_map(|statement| {
            let mut named = one_or_all(&statement["Resource"]);
            named.extend(one_or_all(&statement["NotResource"]));
            named
        })
        .filter_map(|resource| resource.as_str().map(str::to_owned))
        .collect()
}

/// Whether the policy allows something to everybody, without a condition.
pub(super) fn public(text: &str) -> bool {
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.clone(),
        other => vec![other.clone()],
    };
    statements.iter().any(|statement| {
        let principal = &statement["Principal"];
        let all =
            |value: &Value| value == "*" || value.as_array().is_some_and(|items| items.iter().any(|item| item == "*"));
        statement["Effect"] == "Allow" && (all(principal) || all(&principal["AWS"])) && statement["Condition"].is_null()
    })
}

/// On whose behalf a service acts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    /// The bucket's ARN.
    pub(super) arn: &'a str,
    /// Its owner.
    pub(super) account: &'a str,
}

impl Source<'_> {
    /// Whether a statement's conditions on the source hold; others are taken to hold.
    fn meets(self, condition: &Value) -> bool {
        let operators = condition.as_object().into_iter().flatten();
        let keys = operators.flat_map(|(_, keys)| keys.as_object().into_iter().flatten());
        keys.into_iter().all(|(key, value)| {
            let own = match key.to_ascii_lowercase().as_str() {
                "aws:sourcearn" => self.arn,
                "aws:sourceaccount" => self.account,
                _ => return true,
            };
            match value {
                Value::Array(items) => items.iter().filter_map(Value::as_str).any(|pattern| fits(pattern, own)),
                other => other.as_str().is_some_and(|pattern| fits(pattern, own)),
            }
        })
    }
}

/// Whether a statement of the policy allows a service an action on a resource on behalf of a source, and none without
/// conditions denies it.
pub(super) fn allows(text: &str, service: &str, source: Source<'_>, action: &str, resource: &str) -> bool {
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.clone(),
        other => vec![other.clone()],
    };
    let texts = |value: &Value| -> Vec<String> {
        match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    let any = |value: &Value, wanted: &str, lower: bool| {
        let case = |text: &str| if lower { text.to_ascii_lowercase() } else { text.to_owned() };
        texts(value).iter().any(|pattern| fits(&case(pattern), &case(wanted)))
    };
    let means = |statement: &Value, effect: &str| {
        let principal = &statement["Principal"];
        statement["Effect"] == effect
            && (any(principal, service, false) || any(&principal["Service"], service, false))
            && any(&statement["Action"], action, true)
            && any(&statement["Resource"], resource, false)
    };
    statements.iter().any(|one| means(one, "Allow") && source.meets(&one["Condition"]))
        && !statements.iter().any(|one| one["Condition"].is_null() && means(one, "Deny"))
}

/// Whether a pattern with `*` fits the whole of a text. What each `*` stands for is taken as short as it can be, so that
/// the time grows with the lengths and not with the number of ways to divide the text.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{Source, allows, fits};

    const OWN: Source<'_> = Source { arn: "arn:aws:s3:::own", account: "123456789012" };

    #[test]
    fn patterns_fit_as_they_read_and_soon() {
        for (pattern, text, is_fit) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("a*a", "a", false),
            ("**b", "ab", true),
            ("a*b", "acbb", true),
        ] {
            assert_eq!(fits(pattern, text), is_fit, "{pattern} {text}");
        }
        assert!(!fits(&"*a".repeat(1_000), &("a".repeat(2_000) + "b")));
    }

    #[test]
    fn a_service_is_let_in_for_the_source_that_a_statement_names() {
        let lets = |condition: &str| {
            let text = format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":"s3.amazonaws.com"}},"Action":"s3:*",
                "Resource":"*","Condition":{condition}}}]}}"#
            );
            allows(&text, "s3.amazonaws.com", OWN, "s3:PutObject", "arn:aws:s3:::logs/a")
        };
        assert!(lets(r#"{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::o*"},"Bool":{"aws:SecureTransport":"true"}}"#));
        assert!(lets(r#"{"StringEquals":{"aws:SourceAccount":["1","123456789012"]}}"#));
        assert!(!lets(r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::other"}}"#));
        let half = r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::own"},"StringEquals":{"aws:SourceAccount":"1"}}"#;
        assert!(!lets(half));
    }

    #[test]
    fn a_service_is_let_in_by_a_statement_that_names_it() {
        let policy = |effect: &str, principal: &str, action: &str| {
            format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":"s3.amazonaws.com"}},"Action":"s3:Put*",
                "Resource":"arn:aws:s3:::logs/own/*"}},{{"Effect":"{effect}","Principal":{principal},"Action":"{action}",
                "Resource":"*"}}]}}"#
            )
        };
        let lets = |policy: &str, resource: &str| allows(policy, "s3.amazonaws.com", OWN, "S3:PutObject", resource);
        let plain = policy("Allow", r#"{"AWS":"*"}"#, "s3:Get*");
        assert!(lets(&plain, "arn:aws:s3:::logs/own/a"));
        assert!(!lets(&plain, "arn:aws:s3:::logs/other/a") && !lets("", "arn:aws:s3:::logs/own/a"));
        assert!(!lets(&policy("Deny", r#""*""#, "s3:*"), "arn:aws:s3:::logs/own/a"));
        assert!(lets(&policy("Deny", r#""*""#, "s3:Delete*"), "arn:aws:s3:::logs/own/a"));
    }
}
