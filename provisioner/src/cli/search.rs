//! `lakewright search`: words in, ranked user actions out.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use lakewright_platform::http::Client;
use serde_json::{Value, json};

use crate::app::{Global, Outcome, RunFile, print, say};
use crate::plain;

/// The members that words are looked for in, and how much a hit in each counts.
const FIELDS: [&str; 9] = [
    "search_keywords^3",
    "product_name^2",
    "event_type",
    "location",
    "category",
    "brand",
    "user_id",
    "user_agent",
    "ip_address",
];

/// What is looked for, and where.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The words
    #[arg(required = true)]
    pub words: Vec<String>,
    /// The search cluster; with user and password, by the variable
    #[arg(long, value_name = "URL", env = "LAKEWRIGHT_SEARCH_URL", hide_env_values = true)]
    pub url: Option<String>,
    /// The certificates, in PEM, that the cluster's is signed by: a stack's search host publishes search/authority.pem
    #[arg(long, value_name = "FILE")]
    pub authority: Option<PathBuf>,
    /// How many hits are shown
    #[arg(long, default_value_t = 10)]
    pub limit: u32,
}

/// `lakewright search`.
pub async fn run(global: &Global, options: &Options) -> Result<Outcome> {
    let (words, limit) = (options.words.join(" "), options.limit);
    let url = match &options.url {
        Some(url) => url.clone(),
        None => {
            let run = RunFile::read(&global.data)
                .context("no search cluster is named; --url or LAKEWRIGHT_SEARCH_URL names one")?;
            run.search
        }
    };
    let body = json!({
        "query": { "multi_match": { "query": words, "fields": FIELDS, "type": "cross_fields" } },
        "size": limit,
    });
    let target = format!("{}/user-actions-2*/_search", url.trim_end_matches('/'));
    let is_local = options.url.is_none();
    let client = match &options.authority {
        Some(path) => {
            let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
            Client::trusting(&text).with_context(|| format!("read {}", path.display()))?
        }
        None => Client::new(&url)?,
    };
    let answer = client.post(&target, &body, Duration::from_secs(30)).await;
    let answer = answer.map_err(|error| refused(error, is_local)).context("search")?;
    let hits = answer["hits"]["hits"].as_array().map(Vec::as_slice).unwrap_or_default();
    let total = answer["hits"]["total"]["value"].as_u64().unwrap_or(hits.len() as u64);
    if hits.is_empty() {
        say(&format!("No user action matches `{words}`."));
        return Ok(Outcome::Done);
    }
    say(&format!("{} of {total} hits for `{words}`, in {} ms:\n", hits.len(), answer["took"]));
    print(&hits.iter().map(|hit| shown(hit, &words)).collect::<String>())
}

/// Says what to do where the index on this machine doesn't know the password any more, which `up` notes at its start.
fn refused(error: anyhow::Error, is_local: bool) -> anyhow::Error {
    if is_local && error.to_string().contains(" answered 401 ") {
        return error.context("the password in run.json is of before: restart `lakewright up`");
    }
    error
}

/// One hit: its score, its time, what was done by whom and where, the words that were found in bold.
fn shown(hit: &Value, words: &str) -> String {
    let source = &hit["_source"];
    let get = |name: &str| source[name].as_str().unwrap_or_default();
    let time = get("event_time").get(..19).unwrap_or_default().replace('T', " ");
    let mut line = format!("{:>6.2}  {time}  {:13}", hit["_score"].as_f64().unwrap_or_default(), get("event_type"));
    let what =
        ["search_keywords", "product_name"].map(get).into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let place = source["location"].as_array().map(|parts| {
        let part = |index: usize| parts.get(index).and_then(Value::as_str).unwrap_or_default();
        format!("{}, {}", part(2), part(3))
    });
    let _ = write!(line, "  {:36}  {:28}  {}", what, place.unwrap_or_default(), get("user_id"));
    // Customers wrote it.
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
    fn a_password_of_before_is_told_where_up_wrote_it_down() {
        let error = |status| anyhow::anyhow!("http://127.0.0.1:1/_search answered {status}: no");
        let said = |status, is_local| format!("{:#}", refused(error(status), is_local));
        assert!(said("401 Unauthorized", true).starts_with("the password in run.json is of before: restart"));
        for (status, is_local) in [("401 Unauthorized", false), ("503 Service Unavailable", true)] {
            assert!(!said(status, is_local).contains("run.json"), "{status}");
        }
    }

    #[test]
    fn what_customers_wrote_acts_on_no_terminal() {
        let hit = json!({"_score": 1.5, "_source": {
            "event_time": "2026-01-02T03:04:05.678Z", "event_type": "search\u{1b}[2J", "search_keywords": "red\nlipstick\u{202e}",
            "location": [59.3, 18.1, "Stock\u{9b}2Jholm", "Sweden"], "user_id": "u-1\u{7}",
        }});
        let line = shown(&hit, "lipstick");
        assert_eq!(plain::styled(&line), line);
        let text = anstream::adapter::strip_str(&line).to_string();
        let expected = "  1.50  2026-01-02 03:04:05  search\\x1b[2J  red\\nlipstick\\u{202e}";
        assert!(text.starts_with(&expected[..42]) && text.ends_with("u-1\\x07\n"), "{text}");
        assert!(text.contains("red\\nlipstick\\u{202e}") && text.contains("Stock\\x9b2Jholm, Sweden"), "{text}");
    }
}
