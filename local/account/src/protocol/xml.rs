//! Answers and errors of the XML protocols.

use crate::error::AwsError;
use serde_json::Value;

/// The namespace of EC2's answers.
const EC2: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// What a member of a map is called: maps have no list around their members.
const ENTRY: &str = "entry";

/// EC2's answer to `operation`.
pub fn ec2(operation: &str, output: &Value, request_id: &str) -> String {
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{operation}Response xmlns=\"{EC2}\">");
    element(&mut out, "requestId", &Value::String(request_id.to_owned()), Some("item"));
    members(&mut out, output, Some("item"));
    out.push_str(&format!("</{operation}Response>"));
    out
}

/// EC2's error.
pub fn ec2_error(error: &AwsError, request_id: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>",
        escape(&error.code),
        escape(&error.message)
    )
}

/// The query protocol's answer to `operation`.
pub fn query(operation: &str, namespace: &str, output: &Value, request_id: &str) -> String {
    let mut out = format!("<{operation}Response xmlns=\"{namespace}\"><{operation}Result>");
    members(&mut out, output, Some("member"));
    out.push_str(&format!(
        "</{operation}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    ));
    out
}

/// The query protocol's error.
pub fn query_error(namespace: &str, error: &AwsError, request_id: &str) -> String {
    let fault = if error.status >= 500 { "Receiver" } else { "Sender" };
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{fault}</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        escape(&error.code),
        escape(&error.message)
    )
}

/// The answer to `operation` of a service that speaks REST-XML.
pub fn rest(operation: &str, namespace: &str, output: &Value) -> String {
    let mut out = format!("<?xml version=\"1.0\"?>\n<{operation}Response xmlns=\"{namespace}\">");
    members(&mut out, output, None);
    out.push_str(&format!("</{operation}Response>"));
    out
}

/// `list` is what the items of a list are called inside of it; nothing when they stand one after the other, without a
/// list around them.
fn members(out: &mut String, value: &Value, list: Option<&str>) {
    for (name, member) in value.as_object().into_iter().flatten() {
        element(out, name, member, list);
    }
}

fn element(out: &mut String, name: &str, value: &Value, list: Option<&str>) {
    if value.is_null() {
        return;
    }
    let item = list.filter(|_| name != ENTRY);
    if let (None, Value::Array(items)) = (item, value) {
        return items.iter().for_each(|item| element(out, name, item, list));
    }
    out.push_str(&format!("<{name}>"));
    match value {
        Value::Object(_) => members(out, value, list),
        Value::Array(items) => {
            for one in items {
                element(out, item.unwrap_or(name), one, list);
            }
        }
        Value::String(text) => out.push_str(&escape(text)),
        scalar => out.push_str(&scalar.to_string()),
    }
    out.push_str(&format!("</{name}>"));
}

/// Text with XML's special characters written as entities.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
    out
}
