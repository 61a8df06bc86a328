//! The order of hits: by several keys, each up or down, with a place for hits that lack it.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::stored::{Stored, column_of};
use crate::answer::SearchError;
use crate::date::{self, Zone};
use crate::document::FIELDS;
use crate::field::FieldType;
use crate::mapping::Mappings;
use crate::members::{Members, scalar};
use crate::place::{self, Place};

/// How many keys there are at most.
const MOST: usize = 32;

/// A key as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// What it is.
    pub of: Of,
    /// Whether the largest comes first.
    pub down: bool,
    /// Whether hits without it come first.
    pub missing_first: bool,
    /// Whether a field that no index has is no fault.
    pub lenient: bool,
    /// Whether the largest of several values counts.
    pub largest: bool,
}

/// What hits are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub enum Of {
    /// How well they fit.
    Score,
    /// Where they stand in the index.
    Place,
    /// A field.
    Field(String),
    /// How far a field's places are from the nearest of some, in a unit of so many metres.
    Distance(String, Vec<Place>, f64),
}

/// The value of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Sorted {
    /// There is none.
    Missing,
    /// A whole number, a boolean, a time in milliseconds since 1970, or a place in the index.
    Whole(i64),
    /// Another number.
    Number(f64),
    /// A text.
    Text(String),
}

impl Sorted {
    /// As an answer has it.
    pub fn shown(&self) -> Value {
        match self {
            Self::Missing => Value::Null,
            Self::Whole(number) => json!(number),
            Self::Number(number) if number.is_infinite() => json!("Infinity"),
            Self::Number(number) => json!(number),
            Self::Text(text) => json!(text),
        }
    }
}

impl Key {
    /// How two values stand to each other: less comes first.
    pub fn order(&self, one: &Sorted, other: &Sorted) -> Ordering {
        let values = match (one, other) {
            (Sorted::Missing, Sorted::Missing) => return Ordering::Equal,
            (Sorted::Missing, _) => return if self.missing_first { Ordering::Less } else { Ordering::Greater },
            (_, Sorted::Missing) => return if self.missing_first { Ordering::Greater } else { Ordering::Less },
            (Sorted::Text(one), Sorted::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
            (Sorted::Whole(one), Sorted::Whole(other)) => one.cmp(other),
            // Fields of several indices may be of several types.
            (Sorted::Text(_), _) => Ordering::Greater,
            (_, Sorted::Text(_)) => Ordering::Less,
            (one, other) => number(one).total_cmp(&number(other)),
        };
        if self.down { values.reverse() } else { values }
    }

    /// A value of `search_after`, as the values of hits are.
    ///
    /// # Errors
    /// The field has no such values.
    pub fn given(&self, value: &Value, kind: Option<FieldType>) -> Result<Sorted, SearchError> {
        let wrong =
            || SearchError::parsing(format!("Failed to parse search_after value for field [{}]: {value}", self.name()));
        if value.is_null() {
            return Ok(Sorted::Missing);
        }
        let text = scalar(value).ok_or_else(wrong)?;
        match (&self.of, kind) {
            (Of::Place, _) => text.parse().map(Sorted::Whole).map_err(|_| wrong()),
            // A hit's own value, which is what its field has.
            (Of::Score | Of::Distance(..), _) | (_, Some(FieldType::Float | FieldType::Double)) => {
                text.parse().map(Sorted::Number).map_err(|_| wrong())
            }
            (_, Some(FieldType::Long)) => match text.parse::<i64>() {
                Ok(number) => Ok(Sorted::Whole(number)),
                Err(_) => text.parse().map(Sorted::Number).map_err(|_| wrong()),
            },
            (_, Some(FieldType::Boolean)) => match text.as_str() {
                "true" | "1" => Ok(Sorted::Whole(1)),
                "false" | "0" => Ok(Sorted::Whole(0)),
                _ => Err(wrong()),
            },
            (_, Some(FieldType::Date)) => date::moment(&text, None, Zone::UTC).map(Sorted::Whole).ok_or_else(wrong),
            _ => Ok(Sorted::Text(text)),
        }
    }

    fn name(&self) -> &str {
        match &self.of {
            Of::Score => "_score",
            Of::Place => "_doc",
            Of::Field(name) | Of::Distance(name, ..) => name,
        }
    }

    /// The column of the key's values and their type; none where no index has the field.
    ///
    /// # Errors
    /// Hits can't be sorted by it.
    pub fn field(&self, mappings: &Mappings, indices: &[String]) -> Result<Option<(String, FieldType)>, SearchError> {
        if let Of::Distance(name, ..) = &self.of {
            return match mappings.field(indices, name) {
                Some(FieldType::GeoPoint) => Ok(Some((format!("{FIELDS}.{name}"), FieldType::GeoPoint))),
                None if self.lenient || indices.is_empty() => Ok(None),
                _ => {
                    Err(SearchError::illegal(format!("failed to find mapper for [{name}] for geo distance based sort")))
                }
            };
        }
        let Of::Field(name) = &self.of else { return Ok(None) };
        match column_of(mappings, indices, name) {
            Some((_, FieldType::Text)) => Err(SearchError::illegal(format!(
                "Fielddata is disabled on [{name}]: text fields are not optimised for sorting; use [{name}.keyword]"
            ))),
            Some((_, kind)) if !Stored::has(kind) => {
                Err(SearchError::illegal(format!("can't sort on field [{name}] of type [{}]", kind.name())))
            }
            None if !self.lenient && !indices.is_empty() => {
                Err(SearchError::shard(format!("No mapping found for [{name}] in order to sort on")))
            }
            column => Ok(column),
        }
    }
}

fn number(value: &Sorted) -> f64 {
    match value {
        Sorted::Whole(number) => *number as f64,
        Sorted::Number(number) => *number,
        Sorted::Missing | Sorted::Text(_) => f64::NAN,
    }
}

/// The keys of `sort`: names and objects, one or some.
///
/// # Errors
/// It is none.
pub fn read(sort: &Value) -> Result<Vec<Key>, SearchError> {
    let one;
    let listed = match sort {
        Value::Array(values) => values.as_slice(),
        other => {
            one = [other.clone()];
            &one
        }
    };
    let mut keys = Vec::new();
    for value in listed {
        match value {
            Value::String(name) => {
                let (name, order) =
                    name.split_once(':').map_or((name.as_str(), None), |(name, order)| (name, Some(order)));
                keys.push(key(name, order, None)?);
            }
            Value::Object(members) => {
                for (name, value) in members {
                    keys.push(match value {
                        Value::Object(_) if name == "_geo_distance" => distance(value)?,
                        Value::String(order) => key(name, Some(order), None)?,
                        value => key(name, None, Some(value))?,
                    });
                }
            }
            _ => {
                return Err(SearchError::parsing(
                    "malformed sort format, within the sort array, an object, or an actual string are allowed",
                ));
            }
        }
    }
    if keys.len() > MOST {
        return Err(SearchError::illegal(format!("there are more than [{MOST}] keys in [sort]")));
    }
    Ok(keys)
}

/// `_geo_distance`: how far a field's places are from one or some.
fn distance(options: &Value) -> Result<Key, SearchError> {
    let mut members = Members::of(options, "_geo_distance")?;
    let down = is_down(members.text("order")?.as_deref())?.unwrap_or(false);
    let unit = members.text("unit")?.unwrap_or_else(|| "m".to_owned());
    let metres = place::metres(&format!("1{unit}"))
        .ok_or_else(|| SearchError::illegal(format!("No distance unit match [{unit}]")))?;
    let lenient = members.flag("ignore_unmapped")?.unwrap_or(false);
    let largest = match members.text("mode")?.as_deref() {
        None => down,
        Some("min") => false,
        Some("max") => true,
        Some(other) => {
            return Err(SearchError::illegal(format!("[_geo_distance] [mode] is min or max here, not [{other}]")));
        }
    };
    // An arc is more exact than a plane, and fast enough.
    members.take("distance_type");
    match members.text("validation_method")?.as_deref() {
        None | Some("STRICT" | "strict") => {}
        Some(other) => return Err(SearchError::illegal(format!("[validation_method] [{other}] isn't known here"))),
    }
    let (field, value) = members.only()?;
    let places = Place::all(value);
    let places =
        places.ok_or_else(|| SearchError::parsing(format!("[_geo_distance] [{field}] is no place: {value}")))?;
    if places.len() > MOST {
        return Err(SearchError::illegal(format!("there are more than [{MOST}] places in [_geo_distance]")));
    }
    // What has no place is infinitely far.
    Ok(Key { of: Of::Distance(field.to_owned(), places, metres), down, missing_first: down, lenient, largest })
}

fn is_down(order: Option<&str>) -> Result<Option<bool>, SearchError> {
    match order {
        None => Ok(None),
        Some("asc") => Ok(Some(false)),
        Some("desc") => Ok(Some(true)),
        Some(other) => Err(SearchError::illegal(format!("Unknown SortOrder [{other}]"))),
    }
}

fn key(name: &str, order: Option<&str>, options: Option<&Value>) -> Result<Key, SearchError> {
    let of = match name {
        "_score" => Of::Score,
        "_doc" | "_shard_doc" => Of::Place,
        name => Of::Field(name.to_owned()),
    };
    let (mut order, mut missing, mut lenient, mut mode) = (order.map(str::to_owned), None, false, None);
    if let Some(options) = options {
        let mut members = Members::of(options, "sort")?;
        order = members.text("order")?;
        missing = members.text("missing")?;
        lenient = members.text("unmapped_type")?.is_some();
        mode = members.text("mode")?;
        members.end()?;
    }
    let down = is_down(order.as_deref())?.unwrap_or(of == Of::Score);
    let missing_first = match missing.as_deref() {
        None | Some("_last") => false,
        Some("_first") => true,
        Some(other) => {
            return Err(SearchError::parsing(format!("[sort] [missing] is _first or _last here, not [{other}]")));
        }
    };
    let largest = match mode.as_deref() {
        None => down,
        Some("min") => false,
        Some("max") => true,
        Some(other) => return Err(SearchError::parsing(format!("[sort] [mode] is min or max here, not [{other}]"))),
    };
    Ok(Key { of, down, missing_first, lenient, largest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_compared() {
        let keys = read(
            &json!(["a", {"b": "desc"}, {"c": {"order": "asc", "missing": "_first"}}, "_score", "_doc", "d:desc"]),
        )
        .expect("keys");
        assert_eq!(keys.iter().map(Key::name).collect::<Vec<_>>(), ["a", "b", "c", "_score", "_doc", "d"]);
        assert_eq!(keys.iter().map(|key| key.down).collect::<Vec<_>>(), [false, true, false, true, false, true]);
        let text = |text: &str| Sorted::Text(text.to_owned());
        assert_eq!(keys[0].order(&text("x"), &text("y")), Ordering::Less);
        assert_eq!(keys[1].order(&text("x"), &text("y")), Ordering::Greater);
        assert_eq!(keys[1].order(&Sorted::Missing, &text("y")), Ordering::Greater, "missing comes last, up and down");
        assert_eq!(keys[2].order(&Sorted::Missing, &text("y")), Ordering::Less);
        assert_eq!(keys[0].order(&Sorted::Whole(2), &Sorted::Number(1.5)), Ordering::Greater);
        for wrong in [json!([5]), json!({"a": "up"}), json!({"a": {"odrer": "asc"}}), json!({"a": {"missing": 5}})] {
            assert_eq!(read(&wrong).expect_err("refused").status, 400, "{wrong}");
        }
    }
}
