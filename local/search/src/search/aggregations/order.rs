//! The order of buckets.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::{Kind, Named};
use crate::answer::SearchError;

/// How many keys buckets are ordered by, at most.
const MOST: usize = 32;

/// What buckets are sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    Count,
    Key,
    /// A figure of an aggregation within: its name, and which of its figures.
    Figure(String, String),
}

/// The order of buckets: by several things, each up or down.
#[derive(Debug, Clone)]
pub(super) struct Order(Vec<(By, bool)>);

impl Order {
    /// Those with most documents first, or those with the least key.
    pub(super) fn new(by_count: bool) -> Self {
        Self(vec![if by_count { (By::Count, true) } else { (By::Key, false) }])
    }

    /// Reads `order`.
    ///
    /// # Errors
    /// It names what no bucket has.
    pub(super) fn read(order: &Value, inner: &[Named]) -> Result<Self, SearchError> {
        let listed = match order {
            Value::Array(listed) => listed.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut all = Vec::new();
        for one in listed {
            let members = one.as_object().filter(|members| members.len() == 1);
            let members = members
                .ok_or_else(|| SearchError::parsing("Must specify at least one field for [order], each alone"))?;
            for (name, direction) in members {
                let down = match direction.as_str() {
                    Some("asc") => false,
                    Some("desc") => true,
                    _ => return Err(SearchError::parsing(format!("Unknown order direction [{direction}]"))),
                };
                let by = match name.as_str() {
                    "_count" => By::Count,
                    "_key" => By::Key,
                    path => figure(path, inner)?,
                };
                all.push((by, down));
                if all.len() > MOST {
                    return Err(SearchError::illegal(format!("[order] has more than [{MOST}] keys")));
                }
            }
        }
        Ok(Self(all))
    }

    /// Whether it is that of the number of documents, the most first.
    pub(super) fn is_by_count(&self) -> bool {
        matches!(self.0.first(), Some((By::Count, true)))
    }

    /// Whether a figure of an aggregation within decides.
    pub(super) fn has_figures(&self) -> bool {
        self.0.iter().any(|(by, _)| matches!(by, By::Figure(..)))
    }

    /// Whether it is that of keys.
    pub(super) fn is_by_key(&self) -> bool {
        matches!(self.0.first(), Some((By::Key, _)))
    }

    /// Sorts buckets, which stand in the order of their keys.
    pub(super) fn sort<K: Ord>(&self, buckets: &mut [(K, Map<String, Value>)]) {
        buckets.sort_by(|(one_key, one), (other_key, other)| {
            let mut orders = self.0.iter().map(|(by, down)| {
                let order = match by {
                    By::Count => one["doc_count"].as_u64().cmp(&other["doc_count"].as_u64()),
                    By::Key => one_key.cmp(other_key),
                    By::Figure(name, part) => {
                        let figure = |bucket: &Map<String, Value>| bucket[name][part].as_f64();
                        return match (figure(one), figure(other)) {
                            (None, None) => Ordering::Equal,
                            // What has none comes last, up and down.
                            (None, _) => Ordering::Greater,
                            (_, None) => Ordering::Less,
                            (Some(one), Some(other)) if *down => other.total_cmp(&one),
                            (Some(one), Some(other)) => one.total_cmp(&other),
                        };
                    }
                };
                if *down { order.reverse() } else { order }
            });
            orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
    }
}

fn figure(path: &str, inner: &[Named]) -> Result<By, SearchError> {
    let (name, part) = path.split_once('.').unwrap_or((path, "value"));
    let wrong = || {
        SearchError::illegal(format!(
            "Invalid aggregation order path [{path}]: it is _count, _key, or a figure of an aggregation within"
        ))
    };
    let named = inner.iter().find(|named| named.name == name).ok_or_else(wrong)?;
    let part = match (&named.kind, part) {
        (Kind::Metric(metric), part) if metric.has(part) => part,
        // The number of documents of a filter.
        (Kind::Filters(_, true) | Kind::Missing(_), "value" | "_count") => "doc_count",
        _ => return Err(wrong()),
    };
    Ok(By::Figure(name.to_owned(), part.to_owned()))
}
