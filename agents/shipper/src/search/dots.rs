//! Names with dots: `{"http.method":"GET"}` says `{"http":{"method":"GET"}}` to both servers, and OpenSearch stumbles over it where objects are
//! kept flat.

use std::collections::BTreeMap;

use lakewright_formats::json::Scanner;

use crate::search::document::{plain, string};

/// A member's value.
enum Node<'a> {
    /// As it was written.
    Written(&'a str),
    /// One that names with dots make.
    Object(BTreeMap<String, Node<'a>>),
}

/// An object in which no name of its members has a dot. None where two of them say different things of one member, or a name is empty.
pub fn without_dots(text: &str) -> Option<String> {
    let mut all = BTreeMap::new();
    let mut scanner = Scanner::new(text);
    let mut more = scanner.enter_object().ok()?;
    while more {
        let (raw, escaped) = scanner.name().ok()?;
        let name = plain(raw, escaped);
        insert(&mut all, &name, scanner.raw().ok()?)?;
        more = scanner.more(b'}').ok()?;
    }
    scanner.end().ok()?;
    let mut written = Vec::with_capacity(text.len());
    write(&all, &mut written);
    String::from_utf8(written).ok()
}

fn insert<'a>(members: &mut BTreeMap<String, Node<'a>>, name: &str, value: &'a str) -> Option<()> {
    let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
    if first.is_empty() {
        return None;
    }
    match rest {
        None => match members.insert(first.to_owned(), Node::Written(value)) {
            None => Some(()),
            Some(_) => None,
        },
        Some(rest) => match members.entry(first.to_owned()).or_insert_with(|| Node::Object(BTreeMap::new())) {
            Node::Object(inner) => insert(inner, rest, value),
            Node::Written(_) => None,
        },
    }
}

fn write(members: &BTreeMap<String, Node<'_>>, text: &mut Vec<u8>) {
    text.push(b'{');
    for (number, (name, node)) in members.iter().enumerate() {
        if number > 0 {
            text.push(b',');
        }
        string(name, text);
        text.push(b':');
        match node {
            Node::Written(value) => text.extend_from_slice(value.as_bytes()),
            Node::Object(inner) => write(inner, text),
        }
    }
    text.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dots_become_objects() {
        for (text, expected) in [
            (
                r#"{"a.b":1,"a.c.d":[1.50, 2],"e":{"f.g":1}}"#,
                Some(r#"{"a":{"b":1,"c":{"d":[1.50, 2]}},"e":{"f.g":1}}"#),
            ),
            (r#"{"a\u002eb": 18446744073709551616 }"#, Some(r#"{"a":{"b":18446744073709551616}}"#)),
            ("{}", Some("{}")),
            (r#"{"a":1,"a.b":2}"#, None),
            (r#"{"a.b":2,"a":{"c":1}}"#, None),
            (r#"{"a.b":2,"a.b":1}"#, None),
            (r#"{"a..b":2}"#, None),
            (r#"{".b":2}"#, None),
            (r#"{"b.":2}"#, None),
            ("[1]", None),
        ] {
            assert_eq!(without_dots(text).as_deref(), expected, "{text}");
        }
    }
}
