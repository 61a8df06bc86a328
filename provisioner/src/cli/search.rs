//! `lakewright search`: words in, ranked user actions out, or the newest lines of hosts' logs.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use lakewright_config::agents::shipper::sources::{index_of, name_mistake};
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

/// What the indices of the shipper's topics are named after.
const INDEX: &str = "user-actions";

/// What is looked for, and where.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The words
    #[arg(required_unless_present = "log")]
    pub words: Vec<String>,
    /// Looks in a log of hosts, newest line first, all words in each: `application`, `agents`, or another source of the shipper's
    #[arg(long, value_name = "SOURCE")]
    pub log: Option<String>,
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
    let asked = asked(&words, options.log.as_deref(), limit)?;
    let target = format!("{}/{}-2*/_search", url.trim_end_matches('/'), asked.index);
    let is_local = options.url.is_none();
    let client = match &options.authority {
        Some(path) => {
            let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
            Client::trusting(&text).with_context(|| format!("read {}", path.display()))?
        }
        None => Client::new(&url)?,
    };
    let answer = client.post(&target, &asked.body, Duration::from_secs(30)).await;
    let answer = answer.map_err(|error| refused(error, is_local)).context("search")?;
    let hits = answer["hits"]["hits"].as_array().map(Vec::as_slice).unwrap_or_default();
    let total = answer["hits"]["total"]["value"].as_u64().unwrap_or(hits.len() as u64);
    if hits.is_empty() {
        say(&match &options.log {
            None => format!("No user action matches `{words}`."),
            Some(log) if words.is_empty() => format!("There is no line of the log `{log}`."),
            Some(log) => format!("No line of the log `{log}` matches `{words}`."),
        });
        return Ok(Outcome::Done);
    }
    let what = if words.is_empty() { "lines".to_owned() } else { format!("hits for `{words}`") };
    say(&format!("{} of {total} {what}, in {} ms:\n", hits.len(), answer["took"]));
    let line = if options.log.is_some() { logged } else { shown };
    print(&hits.iter().map(|hit| line(hit, &words)).collect::<String>())
}

/// What is asked of which indices.
struct Asked {
    /// What their names begin with, before the day.
    index: String,
    body: Value,
}

/// Ranked user actions; or the newest lines of a log that have every word somewhere.
fn asked(words: &str, log: Option<&str>, limit: u32) -> Result<Asked> {
    let Some(source) = log else {
        let query = json!({ "multi_match": { "query": words, "fields": FIELDS, "type": "cross_fields" } });
        return Ok(Asked { index: INDEX.to_owned(), body: json!({ "query": query, "size": limit }) });
    };
    if let Some(mistake) = name_mistake(source) {
        bail!("`--log {}` is no name of a shipper's source: {mistake}", plain::line(source));
    }
    let each = words.split_whitespace();
    let each: Vec<Value> =
        each.map(|word| json!({ "multi_match": { "query": word, "fields": LOGGED, "lenient": true } })).collect();
    let query = if each.is_empty() { json!({ "match_all": {} }) } else { json!({ "bool": { "must": each } }) };
    let newest = json!([{ "@timestamp": { "order": "desc", "unmapped_type": "date" } }]);
    Ok(Asked { index: index_of(INDEX, source), body: json!({ "query": query, "sort": newest, "size": limit }) })
}

/// A line of a log: its time, its host, how grave it is, and what it says, with the words in bold.
fn logged(hit: &Value, words: &str) -> String {
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
    let time = seconds(get("event_time"));
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

/// A time to the second, as people write it.
fn seconds(time: &str) -> String {
    time.get(..19).unwrap_or_default().replace('T', " ")
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
    fn lines_of_a_log_have_every_word_and_the_newest_comes_first() {
        let logs = asked("checkout ERROR", Some("application"), 5).unwrap();
        assert_eq!(logs.index, "user-actions-application");
        let must = logs.body["query"]["bool"]["must"].as_array().unwrap();
        assert_eq!(
            must.iter().map(|one| one["multi_match"]["query"].as_str().unwrap()).collect::<Vec<_>>(),
            ["checkout", "ERROR"]
        );
        assert_eq!(logs.body["sort"][0]["@timestamp"]["order"], "desc");
        let all = asked("", Some("agents"), 5).unwrap();
        assert!(all.body["query"]["match_all"].is_object(), "{}", all.body);
        let slip = asked("a", Some("Application"), 5).err().unwrap().to_string();
        assert!(slip.starts_with("`--log Application` is no name of a shipper's source: at most 40"), "{slip}");
        let hit = json!({ "_source": {
            "@timestamp": "2026-01-02T03:04:05.678Z", "log_host": "shop", "level": "ERROR", "message": "checkout\u{1b}[2J",
            "error": { "type": "Declined", "message": "no funds" },
        } });
        let line = anstream::adapter::strip_str(&logged(&hit, "checkout")).to_string();
        assert_eq!(line, "2026-01-02 03:04:05  shop                  ERROR  checkout\\x1b[2J  Declined no funds\n");
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
