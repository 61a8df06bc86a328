//! `range` and `date_range`: a bucket for each range of values.

use serde_json::{Map, Value, json};
use tantivy::DocAddress;

use super::metrics::{Missing, written};
use super::values::{Of, Values};
use super::{Making, Named, bucket, buckets, field};
use crate::answer::SearchError;
use crate::date::{self, Written};
use crate::members::{Members, scalar};

/// How many ranges there are at most.
const MOST: usize = 10_000;

/// From here on, below there.
struct Range {
    key: Option<String>,
    from: Option<f64>,
    to: Option<f64>,
}

/// A bucket for each range of values.
pub(super) struct Ranges {
    values: Values,
    ranges: Vec<Range>,
    is_keyed: bool,
    missing: Option<f64>,
    /// How times are written; none for numbers.
    written: Option<Written>,
}

impl Ranges {
    pub(super) fn read(members: &mut Members<'_>, of: Of<'_>, kind: &str) -> Result<Self, SearchError> {
        let name = field(members, kind)?;
        let values = Values::numbers(of, &name, kind)?;
        let are_times = values.are_times() || values.kind.is_none() && kind == "date_range";
        if kind == "date_range" && !are_times {
            return Err(SearchError::illegal(format!(
                "Field [{name}] is not supported for aggregation [date_range]: it has no times"
            )));
        }
        let (format, zone) = (members.text("format")?, date::zone(members.text("time_zone")?.as_deref())?);
        if !are_times && format.is_some() {
            return Err(SearchError::illegal("[range] [format] is for times here"));
        }
        let bound = |value: &Value| {
            let text = scalar(value)?;
            if are_times && !value.is_number() {
                return date::moment(&text, format.as_deref(), zone).map(|millis| millis as f64);
            }
            text.parse::<f64>().ok().filter(|number| number.is_finite())
        };
        let listed = members.take("ranges").and_then(Value::as_array);
        let listed = listed.filter(|ranges| !ranges.is_empty() && ranges.len() <= MOST);
        let listed = listed
            .ok_or_else(|| SearchError::illegal(format!("No [ranges] specified for the [{kind}] aggregation")))?;
        let mut ranges = Vec::with_capacity(listed.len());
        for range in listed {
            let mut inner = Members::of(range, "ranges")?;
            let key = inner.text("key")?;
            let mut side = |name: &str| match inner.take(name).filter(|value| !value.is_null()) {
                None => Ok(None),
                Some(value) => bound(value).map(Some).ok_or_else(|| {
                    SearchError::parsing(format!("[{kind}] [{name}] is no value of the field: {value}"))
                }),
            };
            let (from, to) = (side("from")?, side("to")?);
            inner.end()?;
            ranges.push(Range { key, from, to });
        }
        let least = |range: &Range| (range.from.unwrap_or(f64::NEG_INFINITY), range.to.unwrap_or(f64::INFINITY));
        ranges.sort_by(|one, other| {
            let (one, other) = (least(one), least(other));
            one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1))
        });
        let missing = match Missing::read(members, &values)? {
            Some(Missing::Number(number)) => Some(number),
            _ => None,
        };
        let written = if are_times { Some(written(format.as_deref(), zone)?) } else { None };
        Ok(Self { values, ranges, is_keyed: members.flag("keyed")?.unwrap_or(false), missing, written })
    }

    pub(super) fn result(
        &self,
        inner: &[Named],
        making: &Making<'_>,
        documents: &[DocAddress],
    ) -> Result<Value, SearchError> {
        let mut made = Vec::with_capacity(self.ranges.len());
        // One after the other: all their documents at once would be as many as ranges times documents.
        for range in &self.ranges {
            let group = self.within(range, making, documents)?;
            let written = |side: f64| match &self.written {
                Some(written) => written.text(side as i64),
                None => format!("{side:?}"),
            };
            let text = |side: Option<f64>| side.map_or_else(|| "*".to_owned(), written);
            let key = range.key.clone().unwrap_or_else(|| format!("{}-{}", text(range.from), text(range.to)));
            let mut shown = Map::new();
            if !self.is_keyed {
                shown.insert("key".to_owned(), json!(key));
            }
            for (name, side) in [("from", range.from), ("to", range.to)] {
                let Some(side) = side else { continue };
                shown.insert(name.to_owned(), json!(side));
                if self.written.is_some() {
                    shown.insert(format!("{name}_as_string"), json!(written(side)));
                }
            }
            shown.extend(bucket(inner, making, &group)?);
            made.push((key, shown));
        }
        Ok(buckets(made, self.is_keyed))
    }

    fn within(
        &self,
        range: &Range,
        making: &Making<'_>,
        documents: &[DocAddress],
    ) -> Result<Vec<DocAddress>, SearchError> {
        let is_within =
            |value: &f64| range.from.is_none_or(|from| *value >= from) && range.to.is_none_or(|to| *value < to);
        let (mut group, mut found) = (Vec::new(), Vec::new());
        making.each(documents, |at| {
            self.values.each_or(at, self.missing, &mut found);
            if found.iter().any(is_within) {
                group.push(at);
            }
            Ok(())
        })?;
        Ok(group)
    }
}
