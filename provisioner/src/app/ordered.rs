//! The agents' program at work for this one: with an order on its standard input, and the credentials of this one.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use super::options::Global;
use super::programs::agent_program;
use crate::kind::Context;

/// The program with a subcommand, not started yet.
///
/// # Errors
/// The program isn't there, or nobody gives credentials.
pub async fn program(global: &Global, context: &Context, subcommand: &str) -> Result<Command> {
    let mut command = Command::new(agent_program(global)?);
    command.arg(subcommand).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // By these it would log as a unit of systemd does, in JSON.
    command.env_remove("JOURNAL_STREAM").env_remove("INVOCATION_ID");
    // Ctrl-C reaches this process, which ends the other one.
    command.process_group(0).kill_on_drop(true);
    // Each time anew: the credentials of a role end within the hour.
    for (name, value) in context.aws.variables().await? {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if global.insecure_endpoint {
        command.env("LAKEWRIGHT_INSECURE_ENDPOINT", "1");
    }
    Ok(command)
}

/// Starts it and gives it an order, as one line. Its standard input stays open until the returned end of it is dropped: when that
/// closes, because this process was killed, say, the other one ends too.
///
/// # Errors
/// It can't be started.
pub async fn start(mut command: Command, order: &impl Serialize) -> Result<(Child, ChildStdin)> {
    let order = serde_json::to_string(order).context("write the order")? + "\n";
    let mut child = command.spawn().context("start lakewright-agent")?;
    let mut stdin = child.stdin.take().context("lakewright-agent has no input")?;
    // One that ended already says why.
    let _ = stdin.write_all(order.as_bytes()).await;
    Ok((child, stdin))
}
