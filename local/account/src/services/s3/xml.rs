//! XML documents in requests.

use super::errors;
use crate::error::AwsError;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// An element: its name without a prefix, its text and its children.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of that name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The text of a child that must be there.
    pub fn need(&self, name: &str) -> Result<&str, AwsError> {
        self.text_of(name).filter(|text| !text.is_empty()).ok_or_else(|| errors::error("MalformedXML"))
    }
}

/// The document's root, which must be called `root`.
pub(super) fn parse(document: &[u8], root: &str) -> Result<Element, AwsError> {
    let parsed = read(document).ok_or_else(|| errors::error("MalformedXML"))?;
    if parsed.name == root { Ok(parsed) } else { Err(errors::error("MalformedXML")) }
}

fn read(document: &[u8]) -> Option<Element> {
    let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
    let mut open: Vec<Element> = Vec::new();
    let named = |name: quick_xml::name::LocalName<'_>| Element {
        name: String::from_utf8_lossy(name.as_ref().as_ref()).into_owned(),
        ..Element::default()
    };
    loop {
        let closed = match reader.read_event().ok()? {
            Event::Start(start) => {
                open.push(named(start.local_name()));
                continue;
            }
            Event::Empty(start) => named(start.local_name()),
            Event::End(_) => open.pop()?,
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
                let character = reference.resolve_char_ref().ok()?;
                let element = open.last_mut()?;
                match character {
                    Some(character) => element.text.push(character),
                    None => element.text.push_str(resolve_predefined_entity(&name)?),
                }
                continue;
            }
            Event::Eof => return None,
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None => return Some(closed),
        }
    }
}
