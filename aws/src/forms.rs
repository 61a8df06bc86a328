//! The form bodies of EC2 and of the query protocol.

use serde_json::Value;

use crate::endpoint::percent_encode;

/// How lists are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// `Name.1`, as EC2 does.
    Plain,
    /// `Name.member.1`, as the query protocol does.
    Members,
}

/// The body `Action=…&Version=…&…`.
pub fn encode(operation: &str, version: &str, input: &Value, lists: Lists) -> String {
    let mut out = format!("Action={operation}&Version={version}");
    if let Value::Object(members) = input {
        for (name, value) in members {
            flatten(&mut out, name, value, lists);
        }
    }
    out
}

fn flatten(out: &mut String, path: &str, value: &Value, lists: Lists) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                flatten(out, &format!("{path}.{name}"), value, lists);
            }
        }
        Value::Array(elements) if elements.is_empty() => {
            if lists == Lists::Members {
                push(out, path, "");
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                let number = index + 1;
                let path = match lists {
                    Lists::Plain => format!("{path}.{number}"),
                    Lists::Members => format!("{path}.member.{number}"),
                };
                flatten(out, &path, element, lists);
            }
        }
        Value::String(text) => push(out, path, text),
        other => push(out, path, &other.to_string()),
    }
}

fn push(out: &mut String, name: &str, value: &str) {
    out.push('&');
    percent_encode(out, name, false);
    out.push('=');
    percent_encode(out, value, false);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ec2_lists_are_numbered() {
        let input = json!({"VpcId": ["vpc-1"], "Filter": [{"Name": "tag:a b", "Value": ["y", "z"]}], "DryRun": false});
        assert_eq!(
            encode("DescribeVpcs", "2016-11-15", &input, Lists::Plain),
            "Action=DescribeVpcs&Version=2016-11-15&VpcId.1=vpc-1&Filter.1.Name=tag%3Aa%20b&Filter.1.Value.1=y\
             &Filter.1.Value.2=z&DryRun=false"
        );
    }

    #[test]
    fn query_lists_have_members() {
        let input = json!({"Tags": [{"Key": "k", "Value": "v"}], "None": null, "Empty": [], "Number": 3});
        assert_eq!(
            encode("TagRole", "2010-05-08", &input, Lists::Members),
            "Action=TagRole&Version=2010-05-08&Tags.member.1.Key=k&Tags.member.1.Value=v&Empty=&Number=3"
        );
    }
}
