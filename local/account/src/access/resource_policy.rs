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

/// The reason why the Sids of a policy are none that IAM and KMS take, if they aren't; only those of identities are letters and digits
/// alone.
pub(crate) fn sid_fault(text: &str, of_identity: bool) -> Option<String> {
    let policy: Value = serde_json::from_str(text).ok()?;
    let statements = policy["Statement"].as_array().map_or(&[][..], Vec::as_slice);
    let sids: Vec<&str> =
        statements.iter().filter_map(|one| one["Sid"].as_str()).filter(|sid| !sid.is_empty()).collect();
    let is_plain = |sid: &&str| sid.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if of_identity && !sids.iter().all(is_plain) {
        let rule = "Check that your input satisfies the regular expression [0-9A-Za-z]*";
        return Some(format!("Statement IDs (SID) must be alpha-numeric. {rule}"));
    }
    let is_twice = (1..sids.len()).any(|at| sids[..at].contains(&sids[at]));
    is_twice.then(|| "Statement IDs (SID) in a single policy must be unique.".to_owned())
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
pub(crate) fn public(text: &str) -> bool {
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
