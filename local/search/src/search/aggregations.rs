//! Aggregations: held against what is known of them, carried out by tantivy, and shown as Elasticsearch shows them.

use serde_json::{Map, Value, json};

use crate::answer::SearchError;
use crate::document::FIELDS;
use crate::field::FieldType;
use crate::mapping::Mappings;

/// The aggregations with their members.
const KNOWN: [(&str, &[&str]); 13] = [
    ("terms", &["field", "size", "order", "min_doc_count", "missing", "show_term_doc_count_error"]),
    (
        "date_histogram",
        &[
            "field",
            "fixed_interval",
            "calendar_interval",
            "offset",
            "min_doc_count",
            "extended_bounds",
            "hard_bounds",
            "keyed",
        ],
    ),
    ("histogram", &["field", "interval", "offset", "min_doc_count", "extended_bounds", "hard_bounds", "keyed"]),
    ("range", &["field", "ranges", "keyed"]),
    ("stats", &["field", "missing"]),
    ("extended_stats", &["field", "missing", "sigma"]),
    ("avg", &["field", "missing"]),
    ("min", &["field", "missing"]),
    ("max", &["field", "missing"]),
    ("sum", &["field", "missing"]),
    ("value_count", &["field", "missing"]),
    ("cardinality", &["field", "missing"]),
    ("percentiles", &["field", "percents", "keyed", "missing"]),
];

/// Calendar intervals that are always as long, with what they are fixed.
const FIXED: [(&str, &str); 8] = [
    ("second", "1s"),
    ("1s", "1s"),
    ("minute", "1m"),
    ("1m", "1m"),
    ("hour", "1h"),
    ("1h", "1h"),
    ("day", "1d"),
    ("1d", "1d"),
];

/// Those whose results are times where their values are, in nanoseconds as tantivy has them.
const OF_TIMES: [&str; 3] = ["avg", "min", "max"];
/// Those that have nothing of a time but that it is there.
const OF_ANYTHING: [&str; 3] = ["date_histogram", "value_count", "cardinality"];

/// The types of fields.
type Types<'a> = (&'a Mappings, &'a [String]);

/// The aggregations with their fields named as they are stored.
///
/// # Errors
/// They have names or members that nobody knows.
pub fn request(wanted: &Value, types: Types<'_>) -> Result<Value, SearchError> {
    let named = wanted.as_object().ok_or_else(|| SearchError::parsing("[aggs] takes an object"))?;
    let mut all = Map::new();
    for (name, body) in named {
        let body = body.as_object().ok_or_else(|| SearchError::parsing(format!("[{name}] is no aggregation")))?;
        let mut found = Map::new();
        for (member, value) in body {
            if matches!(member.as_str(), "aggs" | "aggregations") {
                found.insert("aggs".to_owned(), request(value, types)?);
                continue;
            }
            if member == "meta" {
                continue;
            }
            let Some((kind, known)) = KNOWN.iter().find(|(known, _)| known == member) else {
                return Err(SearchError::parsing(format!("Unknown aggregation type [{member}]")));
            };
            found.insert(member.clone(), one((kind, known), value, types)?);
        }
        all.insert(name.clone(), Value::Object(found));
    }
    Ok(Value::Object(all))
}

fn one((kind, known): (&str, &[&str]), body: &Value, types: Types<'_>) -> Result<Value, SearchError> {
    let members = body.as_object().ok_or_else(|| SearchError::parsing(format!("[{kind}] takes an object")))?;
    let mut found = Map::new();
    for (name, value) in members {
        if !known.contains(&name.as_str()) {
            return Err(SearchError::parsing(format!("[{kind}] unknown field [{name}]")));
        }
        match (name.as_str(), value.as_str()) {
            ("field", Some(field)) => {
                let is_time = types.0.field(types.1, field) == Some(FieldType::Date);
                if is_time && !OF_TIMES.contains(&kind) && !OF_ANYTHING.contains(&kind) {
                    return Err(SearchError::illegal(format!(
                        "[{kind}] of times, as [{field}] has them, isn't known here"
                    )));
                }
                found.insert("field".to_owned(), json!(stored(field, types)?));
            }
            ("calendar_interval", interval) => {
                let fixed = FIXED.iter().find(|(name, _)| Some(*name) == interval);
                let (_, fixed) = fixed.ok_or_else(|| {
                    SearchError::illegal(format!(
                        "[calendar_interval] is second, minute, hour or day here, not {value}"
                    ))
                })?;
                found.insert("fixed_interval".to_owned(), json!(fixed));
            }
            _ => {
                found.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(Value::Object(found))
}

fn stored(field: &str, (mappings, indices): Types<'_>) -> Result<String, SearchError> {
    if matches!(field, "_index" | "_id") {
        return Ok(field.to_owned());
    }
    match mappings.field(indices, field) {
        Some(FieldType::Text) => Err(SearchError::illegal(format!(
            "Fielddata is disabled on [{field}], a text field: aggregate on [{field}.keyword]"
        ))),
        Some(_) => Ok(format!("{FIELDS}.{field}")),
        None => Ok(format!("{FIELDS}.{}", field.strip_suffix(".keyword").unwrap_or(field))),
    }
}

/// Milliseconds since 1970 as a text.
fn time(millis: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The results as Elasticsearch has them: times are milliseconds, with a text beside them.
pub fn shown(results: &mut Value, wanted: &Value, types: Types<'_>) {
    let (Some(results), Some(wanted)) = (results.as_object_mut(), wanted.as_object()) else { return };
    for (name, body) in wanted {
        let Some(result) = results.get_mut(name) else { continue };
        for kind in OF_TIMES {
            let field = body[kind]["field"].as_str();
            let is_time = field.is_some_and(|field| types.0.field(types.1, field) == Some(FieldType::Date));
            if is_time && let Some(nanos) = result["value"].as_f64() {
                let millis = (nanos / 1e6).floor();
                result["value"] = json!(millis);
                result["value_as_string"] = json!(time(millis as i64));
            }
        }
        let is_time = body.get("date_histogram").is_some();
        let inner = body.get("aggs").or_else(|| body.get("aggregations"));
        let buckets: Vec<&mut Value> = match result.get_mut("buckets") {
            Some(Value::Array(buckets)) => buckets.iter_mut().collect(),
            Some(Value::Object(buckets)) => buckets.values_mut().collect(),
            _ => Vec::new(),
        };
        for bucket in buckets {
            if is_time && let Some(key) = bucket["key"].as_f64() {
                // Where a segment lacks the field tantivy leaves the nanoseconds as they are, and gives no text.
                let is_millis = bucket.get("key_as_string").is_some();
                let millis = if is_millis { key as i64 } else { (key as i64).div_euclid(1_000_000) };
                bucket["key"] = json!(millis);
                bucket["key_as_string"] = json!(time(millis));
            }
            if let Some(inner) = inner {
                shown(bucket, inner, types);
            }
        }
    }
}
