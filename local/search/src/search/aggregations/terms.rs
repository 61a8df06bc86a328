//! `terms`: a bucket for each value of a field.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};
use tantivy::DocAddress;

use super::metrics::{Missing, written};
use super::order::Order;
use super::values::{Of, Values};
use super::{Making, Named, bucket, counted, field};
use crate::answer::SearchError;
use crate::date::{Written, Zone};
use crate::field::FieldType;
use crate::members::Members;
use crate::ordered::Ordered;

/// How many buckets may be asked for.
const MOST: u64 = 65_536;

/// A value, in the order of values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Whole(i64),
    Number(Ordered),
    Text(String),
}

/// A bucket for each value of a field.
pub(super) struct Terms {
    values: Values,
    size: usize,
    least: usize,
    order: Order,
    missing: Option<Missing>,
    written: Written,
    /// Whether each bucket says how far its number may be off.
    is_error_shown: bool,
    /// The values that count, if not all do, and those that don't.
    include: Option<HashSet<String>>,
    exclude: HashSet<String>,
}

impl Terms {
    pub(super) fn read(members: &mut Members<'_>, of: Of<'_>, inner: &[Named]) -> Result<Self, SearchError> {
        let values = Values::open(of, &field(members, "terms")?, "terms")?;
        let size = members.whole("size")?.unwrap_or(10);
        if size == 0 || size > MOST {
            return Err(SearchError::illegal(format!(
                "[size] must be greater than 0 and at most {MOST}. Found [{size}]"
            )));
        }
        let least = members.whole("min_doc_count")?.unwrap_or(1);
        if least == 0 {
            return Err(SearchError::illegal("[terms] [min_doc_count] is at least 1 here"));
        }
        // There is one shard, which is asked for all.
        members.whole("shard_size")?;
        members.text("execution_hint")?;
        members.text("collect_mode")?;
        let order = members.take("order").map(|order| Order::read(order, inner)).transpose()?;
        let format = members.text("format")?;
        let missing = Missing::read(members, &values)?;
        let include = members.take("include").map(|listed| texts(listed, "include")).transpose()?;
        let exclude = members.take("exclude").map(|listed| texts(listed, "exclude")).transpose()?;
        Ok(Self {
            values,
            size: size as usize,
            least: least as usize,
            order: order.unwrap_or_else(|| Order::new(true)),
            missing,
            written: written(format.as_deref(), Zone::UTC)?,
            is_error_shown: members.flag("show_term_doc_count_error")?.unwrap_or(false),
            include,
            exclude: exclude.unwrap_or_default(),
        })
    }

    pub(super) fn result(
        &self,
        inner: &[Named],
        making: &Making<'_>,
        documents: &[DocAddress],
    ) -> Result<Value, SearchError> {
        let groups = if self.values.are_texts() || matches!(self.missing, Some(Missing::Text(_))) {
            self.by_text(making, documents)?
        } else {
            self.by_number(making, documents)?
        };
        let kept = |(key, found): &(Key, Vec<DocAddress>)| {
            let name = self.name(key);
            let is_named = self.include.as_ref().is_none_or(|include| include.contains(&name));
            is_named && !self.exclude.contains(&name) && found.len() >= self.least
        };
        let groups: Vec<_> = groups.into_iter().filter(kept).collect();
        let total: usize = groups.iter().map(|(_, found)| found.len()).sum();
        let count = groups.len();
        let by_count = self.order.is_by_count() || self.order.is_by_key();
        // Where no figure decides, only those that are shown have aggregations of their own.
        let is_late = !self.order.has_figures();
        let begun = |(key, found): (Key, Vec<DocAddress>)| {
            let head = if is_late { counted(&found) } else { bucket(inner, making, &found)? };
            Ok(((key, found), head))
        };
        let mut sorted = groups.into_iter().map(begun).collect::<Result<Vec<_>, SearchError>>()?;
        self.order.sort(&mut sorted);
        sorted.truncate(self.size);
        let done = |((key, found), head): ((Key, Vec<DocAddress>), _)| {
            Ok((key, if is_late { bucket(inner, making, &found)? } else { head }))
        };
        let buckets = sorted.into_iter().map(done).collect::<Result<Vec<_>, SearchError>>()?;
        let shown: u64 = buckets.iter().filter_map(|(_, bucket)| bucket["doc_count"].as_u64()).sum();
        let shown_buckets: Vec<Value> = buckets.into_iter().map(|(key, bucket)| self.shown(&key, bucket)).collect();
        // What a shard that sends so many may leave out, by another order than that of numbers, isn't known.
        let is_unknown = !by_count && count >= self.size + self.size / 2 + 10;
        Ok(json!({
            "doc_count_error_upper_bound": if is_unknown { -1 } else { 0 },
            "sum_other_doc_count": total as u64 - shown,
            "buckets": shown_buckets,
        }))
    }

    fn shown(&self, key: &Key, bucket: Map<String, Value>) -> Value {
        let mut shown = Map::new();
        let (value, number) = match key {
            Key::Whole(number) => (json!(number), Some(*number as f64)),
            Key::Number(Ordered(number)) => (json!(number), Some(*number)),
            Key::Text(text) => (json!(text), None),
        };
        shown.insert("key".to_owned(), value);
        if let Some(text) = number.and_then(|number| self.values.shown(number, &self.written)) {
            shown.insert("key_as_string".to_owned(), json!(text));
        }
        if self.is_error_shown {
            shown.insert("doc_count_error_upper_bound".to_owned(), json!(0));
        }
        shown.extend(bucket);
        Value::Object(shown)
    }

    /// A value as `include` has it.
    fn name(&self, key: &Key) -> String {
        match key {
            Key::Whole(number) => {
                self.values.shown(*number as f64, &self.written).unwrap_or_else(|| number.to_string())
            }
            Key::Number(Ordered(number)) => number.to_string(),
            Key::Text(text) => text.clone(),
        }
    }

    fn by_text(
        &self,
        making: &Making<'_>,
        documents: &[DocAddress],
    ) -> Result<BTreeMap<Key, Vec<DocAddress>>, SearchError> {
        let mut by_number: HashMap<(u32, u64), Vec<DocAddress>> = HashMap::new();
        let (mut found, mut without) = (Vec::new(), Vec::new());
        making.each(documents, |at| {
            self.values.ordinals(at, &mut found);
            for ordinal in &found {
                by_number.entry((at.segment_ord, *ordinal)).or_default().push(at);
            }
            if found.is_empty() {
                without.push(at);
            }
            Ok(())
        })?;
        let mut groups: BTreeMap<Key, Vec<DocAddress>> = BTreeMap::new();
        for ((segment, ordinal), found) in by_number {
            groups.entry(Key::Text(self.values.text(segment, ordinal)?)).or_default().extend(found);
        }
        if let (Some(Missing::Text(text)), false) = (&self.missing, without.is_empty()) {
            groups.entry(Key::Text(text.clone())).or_default().extend(without);
        }
        for found in groups.values_mut() {
            found.sort_unstable();
        }
        Ok(groups)
    }

    fn by_number(
        &self,
        making: &Making<'_>,
        documents: &[DocAddress],
    ) -> Result<BTreeMap<Key, Vec<DocAddress>>, SearchError> {
        let mut groups: BTreeMap<Key, Vec<DocAddress>> = BTreeMap::new();
        let is_whole = matches!(self.values.kind, Some(FieldType::Long | FieldType::Date | FieldType::Boolean));
        let (mut wholes, mut numbers, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        making.each(documents, |at| {
            keys.clear();
            if is_whole {
                self.values.wholes(at, &mut wholes);
                keys.extend(wholes.iter().copied().map(Key::Whole));
            } else {
                self.values.each(at, &mut numbers);
                keys.extend(numbers.iter().copied().map(|number| Key::Number(Ordered(number))));
            }
            if let (Some(Missing::Number(number)), true) = (&self.missing, keys.is_empty()) {
                keys.push(if is_whole { Key::Whole(*number as i64) } else { Key::Number(Ordered(*number)) });
            }
            keys.sort();
            keys.dedup();
            for key in keys.drain(..) {
                groups.entry(key).or_default().push(at);
            }
            Ok(())
        })?;
        Ok(groups)
    }
}

/// Values that are named one by one.
fn texts(listed: &Value, name: &str) -> Result<HashSet<String>, SearchError> {
    let values =
        listed.as_array().and_then(|values| values.iter().map(crate::members::scalar).collect::<Option<HashSet<_>>>());
    values.ok_or_else(|| SearchError::parsing(format!("[terms] [{name}] is an array of values here")))
}
