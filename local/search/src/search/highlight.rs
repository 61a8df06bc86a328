//! The words of a query, marked in the texts of its hits.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::analysis;
use crate::answer::SearchError;
use crate::members::Members;
use crate::pattern::matches;
use crate::query::Note;

/// What is marked, and how.
#[derive(Debug)]
pub struct Highlight {
    fields: Vec<(String, Options)>,
}

#[derive(Debug, Clone)]
struct Options {
    before: String,
    behind: String,
    /// How long a fragment is, in characters.
    size: usize,
    /// How many there are at most; 0 for the whole text.
    count: usize,
    /// Whether only what the query looks for in the same field is marked.
    same_field: bool,
    /// How much of the text is shown where nothing is marked, in characters.
    unmarked: usize,
}

impl Highlight {
    /// Reads it.
    ///
    /// # Errors
    /// It has members that nobody knows.
    pub fn read(value: &Value) -> Result<Self, SearchError> {
        let mut members = Members::of(value, "highlight")?;
        let fields = members.take("fields");
        let begin = Options {
            before: "<em>".to_owned(),
            behind: "</em>".to_owned(),
            size: 100,
            count: 5,
            same_field: true,
            unmarked: 0,
        };
        let default = Options::read(&mut members, &begin)?;
        members.end()?;
        let mut found = Vec::new();
        let objects: Vec<&Value> = match fields {
            None => Vec::new(),
            Some(Value::Array(values)) => values.iter().collect(),
            Some(one) => vec![one],
        };
        for object in objects {
            for (name, options) in Members::of(object, "highlight")?.rest() {
                let mut members = Members::of(options, "highlight")?;
                found.push((name.to_owned(), Options::read(&mut members, &default)?));
                members.end()?;
            }
        }
        Ok(Self { fields: found })
    }

    /// The fragments of a document, by field; none where nothing is marked.
    pub fn of(&self, document: &Value, notes: &HashSet<Note>, is_text: impl Fn(&str) -> bool) -> Option<Value> {
        let mut texts: Vec<(String, Vec<&str>)> = Vec::new();
        collect("", document, &mut texts);
        let mut marked = Map::new();
        for (pattern, options) in &self.fields {
            for (path, values) in &texts {
                let whole = format!("{path}.keyword");
                let name = match () {
                    () if matches(pattern, path) => path,
                    () if *pattern == whole => &whole,
                    () => continue,
                };
                let fits = |note: &&Note| !options.same_field || note.field == *name;
                let wanted: HashSet<&str> = notes.iter().filter(fits).map(|note| note.text.as_str()).collect();
                let mut fragments = Vec::new();
                for value in values {
                    fragments.extend(options.fragments(value, &wanted, is_text(name)));
                }
                if options.count > 0 {
                    fragments.truncate(options.count);
                }
                if fragments.is_empty()
                    && options.unmarked > 0
                    && let Some(first) = values.first()
                {
                    fragments.push(first.chars().take(options.unmarked).collect());
                }
                if !fragments.is_empty() {
                    marked.insert(name.clone(), json!(fragments));
                }
            }
        }
        (!marked.is_empty()).then_some(Value::Object(marked))
    }
}

impl Options {
    fn read(members: &mut Members<'_>, default: &Self) -> Result<Self, SearchError> {
        let tag = |value: Option<&Value>, default: &str| match value {
            None => Ok(default.to_owned()),
            Some(Value::Array(tags)) => Ok(tags.first().and_then(Value::as_str).unwrap_or_default().to_owned()),
            Some(Value::String(tag)) => Ok(tag.clone()),
            Some(_) => Err(SearchError::parsing("[highlight] tags are texts")),
        };
        let before = tag(members.take("pre_tags"), &default.before)?;
        let behind = tag(members.take("post_tags"), &default.behind)?;
        match members.text("type")?.as_deref() {
            None | Some("unified" | "plain") => {}
            Some(other) => return Err(SearchError::illegal(format!("unknown highlighter type [{other}]"))),
        }
        match members.text("order")?.as_deref() {
            None | Some("none") => {}
            Some(other) => {
                return Err(SearchError::illegal(format!("[highlight] [order] is none here, not [{other}]")));
            }
        }
        Ok(Self {
            before,
            behind,
            size: members.whole("fragment_size")?.map_or(default.size, |size| size as usize),
            count: members.whole("number_of_fragments")?.map_or(default.count, |count| count as usize),
            same_field: members.flag("require_field_match")?.unwrap_or(default.same_field),
            unmarked: members.whole("no_match_size")?.map_or(default.unmarked, |size| size as usize),
        })
    }

    /// The sentences of a text in which words are marked; short ones together.
    fn fragments(&self, text: &str, wanted: &HashSet<&str>, is_text: bool) -> Vec<String> {
        let spans: Vec<(usize, usize)> = if is_text {
            let words = analysis::words(text).into_iter();
            words.filter(|word| wanted.contains(word.text.as_str())).map(|word| (word.from, word.to)).collect()
        } else if wanted.contains(text) {
            vec![(0, text.len())]
        } else {
            Vec::new()
        };
        if spans.is_empty() {
            return Vec::new();
        }
        let parts = if self.count == 0 || !is_text { vec![(0, text.len())] } else { self.parts(text) };
        let mut fragments = Vec::new();
        let mut spans = spans.into_iter().peekable();
        for (from, to) in parts {
            let (mut fragment, mut at) = (String::new(), from);
            while let Some((begin, end)) = spans.next_if(|(begin, _)| *begin < to) {
                fragment.push_str(&text[at..begin]);
                fragment.push_str(&self.before);
                fragment.push_str(&text[begin..end]);
                fragment.push_str(&self.behind);
                at = end;
            }
            if at > from {
                fragment.push_str(&text[at..to.max(at)]);
                fragments.push(fragment.trim().to_owned());
            }
        }
        fragments
    }

    /// Sentences, together until they are long enough; a long one in pieces between words.
    fn parts(&self, text: &str) -> Vec<(usize, usize)> {
        let mut parts: Vec<(usize, usize)> = Vec::new();
        // Where the part at hand begins, and how long it is.
        let (mut from, mut length) = (0, 0);
        for (at, sentence) in text.split_sentence_bound_indices() {
            let chars = sentence.chars().count();
            if length > 0 && length + chars > self.size {
                parts.push((from, at));
                (from, length) = (at, 0);
            }
            if chars <= self.size {
                length += chars;
                continue;
            }
            for (offset, piece) in sentence.split_word_bound_indices() {
                let chars = piece.chars().count();
                if length > 0 && length + chars > self.size {
                    parts.push((from, at + offset));
                    (from, length) = (at + offset, 0);
                }
                length += chars;
            }
        }
        parts.push((from, text.len()));
        parts
    }
}

/// All texts of a document by their paths.
fn collect<'a>(path: &str, value: &'a Value, texts: &mut Vec<(String, Vec<&'a str>)>) {
    match value {
        Value::String(text) => match texts.iter_mut().find(|(known, _)| known == path) {
            Some((_, values)) => values.push(text),
            None => texts.push((path.to_owned(), vec![text])),
        },
        Value::Array(values) => values.iter().for_each(|value| collect(path, value, texts)),
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(&path, value, texts);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(highlight: &Value, document: &Value, notes: &[(&str, &str)]) -> Option<Value> {
        let note = |(field, text): &(&str, &str)| Note { field: (*field).to_owned(), text: (*text).to_owned() };
        let notes: HashSet<Note> = notes.iter().map(note).collect();
        Highlight::read(highlight)
            .expect("read")
            .of(document, &notes, |field| !field.ends_with(".keyword") && field != "k")
    }

    #[test]
    fn words_are_marked_in_their_fields() {
        let document = json!({"t": "Red lipstick. In Stockholm!", "o": {"u": ["a lipstick", "b"]}, "k": "Whole Text"});
        let all = json!({"fields": {"*": {}}});
        assert_eq!(
            marked(&all, &document, &[("t", "lipstick")]),
            Some(json!({"t": ["Red <em>lipstick</em>. In Stockholm!"]}))
        );
        assert_eq!(
            marked(&all, &document, &[("t", "lipstick"), ("o.u", "lipstick")]),
            Some(json!({"t": ["Red <em>lipstick</em>. In Stockholm!"], "o.u": ["a <em>lipstick</em>"]}))
        );
        let short = json!({"fields": {"t": {"fragment_size": 15, "pre_tags": ["["], "post_tags": ["]"]}}});
        assert_eq!(marked(&short, &document, &[("t", "stockholm")]), Some(json!({"t": ["In [Stockholm]!"]})));
        assert_eq!(
            marked(&json!({"fields": {"k": {}}}), &document, &[("k", "Whole Text")]),
            Some(json!({"k": ["<em>Whole Text</em>"]}))
        );
        assert_eq!(marked(&all, &document, &[("t", "nothing")]), None);
        let unmarked = json!({"fields": {"t": {"no_match_size": 3}}});
        assert_eq!(marked(&unmarked, &document, &[]), Some(json!({"t": ["Red"]})));
        assert!(Highlight::read(&json!({"fields": {"t": {"fragmnt_size": 5}}})).is_err());
        let long = json!({"t": format!("{}needle {}", "word ".repeat(200), "word ".repeat(200))});
        let found = marked(&json!({"fields": {"t": {}}}), &long, &[("t", "needle")]).expect("marked");
        let fragment = found["t"][0].as_str().expect("a fragment");
        assert!(fragment.contains("<em>needle</em>") && fragment.len() < 120, "{fragment}");
    }
}
