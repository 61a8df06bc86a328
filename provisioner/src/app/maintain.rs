//! Maintaining one of the stack's tables: by the agents' program, which knows Iceberg, with the credentials of this one.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use lakewright_config::maintenance::{Order, Outcome};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::options::Global;
use super::programs::agent_program;
use crate::kind::Context;
use crate::stack::Maintainable;

/// Maintains a table, or says what would be done; cut off anywhere, nothing of the table is lost.
///
/// # Errors
/// The agents' program isn't there or fails, or somebody interrupts. What is wrong with the table is an outcome.
pub async fn maintain(
    global: &Global,
    context: &Context,
    table: &Maintainable,
    dry_run: bool,
    stop: &CancellationToken,
) -> Result<Outcome> {
    let order = Order {
        account: context.account.clone(),
        database: table.database.clone(),
        table: table.name.clone(),
        settings: table.settings.clone(),
        dry_run,
    };
    let order = serde_json::to_vec(&order).context("write the order")?;
    let mut command = Command::new(agent_program(global)?);
    command.arg("maintain-table").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Ctrl-C reaches this process, which ends the other one.
    command.process_group(0).kill_on_drop(true);
    // For each table anew: the credentials of a role end within the hour.
    for (name, value) in context.aws.variables().await? {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if global.insecure_endpoint {
        command.env("LAKEWRIGHT_INSECURE_ENDPOINT", "1");
    }
    let mut child = command.spawn().context("start lakewright-agent")?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ended already says why.
        let _ = stdin.write_all(&order).await;
    }
    let output = tokio::select! {
        output = child.wait_with_output() => output.context("wait for lakewright-agent")?,
        () = stop.cancelled() => bail!("interrupted: what was committed stays, and nothing else was done"),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("lakewright-agent ended with {}: {}", output.status, said.trim());
    }
    serde_json::from_slice(&output.stdout).context("read what lakewright-agent says")
}
