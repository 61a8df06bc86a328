//! What an index says of its values: those that it holds, and how many hits have each.

use serde_json::{Map, Value, json};

use super::Known;
use super::dictionary::BROWSERS;
use super::places::COUNTRIES;
use super::words;

/// The members whose values are known, and how many of each are asked for at most.
const VALUES: [(&str, u32); 5] =
    [("product_name", 5000), ("brand", 1000), ("category", 500), ("location", 3000), ("event_type", 100)];
/// How many buckets are asked for of members of which several stand for one value.
const MANY: u32 = 1000;
/// How many values of a facet are shown.
const SHOWN: usize = 5;

/// A facet: what it is of, and its values with their counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// What it is of.
    pub name: &'static str,
    /// The values that most hits have.
    pub values: Vec<(String, u64)>,
}

fn terms(member: &str, size: u32) -> Value {
    json!({ "terms": { "field": format!("{member}.keyword"), "size": size } })
}

/// A search for the values that an index holds, and for nothing else.
pub fn values() -> Value {
    let aggregations: Map<String, Value> =
        VALUES.iter().map(|(member, size)| ((*member).to_owned(), terms(member, *size))).collect();
    json!({ "size": 0, "track_total_hits": false, "aggs": aggregations })
}

/// The same of the members of which an answer has none, as keywords; nothing when it has what every action has.
pub fn values_as_keywords(answer: &Value) -> Option<Value> {
    let lacks = |member: &str| buckets(answer, member).next().is_none();
    if !lacks("event_type") && !lacks("location") {
        return None;
    }
    let lacking = VALUES.iter().filter(|(member, _)| lacks(member));
    let aggregations: Map<String, Value> = lacking
        .map(|(member, size)| ((*member).to_owned(), json!({ "terms": { "field": member, "size": size } })))
        .collect();
    Some(json!({ "size": 0, "track_total_hits": false, "aggs": aggregations }))
}

/// The values in such answers.
pub fn known(answers: &[Value], members: Vec<String>) -> Known {
    let all = |member: &str| -> Vec<String> {
        answers.iter().flat_map(|answer| buckets(answer, member)).map(|(value, _)| value.to_owned()).collect()
    };
    let mut known = Known {
        products: all("product_name"),
        brands: all("brand"),
        categories: all("category"),
        actions: all("event_type"),
        members,
        ..Known::default()
    };
    for value in all("location") {
        match place(&value) {
            Some(Place::City) => known.cities.push(value),
            Some(Place::Country) => known.countries.push(value),
            None => {}
        }
    }
    known
}

/// The members that mappings of indices name, objects' with their paths.
pub fn members(mappings: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for index in mappings.as_object().into_iter().flat_map(Map::values) {
        collect("", &index["mappings"]["properties"], &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn collect(path: &str, properties: &Value, found: &mut Vec<String>) {
    for (name, mapping) in properties.as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(&path, &mapping["properties"], found);
        found.push(path);
    }
}

/// What a part of a location is; coordinates and time zones are none.
enum Place {
    City,
    Country,
}

fn place(value: &str) -> Option<Place> {
    if value.contains('/') || !value.chars().any(char::is_alphabetic) {
        return None;
    }
    let folded = words::fold(value);
    let is_code = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_name = || COUNTRIES.iter().any(|(_, names)| names.iter().any(|name| words::fold(name) == folded));
    // A city that is a state as well is looked for as a city; their hits are the same.
    Some(if is_code || (is_name() && folded != "singapore") { Place::Country } else { Place::City })
}

/// The aggregations of facets.
pub fn wanted() -> Value {
    json!({
        "browser": terms("user_agent", MANY),
        "product": terms("product_name", SHOWN as u32),
        "place": terms("location", MANY),
        "action": terms("event_type", SHOWN as u32),
    })
}

/// The facets of an answer, without those that have no values.
pub fn found(answer: &Value) -> Vec<Facet> {
    let each = ["browser", "product", "place", "action"].map(|name| {
        let mut values: Vec<(String, u64)> = Vec::new();
        for (value, count) in buckets(answer, name) {
            let value = match name {
                "browser" => browser(value).to_owned(),
                "place" if !matches!(place(value), Some(Place::City)) => continue,
                _ => value.to_owned(),
            };
            match values.iter_mut().find(|(known, _)| *known == value) {
                Some((_, counted)) => *counted += count,
                None => values.push((value, count)),
            }
        }
        values.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        values.truncate(SHOWN);
        Facet { name, values }
    });
    each.into_iter().filter(|facet| !facet.values.is_empty()).collect()
}

/// The browser that a header names.
pub fn browser(header: &str) -> &'static str {
    let lower = header.to_lowercase();
    let words: Vec<&str> = lower.split(|letter: char| !letter.is_alphanumeric()).collect();
    let is = |word: &str| words.contains(&word);
    let named = BROWSERS.iter().find(|browser| is(browser.word) && !browser.others.iter().any(|other| is(other)));
    named.map_or("another", |browser| browser.name)
}

/// The buckets of an aggregation.
fn buckets<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = (&'a str, u64)> + use<'a> {
    let buckets = answer["aggregations"][name]["buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
    buckets.iter().filter_map(|bucket| Some((bucket["key"].as_str()?, bucket["doc_count"].as_u64()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &str, values: &[(&str, u64)]) -> Value {
        let buckets: Vec<Value> = values.iter().map(|(key, count)| json!({ "key": key, "doc_count": count })).collect();
        json!({ "aggregations": { name: { "buckets": buckets } } })
    }

    #[test]
    fn places_are_told_from_what_stands_beside_them() {
        let answer = answer(
            "location",
            &[("59.3293", 3), ("18.0686", 3), ("Stockholm", 3), ("SE", 3), ("Europe/Stockholm", 3), ("Sweden", 1)],
        );
        let known = known(std::slice::from_ref(&answer), Vec::new());
        assert_eq!(
            (known.cities, known.countries),
            (vec!["Stockholm".to_owned()], vec!["SE".to_owned(), "Sweden".to_owned()])
        );
    }

    #[test]
    fn headers_of_one_browser_are_counted_together() {
        let answer = answer(
            "browser",
            &[
                ("Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", 5),
                ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", 4),
                ("Mozilla/5.0 (Linux) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36", 3),
                ("Mozilla/5.0 AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15", 2),
                ("Mozilla/5.0 SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", 1),
                ("python-requests/2.32.3", 1),
            ],
        );
        let facets = found(&answer);
        let values: Vec<(&str, u64)> = facets[0].values.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(values, [("Chrome", 8), ("Edge", 4), ("Safari", 2), ("Samsung Internet", 1), ("another", 1)]);
    }

    #[test]
    fn keywords_are_asked_for_where_texts_have_none() {
        let first = answer("event_type", &[("search", 1)]);
        let second = values_as_keywords(&first).expect("no location");
        assert_eq!(second["aggs"]["location"]["terms"]["field"], "location");
        assert!(second["aggs"].get("event_type").is_none(), "{second}");
        let members =
            members(&json!({ "a": { "mappings": { "properties": { "x": { "properties": { "y": {} } } } } } }));
        assert_eq!(members, ["x", "x.y"]);
    }
}
