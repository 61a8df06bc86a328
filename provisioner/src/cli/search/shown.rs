//! Hits, facets and how a line was understood, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::lookup::facets::{self, Facet};
use crate::lookup::query::MARKS;
use crate::lookup::{Field, Meaning, Part, Understood};
use crate::plain;

/// The hits of an answer, and how many there are.
pub fn hits(answer: &Value) -> (&[Value], u64) {
    let hits = answer["hits"]["hits"].as_array().map(Vec::as_slice).unwrap_or_default();
    (hits, answer["hits"]["total"]["value"].as_u64().unwrap_or(hits.len() as u64))
}

/// One hit: its score, its time, what was done by whom and where, what was found in bold.
pub fn hit(hit: &Value, understood: &Understood) -> String {
    let source = &hit["_source"];
    let get = |name: &str| source[name].as_str().unwrap_or_default();
    let member = |name: &str| {
        let marked = hit["highlight"][name][0].as_str().filter(|marked| unmarked(marked) == get(name));
        marked.map_or_else(|| whole(get(name), understood), str::to_owned)
    };
    let what = ["search_keywords", "product_name"].into_iter().find(|name| !get(name).is_empty()).map(member);
    let place = source["location"].as_array().map(|parts| {
        let part = |index: usize| {
            let value = parts.get(index).and_then(Value::as_str).unwrap_or_default();
            let marked = hit["highlight"]["location"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let found = marked.into_iter().find(|marked| unmarked(marked) == value);
            found.map_or_else(|| whole(value, understood), str::to_owned)
        };
        format!("{}, {}", part(2), part(3))
    });
    let mut line = format!("{:>6.2}  {}  ", hit["_score"].as_f64().unwrap_or_default(), seconds(get("event_time")));
    for (text, width) in [(member("event_type"), 13), (what.unwrap_or_default(), 36), (place.unwrap_or_default(), 28)] {
        // Customers wrote it.
        let text = plain::line(&text).into_owned();
        let missing = width - unmarked(&text).chars().count().min(width);
        let _ = write!(line, "{text}{}  ", " ".repeat(missing));
    }
    let _ = write!(line, "{}", plain::line(get("user_id")));
    bold(line.trim_end()) + "\n"
}

/// The value between marks where a part of the line means just that.
fn whole(value: &str, understood: &Understood) -> String {
    let means = |part: &Part| match &part.meaning {
        Meaning::Known { field: Field::Action | Field::City | Field::Country, values } => {
            !part.excluded && values.iter().any(|known| known == value)
        }
        _ => false,
    };
    if understood.parts.iter().any(means) { format!("{}{value}{}", MARKS[0], MARKS[1]) } else { value.to_owned() }
}

fn unmarked(text: &str) -> String {
    text.replace(MARKS, "")
}

/// The text with bold letters between marks.
fn bold(text: &str) -> String {
    let style = clap::builder::styling::Style::new().bold();
    let (mut out, mut open) = (String::with_capacity(text.len() + 16), false);
    for letter in text.chars() {
        if letter == MARKS[0] && !open {
            let _ = write!(out, "{style}");
            open = true;
        } else if letter == MARKS[1] && open {
            let _ = write!(out, "{style:#}");
            open = false;
        } else if !MARKS.contains(&letter) {
            out.push(letter);
        }
    }
    if open {
        let _ = write!(out, "{style:#}");
    }
    out
}

/// A time to the second, as people write it.
pub fn seconds(time: &str) -> String {
    plain::line(time.get(..19).unwrap_or_default()).replace('T', " ")
}

/// Facets, a line each.
pub fn facets(found: &[Facet]) -> String {
    let mut text = String::new();
    for Facet { name, values } in found {
        let values: Vec<String> =
            values.iter().map(|(value, count)| format!("{} {count}", plain::line(value))).collect();
        let _ = writeln!(text, "{name:8}  {}", values.join(", "));
    }
    text
}

/// How a line was understood, a line for each part, and the query.
pub fn explained(understood: &Understood, query: &Value) -> String {
    let mut text = String::new();
    for part in &understood.parts {
        let kind = if part.excluded { format!("not {}", part.kind()) } else { part.kind().to_owned() };
        let mut line = format!("{kind:12}  {}", part.value());
        if !part.corrections.is_empty() {
            let _ = write!(line, "  (typed `{}`; taken for a slip: {})", part.typed, part.corrections.join(", "));
        } else if part.value().to_lowercase() != part.typed.to_lowercase() {
            let _ = write!(line, "  (typed `{}`)", part.typed);
        }
        let _ = writeln!(text, "{}", plain::line(&line));
    }
    let _ = writeln!(text, "{}\n", plain::json(&format!("{query:#}")));
    text
}

/// Hits, facets and how the line was understood, as one document.
pub fn document(line: &str, (understood, sentence): (&Understood, &str), query: &Value, answer: &Value) -> Value {
    let parts = understood.parts.iter().map(|part| {
        json!({
            "kind": part.kind(),
            "value": part.value(),
            "typed": part.typed,
            "excluded": part.excluded,
            "corrected": part.corrections,
        })
    });
    let hits = hits(answer).0.iter().map(|hit| {
        let highlight = hit["highlight"].as_object().into_iter().flatten().map(|(name, values)| {
            let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
            let starred = values.map(|value| value.replace(MARKS[0], "<em>").replace(MARKS[1], "</em>"));
            (name.clone(), json!(starred.collect::<Vec<_>>()))
        });
        json!({
            "index": hit["_index"],
            "id": hit["_id"],
            "score": hit["_score"],
            "highlight": highlight.collect::<serde_json::Map<_, _>>(),
            "source": hit["_source"],
        })
    });
    let facets = facets::found(answer).into_iter().map(|Facet { name, values }| {
        let values = values.into_iter().map(|(value, count)| json!({ "value": value, "count": count }));
        (name.to_owned(), values.collect::<Value>())
    });
    json!({
        "line": line,
        "understood": { "sentence": sentence, "parts": parts.collect::<Value>(), "query": query },
        "total": answer["hits"]["total"]["value"],
        "hits": hits.collect::<Value>(),
        "facets": facets.collect::<serde_json::Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(field: Field, value: &str, typed: &str, slip: bool) -> Understood {
        let meaning = Meaning::Known { field, values: vec![value.to_owned()] };
        let corrections = slip.then(|| typed.to_owned()).into_iter().collect();
        Understood { parts: vec![Part { meaning, typed: typed.to_owned(), excluded: false, corrections }] }
    }

    #[test]
    fn what_customers_wrote_acts_on_no_terminal() {
        let found = json!({"_score": 1.5, "highlight": {"search_keywords": ["red\n\u{e000}lipstick\u{e001}\u{202e}"]}, "_source": {
            "event_time": "2026-01-02T03:04:05.678Z", "event_type": "search\u{1b}[2J", "search_keywords": "red\nlipstick\u{202e}",
            "location": ["59.3", "18.1", "Stock\u{9b}2Jholm", "SE\u{e000}"], "user_id": "u-1\u{7}",
        }});
        let line = hit(&found, &understood(Field::Country, "SE\u{e000}", "Sweden", false));
        assert_eq!(plain::styled(&line), line);
        assert!(line.contains("red\\n\u{1b}[1mlipstick\u{1b}[0m\\u{202e}") && line.ends_with("u-1\\x07\n"), "{line:?}");
        let text = anstream::adapter::strip_str(&line).to_string();
        assert!(text.starts_with("  1.50  2026-01-02 03:04:05  search\\x1b[2J  red\\nlipstick\\u{202e}"), "{text}");
        assert!(text.contains("Stock\\x9b2Jholm, SE"), "{text}");
    }

    #[test]
    fn places_and_actions_that_are_meant_are_bold() {
        let found = json!({"_score": 0.0, "_source": {
            "event_time": "2026-01-02T03:04:05Z", "event_type": "login", "location": ["1", "2", "Oslo", "NO"], "user_id": "u",
        }});
        let line = hit(&found, &understood(Field::City, "Oslo", "oslo", false));
        assert!(line.contains("\u{1b}[1mOslo\u{1b}[0m, NO "), "{line:?}");
    }

    #[test]
    fn a_slip_is_explained() {
        let text = explained(&understood(Field::City, "Stockholm", "stokholm", true), &json!({ "match_all": {} }));
        assert!(
            text.starts_with("city          Stockholm  (typed `stokholm`; taken for a slip: stokholm)\n{\n"),
            "{text}"
        );
    }
}
