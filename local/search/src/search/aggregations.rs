//! Aggregations: read, held against what is known of them, and made of the documents that a search finds.

mod found;
mod histograms;
mod metrics;
mod order;
mod ranges;
mod terms;
mod values;

use std::cell::Cell;

use serde_json::{Map, Value, json};
use tantivy::DocAddress;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use crate::answer::{MOST_BYTES, SearchError};
use crate::members::Members;
use crate::patience::Patience;
use found::Found;
use histograms::Histogram;
use metrics::Metric;
use ranges::Ranges;
use terms::Terms;
use values::Values;

pub use values::Of;

/// How many buckets an answer has at most, as Elasticsearch has it.
const MOST: usize = 65_536;
/// How deep aggregations may be nested.
const DEEPEST: usize = 20;
/// How many documents are looked at between two looks at the clock.
const STEPS: usize = 16_384;
/// How many filters may stand in one aggregation.
const MOST_FILTERS: usize = 1_000;
/// What an aggregation's result takes beside its name and what the request says of it, in bytes, about.
const RESULT_BYTES: usize = 64;

/// Finds the documents of a query, as a filter has it.
pub type Find<'a> = &'a dyn Fn(&Value) -> Result<Found, SearchError>;

/// What aggregations are read by.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// What is aggregated.
    pub of: Of<'a>,
    /// Finds the documents of a filter.
    pub find: Find<'a>,
    /// How long it may take.
    pub patience: &'a Patience,
    /// In how many others these stand.
    pub depth: usize,
}

/// What aggregations are made with.
struct Making<'a> {
    patience: &'a Patience,
    /// How many buckets there may be yet.
    left: Cell<usize>,
    /// How many bytes names and what requests say of aggregations may take yet.
    bytes: Cell<usize>,
}

impl Making<'_> {
    /// Takes note of so many buckets, and looks at the clock.
    fn spend(&self, buckets: usize) -> Result<(), SearchError> {
        self.patience.check()?;
        let left = self.left.get().checked_sub(buckets);
        let left = left.ok_or_else(|| SearchError {
            status: 400,
            kind: "too_many_buckets_exception",
            reason: format!("Trying to create too many buckets. Must be less than or equal to: [{MOST}]"),
        })?;
        self.left.set(left);
        Ok(())
    }

    /// Calls with each document, and looks at the clock now and then.
    fn each(
        &self,
        documents: &[DocAddress],
        mut call: impl FnMut(DocAddress) -> Result<(), SearchError>,
    ) -> Result<(), SearchError> {
        for some in documents.chunks(STEPS) {
            self.patience.check()?;
            some.iter().try_for_each(|at| call(*at))?;
        }
        Ok(())
    }

    /// Takes note of a result of so many bytes.
    fn say(&self, bytes: usize) -> Result<(), SearchError> {
        let left = self.bytes.get().checked_sub(bytes);
        self.bytes.set(left.ok_or_else(|| SearchError::too_large(MOST_BYTES))?);
        Ok(())
    }
}

/// An aggregation with its name.
struct Named {
    name: String,
    kind: Kind,
    inner: Vec<Named>,
    /// What the request says of it, which is answered as it is.
    meta: Option<Value>,
    /// How many bytes the name and that take.
    bytes: usize,
}

enum Kind {
    Terms(Terms),
    Histogram(Histogram),
    Ranges(Ranges),
    /// Documents that a filter finds, each with its name, if it has one; and whether it is one alone.
    Filters(Vec<(Option<String>, Filter)>, bool),
    /// Documents without a value.
    Missing(Values),
    Metric(Metric),
}

enum Filter {
    Found(Found),
    /// What no other filter finds.
    Other,
}

/// The aggregations of some documents, which stand in their order.
///
/// # Errors
/// They have names or members that nobody knows, there are too many buckets, or the time is over.
pub fn aggregated(wanted: &Value, reading: Reading<'_>, documents: &[DocAddress]) -> Result<Value, SearchError> {
    let all = read(wanted, reading)?;
    let making = Making { patience: reading.patience, left: Cell::new(MOST), bytes: Cell::new(MOST_BYTES) };
    results(&all, &making, documents).map(Value::Object)
}

fn read(wanted: &Value, reading: Reading<'_>) -> Result<Vec<Named>, SearchError> {
    if reading.depth > DEEPEST {
        return Err(SearchError::illegal(format!("aggregations are nested deeper than [{DEEPEST}]")));
    }
    let named = wanted.as_object().ok_or_else(|| SearchError::parsing("[aggs] takes an object"))?;
    named.iter().map(|(name, body)| one(name, body, reading)).collect()
}

fn one(name: &str, body: &Value, reading: Reading<'_>) -> Result<Named, SearchError> {
    reading.patience.check()?;
    let mut members = Members::of(body, name)?;
    if name.is_empty() || name.contains(['[', ']', '>']) {
        return Err(SearchError::parsing(format!("Invalid aggregation name [{name}]")));
    }
    let meta = members.take("meta").cloned();
    let bytes = name.len() + meta.as_ref().map_or(0, |meta| meta.to_string().len()) + RESULT_BYTES;
    let deeper = Reading { depth: reading.depth + 1, ..reading };
    let inner = members.take("aggs").or_else(|| members.take("aggregations"));
    let inner = inner.map_or_else(|| Ok(Vec::new()), |inner| read(inner, deeper))?;
    let (kind, body) = match members.rest().as_slice() {
        [one] => *one,
        [] => return Err(SearchError::parsing(format!("Missing definition for aggregation [{name}]"))),
        [(first, _), (second, _), ..] => {
            return Err(SearchError::parsing(format!(
                "Found two aggregation type definitions in [{name}]: [{first}] and [{second}]"
            )));
        }
    };
    if kind == "filter" {
        let found = Kind::Filters(vec![(None, Filter::Found((reading.find)(body)?))], true);
        return Ok(Named { name: name.to_owned(), kind: found, inner, meta, bytes });
    }
    let mut members = Members::of(body, kind)?;
    let found = match kind {
        "terms" => Kind::Terms(Terms::read(&mut members, reading.of, &inner)?),
        "histogram" => Kind::Histogram(Histogram::read(&mut members, reading.of, &inner)?),
        "date_histogram" => Kind::Histogram(Histogram::of_times(&mut members, reading.of, &inner)?),
        "range" | "date_range" => Kind::Ranges(Ranges::read(&mut members, reading.of, kind)?),
        "missing" => Kind::Missing(Values::open(reading.of, &field(&mut members, kind)?, kind)?),
        "filters" => Kind::Filters(filters(&mut members, reading)?, false),
        other => match Metric::read(other, &mut members, reading.of)? {
            Some(metric) if inner.is_empty() => Kind::Metric(metric),
            Some(_) => {
                return Err(SearchError::parsing(format!(
                    "Aggregator [{name}] of type [{other}] cannot accept sub-aggregations"
                )));
            }
            None => return Err(SearchError::parsing(format!("Unknown aggregation type [{other}]"))),
        },
    };
    members.end()?;
    Ok(Named { name: name.to_owned(), kind: found, inner, meta, bytes })
}

/// The field that is aggregated.
fn field(members: &mut Members<'_>, kind: &str) -> Result<String, SearchError> {
    let field = members.text("field")?;
    field.ok_or_else(|| {
        SearchError::illegal(format!("Required one of fields [field, script], but none were specified for [{kind}]"))
    })
}

fn filters(members: &mut Members<'_>, reading: Reading<'_>) -> Result<Vec<(Option<String>, Filter)>, SearchError> {
    let other_key = members.text("other_bucket_key")?;
    let has_other = members.flag("other_bucket")?.unwrap_or(other_key.is_some());
    let (is_named, mut queries): (bool, Vec<(Option<&String>, &Value)>) = match members.take("filters") {
        Some(Value::Object(named)) => (true, named.iter().map(|(name, query)| (Some(name), query)).collect()),
        Some(Value::Array(queries)) => (false, queries.iter().map(|query| (None, query)).collect()),
        _ => return Err(SearchError::parsing("[filters] takes named filters or an array of filters")),
    };
    let count = queries.len();
    if count == 0 {
        return Err(SearchError::illegal("[filters] cannot be empty."));
    }
    if count > MOST_FILTERS {
        return Err(SearchError::illegal(format!(
            "Number of filters is too large, must be less than or equal to: [{MOST_FILTERS}] but was [{count}]"
        )));
    }
    // Named ones are answered in the order of their names; the sort is stable.
    queries.sort_by_key(|(name, _)| *name);
    let found = |(name, query): (Option<&String>, _)| Ok((name.cloned(), Filter::Found((reading.find)(query)?)));
    let mut all = queries.into_iter().map(found).collect::<Result<Vec<_>, SearchError>>()?;
    if has_other {
        let key = other_key.unwrap_or_else(|| "_other_".to_owned());
        all.push((is_named.then_some(key), Filter::Other));
    }
    Ok(all)
}

fn results(all: &[Named], making: &Making<'_>, documents: &[DocAddress]) -> Result<Map<String, Value>, SearchError> {
    let mut found = Map::new();
    for named in all {
        making.say(named.bytes)?;
        let mut result = result(named, making, documents)?;
        if let Some(meta) = &named.meta {
            result["meta"] = meta.clone();
        }
        found.insert(named.name.clone(), result);
    }
    Ok(found)
}

fn result(named: &Named, making: &Making<'_>, documents: &[DocAddress]) -> Result<Value, SearchError> {
    making.patience.check()?;
    match &named.kind {
        Kind::Terms(terms) => terms.result(&named.inner, making, documents),
        Kind::Histogram(histogram) => histogram.result(&named.inner, making, documents),
        Kind::Ranges(ranges) => ranges.result(&named.inner, making, documents),
        Kind::Metric(metric) => metric.result(making, documents),
        Kind::Missing(values) => {
            let without: Vec<_> = documents.iter().copied().filter(|at| !has_value(values, *at)).collect();
            bucket(&named.inner, making, &without).map(Value::Object)
        }
        Kind::Filters(filters, is_alone) => {
            let mut made = Vec::with_capacity(filters.len());
            for (name, filter) in filters {
                let fits = |at: &DocAddress| match filter {
                    Filter::Found(found) => found.contains(*at),
                    Filter::Other => {
                        !filters.iter().any(|(_, filter)| matches!(filter, Filter::Found(found) if found.contains(*at)))
                    }
                };
                let within: Vec<_> = documents.iter().copied().filter(fits).collect();
                made.push((name.clone().unwrap_or_default(), bucket(&named.inner, making, &within)?));
            }
            if *is_alone {
                return Ok(made.pop().map(|(_, bucket)| Value::Object(bucket)).unwrap_or_default());
            }
            let is_keyed = filters.iter().all(|(name, _)| name.is_some());
            Ok(buckets(made, is_keyed))
        }
    }
}

/// Buckets as an answer has them: by their names, or in a list.
fn buckets(made: impl IntoIterator<Item = (String, Map<String, Value>)>, is_keyed: bool) -> Value {
    let made = made.into_iter().map(|(name, bucket)| (name, Value::Object(bucket)));
    let made: Value = if is_keyed { made.collect() } else { made.map(|(_, bucket)| bucket).collect() };
    json!({ "buckets": made })
}

fn has_value(values: &Values, at: DocAddress) -> bool {
    let (mut texts, mut numbers) = (Vec::new(), Vec::new());
    values.ordinals(at, &mut texts);
    values.each(at, &mut numbers);
    !texts.is_empty() || !numbers.is_empty()
}

/// A bucket with these documents, without its key.
fn bucket(inner: &[Named], making: &Making<'_>, documents: &[DocAddress]) -> Result<Map<String, Value>, SearchError> {
    making.spend(1)?;
    let mut bucket = counted(documents);
    bucket.extend(results(inner, making, documents)?);
    Ok(bucket)
}

/// A bucket that says only how many documents are in it.
fn counted(documents: &[DocAddress]) -> Map<String, Value> {
    Map::from_iter([("doc_count".to_owned(), json!(documents.len()))])
}

/// The documents that are found, in their order.
pub struct Documents;

/// Those of a segment.
pub struct OfSegment {
    ordinal: SegmentOrdinal,
    found: Vec<DocAddress>,
}

impl Collector for Documents {
    type Fruit = Vec<DocAddress>;
    type Child = OfSegment;

    fn for_segment(&self, ordinal: SegmentOrdinal, _: &SegmentReader) -> tantivy::Result<OfSegment> {
        Ok(OfSegment { ordinal, found: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Vec<DocAddress>>) -> tantivy::Result<Vec<DocAddress>> {
        let mut all: Vec<DocAddress> = fruits.into_iter().flatten().collect();
        all.sort_unstable();
        Ok(all)
    }
}

impl SegmentCollector for OfSegment {
    type Fruit = Vec<DocAddress>;

    fn collect(&mut self, document: DocId, _: Score) {
        self.found.push(DocAddress::new(self.ordinal, document));
    }

    fn harvest(self) -> Vec<DocAddress> {
        self.found
    }
}
