//! `lakewright search`: a line in, ranked user actions out, or the newest lines of hosts' logs.

mod logs;
mod shown;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use chrono::NaiveDateTime;
use clap::{Args, ValueEnum};
use lakewright_platform::http::Client;
use serde_json::Value;

use crate::app::connect::stack_path;
use crate::app::{Global, Outcome, RunFile, print, say};
use crate::lookup::{self, Known, facets, query};
use crate::plain;
use crate::stack::{Given, load};

/// What the indices of the shipper's topics are named after where no stack says so.
const INDEX: &str = "user-actions";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is looked for, and where.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The line: browsers, products, brands, places, actions, times and other words; `"a phrase"`, `-without`, `field:value`
    #[arg(required_unless_present = "log")]
    pub words: Vec<String>,
    /// Looks in a log of hosts, newest line first, all words in each: `application`, `agents`, or another source of the shipper's
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["explain", "since", "format"])]
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
    /// Only what was since then, in UTC: `2h`, `7d`, `2w`, or a date, `2023-09-12`, `yesterday`
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Shows how the line was understood, a line for each part, and the query
    #[arg(long)]
    pub explain: bool,
    /// How hits are written
    #[arg(long, value_enum, default_value = "text")]
    pub format: HitFormat,
}

/// How hits are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HitFormat {
    /// A line for each hit, and the facets, for people.
    Text,
    /// One document with the hits, the facets, and how the line was understood.
    Json,
}

/// `lakewright search`.
pub async fn run(global: &Global, options: &Options) -> Result<Outcome> {
    let line = options.words.join(" ");
    let run = if options.url.is_some() {
        None
    } else {
        let run = RunFile::read(&global.data);
        Some(run.context("no search cluster is named; --url or LAKEWRIGHT_SEARCH_URL names one")?)
    };
    let url = options.url.clone().or_else(|| run.as_ref().map(|run| run.search.clone())).unwrap_or_default();
    let client = match &options.authority {
        Some(path) => {
            let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
            Client::trusting(&text).with_context(|| format!("read {}", path.display()))?
        }
        None => Client::new(&url)?,
    };
    let index = index(global, run.as_ref())?;
    let cluster = Cluster { client, url: url.trim_end_matches('/').to_owned(), is_local: run.is_some() };
    match &options.log {
        Some(log) => newest(&cluster, (&line, log), &index, options.limit).await,
        None => actions(&cluster, &line, &index, options).await,
    }
}

/// What the indices of user actions are named after: as the stack says, when it is the one that runs here or nothing does.
fn index(global: &Global, run: Option<&RunFile>) -> Result<String> {
    let read = || load(&stack_path(global)?, &Given::new(&global.var));
    let stack = if global.stack_file.is_some() {
        Some(read()?)
    } else if stack_path(global).is_err() {
        None
    } else {
        let stack = read();
        if stack.is_err() {
            say(&format!(
                "Looking in `{INDEX}`: the stack file that is here can't be read, and `lakewright check` says why. Name another with --stack."
            ));
        }
        stack.ok().filter(|stack| run.is_none_or(|run| run.stack == stack.name()))
    };
    let named = stack.and_then(|stack| stack.file.search.as_ref().map(|search| search.index.value.clone()));
    Ok(named.unwrap_or_else(|| INDEX.to_owned()))
}

/// A search cluster.
struct Cluster {
    client: Client,
    url: String,
    /// Whether it is that of `lakewright up`.
    is_local: bool,
}

impl Cluster {
    /// Asks the indices of days.
    async fn search(&self, index: &str, body: &Value) -> Result<Value> {
        let answer = self.client.post(&format!("{}/{index}-2*/_search", self.url), body, PATIENCE).await;
        answer.map_err(|error| refused(error, self.is_local)).context("search")
    }

    /// The values that indices hold, and, where a line may name one, their members.
    async fn known(&self, index: &str, line: &str) -> Result<Known> {
        let mut answers = vec![self.search(index, &facets::values()).await?];
        if let Some(body) = facets::values_as_keywords(&answers[0])
            && let Ok(answer) = self.search(index, &body).await
        {
            // Members that are texts without keywords can't be asked for; then they are looked for as words.
            answers.push(answer);
        }
        let members = if line.contains(':') {
            let mappings = self.client.get(&format!("{}/{index}-2*/_mapping", self.url), PATIENCE).await;
            facets::members(&mappings.context("read the members of the index")?)
        } else {
            Vec::new()
        };
        Ok(facets::known(&answers, members))
    }
}

/// User actions, best first.
async fn actions(cluster: &Cluster, line: &str, index: &str, options: &Options) -> Result<Outcome> {
    let now = chrono::Utc::now().naive_utc();
    let since = options.since.as_deref().map(|text| since(text, now)).transpose()?;
    let understood = lookup::understand(line, &cluster.known(index, line).await?, now)?;
    let mut sentence = understood.sentence();
    if let Some(since) = since {
        sentence.push_str(&since.format(", since %Y-%m-%d %H:%M").to_string());
    }
    say(&format!("Looking for {}", plain::line(&sentence)));
    let body = query::search(&understood, since, options.limit);
    let answer = cluster.search(index, &body).await?;
    if options.format == HitFormat::Json {
        let document = shown::document(line, (&understood, &sentence), &body["query"], &answer);
        return print(&format!("{}\n", plain::json(&format!("{document:#}"))));
    }
    if options.explain {
        print(&shown::explained(&understood, &body["query"]))?;
    }
    let (hits, total) = shown::hits(&answer);
    if hits.is_empty() {
        say(&format!("No user action matches `{}`.", plain::line(line)));
        return Ok(Outcome::Done);
    }
    say(&format!("{} of {total} hits, in {} ms:\n", hits.len(), answer["took"]));
    let mut text: String = hits.iter().map(|hit| shown::hit(hit, &understood)).collect();
    let facets = shown::facets(&facets::found(&answer));
    if !facets.is_empty() {
        text.push('\n');
        text.push_str(&facets);
    }
    print(&text)
}

/// The time that the option says.
fn since(text: &str, now: NaiveDateTime) -> Result<NaiveDateTime> {
    lookup::since(text, now).ok_or_else(|| {
        let text = plain::line(text);
        anyhow!("`--since {text}` is no time: write a length as in 30min, 2h, 7d or 2w, or a date as in 2023-09-12 or yesterday")
    })
}

/// Lines of a log, newest first.
async fn newest(cluster: &Cluster, (words, log): (&str, &str), index: &str, limit: u32) -> Result<Outcome> {
    let asked = logs::asked(words, log, index, limit)?;
    let answer = cluster.search(&asked.index, &asked.body).await?;
    let (hits, total) = shown::hits(&answer);
    if hits.is_empty() {
        say(&if words.is_empty() {
            format!("There is no line of the log `{log}`.")
        } else {
            format!("No line of the log `{log}` matches `{words}`.")
        });
        return Ok(Outcome::Done);
    }
    let what = if words.is_empty() { "lines".to_owned() } else { format!("hits for `{words}`") };
    say(&format!("{} of {total} {what}, in {} ms:\n", hits.len(), answer["took"]));
    print(&hits.iter().map(|hit| logs::line(hit, words)).collect::<String>())
}

/// Says what to do where the index on this machine doesn't know the password any more, which `up` notes at its start.
fn refused(error: anyhow::Error, is_local: bool) -> anyhow::Error {
    if is_local && error.to_string().contains(" answered 401 ") {
        return error.context("the password in run.json is of before: restart `lakewright up`");
    }
    error
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
}
