//! Restoring a shipper's backup: by the agents' program, which knows the backup, the index and Kafka, with the credentials of this one.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use lakewright_config::ShipperConfig;
use lakewright_config::agents::Agent;
use lakewright_config::restoring::{Order, Reached, Said};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use super::desired::{artifacts_bucket, desired};
use super::options::Global;
use super::ordered;
use super::programs::own_program;
use super::run_file::RunFile;
use crate::kind::Context;
use crate::stack::Stack;

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
    tell: impl Fn(Reached),
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
                Said::Reached(reached) => tell(reached),
                said => end = Some(said),
            }
        }
        anyhow::Ok(end)
    };
    let complained = async {
        let mut said = String::new();
        if let Some(mut stderr) = stderr {
            stderr.read_to_string(&mut said).await.context("read what lakewright-agent says")?;
        }
        anyhow::Ok(said)
    };
    let (end, said) = tokio::select! {
        both = async { tokio::try_join!(heard, complained) } => both?,
        () = stop.cancelled() => bail!("interrupted; give the same command again to go on"),
    };
    let status = child.wait().await.context("wait for lakewright-agent")?;
    drop(stdin);
    match end {
        Some(end) if status.success() => Ok(end),
        _ => bail!("lakewright-agent ended with {status}: {}", last(&said)),
    }
}

/// The last line of what the agents' program says, which is why it ended.
fn last(said: &str) -> &str {
    said.trim().lines().next_back().unwrap_or_default()
}
