//! Queries for exact values: term, terms, ids, exists, prefix, wildcard.

use std::sync::Arc;

use serde_json::Value;
use tantivy::Term;
use tantivy::query::{ConstScoreQuery, EmptyQuery, ExistsQuery, TermQuery, TermSetQuery};
use tantivy::schema::{Field, IndexRecordOption};

use super::address::block;
use super::{Boxed, Parsed, Parser, any, boosted};
use crate::answer::SearchError;
use crate::document::{FIELDS, WHOLES};
use crate::field::FieldType;
use crate::members::{Members, scalar};
use crate::scoring::{Blend, Scored};

/// Where a field's exact values are found.
enum Place {
    /// Whole texts under a path of the keywords.
    Whole(String),
    /// Words under a path.
    Words,
    /// Typed values.
    Typed(FieldType),
    /// Nowhere: it doesn't exist or isn't indexed.
    Nowhere,
}

/// The term of a text under a path.
pub fn text_term(field: Field, path: &str, text: &str) -> Term {
    let mut term = Term::from_field_json_path(field, path, true);
    term.append_type_and_str(text);
    term
}

/// The value of a query for one field, whether case matters not, and its boost: `"x"` or `{"value": "x", …}`.
fn value_of(value: &Value, kind: &str) -> Result<(String, bool, f32), SearchError> {
    let missing = || SearchError::parsing(format!("[{kind}] value cannot be null"));
    let Value::Object(_) = value else { return Ok((scalar(value).ok_or_else(missing)?, false, 1.0)) };
    let mut members = Members::of(value, kind)?;
    let boost = members.boost()?;
    let folded = members.flag("case_insensitive")?.unwrap_or(false);
    members.take("rewrite");
    let mut text = members.text("value")?;
    if kind == "wildcard" && text.is_none() {
        text = members.text("wildcard")?;
    }
    members.end()?;
    Ok((text.ok_or_else(missing)?, folded, boost))
}

/// Documents with a term, all alike.
fn found(term: Term) -> Boxed {
    Box::new(ConstScoreQuery::new(Box::new(TermQuery::new(term, IndexRecordOption::Basic)), 1.0))
}

impl Parser<'_> {
    pub(super) fn term_query(&self, body: &Value) -> Parsed {
        let mut outer = Members::of(body, "term")?;
        outer.take("_name");
        let (field, value) = outer.only()?;
        let (value, folded, boost) = value_of(value, "term")?;
        if folded {
            return Ok(boosted(
                self.texts(field, &value, |text| text.to_lowercase() == value.to_lowercase(), "")?,
                boost,
            ));
        }
        Ok(boosted(self.term(field, &value)?, boost))
    }

    pub(super) fn terms_query(&self, body: &Value) -> Parsed {
        let mut members = Members::of(body, "terms")?;
        let boost = members.boost()?;
        let (field, values) = members.only()?;
        let values = values
            .as_array()
            .ok_or_else(|| SearchError::parsing("[terms] query does not support anything but an array"))?;
        let mut queries = Vec::with_capacity(values.len());
        for value in values {
            let text = scalar(value).ok_or_else(|| SearchError::illegal("No value specified for terms query"))?;
            queries.push(self.term(field, &text)?);
        }
        Ok(boosted(any(queries), boost))
    }

    pub(super) fn ids_query(&self, body: &Value) -> Parsed {
        let mut members = Members::of(body, "ids")?;
        let boost = members.boost()?;
        let values = members.take("values");
        members.end()?;
        let values: Vec<String> = match values {
            Some(Value::Array(values)) => {
                let ids =
                    values.iter().map(|id| scalar(id).ok_or_else(|| SearchError::parsing("[ids] values are texts")));
                ids.collect::<Result<_, _>>()?
            }
            Some(one) => vec![scalar(one).ok_or_else(|| SearchError::parsing("[ids] values are texts"))?],
            None => return Err(SearchError::parsing("[ids] requires providing a [values] array")),
        };
        self.spend(values.len())?;
        let terms = values.iter().map(|id| Term::from_field_text(self.layout.id, id));
        Ok(Box::new(ConstScoreQuery::new(Box::new(TermSetQuery::new(terms)), boost)))
    }

    pub(super) fn exists_query(&self, body: &Value) -> Parsed {
        let mut members = Members::of(body, "exists")?;
        let boost = members.boost()?;
        let field =
            members.text("field")?.ok_or_else(|| SearchError::parsing("[exists] must be provided with a [field]"))?;
        members.end()?;
        Ok(boosted(self.exists(&field), boost))
    }

    /// Documents with a value of the field.
    pub(super) fn exists(&self, field: &str) -> Boxed {
        let column = match self.whole_of(field) {
            Some(path) => format!("{WHOLES}.{path}"),
            None => format!("{FIELDS}.{field}"),
        };
        Box::new(ConstScoreQuery::new(Box::new(ExistsQuery::new(column, true)), 1.0))
    }

    /// The field whose values a field has as a whole, if it is such a one.
    pub(super) fn whole_of<'a>(&self, field: &'a str) -> Option<&'a str> {
        let path = field.strip_suffix(".keyword").filter(|_| self.mappings.field(self.indices, field).is_none())?;
        self.mappings.has_keyword(self.indices, path).then_some(path)
    }

    fn place(&self, field: &str) -> Place {
        match self.mappings.field(self.indices, field) {
            Some(FieldType::Text) => Place::Words,
            Some(FieldType::Keyword | FieldType::Ip) => Place::Whole(field.to_owned()),
            Some(
                FieldType::Flattened
                | FieldType::Disabled
                | FieldType::Binary
                | FieldType::GeoPoint
                | FieldType::Object,
            ) => Place::Nowhere,
            Some(kind) => Place::Typed(kind),
            None => self.whole_of(field).map_or(Place::Nowhere, |path| Place::Whole(path.to_owned())),
        }
    }

    /// Documents whose field is exactly that: the whole text of a keyword, one of the words of a text.
    pub(super) fn term(&self, field: &str, text: &str) -> Parsed {
        self.spend(1)?;
        match field {
            "_id" => return Ok(found(Term::from_field_text(self.layout.id, text))),
            "_index" => return Ok(found(Term::from_field_text(self.layout.index, text))),
            _ => {}
        }
        match self.place(field) {
            Place::Nowhere => Ok(Box::new(EmptyQuery)),
            Place::Whole(path) => {
                self.note(field, text);
                // Addresses are numbers to the servers: one may be written in several ways, and some be taken together.
                if self.mappings.field(self.indices, field) == Some(FieldType::Ip) {
                    return self.addresses(field, block(text)?);
                }
                Ok(self.scored(text_term(self.layout.keywords, &path, text), field, None))
            }
            Place::Words => {
                self.note(field, text);
                Ok(self.scored(text_term(self.layout.fields, field, text), field, None))
            }
            Place::Typed(FieldType::Boolean) => {
                Ok(self.scored(self.typed(field, FieldType::Boolean, text)?.remove(0), field, None))
            }
            // A day is all its times.
            Place::Typed(FieldType::Date) => {
                let side = Some((text.to_owned(), true));
                self.between(field, (&side, &side), None)
            }
            Place::Typed(kind) => {
                let terms = self.typed(field, kind, text)?;
                Ok(any(terms.into_iter().map(found).collect()))
            }
        }
    }

    /// Documents with a term of a field, by how well they fit; those of a blend are equally rare.
    pub(super) fn scored(&self, term: Term, field: &str, blend: Option<(Arc<Blend>, usize)>) -> Boxed {
        let (is_text, statistics) = (self.is_text(field), Arc::clone(self.statistics));
        Box::new(Scored { term, field: field.to_owned(), is_text, blend, statistics })
    }

    /// Where the texts of a field are found: its words, or wholes; none where it has none of its own.
    pub(super) fn terms_of(&self, field: &str) -> Option<(Field, String)> {
        match self.place(field) {
            Place::Words => Some((self.layout.fields, field.to_owned())),
            Place::Whole(path) if self.mappings.field(self.indices, field) != Some(FieldType::Ip) => {
                Some((self.layout.keywords, path))
            }
            _ => None,
        }
    }

    /// Whether a field has words.
    pub(super) fn is_text(&self, field: &str) -> bool {
        matches!(self.place(field), Place::Words)
    }

    /// Documents with a text that fits, and that begins with a prefix.
    pub(super) fn texts(&self, field: &str, shown: &str, fits: impl FnMut(&str) -> bool, prefix: &str) -> Parsed {
        let (of, path) = match self.place(field) {
            Place::Nowhere => return Ok(Box::new(EmptyQuery)),
            Place::Whole(path) => (self.layout.keywords, path),
            Place::Words => (self.layout.fields, field.to_owned()),
            Place::Typed(kind) => {
                return Err(SearchError::shard(format!(
                    "Can only use prefix and wildcard queries on keyword and text fields - not on [{field}] which is of type \
                     [{}]: {shown}",
                    kind.name()
                )));
            }
        };
        let terms = self.expanded((of, &path), prefix, fits)?;
        Ok(Box::new(ConstScoreQuery::new(Box::new(TermSetQuery::new(terms)), 1.0)))
    }

    pub(super) fn prefix_query(&self, body: &Value) -> Parsed {
        let (field, value) = Members::of(body, "prefix")?.only()?;
        let (value, folded, boost) = value_of(value, "prefix")?;
        Ok(boosted(self.prefix(field, &value, folded)?, boost))
    }

    /// Documents with a text that begins so.
    pub(super) fn prefix(&self, field: &str, value: &str, folded: bool) -> Parsed {
        if folded {
            let lower = value.to_lowercase();
            return self.texts(field, value, |text| text.to_lowercase().starts_with(&lower), "");
        }
        self.texts(field, value, |_| true, value)
    }

    pub(super) fn wildcard_query(&self, body: &Value) -> Parsed {
        let (field, value) = Members::of(body, "wildcard")?.only()?;
        let (value, folded, boost) = value_of(value, "wildcard")?;
        Ok(boosted(self.wildcard(field, &value, folded)?, boost))
    }

    /// Documents with a text that fits a pattern of `*` and `?`.
    pub(super) fn wildcard(&self, field: &str, pattern: &str, folded: bool) -> Parsed {
        if pattern.chars().count() > LONGEST {
            return Err(SearchError::illegal(format!("a pattern has more than [{LONGEST}] characters")));
        }
        let pattern = if folded { pattern.to_lowercase() } else { pattern.to_owned() };
        let pattern = Pattern::of(&pattern);
        if folded {
            return self.texts(field, "", |text| pattern.fits(&text.to_lowercase()), "");
        }
        self.texts(field, "", |text| pattern.fits(text), &pattern.beginning())
    }

    /// The terms that stand for a value in a field of that type: one, or two for numbers (whole, floating).
    pub(super) fn typed(&self, path: &str, kind: FieldType, text: &str) -> Result<Vec<Term>, SearchError> {
        let field = self.layout.fields;
        let base = || Term::from_field_json_path(field, path, true);
        let wrong = || {
            let kind = kind.name();
            SearchError::shard(format!(
                "failed to create query: [{text}] is no value of the field [{path}] of type [{kind}]"
            ))
        };
        match kind {
            FieldType::Long | FieldType::Float | FieldType::Double => {
                let number: f64 = text.parse().map_err(|_| wrong())?;
                if !number.is_finite() {
                    return Err(wrong());
                }
                let number = stored(kind, number);
                let mut terms = Vec::new();
                let whole = text.parse::<i64>().ok().or_else(|| (number.fract() == 0.0).then_some(number as i64));
                if let Some(whole) = whole {
                    let mut term = base();
                    term.append_type_and_fast_value(whole);
                    terms.push(term);
                }
                let mut term = base();
                term.append_type_and_fast_value(number);
                terms.push(term);
                Ok(terms)
            }
            FieldType::Boolean => {
                let mut term = base();
                term.append_type_and_fast_value(text.parse::<bool>().map_err(|_| wrong())?);
                Ok(vec![term])
            }
            _ => Ok(vec![text_term(field, path, text)]),
        }
    }
}

/// A number as a field of that type has it.
pub(super) fn stored(kind: FieldType, number: f64) -> f64 {
    if kind == FieldType::Float { f64::from(number as f32) } else { number }
}

/// The longest pattern, in characters.
const LONGEST: usize = 1_000;

/// A pattern of texts: `*` stands for anything, `?` for one character, `\` takes the next one as it is.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Is(char),
    Any,
    Many,
}

impl Pattern {
    pub(super) fn of(pattern: &str) -> Self {
        let mut parts = Vec::new();
        let mut letters = pattern.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '*' if parts.last() == Some(&Part::Many) => {}
                '*' => parts.push(Part::Many),
                '?' => parts.push(Part::Any),
                '\\' => parts.extend(letters.next().map(Part::Is)),
                other => parts.push(Part::Is(other)),
            }
        }
        Self(parts)
    }

    /// What each text that fits begins with.
    pub(super) fn beginning(&self) -> String {
        let letters = self.0.iter().map_while(|part| match part {
            Part::Is(letter) => Some(letter),
            _ => None,
        });
        letters.collect()
    }

    /// Whether a text fits: at most as many steps as the product of both lengths.
    pub(super) fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut part) = (0, 0);
        // Where the last `*` was, and where its text may begin to end.
        let mut back: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(part) {
                Some(Part::Is(letter)) if *letter == text[at] => (at, part) = (at + 1, part + 1),
                Some(Part::Any) => (at, part) = (at + 1, part + 1),
                Some(Part::Many) => {
                    back = Some((part, at));
                    part += 1;
                }
                _ => match back {
                    None => return false,
                    Some((star, from)) => {
                        back = Some((star, from + 1));
                        (at, part) = (from + 1, star + 1);
                    }
                },
            }
        }
        self.0[part..].iter().all(|part| *part == Part::Many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_they_read() {
        for (pattern, text, fits) in [
            ("lip*", "lipstick", true),
            ("l?pst*k", "lipstick", true),
            ("*stick", "lipstick", true),
            ("*a*b", "xaxxbxb", true),
            ("*a*b", "xaxxbx", false),
            ("??", "é1", true),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            ("", "", true),
            ("*", "", true),
            ("a", "ab", false),
        ] {
            assert_eq!(Pattern::of(pattern).fits(text), fits, "{pattern} {text}");
        }
        assert_eq!(Pattern::of(r"li\*p*s?").beginning(), "li*p");
    }
}
