//! Operations named by method and path, with XML in bodies: what the operations of a service take and give.

use super::element::Element;
use super::rest::{self, Route};
use crate::error::AwsError;
use http::Method;
use serde_json::{Map, Value};

/// The REST-XML protocol of one service.
#[derive(Debug)]
pub struct RestXml {
    /// The namespace of its documents.
    pub namespace: &'static str,
    /// Its operations.
    pub operations: &'static [Operation],
    /// The code for a body that isn't the document that the operation takes.
    pub malformed: &'static str,
    /// The code for a document that has what it mustn't have, or lacks what it must have.
    pub invalid: &'static str,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Its name, method and path.
    pub route: Route,
    /// The members of its body, whose root is called `…Request`.
    pub body: &'static [Member],
    /// The HTTP status of its answer.
    pub status: u16,
    /// The members of its output that are headers of its answer.
    pub headers: &'static [&'static str],
}

/// A member of a structure in XML.
#[derive(Debug)]
pub struct Member {
    /// The element's name.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
}

/// What an element holds.
#[derive(Debug)]
pub enum Shape {
    /// Text, also numbers and truth values.
    Text,
    /// Other elements.
    Structure(&'static [Member]),
    /// Elements of that name, each a structure, or text when it has no members.
    List(&'static str, &'static [Member]),
    /// Something that AWS takes and the local account has nothing for.
    Absent,
}

impl Operation {
    /// An operation that is answered with status 200.
    pub const fn new(method: &'static str, path: &'static str, name: &'static str, body: &'static [Member]) -> Self {
        Self { route: Route { method, path, operation: name }, body, status: 200, headers: &[] }
    }
}

impl Member {
    /// A member that may be absent.
    pub const fn maybe(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, required: false }
    }

    /// A member that must be there.
    pub const fn needed(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, required: true }
    }

    /// A member that AWS takes and the local account refuses.
    pub const fn absent(name: &'static str) -> Self {
        Self { name, shape: Shape::Absent, required: false }
    }
}

impl RestXml {
    /// The operation of that name.
    pub fn operation(&self, name: &str) -> Option<&'static Operation> {
        self.operations.iter().find(|operation| operation.route.operation == name)
    }

    /// The operation that a request names, and its input: path labels, query parameters and members of the body.
    pub(crate) fn read(
        &self,
        method: &Method,
        path: &str,
        query: &str,
        body: &[u8],
    ) -> Result<(String, Value), AwsError> {
        let routes = self.operations.iter().map(|operation| &operation.route);
        let found = rest::find(routes, method.as_str(), path, query);
        let (name, mut input) = found.ok_or_else(|| rest::unknown(method, path))?;
        let operation = self.operation(name).expect("the route is one of the operations'");
        if !operation.body.is_empty() {
            input.extend(self.body(operation, body)?);
        }
        Ok((name.to_owned(), Value::Object(input)))
    }

    fn body(&self, operation: &Operation, body: &[u8]) -> Result<Map<String, Value>, AwsError> {
        // Clients send nothing at all where no member of the body is given.
        let root = if body.is_empty() {
            Element::default()
        } else {
            let expected = format!("{}Request", operation.route.operation);
            let malformed =
                |found: &str| AwsError::new(self.malformed, format!("{found} is not valid, expected {expected}"));
            let root = Element::read(body).ok_or_else(|| malformed("The body"))?;
            if root.name != expected {
                return Err(malformed(&root.name));
            }
            if root.namespace.as_deref() != Some(self.namespace) {
                return Err(malformed(&format!("the namespace {:?}", root.namespace.unwrap_or_default())));
            }
            root
        };
        self.structure(&root, operation.body, "")
    }

    fn structure(&self, element: &Element, members: &[Member], at: &str) -> Result<Map<String, Value>, AwsError> {
        let mut out = Map::new();
        if !element.text.trim().is_empty() {
            let message = format!("Invalid XML ; Element '{}' cannot have character [children]", element.name);
            return Err(AwsError::new(self.invalid, message));
        }
        for child in &element.children {
            let member = members.iter().find(|member| member.name == child.name);
            let Some(member) = member.filter(|_| !out.contains_key(&child.name)) else {
                let message = format!("Invalid XML ; Invalid content was found starting with element '{}'", child.name);
                return Err(AwsError::new(self.invalid, message));
            };
            let place = format!("{at}{}", child.name);
            out.insert(child.name.clone(), self.value(child, &member.shape, &place)?);
        }
        match members.iter().find(|member| member.required && !out.contains_key(member.name)) {
            Some(member) => Err(AwsError::null_member(self.invalid, &format!("{at}{}", member.name))),
            None => Ok(out),
        }
    }

    fn value(&self, element: &Element, shape: &Shape, at: &str) -> Result<Value, AwsError> {
        match shape {
            Shape::Text if element.children.is_empty() => Ok(Value::String(element.text.clone())),
            Shape::Text => {
                let message = format!("Invalid XML ; Element '{}' must have no element [children]", element.name);
                Err(AwsError::new(self.invalid, message))
            }
            Shape::Structure(members) => Ok(Value::Object(self.structure(element, members, &format!("{at}."))?)),
            Shape::List(item, members) => {
                let mut items = Vec::with_capacity(element.children.len());
                for (index, child) in element.children.iter().enumerate() {
                    if child.name != *item {
                        let message =
                            format!("Invalid XML ; Invalid content was found starting with element '{}'", child.name);
                        return Err(AwsError::new(self.invalid, message));
                    }
                    let place = format!("{at}.{}.member", index + 1);
                    let shape = if members.is_empty() { &Shape::Text } else { &Shape::Structure(members) };
                    items.push(self.value(child, shape, &place)?);
                }
                Ok(Value::Array(items))
            }
            Shape::Absent => Err(AwsError::new(self.invalid, format!("the local account has no {at}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TAG: &[Member] = &[Member::needed("Key", Shape::Text), Member::maybe("Value", Shape::Text)];
    const SERVICE: RestXml = RestXml {
        namespace: "urn:things",
        operations: &[Operation::new(
            "POST",
            "/thing/{Id}",
            "ChangeThing",
            &[
                Member::needed("Name", Shape::Text),
                Member::maybe("Tags", Shape::List("Tag", TAG)),
                Member::maybe("Keys", Shape::List("Key", &[])),
                Member::absent("Colour"),
            ],
        )],
        malformed: "Malformed",
        invalid: "Invalid",
    };

    fn read(body: &str) -> Result<Value, AwsError> {
        SERVICE.read(&Method::POST, "/thing/a%2Fb", "max=3", body.as_bytes()).map(|(_, input)| input)
    }

    fn document(members: &str) -> String {
        format!("<?xml version=\"1.0\"?><ChangeThingRequest xmlns=\"urn:things\">{members}</ChangeThingRequest>")
    }

    #[test]
    fn path_query_and_body_are_one_input() {
        let tags = "<Tags><Tag><Key>k</Key><Value> a &amp; b </Value></Tag></Tags><Keys><Key>x</Key></Keys>";
        assert_eq!(
            read(&document(&format!("\n <Name>n</Name>{tags}"))).unwrap(),
            json!({ "Id": "a/b", "max": "3", "Name": "n", "Tags": [{ "Key": "k", "Value": " a & b " }], "Keys": ["x"] })
        );
        assert_eq!(read(&document("<Name/><Tags/>")).unwrap()["Tags"], json!([]));
    }

    #[test]
    fn a_document_of_another_form_is_refused() {
        for (body, code) in [
            ("<ChangeThingRequest>".to_owned(), "Malformed"),
            ("{}".to_owned(), "Malformed"),
            (document("").replace("Request", "Answer"), "Malformed"),
            (document("<Name>n</Name>").replace("urn:things", "urn:others"), "Malformed"),
            (document("<Name>n</Name>").replace(" xmlns=\"urn:things\"", ""), "Malformed"),
            (String::new(), "Invalid"),
            (document("<Tags/>"), "Invalid"),
            (document("<Name>n</Name><Other/>"), "Invalid"),
            (document("<Name>n</Name><Colour>red</Colour>"), "Invalid"),
            (document("<Name>n</Name><Name>n</Name>"), "Invalid"),
            (document("<Name><Name/></Name>"), "Invalid"),
            (document("text<Name>n</Name>"), "Invalid"),
            (document("<Name>n</Name><Tags><Key/></Tags>"), "Invalid"),
            (document("<Name>n</Name><Tags><Tag/></Tags>"), "Invalid"),
        ] {
            assert_eq!(read(&body).unwrap_err().code, code, "{body}");
        }
        let said = read(&document("<Name>n</Name><Tags><Tag/></Tags>")).unwrap_err().message;
        assert!(said.contains("'tags.1.member.Key'"), "{said}");
    }
}
