//! `histogram` and `date_histogram`: a bucket for each step of values.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tantivy::DocAddress;

use super::metrics::{Missing, written};
use super::order::Order;
use super::values::{Of, Values};
use super::{Making, Named, bucket, buckets, field};
use crate::answer::SearchError;
use crate::date::{self, Step, Steps, Written, Zone, millis};
use crate::members::{Members, scalar};

/// How values are put into steps.
enum Stepping {
    /// Numbers, by an interval and from where it is counted.
    Numbers(f64, f64),
    Times(Steps),
}

/// Two bounds, each with its belonging to them.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    least: Option<f64>,
    most: Option<f64>,
}

/// A bucket for each step of values.
pub(super) struct Histogram {
    values: Values,
    stepping: Stepping,
    least: usize,
    order: Order,
    is_keyed: bool,
    missing: Option<f64>,
    /// Between which there are buckets though they are empty.
    extended: Option<Bounds>,
    /// Beyond which there are none.
    hard: Option<Bounds>,
    written: Written,
}

impl Histogram {
    pub(super) fn read(members: &mut Members<'_>, of: Of<'_>, inner: &[Named]) -> Result<Self, SearchError> {
        let values = Values::numbers(of, &field(members, "histogram")?, "histogram")?;
        let interval = members.number("interval")?.filter(|interval| *interval > 0.0);
        let interval =
            interval.ok_or_else(|| SearchError::illegal("[interval] must be >0 for histogram aggregation"))?;
        let offset = members.number("offset")?.unwrap_or(0.0);
        let bound = |value: &Value| value.as_f64();
        let stepping = Stepping::Numbers(interval, offset);
        Self::rest(members, (values, stepping, written(None, Zone::UTC)?), inner, bound)
    }

    pub(super) fn of_times(members: &mut Members<'_>, of: Of<'_>, inner: &[Named]) -> Result<Self, SearchError> {
        let name = field(members, "date_histogram")?;
        let values = Values::numbers(of, &name, "date_histogram")?;
        if values.kind.is_some() && !values.are_times() {
            return Err(SearchError::illegal(format!(
                "Field [{name}] is not supported for aggregation [date_histogram]: it has no times"
            )));
        }
        let step = match (members.text("calendar_interval")?, members.text("fixed_interval")?) {
            (Some(interval), None) => Step::calendar(&interval).ok_or_else(|| {
                SearchError::illegal(format!(
                    "The supplied interval [{interval}] could not be parsed as a calendar interval."
                ))
            })?,
            (None, Some(interval)) => Step::fixed(&interval).ok_or_else(|| {
                SearchError::illegal(format!(
                    "failed to parse setting [date_histogram.fixed_interval] with value [{interval}]"
                ))
            })?,
            (Some(_), Some(_)) => {
                return Err(SearchError::illegal(
                    "Cannot use [fixed_interval] with [calendar_interval] configuration option.",
                ));
            }
            (None, None) => {
                return Err(SearchError::illegal(
                    "Invalid interval specified, must be non-null and non-empty: [calendar_interval] or [fixed_interval]",
                ));
            }
        };
        let zone = date::zone(members.text("time_zone")?.as_deref())?;
        let offset =
            match members.text("offset")? {
                None => 0,
                Some(text) => text.parse().ok().or_else(|| millis(&text)).ok_or_else(|| {
                    SearchError::illegal(format!("failed to parse setting [offset] with value [{text}]"))
                })?,
            };
        let format = members.text("format")?;
        let bound = |value: &Value| {
            let read = |text: String| date::moment(&text, format.as_deref(), zone).map(|millis| millis as f64);
            value.as_f64().or_else(|| scalar(value).and_then(read))
        };
        let stepping = Stepping::Times(Steps { step, zone, offset });
        let written = written(format.as_deref(), zone)?;
        Self::rest(members, (values, stepping, written), inner, bound)
    }

    fn rest(
        members: &mut Members<'_>,
        (values, stepping, written): (Values, Stepping, Written),
        inner: &[Named],
        bound: impl Fn(&Value) -> Option<f64>,
    ) -> Result<Self, SearchError> {
        let least = members.whole("min_doc_count")?.unwrap_or(0) as usize;
        let order = members.take("order").map(|order| Order::read(order, inner)).transpose()?;
        let is_keyed = members.flag("keyed")?.unwrap_or(false);
        let missing = match Missing::read(members, &values)? {
            None => None,
            Some(Missing::Number(number)) => Some(number),
            Some(Missing::Text(text)) => return Err(SearchError::illegal(format!("[missing] is no number: [{text}]"))),
        };
        let mut bounds = |name: &str| -> Result<Option<Bounds>, SearchError> {
            let Some(value) = members.take(name) else { return Ok(None) };
            let mut inner = Members::of(value, name)?;
            let mut one = |side: &str| match inner.take(side).filter(|value| !value.is_null()) {
                None => Ok(None),
                Some(value) => bound(value)
                    .map(Some)
                    .ok_or_else(|| SearchError::parsing(format!("[{name}] [{side}] is no value: {value}"))),
            };
            let found = Bounds { least: one("min")?, most: one("max")? };
            inner.end()?;
            if matches!(found, Bounds { least: Some(least), most: Some(most) } if least > most) {
                return Err(SearchError::illegal(format!("[{name}.min] cannot be greater than [{name}.max]")));
            }
            Ok(Some(found))
        };
        let (extended, hard) = (bounds("extended_bounds")?, bounds("hard_bounds")?);
        Ok(Self {
            values,
            stepping,
            least,
            order: order.unwrap_or_else(|| Order::new(false)),
            is_keyed,
            missing,
            extended,
            hard,
            written,
        })
    }

    /// The number of the step that a value is in: times are numbered by where it begins.
    fn step(&self, value: f64) -> Result<i64, SearchError> {
        match &self.stepping {
            Stepping::Numbers(interval, offset) => Ok(((value - offset) / interval).floor() as i64),
            Stepping::Times(steps) => steps.floor(value as i64).ok_or_else(out_of_reach),
        }
    }

    /// The number of the step after one.
    fn next(&self, step: i64) -> Result<i64, SearchError> {
        match &self.stepping {
            Stepping::Numbers(..) => step.checked_add(1).ok_or_else(out_of_reach),
            Stepping::Times(steps) => steps.next(step).ok_or_else(out_of_reach),
        }
    }

    /// Where a step begins.
    fn begin(&self, step: i64) -> f64 {
        match &self.stepping {
            Stepping::Numbers(interval, offset) => step as f64 * interval + offset,
            Stepping::Times(_) => step as f64,
        }
    }

    fn is_within(&self, step: i64) -> bool {
        let Some(Bounds { least, most }) = self.hard else { return true };
        let begin = self.begin(step);
        let is_below = match self.stepping {
            Stepping::Numbers(..) => most.is_none_or(|most| begin <= most),
            Stepping::Times(_) => most.is_none_or(|most| begin < most),
        };
        is_below && least.is_none_or(|least| begin >= least)
    }

    pub(super) fn result(
        &self,
        inner: &[Named],
        making: &Making<'_>,
        documents: &[DocAddress],
    ) -> Result<Value, SearchError> {
        let mut groups: BTreeMap<i64, Vec<DocAddress>> = BTreeMap::new();
        let mut found = Vec::new();
        making.each(documents, |at| {
            self.values.each_or(at, self.missing, &mut found);
            for value in &found {
                let step = self.step(*value)?;
                if self.is_within(step) {
                    let group = groups.entry(step).or_default();
                    if group.last() != Some(&at) {
                        group.push(at);
                    }
                }
            }
            Ok(())
        })?;
        if self.least == 0 {
            self.fill(&mut groups, making)?;
        }
        let mut made = Vec::new();
        for (step, found) in groups {
            if found.len() >= self.least {
                made.push((step, bucket(inner, making, &found)?));
            }
        }
        self.order.sort(&mut made);
        let shown = made.into_iter().map(|(step, bucket)| {
            let begin = self.begin(step);
            let mut shown = Map::new();
            let name = match self.stepping {
                Stepping::Numbers(..) => {
                    shown.insert("key".to_owned(), json!(begin));
                    format!("{begin:?}")
                }
                Stepping::Times(_) => {
                    let text = self.written.text(step);
                    shown.insert("key_as_string".to_owned(), json!(text));
                    shown.insert("key".to_owned(), json!(step));
                    text
                }
            };
            shown.extend(bucket);
            (name, shown)
        });
        Ok(buckets(shown, self.is_keyed))
    }

    /// Puts empty ones between the first and the last, and to the bounds that are asked for.
    fn fill(&self, groups: &mut BTreeMap<i64, Vec<DocAddress>>, making: &Making<'_>) -> Result<(), SearchError> {
        let bounds = self.extended.unwrap_or_default();
        let bound = |value: Option<f64>| value.map(|value| self.step(value)).transpose();
        let (least, most) = (bound(bounds.least)?, bound(bounds.most)?);
        let known = |step: Option<&i64>| step.copied();
        let first = known(groups.keys().next()).into_iter().chain(least).min();
        let last = known(groups.keys().next_back()).into_iter().chain(most).max();
        let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
        let mut step = first;
        let mut count = 0_usize;
        while step <= last {
            count += 1;
            if count > making.left.get() {
                making.spend(count)?;
            }
            if count.is_multiple_of(16_384) {
                making.patience.check()?;
            }
            groups.entry(step).or_default();
            step = self.next(step)?;
        }
        Ok(())
    }
}

fn out_of_reach() -> SearchError {
    SearchError::illegal("a step of the histogram is out of reach")
}
