//! The newest lines of a log that have every word somewhere.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use lakewright_config::agents::shipper::sources::{index_of, name_mistake};
use serde_json::{Value, json};

use super::shown::seconds;
use crate::plain;

/// The members of logs that words are looked for in: those of the application's, of agents' and of the journal's records.
const LOGGED: [&str; 13] = [
    "message",
    "level",
    "logger",
    "target",
    "error",
    "error.message",
    "error.type",
    "MESSAGE",
    "SYSLOG_IDENTIFIER",
    "user_id",
    "request_id",
    "log_host",
    "log_path",
];

/// What is asked of which indices.
#[derive(Debug)]
pub struct Asked {
    /// What their names begin with, before the day.
    pub index: String,
    /// The search.
    pub body: Value,
}

/// The search for lines of a log.
///
/// # Errors
/// The log's name is none of a shipper's source.
pub fn asked(words: &str, source: &str, index: &str, limit: u32) -> Result<Asked> {
    if let Some(mistake) = name_mistake(source) {
        bail!("`--log {}` is no name of a shipper's source: {mistake}", plain::line(source));
    }
    let each = words.split_whitespace();
    let each: Vec<Value> =
        each.map(|word| json!({ "multi_match": { "query": word, "fields": LOGGED, "lenient": true } })).collect();
    let query = if each.is_empty() { json!({ "match_all": {} }) } else { json!({ "bool": { "must": each } }) };
    let newest = json!([{ "@timestamp": { "order": "desc", "unmapped_type": "date" } }]);
    Ok(Asked { index: index_of(index, source), body: json!({ "query": query, "sort": newest, "size": limit }) })
}

/// A line of a log: its time, its host, how grave it is, and what it says, with the words in bold.
pub fn line(hit: &Value, words: &str) -> String {
    let source = &hit["_source"];
    let get = |name: &str| source[name].as_str().unwrap_or_default();
    let time = seconds(get("@timestamp"));
    let said = ["message", "MESSAGE"].map(get).into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let error = match &source["error"] {
        Value::String(text) => format!("  {text}"),
        Value::Object(error) => {
            let parts = ["type", "message"].map(|name| error.get(name).and_then(Value::as_str).unwrap_or_default());
            format!("  {}", parts.join(" ").trim())
        }
        _ => String::new(),
    };
    let line = format!("{time}  {:20}  {:5}  {said}{error}", get("log_host"), get("level"));
    // Customers wrote parts of it.
    marked(&plain::line(line.trim_end()), words) + "\n"
}

/// The text with the words in bold, in whatever case they stand in it.
fn marked(text: &str, words: &str) -> String {
    let bold = clap::builder::styling::Style::new().bold();
    let lower = text.to_lowercase();
    let mut places: Vec<(usize, usize)> = Vec::new();
    // Lower case may have other lengths; then nothing is marked.
    for word in words.split_whitespace().map(str::to_lowercase).filter(|_| lower.len() == text.len()) {
        places.extend(lower.match_indices(&word).map(|(start, found)| (start, start + found.len())));
    }
    places.sort_unstable();
    let (mut out, mut at) = (String::new(), 0);
    for (start, end) in places {
        if start >= at && text.is_char_boundary(start) && text.is_char_boundary(end) {
            let _ = write!(out, "{}{bold}{}{bold:#}", &text[at..start], &text[start..end]);
            at = end;
        }
    }
    out + &text[at..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_log_have_every_word_and_the_newest_comes_first() {
        let logs = asked("checkout ERROR", "application", "user-actions", 5).unwrap();
        assert_eq!(logs.index, "user-actions-application");
        let must = logs.body["query"]["bool"]["must"].as_array().unwrap();
        assert_eq!(
            must.iter().map(|one| one["multi_match"]["query"].as_str().unwrap()).collect::<Vec<_>>(),
            ["checkout", "ERROR"]
        );
        assert_eq!(logs.body["sort"][0]["@timestamp"]["order"], "desc");
        let all = asked("", "agents", "user-actions", 5).unwrap();
        assert!(all.body["query"]["match_all"].is_object(), "{}", all.body);
        let slip = asked("a", "Application", "user-actions", 5).err().unwrap().to_string();
        assert!(slip.starts_with("`--log Application` is no name of a shipper's source: at most 40"), "{slip}");
        let hit = json!({ "_source": {
            "@timestamp": "2026-01-02T03:04:05.678Z", "log_host": "shop", "level": "ERROR", "message": "checkout\u{1b}[2J",
            "error": { "type": "Declined", "message": "no funds" },
        } });
        let text = anstream::adapter::strip_str(&line(&hit, "checkout")).to_string();
        assert_eq!(text, "2026-01-02 03:04:05  shop                  ERROR  checkout\\x1b[2J  Declined no funds\n");
    }
}
