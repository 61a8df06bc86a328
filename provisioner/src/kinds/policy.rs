//! Policy documents in the one form in which they are compared.

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use crate::kind::Clash;

/// The document with lists where AWS takes a text or a list, so that equal meanings are equal values. The order
/// within lists is left to the comparison.
pub(super) fn canonical(mut document: Value) -> Value {
    if let Some(statements) = document.get_mut("Statement") {
        as_list(statements);
        for statement in statements.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            canonical_statement(statement);
        }
    }
    document
}

/// The document of a spec in that form, `path` being where it stands there. Two statements of one Sid are an error: IAM and KMS
/// refuse them, and where they are taken nobody distinguishes them by it.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html>
pub(super) fn arranged(path: &str, document: Value) -> Result<Value> {
    let document = canonical(document);
    if let Some((at, wrong)) = statements(&document).iter().enumerate().find(|(_, statement)| !statement.is_object()) {
        bail!("`{path}.Statement[{at}]` is {wrong}: a statement is an object with an Effect, an Action and so on");
    }
    let same = |one: &Value, other: &Value| one["Sid"].is_string() && one["Sid"] == other["Sid"];
    distinct(path, &document, same, "have one Sid, by which AWS distinguishes the statements of a policy")?;
    Ok(document)
}

/// The same of a policy of IAM's own, whose Sids are of letters and digits.
pub(super) fn of_identity(path: &str, document: Value) -> Result<Value> {
    let document = arranged(path, document)?;
    let mut sids = statements(&document).iter().filter_map(|statement| statement["Sid"].as_str());
    if let Some(sid) = sids.find(|sid| !is_plain_sid(sid)) {
        bail!("`{path}`: the Sid `{sid}` is more than letters and digits, and IAM takes no other");
    }
    Ok(document)
}

/// The same of a policy of SNS, in which every statement has a Sid as soon as there are two.
pub(super) fn of_topic(path: &str, document: Value) -> Result<Value> {
    let document = arranged(path, document)?;
    let without = |one: &Value, other: &Value| one["Sid"].is_null() && other["Sid"].is_null();
    distinct(path, &document, without, "have no Sid, by which SNS distinguishes the statements of a policy")?;
    Ok(document)
}

/// Whether IAM takes a text as the Sid of a statement of its own.
pub(crate) fn is_plain_sid(sid: &str) -> bool {
    sid.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn distinct(path: &str, document: &Value, same: impl Fn(&Value, &Value) -> bool, why: &str) -> Result<(), Clash> {
    let clash = Clash::within(&format!("{path}.Statement"), statements(document), same, why);
    clash.map_err(|clash| clash.fix("give each a Sid of its own"))
}

fn statements(document: &Value) -> &[Value] {
    document["Statement"].as_array().map_or(&[], Vec::as_slice)
}

fn canonical_statement(statement: &mut Map<String, Value>) {
    if statement.get("Sid").is_some_and(|sid| sid == "") {
        statement.shift_remove("Sid");
    }
    for name in ["Action", "NotAction", "Resource", "NotResource"] {
        if let Some(value) = statement.get_mut(name) {
            as_list(value);
        }
    }
    for name in ["Principal", "NotPrincipal"] {
        for value in statement.get_mut(name).and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
            as_list(value);
            for principal in value.as_array_mut().into_iter().flatten() {
                // AWS writes an account back as its root.
                if let Some(account) = principal.as_str().filter(|text| lakewright_iam::is_account(text)) {
                    *principal = json!(format!("arn:aws:iam::{account}:root"));
                }
            }
        }
    }
    let operators = statement.get_mut("Condition").and_then(Value::as_object_mut);
    for keys in operators.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        for value in keys.values_mut() {
            as_list(value);
            for value in value.as_array_mut().into_iter().flatten() {
                if !value.is_string() {
                    *value = json!(value.to_string());
                }
            }
        }
    }
}

fn as_list(value: &mut Value) {
    if !value.is_array() {
        *value = Value::Array(vec![value.take()]);
    }
}

/// A document that AWS gave back as text, in IAM's case with percent signs.
pub(super) fn parse(text: &str) -> Result<Value> {
    let text = if text.trim_start().starts_with('%') { decode(text) } else { text.to_owned() };
    Ok(canonical(serde_json::from_str(&text).context("read a policy")?))
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let encoded = tail.get(..2).filter(|_| *first == b'%');
        let byte = encoded.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_meaning_has_one_form() {
        let written = json!({"Version": "2012-10-17", "Statement": {
            "Sid": "", "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:GetObject",
            "Resource": ["*"], "Condition": {"Bool": {"aws:SecureTransport": false}},
        }});
        let back = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"*",
            "Principal":{"AWS":["arn:aws:iam::123456789012:root"]},"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
        assert_eq!(canonical(written), parse(back).expect("JSON"));
    }

    #[test]
    fn statements_of_one_sid_are_named_both() {
        let document = |sids: &[Option<&str>]| {
            let statement = |sid: Option<&str>| match sid {
                Some(sid) => json!({"Sid": sid, "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}),
                None => json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}),
            };
            json!({"Version": "2012-10-17", "Statement": sids.iter().copied().map(statement).collect::<Vec<_>>()})
        };
        let twice = document(&[Some("Read"), None, Some("Read")]);
        for arrange in [arranged, of_identity, of_topic] {
            let told = arrange("policies.p", twice.clone()).expect_err("one Sid").to_string();
            let both = "`policies.p.Statement[0]` and `policies.p.Statement[2]` have one Sid";
            assert!(told.starts_with(both) && told.ends_with("; give each a Sid of its own"), "{told}");
            // An empty Sid is none.
            assert!(arrange("policy", document(&[Some("Read"), Some("List"), Some("")])).is_ok());
        }
        let text = json!({"Version": "2012-10-17", "Statement": ["Allow"]});
        let told = of_identity("policies.p", text).expect_err("no object").to_string();
        assert!(told.starts_with("`policies.p.Statement[0]` is \"Allow\": a statement is an object"), "{told}");
        let without = document(&[None, None]);
        assert!(arranged("policy", without.clone()).is_ok() && of_identity("policy", without.clone()).is_ok());
        assert!(of_topic("policy", without).is_err() && of_topic("policy", document(&[None])).is_ok());
        let spaced = document(&[Some("Read objects")]);
        assert!(arranged("policy", spaced.clone()).is_ok(), "KMS's own policy has such a Sid");
        let told = of_identity("policies.p", spaced).expect_err("IAM refuses it").to_string();
        assert!(told.contains("`policies.p`: the Sid `Read objects`"), "{told}");
    }

    #[test]
    fn percent_signs_of_iam_are_read() {
        let text = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
        assert_eq!(parse(text).expect("JSON"), json!({"Version": "2012-10-17", "Statement": []}));
    }
}
