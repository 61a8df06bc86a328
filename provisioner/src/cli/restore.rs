//! `lakewright restore`: what a stack's shipper has backed up goes into the index or a topic once more.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use lakewright_config::ShipperConfig;
use lakewright_config::restoring::{Destination, Order, Reached, Refusal, Restored, Said};

use super::change::ask;
use crate::app::connect::{Belonging, connect, stack};
use crate::app::restore::{Heard, restore, shipper, state_folder};
use crate::app::{Global, Outcome, print, say, until_interrupted};
use crate::plain;
use crate::stack::suggest;

/// What its help ends with.
pub const HELP: &str = "\
Times are those that Kafka, or the log, has of records. Into the index, documents get the ids and indices that they had: what is \
there stays, and nothing is doubled, however often it is done. Into a topic, records are sent at least once, with their keys, \
headers and times and where they come from in the header `lakewright-origin`; cut off, the same command goes on where it was. Logs of \
hosts go into indices alone. The index or Kafka must be reached from here: on a host, `lakewright-agent restore` does the same.
Exits 0 when all is restored, 1 when nothing is or something failed, 3 when records are in no index.

Examples:
  lakewright restore shop.toml --from 2026-03-01 --to 2026-03-03 --dry-run
  lakewright restore shop.toml --from 2026-03-01    from that day on, into the index
  lakewright restore --only nginx --into index:trial    one source, beside what is there
  lakewright restore --local --only es_events --into topic:es_events_again";

/// What `restore` can be given.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The stack file
    pub stack: Option<PathBuf>,
    /// From when on: a day in UTC, `2026-03-01`, or a time, `2026-03-01T08:00:00Z` [default: the first record]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Moment>,
    /// Until when: of a day all of it, before a time [default: the last record]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<Moment>,
    /// Where records go: `index`, `index:NAME` for indices whose names begin so, or `topic:NAME`
    #[arg(long, value_name = "WHERE", value_parser = destination, default_value = "index")]
    pub into: Destination,
    /// Only records of this topic, or of this source of hosts' logs; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// The folder of the backup in its bucket, where it isn't the one that the stack names
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// Reads the backup and counts, and restores nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Answers the question with yes
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Writes what was restored as JSON
    #[arg(long)]
    pub json: bool,
}

/// A point in time as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A day in UTC.
    Day(NaiveDate),
    /// A time.
    Time(DateTime<Utc>),
}

impl Moment {
    /// Its first millisecond since 1970.
    fn begin(self) -> i64 {
        match self {
            Self::Day(day) => day.and_time(NaiveTime::MIN).and_utc().timestamp_millis(),
            Self::Time(time) => time.timestamp_millis(),
        }
    }

    /// The one before which it is over: a time is a bound, and a day belongs to what it ends.
    fn end(self) -> i64 {
        match self {
            Self::Day(_) => self.begin() + TimeDelta::days(1).num_milliseconds(),
            Self::Time(_) => self.begin(),
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    let day = text.parse::<NaiveDate>().map(Moment::Day);
    let time = || DateTime::parse_from_rfc3339(text).map(|time| Moment::Time(time.to_utc()));
    day.or_else(|_| time()).map_err(|_| "write a day as 2026-03-01, or a time as 2026-03-01T08:00:00Z".to_owned())
}

fn destination(text: &str) -> Result<Destination, String> {
    // What the search cluster takes for the name of an index; it would refuse every document otherwise.
    let is_index = |name: &str| {
        let is_of_names = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        name.len() <= 200 && name.bytes().all(is_of_names) && name.as_bytes()[0].is_ascii_alphanumeric()
    };
    let is_topic = |name: &str| {
        name.len() <= 249 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if text == "index" {
        return Ok(Destination::Index(None));
    }
    if let Some(name) = text.strip_prefix("index:") {
        if name.is_empty() || !is_index(name) {
            return Err(
                "names of indices are small letters, digits and `-_.`, and begin with a letter or a digit".to_owned()
            );
        }
        return Ok(Destination::Index(Some(name.to_owned())));
    }
    match text.strip_prefix("topic:") {
        Some(name) if name.is_empty() || !is_topic(name) => {
            Err("names of topics are letters, digits and `-_.`, at most 249 of them".to_owned())
        }
        Some(name) => Ok(Destination::Topic(name.to_owned())),
        None => Err("say `index`, `index:NAME` or `topic:NAME`".to_owned()),
    }
}

/// `lakewright restore`.
pub async fn run(global: &Global, options: &Options) -> Result<Outcome> {
    let stack = stack(global)?;
    if let (Some(from), Some(to)) = (options.from, options.to)
        && from.begin() >= to.end()
    {
        bail!("nothing is between --from and --to: --from comes first");
    }
    let context = &connect(global, &Belonging::of(&stack, global)).await?;
    let mut config = shipper(global, context, &stack).await?;
    if let Some(prefix) = &options.prefix {
        config.backup_prefix = prefix.trim_matches('/').to_owned();
    }
    let topics: Vec<String> = stack.file.topics.iter().map(|topic| topic.name.clone()).collect();
    if let Destination::Topic(topic) = &options.into
        && config.topics.contains(topic)
        && !options.dry_run
        && !options.yes
    {
        say(&format!(
            "The shipper reads the topic {topic}: what goes there is indexed and backed up as new records, all of it."
        ));
        if !ask("Type yes:", "yes").await? {
            say("Nothing was restored.");
            return Ok(Outcome::Wrong);
        }
    }
    let order = &Order {
        config,
        from_ms: options.from.map(Moment::begin),
        to_ms: options.to.map(Moment::end),
        only: options.only.clone(),
        into: options.into.clone(),
        dry_run: options.dry_run,
    };
    say(&format!("{} {}", if order.dry_run { "Reading" } else { "Restoring" }, what(order)));
    let progress = Progress::start();
    let tell = |heard| match heard {
        Heard::Reached(reached) => progress.show(reached),
        Heard::Trouble(trouble) => progress.above(|| say(&plain::line(&trouble))),
    };
    let said = until_interrupted(|stop| async move { restore(global, context, order, tell, &stop).await }).await;
    progress.end();
    match said? {
        Said::Restored(done) if options.json => {
            let text = serde_json::to_string_pretty(&done).context("write the outcome as JSON")? + "\n";
            print(&plain::json(&text))?;
            Ok(came_to(&done))
        }
        Said::Restored(done) => {
            print(&shown(&done, order))?;
            if done.refused > 0 {
                let folder = state_folder(global, context)?;
                say(&format!("Records in no index are in {}.", folder.join("dead-letters.jsonl").display()));
            }
            Ok(came_to(&done))
        }
        Said::Refused(refusal) => Err(explained(refusal, &order.config, &topics)),
        Said::Reached(_) => bail!("lakewright-agent ended without a word: this is a bug in lakewright"),
    }
}

/// The exit code: records that are in no index are a fault, those among the rejected are not as they were.
fn came_to(done: &Restored) -> Outcome {
    if done.refused > 0 { Outcome::Blocked } else { Outcome::Done }
}

/// What is restored, and whereto.
fn what(order: &Order) -> String {
    let ShipperConfig { backup_bucket, backup_prefix, index, .. } = &order.config;
    let time = |ms: i64| {
        let time = DateTime::from_timestamp_millis(ms);
        time.map_or_else(|| ms.to_string(), |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
    };
    let of = if order.only.is_empty() { String::new() } else { format!(" of {}", order.only.join(", ")) };
    let from = order.from_ms.map(|ms| format!(" from {}", time(ms))).unwrap_or_default();
    let to = order.to_ms.map(|ms| format!(" to {}", time(ms))).unwrap_or_default();
    let into = match &order.into {
        Destination::Index(name) => format!("the indices {}-*", name.as_ref().unwrap_or(index)),
        Destination::Topic(topic) => format!("the topic {topic}"),
    };
    format!("s3://{backup_bucket}/{backup_prefix}{of}{from}{to} into {into}")
}

/// What was done, or would be.
fn shown(done: &Restored, order: &Order) -> String {
    let (read, objects) = (records(done.records), objects(done.objects) + " of the backup");
    match &order.into {
        _ if order.dry_run => format!("{read} would be restored, from {objects}.\n"),
        Destination::Topic(topic) => format!("{read} sent to the topic {topic}, from {objects}.\n"),
        Destination::Index(name) => {
            let index = name.as_ref().unwrap_or(&order.config.index);
            let mut text = format!("{read} read, from {objects}: {} new", done.new);
            let left_out = done.records.saturating_sub(done.new + done.there + done.refused);
            for (count, which) in
                [(done.there, "there already"), (left_out, "left out by transforms"), (done.refused, "in no index")]
            {
                if count > 0 {
                    text.push_str(&format!(", {count} {which}"));
                }
            }
            if done.rejected > 0 {
                let are = if done.rejected == 1 { "is" } else { "are" };
                text.push_str(&format!(
                    "; {} of them {are} in {index}*-rejected, among the dead letters",
                    done.rejected
                ));
            }
            text + ".\n"
        }
    }
}

fn objects(count: u64) -> String {
    if count == 1 { "1 object".to_owned() } else { format!("{count} objects") }
}

fn records(count: u64) -> String {
    if count == 1 { "1 record".to_owned() } else { format!("{count} records") }
}

/// Why there is nothing to restore, and what to do.
fn explained(refusal: Refusal, config: &ShipperConfig, topics: &[String]) -> anyhow::Error {
    let said = refusal.to_string();
    let help = match &refusal {
        Refusal::Empty { .. } => {
            let after = config.backup_interval_ms.div_ceil(1000);
            format!(
                "its first object is written {after} s after the first record; --prefix names another folder of the bucket"
            )
        }
        Refusal::Unknown { name, names } => {
            let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            return anyhow::anyhow!(
                "the backup has nothing of `{name}`: {}",
                suggest(name, names, "topics and sources in it")
            );
        }
        Refusal::Nothing { days: Some(_) } => {
            "choose others by --from and --to, by the records' own times in UTC".to_owned()
        }
        Refusal::Nothing { days: None } => {
            "records of hosts' logs go into indices alone; --from and --to are the records' own times in UTC".to_owned()
        }
        Refusal::NoTopic { name } => {
            let known = suggest(name, topics.iter().map(String::as_str), "stack's topics");
            let end = if known.ends_with('?') { "" } else { "." };
            format!("{known}{end} Another one has to be made first")
        }
    };
    anyhow::anyhow!("{said}: {help}")
}

/// How far it is while objects are read: a bar on a terminal, nothing elsewhere.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn start() -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let template = "  {bar:24} {pos} of {len} objects, {msg} {elapsed}";
            let style = ProgressStyle::with_template(template).expect("the template is well-formed");
            let bar = ProgressBar::new(0).with_style(style);
            bar.set_message("0 records");
            bar
        }))
    }

    fn show(&self, reached: Reached) {
        if let Some(bar) = &self.0 {
            bar.set_length(reached.of);
            bar.set_position(reached.objects);
            bar.set_message(records(reached.records));
        }
    }

    /// Writes something above the bar.
    fn above(&self, write: impl FnOnce()) {
        match &self.0 {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests;
