//! XML to JSON values and back.
//!
//! An element with text becomes a string, one with nothing `""`, one whose children are all `item` or all `member`
//! an array, any other an object; children of an object that share a name become an array. Attributes are dropped.

use indexmap::IndexMap;
use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::Event;
use serde_json::{Map, Value};

struct Element {
    name: String,
    children: Vec<(String, Value)>,
    text: String,
}

impl Element {
    fn new(name: String) -> Self {
        Self { name, children: Vec::new(), text: String::new() }
    }

    fn into_value(self) -> Value {
        if self.children.is_empty() {
            return Value::String(self.text);
        }
        for list in ["item", "member"] {
            if self.children.iter().all(|(name, _)| name == list) {
                return Value::Array(self.children.into_iter().map(|(_, value)| value).collect());
            }
        }
        let mut grouped: IndexMap<String, Vec<Value>> = IndexMap::new();
        for (name, value) in self.children {
            grouped.entry(name).or_default().push(value);
        }
        let one_or_all =
            |mut values: Vec<Value>| if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        Value::Object(grouped.into_iter().map(|(name, values)| (name, one_or_all(values))).collect())
    }
}

/// The root element's name and value.
pub fn parse(document: &[u8]) -> Result<(String, Value), String> {
    let document = std::str::from_utf8(document).map_err(|error| error.to_string())?;
    let mut reader = Reader::from_str(document);
    let mut open: Vec<Element> = Vec::new();
    let local = |name: quick_xml::name::LocalName<'_>| String::from_utf8_lossy(name.as_ref().as_ref()).into_owned();
    loop {
        let closed = match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                open.push(Element::new(local(start.local_name())));
                continue;
            }
            Event::Empty(start) => Element::new(local(start.local_name())),
            Event::End(_) => match open.pop() {
                Some(element) => element,
                None => return Err("an element is closed that was never opened".into()),
            },
            Event::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text.xml10_content());
                }
                continue;
            }
            Event::CData(data) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&data.xml10_content());
                }
                continue;
            }
            Event::GeneralRef(reference) => {
                let name = reference.xml10_content();
                let character = reference.resolve_char_ref().map_err(|error| error.to_string())?;
                if let Some(element) = open.last_mut() {
                    match (character, resolve_predefined_entity(&name)) {
                        (Some(character), _) => element.text.push(character),
                        (None, Some(text)) => element.text.push_str(text),
                        (None, None) => return Err(format!("unknown entity `{name}`")),
                    }
                }
                continue;
            }
            Event::Eof => return Err("the document ends before its root element does".into()),
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => {
                let name = closed.name.clone();
                parent.children.push((name, closed.into_value()));
            }
            None => {
                let name = closed.name.clone();
                return Ok((name, closed.into_value()));
            }
        }
    }
}

/// A document of one root element: objects become elements, arrays repeat theirs, everything else becomes text.
pub fn document(root: &str, namespace: &str, value: &Value) -> String {
    let mut out = format!("<{root} xmlns=\"{namespace}\">");
    write_content(&mut out, value);
    out.push_str(&format!("</{root}>"));
    out
}

fn write_content(out: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) => out.push_str(&escape(text.as_str())),
        Value::Object(members) => write_members(out, members),
        other => out.push_str(&other.to_string()),
    }
}

fn write_members(out: &mut String, members: &Map<String, Value>) {
    for (name, value) in members {
        let elements = match value {
            Value::Array(elements) => elements.as_slice(),
            Value::Null => continue,
            one => std::slice::from_ref(one),
        };
        for element in elements {
            out.push_str(&format!("<{name}>"));
            write_content(out, element);
            out.push_str(&format!("</{name}>"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ec2_answers_become_values() {
        let text = br#"<?xml version="1.0"?>
            <DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
              <requestId>r-1</requestId>
              <vpcSet>
                <item><vpcId>vpc-1</vpcId><tagSet/><note>a &lt; b &amp;&#x20;c</note></item>
              </vpcSet>
              <empty></empty>
            </DescribeVpcsResponse>"#;
        let (root, value) = parse(text).expect("well formed");
        assert_eq!(root, "DescribeVpcsResponse");
        assert_eq!(value["vpcSet"], json!([{"vpcId": "vpc-1", "tagSet": "", "note": "a < b & c"}]));
        assert_eq!(value["empty"], "");
    }

    #[test]
    fn repeated_children_become_arrays() {
        let (_, value) = parse(b"<L><Contents><Key> a</Key></Contents><Contents><Key>b</Key></Contents><N>1</N></L>")
            .expect("well formed");
        assert_eq!(value, json!({"Contents": [{"Key": " a"}, {"Key": "b"}], "N": "1"}));
    }

    #[test]
    fn documents_round_trip() {
        let value = json!({"Rule": [{"ID": "a&b", "Days": 3, "Filter": {"Prefix": ""}}, {"ID": "c", "None": null}]});
        let text = document("Lifecycle", "urn:x", &value);
        let (root, back) = parse(text.as_bytes()).expect("well formed");
        assert_eq!(root, "Lifecycle");
        assert_eq!(back, json!({"Rule": [{"ID": "a&b", "Days": "3", "Filter": {"Prefix": ""}}, {"ID": "c"}]}));
    }

    #[test]
    fn cut_off_documents_are_errors() {
        assert!(parse(b"<A><B>text").is_err());
        assert!(parse(b"").is_err());
    }
}
