//! `lakewright transform test`: the shipper's transforms, tried on lines or on cases.

mod cases;
mod shown;

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, stdin};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use lakewright_config::agents::shipper::transforms::Transform;
use lakewright_transform::{Event, Outcome as Became, Place, Transforms};

use crate::app::connect::stack;
use crate::app::{Global, Outcome, print, say};
use crate::stack::{Stack, suggest};
use shown::Tried;

/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 64 << 20;

/// What can be done with transforms.
#[derive(Debug, Subcommand)]
pub enum TransformCommand {
    /// Shows what the shipper's transforms make of lines; asks nothing of AWS and takes no credentials
    #[command(after_help = "\
Each line is a record of one source. What goes on is shown as it changes, what is left out or refused with the transform and its \
reason. Exits 1 when a line is refused, or a case isn't as it was expected.

A file of cases, a JSON array or an object on each line, for CI:

  {\"input\": \"level=info msg=hi\", \"output\": {\"level\": \"info\", \"msg\": \"hi\"}}
  {\"input\": {\"level\": \"debug\"}, \"output\": \"drop\", \"source\": \"es_events\", \"name\": \"no debug lines\"}

`output` is the event, \"drop\" or \"refuse\"; `input` a text or an object; `route` and `time` are compared where they stand.
A sample is taken by the line's number here, by the record's place in the shipper.

Examples:
  lakewright transform test stacks/shop.toml app.log
  tail -n 20 app.log | lakewright transform test --source app
  lakewright transform test stacks/shop.toml --expect cases.jsonl
  lakewright transform test stacks/shop.toml app.log --format json | jq 'select(.by)'")]
    Test(Options),
}

/// What is tried, and how it is shown.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The stack file
    pub stack: Option<PathBuf>,
    /// The file of lines, `-` for standard input [default: standard input]
    #[arg(value_name = "LINES", conflicts_with = "expect")]
    pub lines: Option<PathBuf>,
    /// The source whose records the lines are, a topic of the shipper [default: its only one]
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// When the records were written, RFC 3339: it chooses the year of times that name none [default: now]
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub time: Option<DateTime<Utc>>,
    /// Compares what becomes of the cases in a file with what they expect
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// How it is written on standard output; JSON is an object on each line
    #[arg(long, value_enum, default_value_t = TestFormat::Text)]
    pub format: TestFormat,
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn rfc3339(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| "write it as in 2026-01-02T15:04:05Z".to_owned())?;
    Ok(time.to_utc())
}

/// The transforms of a stack, and the sources that they are for.
struct Declared {
    list: Vec<Transform>,
    transforms: Transforms,
    sources: Vec<String>,
    /// Of those, the ones whose records are objects: a line that is none becomes `{"message": …}`.
    logs: Vec<String>,
}

impl Declared {
    fn of(stack: &Stack) -> Result<Self> {
        let shipper = &stack.file.agents.shipper;
        let list: Vec<Transform> = shipper.transforms.iter().filter_map(|section| section.value.clone()).collect();
        let Ok(transforms) = Transforms::new(&list) else {
            bail!("this is a bug in lakewright: the transforms of a stack without mistakes hold some")
        };
        let logs: Vec<String> = shipper.logs().into_iter().map(ToOwned::to_owned).collect();
        let sources = shipper.topics().into_iter().map(ToOwned::to_owned).chain(logs.iter().cloned()).collect();
        Ok(Self { list, transforms, sources, logs })
    }

    /// The source of that name, or the only one.
    fn source<'a>(&'a self, name: Option<&'a str>) -> Result<&'a str> {
        let known = self.sources.iter().map(String::as_str);
        match (name, self.sources.as_slice()) {
            (Some(name), sources) if sources.iter().any(|source| source == name) => Ok(name),
            (Some(name), _) => bail!("the shipper has no source `{name}`: {}", suggest(name, known, "sources")),
            (None, [only]) => Ok(only),
            // Lines are tried as a topic's, where there is one topic.
            (None, [only, logs @ ..]) if *logs == self.logs => Ok(only),
            (None, []) => bail!("the shipper has no source: `topics` in [agents.shipper] names them"),
            (None, _) => bail!(
                "the shipper has several sources; name one of them: --source {}",
                known.collect::<Vec<_>>().join(" or ")
            ),
        }
    }

    /// What becomes of a record.
    fn tried(&self, record: &[u8], source: &str, number: u64, time: DateTime<Utc>) -> Tried {
        let place = Place { stream: source, sequence: number };
        let is_log = self.logs.iter().any(|log| log == source);
        let wrapped = serde_json::json!({ "message": String::from_utf8_lossy(record) }).to_string();
        let mut event = match Event::of_object(record, place, time) {
            event if is_log && event.is_changed() => event,
            _ if is_log => Event::of_object(wrapped.as_bytes(), place, time),
            _ => Event::new(record, place, time),
        };
        let became = self.transforms.of(source).apply(&mut event);
        Tried::new(&self.list, record, &event, became)
    }
}

/// `lakewright transform`.
pub fn run(global: &Global, command: &TransformCommand) -> Result<Outcome> {
    let TransformCommand::Test(options) = command;
    let stack = stack(global)?;
    let declared = Declared::of(&stack)?;
    if declared.transforms.is_empty() {
        say(
            "The stack declares no transforms: records go on as they are. One is a section [[agents.shipper.transforms]].",
        );
    }
    match &options.expect {
        Some(path) => cases::run(&declared, options, path),
        None => lines(&declared, options),
    }
}

/// Shows what becomes of each line.
fn lines(declared: &Declared, options: &Options) -> Result<Outcome> {
    let source = declared.source(options.source.as_deref())?;
    let time = options.time.unwrap_or_else(Utc::now);
    let (mut input, name) = opened(options.lines.as_deref())?;
    let mut counted = shown::Counted::default();
    loop {
        let mut line = Vec::new();
        let read = std::io::Read::take(&mut input, MAX_LINE).read_until(b'\n', &mut line);
        if read.with_context(|| format!("read {name}"))? == 0 {
            break;
        }
        let number = counted.lines;
        if line.pop_if(|last| *last == b'\n').is_none() && line.len() as u64 >= MAX_LINE {
            bail!("line {} of {name} is longer than {} MiB", number + 1, MAX_LINE >> 20)
        }
        let tried = declared.tried(&line, source, number, time);
        counted.add(&tried);
        print(&match options.format {
            TestFormat::Text => tried.text(&format!("line {}", number + 1)),
            TestFormat::Json => tried.json(number + 1)?,
        })?;
    }
    say(&counted.sentence());
    Ok(if counted.refused == 0 { Outcome::Done } else { Outcome::Wrong })
}

/// The lines, and what they are called.
fn opened(path: Option<&Path>) -> Result<(Box<dyn BufRead>, String)> {
    match path.filter(|path| *path != Path::new("-")) {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
            Ok((Box::new(BufReader::new(file)), path.display().to_string()))
        }
        None => {
            if stdin().is_terminal() {
                say("Lines are read from the terminal; Ctrl-D ends them.");
            }
            Ok((Box::new(stdin().lock()), "standard input".to_owned()))
        }
    }
}

/// Whether an event goes on.
fn is_kept(became: &Became) -> bool {
    matches!(became, Became::Keep)
}
