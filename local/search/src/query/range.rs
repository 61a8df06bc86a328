//! `range`: values between two bounds.

use std::ops::Bound;

use serde_json::Value;
use tantivy::query::{EmptyQuery, RangeQuery};
use tantivy::{DateTime, Term};

use super::address;
use super::exact::stored;
use super::{Boxed, Parsed, Parser, any, boosted, text_term};
use crate::answer::SearchError;
use crate::date::{self, Reading, Zone};
use crate::field::FieldType;
use crate::members::{Members, scalar};

/// A bound, and whether it belongs to the range.
type Side = Option<(String, bool)>;

/// How the bounds of times are written.
#[derive(Debug, Clone, Copy)]
struct Times<'a> {
    format: Option<&'a str>,
    zone: Zone,
}

impl Parser<'_> {
    pub(super) fn range_query(&self, body: &Value) -> Parsed {
        let (field, bounds) = Members::of(body, "range")?.only()?;
        let mut members = Members::of(bounds, "range")?;
        let boost = members.boost()?;
        let format = members.text("format")?;
        let zone = members.text("time_zone")?;
        match members.text("relation")?.as_deref() {
            // Fields have values, no ranges: whichever is asked for comes to the same.
            None | Some("INTERSECTS" | "CONTAINS" | "WITHIN" | "intersects" | "contains" | "within") => {}
            Some(other) => {
                return Err(SearchError::illegal(format!("[range] query does not support relation [{other}]")));
            }
        }
        let mut side = |names: [(&str, bool); 2]| -> Result<Side, SearchError> {
            let mut found = None;
            for (name, with) in names {
                let Some(value) = members.take(name) else { continue };
                if !value.is_null() {
                    let text = scalar(value);
                    let text = text.ok_or_else(|| SearchError::parsing(format!("[range] [{name}] must be a value")))?;
                    found = Some((text, with));
                }
            }
            Ok(found)
        };
        let lower = side([("gte", true), ("gt", false)])?;
        let upper = side([("lte", true), ("lt", false)])?;
        members.end()?;
        let times = Times { format: format.as_deref(), zone: date::zone(zone.as_deref())? };
        Ok(boosted(self.ranged(field, (&lower, &upper), times)?, boost))
    }

    /// Documents whose field has a value in there.
    pub(super) fn between(&self, field: &str, (lower, upper): (&Side, &Side), zone: Option<&str>) -> Parsed {
        self.ranged(field, (lower, upper), Times { format: None, zone: date::zone(zone)? })
    }

    fn ranged(&self, field: &str, (lower, upper): (&Side, &Side), times: Times<'_>) -> Parsed {
        let whole = self.whole_of(field);
        let kind = self.mappings.field(self.indices, field).or(whole.map(|_| FieldType::Keyword));
        let Some(kind) = kind else { return Ok(Box::new(EmptyQuery)) };
        if lower.is_none() && upper.is_none() {
            return Ok(self.exists(field));
        }
        self.spend(2)?;
        match kind {
            FieldType::Date => self.times(field, (lower, upper), times),
            FieldType::Long | FieldType::Float | FieldType::Double => self.numbers((field, kind), (lower, upper)),
            FieldType::Ip => match address::between((lower, upper))? {
                Some(within) => self.addresses(field, within),
                None => Ok(Box::new(EmptyQuery)),
            },
            // One of the words is in there.
            FieldType::Text => {
                let is_above = |text: &str| match lower {
                    None => true,
                    Some((bound, true)) => text >= bound.as_str(),
                    Some((bound, false)) => text > bound.as_str(),
                };
                let is_below = |text: &str| match upper {
                    None => true,
                    Some((bound, true)) => text <= bound.as_str(),
                    Some((bound, false)) => text < bound.as_str(),
                };
                self.texts(field, "", |text| is_above(text) && is_below(text), "")
            }
            FieldType::Keyword | FieldType::Boolean => {
                let (of, path) = whole.map_or((self.layout.fields, field), |path| (self.layout.keywords, path));
                let bound = |side: &Side, base: Bound<Term>| -> Result<Bound<Term>, SearchError> {
                    let Some((text, with)) = side else { return Ok(base) };
                    let term = if kind == FieldType::Boolean {
                        self.typed(field, kind, text)?.remove(0)
                    } else {
                        text_term(of, path, text)
                    };
                    Ok(if *with { Bound::Included(term) } else { Bound::Excluded(term) })
                };
                let (from, to) = (bound(lower, Bound::Unbounded)?, bound(upper, Bound::Unbounded)?);
                Ok(any(vec![Box::new(RangeQuery::new(from, to))]))
            }
            FieldType::GeoPoint
            | FieldType::Binary
            | FieldType::Object
            | FieldType::Flattened
            | FieldType::Disabled => {
                let kind = kind.name();
                Err(SearchError::shard(format!("Field [{field}] of type [{kind}] does not support range queries")))
            }
        }
    }

    /// A bound of times is as early or as late as what it says can be, so that a day is whole.
    fn times(&self, path: &str, (lower, upper): (&Side, &Side), times: Times<'_>) -> Parsed {
        let nanos = |text: &str, up: bool| {
            let reading = Reading { format: times.format, zone: times.zone, now: self.now, up };
            reading.nanos(text).ok_or_else(|| {
                let format = times.format.unwrap_or("strict_date_optional_time||epoch_millis");
                SearchError::shard(format!("failed to parse date field [{text}] with format [{format}]"))
            })
        };
        let term = |nanos: i64| {
            let mut term = Term::from_field_json_path(self.layout.fields, path, true);
            term.append_type_and_fast_value(DateTime::from_timestamp_nanos(nanos));
            term
        };
        let from = match lower {
            None => Bound::Unbounded,
            Some((text, true)) => Bound::Included(term(nanos(text, false)?)),
            Some((text, false)) => Bound::Excluded(term(nanos(text, true)?)),
        };
        let to = match upper {
            None => Bound::Unbounded,
            Some((text, true)) => Bound::Included(term(nanos(text, true)?)),
            Some((text, false)) => Bound::Excluded(term(nanos(text, false)?)),
        };
        Ok(any(vec![Box::new(RangeQuery::new(from, to))]))
    }

    /// Whole numbers and others have columns of their own, whichever the first document of an index brought.
    fn numbers(&self, (path, kind): (&str, FieldType), (lower, upper): (&Side, &Side)) -> Parsed {
        let mut queries: Vec<Boxed> = Vec::new();
        let number = |text: &str| {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            number
                .map(|number| stored(kind, number))
                .ok_or_else(|| SearchError::shard(format!("failed to create query: For input string: \"{text}\"")))
        };
        let bound = |side: &Side| -> Result<Bound<f64>, SearchError> {
            Ok(match side {
                None => Bound::Unbounded,
                Some((text, true)) => Bound::Included(number(text)?),
                Some((text, false)) => Bound::Excluded(number(text)?),
            })
        };
        let (from, to) = (bound(lower)?, bound(upper)?);
        let floating = |number: f64| {
            let mut term = Term::from_field_json_path(self.layout.fields, path, true);
            term.append_type_and_fast_value(number);
            term
        };
        queries.push(Box::new(RangeQuery::new(from.map(floating), to.map(floating))));
        let whole = |number: i64| {
            let mut term = Term::from_field_json_path(self.layout.fields, path, true);
            term.append_type_and_fast_value(number);
            term
        };
        // The whole numbers in there: exact where the bound is one.
        let exact = |side: &Side| side.as_ref().and_then(|(text, _)| text.parse::<i64>().ok());
        let first = match (exact(lower), from) {
            (Some(number), Bound::Excluded(_)) => Bound::Excluded(number),
            (Some(number), _) => Bound::Included(number),
            (None, Bound::Unbounded) => Bound::Unbounded,
            (None, Bound::Included(number)) => Bound::Included(number.ceil() as i64),
            (None, Bound::Excluded(number)) => Bound::Included((number.floor() as i64).saturating_add(1)),
        };
        let last = match (exact(upper), to) {
            (Some(number), Bound::Excluded(_)) => Bound::Excluded(number),
            (Some(number), _) => Bound::Included(number),
            (None, Bound::Unbounded) => Bound::Unbounded,
            (None, Bound::Included(number)) => Bound::Included(number.floor() as i64),
            (None, Bound::Excluded(number)) => Bound::Included((number.ceil() as i64).saturating_sub(1)),
        };
        queries.push(Box::new(RangeQuery::new(first.map(whole), last.map(whole))));
        Ok(any(queries))
    }
}
