//! Restoring a shipper's backup: by the agents' program, which knows the backup, the index and Kafka, with the credentials of this one.

use std::collections::VecDeque;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use lakewright_config::ShipperConfig;
use lakewright_config::agents::Agent;
use lakewright_config::restoring::{Order, Reached, Said};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use super::desired::{artifacts_bucket, desired};
use super::options::Global;
use super::ordered;
use super::programs::own_program;
use super::run_file::RunFile;
use crate::kind::Context;
use crate::stack::Stack;

/// How many lines of the agents' program are kept.
const KEPT: usize = 50;
/// How long a line of it may be, in bytes: a longer one counts as several.
const LONGEST: u64 = 16 << 10;

/// What is heard of a restoration while it runs.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// How far it is.
    Reached(Reached),
    /// What isn't as it should be: a line.
    Trouble(String),
}

/// The configuration that was published for the stack's shipper, of which a backup is: those of several hosts have the same.
///
/// # Errors
/// The stack has no shipper, or it was never applied.
pub async fn shipper(global: &Global, context: &Context, stack: &Stack) -> Result<ShipperConfig> {
    let runs = stack.file.hosts.iter().find(|host| host.value.agents.iter().any(|agent| agent.value == Agent::Shipper));
    let Some(host) = runs.map(|host| host.name.as_str()) else {
        bail!("no host of the stack {} runs the agent `shipper`, so that it has no backup", stack.name());
    };
    let bucket = artifacts_bucket(&desired(stack, context, &own_program(global, stack, true)?))?;
    let key = format!("hosts/{host}/{}.json", Agent::Shipper);
    match context.aws.objects().get(&bucket, &key, None).await {
        Ok(object) => serde_json::from_slice(&object.body).with_context(|| format!("read s3://{bucket}/{key}")),
        Err(error) if error.is_not_found() => Err(anyhow!(
            "the stack {} isn't there yet: s3://{bucket}/{key}, by which its shipper works, is missing; `lakewright apply` makes it",
            stack.name()
        )),
        Err(error) => Err(error).with_context(|| format!("read s3://{bucket}/{key}")),
    }
}

/// Where it is noted how far a restoration into a topic is, and where records go that no index takes.
///
/// # Errors
/// The user has no folder of their own.
pub fn state_folder(global: &Global, context: &Context) -> Result<PathBuf> {
    if global.local {
        return Ok(global.data.join("restore"));
    }
    let set = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state =
        set.or_else(home).context("find the folder for what is noted: neither HOME nor XDG_STATE_HOME is set")?;
    Ok(state.join("lakewright/restore").join(format!("{}-{}", context.stack, context.account)))
}

/// Restores, and tells what the agents' program says, the last of which is how it ended. Cut off anywhere, the same order goes on into
/// a topic, and doubles nothing in an index.
///
/// # Errors
/// The agents' program isn't there or fails, or somebody interrupts.
pub async fn restore(
    global: &Global,
    context: &Context,
    order: &Order,
    tell: impl Fn(Heard),
    stop: &CancellationToken,
) -> Result<Said> {
    let state = state_folder(global, context)?;
    std::fs::create_dir_all(&state).with_context(|| format!("make the folder {}", state.display()))?;
    let mut command = ordered::program(global, context, "restore-order").await?;
    command.env("STATE_DIRECTORY", state);
    if global.local {
        let run = RunFile::read(&global.data)?;
        command.env("LAKEWRIGHT_SEARCH_URL", run.search).env("LAKEWRIGHT_KAFKA_PLAINTEXT", run.kafka);
    }
    let (mut child, stdin) = ordered::start(command, order).await?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let heard = async {
        let mut lines = BufReader::new(stdout.context("lakewright-agent has no output")?).lines();
        let mut end = None;
        while let Some(line) = lines.next_line().await.context("read what lakewright-agent says")? {
            match serde_json::from_str(&line).context("read what lakewright-agent says")? {
                Said::Reached(reached) => tell(Heard::Reached(reached)),
                said => end = Some(said),
            }
        }
        anyhow::Ok(end)
    };
    let complained = async {
        match stderr {
            Some(stderr) => logged(BufReader::new(stderr), &tell).await,
            None => Ok(VecDeque::new()),
        }
    };
    let (end, said) = tokio::select! {
        both = async { tokio::try_join!(heard, complained) } => both?,
        () = stop.cancelled() => bail!("interrupted; give the same command again to go on"),
    };
    let status = child.wait().await.context("wait for lakewright-agent")?;
    drop(stdin);
    match end {
        Some(end) if status.success() => Ok(end),
        _ => bail!("lakewright-agent ended with {status}: {}", why(&said)),
    }
}

/// Reads the log of the agents' program to its end, and reports the trouble in it as it comes. The last lines come back.
///
/// # Errors
/// It can't be read.
async fn logged(mut log: impl AsyncBufRead + Unpin, tell: impl Fn(Heard)) -> Result<VecDeque<String>> {
    let mut kept = VecDeque::new();
    loop {
        let mut line = Vec::new();
        let read = (&mut log).take(LONGEST).read_until(b'\n', &mut line).await;
        if read.context("read what lakewright-agent says")? == 0 {
            return Ok(kept);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        // What it ends with is said when it has ended.
        if let Some(("WARN" | "ERROR", target, said)) = parts(&line)
            && target != "lakewright_runtime::program"
        {
            tell(Heard::Trouble(said.to_owned()));
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

/// The level, the place and the text of a line of the log: `2026-03-01T08:00:00.000000Z  WARN lakewright_shipper::pipe: the text`.
fn parts(line: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = line.split_once(' ')?;
    let (level, rest) = rest.trim_start().split_once(' ')?;
    let (target, said) = rest.split_once(": ")?;
    Some((level, target, said))
}

/// Why the agents' program ended: its last error, or where there is none, its last line.
fn why(said: &VecDeque<String>) -> &str {
    let error = said.iter().rev().filter_map(|line| parts(line)).find(|(level, ..)| *level == "ERROR");
    error.map_or_else(|| said.back().map_or("it said nothing", String::as_str), |(.., said)| said)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test]
    async fn trouble_is_reported_as_it_comes_and_the_last_lines_are_kept() {
        let mut log = Vec::new();
        for number in 0..60 {
            log.extend_from_slice(format!("2026-03-01T08:00:00.000000Z  INFO a::b: line {number}\n").as_bytes());
        }
        log.extend_from_slice(
            b"2026-03-01T08:00:00.000000Z  WARN lakewright_shipper::pipe: \xff is no letter: of many\n\n",
        );
        log.extend_from_slice(
            b"2026-03-01T08:00:00.000000Z ERROR lakewright_runtime::program: the index is gone: no answer\n",
        );
        log.extend_from_slice(b"not of the log");
        let reported = RefCell::new(Vec::new());
        let kept = logged(&*log, |heard| reported.borrow_mut().push(heard)).await.expect("read");
        assert_eq!(reported.into_inner(), [Heard::Trouble("\u{fffd} is no letter: of many".to_owned())]);
        assert_eq!((kept.len(), kept.back().map(String::as_str)), (KEPT, Some("not of the log")));
        assert_eq!(why(&kept), "the index is gone: no answer");
        let panic = VecDeque::from(["thread 'main' panicked at a.rs".to_owned(), "note: run with".to_owned()]);
        assert_eq!((why(&panic), why(&VecDeque::new())), ("note: run with", "it said nothing"));
        let long = vec![b'a'; 40 << 10];
        assert_eq!(logged(&*long, |_| ()).await.expect("read").len(), 3);
    }
}
