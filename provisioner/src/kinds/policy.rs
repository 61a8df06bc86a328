//! Policy documents in the one form in which they are compared.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

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
                let account =
                    principal.as_str().filter(|text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()));
                if let Some(account) = account {
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
    fn percent_signs_of_iam_are_read() {
        let text = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
        assert_eq!(parse(text).expect("JSON"), json!({"Version": "2012-10-17", "Statement": []}));
    }
}
