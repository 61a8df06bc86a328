//! XML documents in requests, as trees of elements.

use super::DEEPEST;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

/// An element: its name without a prefix, the namespace it declares, its text and its children.
#[derive(Clone, Debug, Default)]
pub(crate) struct Element {
    pub name: String,
    /// The `xmlns` of this element; its children have it too.
    pub namespace: Option<String>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The root of a document; nothing when it isn't XML, or nested deeper than any document that AWS takes.
    pub fn read(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
        let mut open: Vec<Self> = Vec::new();
        loop {
            let closed = match reader.read_event().ok()? {
                Event::Start(_) if open.len() == DEEPEST => return None,
                Event::Start(start) => {
                    open.push(Self::named(&start));
                    continue;
                }
                Event::Empty(start) => Self::named(&start),
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

    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of that name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    fn named(start: &BytesStart<'_>) -> Self {
        let declared = start.attributes().flatten().find(|attribute| attribute.key.as_ref() == "xmlns");
        Self {
            name: start.local_name().as_ref().to_owned(),
            namespace: declared.map(|attribute| attribute.value.into_owned()),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_without_end_is_no_document() {
        let nested = |depth: usize| format!("{}x{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(Element::read(nested(DEEPEST).as_bytes()).is_some());
        for depth in [DEEPEST + 1, 100_000] {
            assert!(Element::read(nested(depth).as_bytes()).is_none(), "{depth}");
        }
        let wide = format!("<a>{}</a>", "<b/>".repeat(1_000));
        assert_eq!(Element::read(wide.as_bytes()).unwrap().children.len(), 1_000);
    }
}
