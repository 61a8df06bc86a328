//! Figures of values: sums, averages, and how many there are.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use tantivy::DocAddress;

use super::values::{Of, Values};
use super::{Making, field};
use crate::answer::SearchError;
use crate::date::{self, Written, Zone};
use crate::field::FieldType;
use crate::members::{Members, scalar};

/// The percentiles that are meant where none are named.
const PERCENTS: [f64; 7] = [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0];
/// How many percentiles there are at most.
const MOST: usize = 1_000;

/// What is made of values.
#[derive(Debug, Clone, PartialEq)]
enum Figure {
    One(&'static str),
    Stats,
    /// With how many deviations the bounds have.
    Extended(f64),
    Count,
    Different,
    /// Which, and whether by their names.
    Percentiles(Vec<f64>, bool),
}

/// A figure of a field.
pub(super) struct Metric {
    figure: Figure,
    values: Values,
    /// What a document without a value has.
    missing: Option<Missing>,
    written: Written,
}

/// What a document without a value has: a number, or a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Missing {
    Number(f64),
    Text(String),
}

impl Missing {
    /// Reads `missing`, a value of such a field.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn read(members: &mut Members<'_>, values: &Values) -> Result<Option<Self>, SearchError> {
        let Some(value) = members.take("missing").filter(|value| !value.is_null()) else { return Ok(None) };
        let wrong = || SearchError::illegal(format!("[missing] is no value of the field: {value}"));
        let text = scalar(value).ok_or_else(wrong)?;
        let number = match values.kind {
            Some(FieldType::Keyword | FieldType::Ip) => return Ok(Some(Self::Text(text))),
            Some(FieldType::Date) => Some(date::moment(&text, None, Zone::UTC).ok_or_else(wrong)? as f64),
            Some(FieldType::Boolean) => text.parse::<bool>().ok().map(|is| if is { 1.0 } else { 0.0 }),
            _ => text.parse::<f64>().ok().filter(|number| number.is_finite()),
        };
        Ok(Some(match number {
            Some(number) => Self::Number(number),
            // A field that doesn't exist has values of the kind that is given.
            None if values.kind.is_none() => Self::Text(text),
            None => return Err(wrong()),
        }))
    }
}

/// How times are written, by `format`.
///
/// # Errors
/// The format isn't known.
pub(super) fn written(format: Option<&str>, zone: Zone) -> Result<Written, SearchError> {
    let unknown = || SearchError::illegal(format!("Invalid format: [{}]", format.unwrap_or_default()));
    Written::new(format, zone).ok_or_else(unknown)
}

impl Metric {
    /// Reads one; none where there is none of the name.
    ///
    /// # Errors
    /// It can't be.
    pub(super) fn read(kind: &str, members: &mut Members<'_>, of: Of<'_>) -> Result<Option<Self>, SearchError> {
        let figure = match kind {
            "avg" => Figure::One("avg"),
            "min" => Figure::One("min"),
            "max" => Figure::One("max"),
            "sum" => Figure::One("sum"),
            "stats" => Figure::Stats,
            "extended_stats" => {
                let sigma = members.number("sigma")?.unwrap_or(2.0);
                if sigma < 0.0 {
                    return Err(SearchError::illegal(format!(
                        "[sigma] must be greater than or equal to 0. Found [{sigma}]"
                    )));
                }
                Figure::Extended(sigma)
            }
            "value_count" => Figure::Count,
            "cardinality" => {
                // It is exact whatever is asked for.
                members.whole("precision_threshold")?;
                Figure::Different
            }
            "percentiles" => percentiles(members)?,
            _ => return Ok(None),
        };
        let field = field(members, kind)?;
        let values = match figure {
            Figure::Count | Figure::Different => Values::open(of, &field, kind)?,
            _ => Values::numbers(of, &field, kind)?,
        };
        let format = members.text("format")?;
        if format.is_some() && values.kind.is_some() && !values.are_times() {
            return Err(SearchError::illegal(format!(
                "[{kind}] [format] is for times here, which [{field}] has none of"
            )));
        }
        let missing = Missing::read(members, &values)?;
        let written = written(format.as_deref(), Zone::UTC)?;
        Ok(Some(Self { figure, values, missing, written }))
    }

    /// Whether it has such a figure alone.
    pub(super) fn has(&self, part: &str) -> bool {
        match self.figure {
            Figure::One(_) | Figure::Count | Figure::Different => part == "value",
            Figure::Stats => ["count", "min", "max", "avg", "sum"].contains(&part),
            Figure::Extended(_) => {
                ["count", "min", "max", "avg", "sum", "sum_of_squares", "variance", "std_deviation"].contains(&part)
            }
            Figure::Percentiles(..) => false,
        }
    }

    pub(super) fn result(&self, making: &Making<'_>, documents: &[DocAddress]) -> Result<Value, SearchError> {
        if self.values.are_texts() || matches!(self.missing, Some(Missing::Text(_))) {
            return self.of_texts(making, documents);
        }
        let (mut numbers, mut of_document) = (Vec::new(), Vec::new());
        let missing = match self.missing {
            Some(Missing::Number(number)) => Some(number),
            _ => None,
        };
        making.each(documents, |at| {
            self.values.each_or(at, missing, &mut of_document);
            numbers.extend_from_slice(&of_document);
            Ok(())
        })?;
        Ok(self.shown(numbers))
    }

    fn of_texts(&self, making: &Making<'_>, documents: &[DocAddress]) -> Result<Value, SearchError> {
        let (mut count, mut different, mut numbers) = (0_usize, HashSet::new(), HashSet::new());
        let mut of_document = Vec::new();
        making.each(documents, |at| {
            self.values.ordinals(at, &mut of_document);
            count += of_document.len();
            for ordinal in &of_document {
                // Most are seen before.
                if numbers.insert((at.segment_ord, *ordinal)) {
                    different.insert(self.values.text(at.segment_ord, *ordinal)?);
                }
            }
            if let (Some(Missing::Text(text)), true) = (&self.missing, of_document.is_empty()) {
                count += 1;
                different.insert(text.clone());
            }
            Ok(())
        })?;
        Ok(json!({ "value": if self.figure == Figure::Count { count } else { different.len() } }))
    }

    fn shown(&self, mut numbers: Vec<f64>) -> Value {
        match &self.figure {
            Figure::Count => json!({ "value": numbers.len() }),
            Figure::Different => {
                json!({ "value": numbers.iter().map(|number| number.to_bits()).collect::<HashSet<_>>().len() })
            }
            Figure::One(name) => {
                let of = Sums::of(&numbers);
                let mut shown = Map::new();
                self.put(&mut shown, "value", of.get(name));
                Value::Object(shown)
            }
            Figure::Stats => Value::Object(self.stats(&Sums::of(&numbers))),
            Figure::Extended(sigma) => {
                let of = Sums::of(&numbers);
                let mut shown = self.stats(&of);
                extended(&mut shown, &of, *sigma);
                Value::Object(shown)
            }
            Figure::Percentiles(percents, is_keyed) => {
                numbers.sort_by(f64::total_cmp);
                let (mut keyed, mut listed) = (Map::new(), Vec::new());
                for percent in percents {
                    let value = percentile(&numbers, *percent);
                    let text = value.and_then(|value| self.values.shown(value, &self.written));
                    let name = format!("{percent:?}");
                    let mut one = json!({ "key": percent, "value": value });
                    keyed.insert(name.clone(), json!(value));
                    if let Some(text) = text {
                        one["value_as_string"] = json!(text);
                        keyed.insert(format!("{name}_as_string"), json!(text));
                    }
                    listed.push(one);
                }
                if *is_keyed { json!({ "values": keyed }) } else { json!({ "values": listed }) }
            }
        }
    }

    /// Puts a figure in, and how it is written.
    fn put(&self, shown: &mut Map<String, Value>, name: &str, figure: Option<f64>) {
        shown.insert(name.to_owned(), json!(figure));
        if let Some(text) = figure.and_then(|figure| self.values.shown(figure, &self.written)) {
            shown.insert(format!("{name}_as_string"), json!(text));
        }
    }

    fn stats(&self, of: &Sums) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("count".to_owned(), json!(of.count));
        for name in ["min", "max", "avg", "sum"] {
            // Nothing has no sum to write.
            if of.count == 0 && name == "sum" {
                shown.insert(name.to_owned(), json!(0.0));
            } else {
                self.put(&mut shown, name, of.get(name));
            }
        }
        shown
    }
}

/// Sums of values, in which small parts aren't lost.
#[derive(Debug, Default)]
struct Sums {
    count: usize,
    sum: f64,
    squares: f64,
    least: Option<f64>,
    most: Option<f64>,
}

impl Sums {
    fn of(numbers: &[f64]) -> Self {
        let least = numbers.iter().copied().reduce(f64::min);
        let most = numbers.iter().copied().reduce(f64::max);
        let squares = exactly(numbers.iter().map(|number| number * number));
        Self { count: numbers.len(), sum: exactly(numbers.iter().copied()), squares, least, most }
    }

    fn get(&self, name: &str) -> Option<f64> {
        match name {
            "min" => self.least,
            "max" => self.most,
            "sum" => Some(self.sum),
            _ => (self.count > 0).then(|| self.sum / self.count as f64),
        }
    }
}

/// The sum by Kahan, as Elasticsearch has it.
fn exactly(numbers: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0, 0.0);
    for number in numbers {
        let part = number - lost;
        let next = sum + part;
        lost = (next - sum) - part;
        sum = next;
    }
    sum
}

fn extended(shown: &mut Map<String, Value>, of: &Sums, sigma: f64) {
    let count = of.count as f64;
    let mean = of.get("avg");
    let spread = mean.map(|mean| (of.squares - mean * of.sum).max(0.0));
    let variance = spread.map(|spread| spread / count);
    let sampled = spread.filter(|_| of.count > 1).map(|spread| spread / (count - 1.0));
    let root = |variance: Option<f64>| variance.map(f64::sqrt);
    shown.insert("sum_of_squares".to_owned(), json!(mean.map(|_| of.squares)));
    for (name, of_all, of_samples) in
        [("variance", variance, sampled), ("std_deviation", root(variance), root(sampled))]
    {
        shown.insert(name.to_owned(), json!(of_all));
        shown.insert(format!("{name}_population"), json!(of_all));
        // One value alone has no samples: the servers write that it is no number.
        let of_samples = of_samples.map_or_else(|| mean.map_or(Value::Null, |_| json!("NaN")), |number| json!(number));
        shown.insert(format!("{name}_sampling"), of_samples);
    }
    let bound = |deviation: Option<f64>, sign: f64| match (mean, root(deviation)) {
        (Some(mean), Some(deviation)) => json!(mean + sign * sigma * deviation),
        (Some(_), None) => json!("NaN"),
        _ => Value::Null,
    };
    let bounds = json!({
        "upper": bound(variance, 1.0), "lower": bound(variance, -1.0),
        "upper_population": bound(variance, 1.0), "lower_population": bound(variance, -1.0),
        "upper_sampling": bound(sampled, 1.0), "lower_sampling": bound(sampled, -1.0),
    });
    shown.insert("std_deviation_bounds".to_owned(), bounds);
}

fn percentiles(members: &mut Members<'_>) -> Result<Figure, SearchError> {
    let wrong = || SearchError::illegal("[percents] must be numbers from 0 to 100");
    let percents = match members.take("percents") {
        None => PERCENTS.to_vec(),
        Some(Value::Array(percents)) if !percents.is_empty() && percents.len() <= MOST => {
            let each =
                percents.iter().map(|percent| percent.as_f64().filter(|percent| (0.0..=100.0).contains(percent)));
            let mut percents = each.collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
            percents.sort_by(f64::total_cmp);
            percents
        }
        Some(_) => return Err(wrong()),
    };
    // Here they are exact, whatever estimate is asked for.
    for estimate in ["tdigest", "hdr"] {
        members.take(estimate);
    }
    Ok(Figure::Percentiles(percents, members.flag("keyed")?.unwrap_or(true)))
}

/// The value below which so many of a hundred are, between two values where it falls between them.
fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = (percent / 100.0 * sorted.len() as f64 - 0.5).clamp(0.0, last as f64);
    let (below, share) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_exact() {
        let of = Sums::of(&[1.0, 2.0, 6.0]);
        assert_eq!(
            (of.get("min"), of.get("max"), of.get("avg"), of.get("sum")),
            (Some(1.0), Some(6.0), Some(3.0), Some(9.0))
        );
        assert_eq!(Sums::of(&[]).get("avg"), None);
        assert!((exactly([0.1; 10].into_iter()) - 1.0).abs() < f64::EPSILON);
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 50.0), Some(50.5));
        assert_eq!(
            (percentile(&sorted, 0.0), percentile(&sorted, 100.0), percentile(&[], 50.0)),
            (Some(1.0), Some(100.0), None)
        );
    }
}
