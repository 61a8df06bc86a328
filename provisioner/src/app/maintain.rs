//! Maintaining one of the stack's tables: by the agents' program, which knows Iceberg, with the credentials of this one.

use anyhow::{Context as _, Result, bail};
use lakewright_config::maintenance::{Order, Outcome};
use tokio_util::sync::CancellationToken;

use super::options::Global;
use super::ordered;
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
    let (child, stdin) = ordered::start(ordered::program(global, context, "maintain-table").await?, &order).await?;
    let output = tokio::select! {
        output = child.wait_with_output() => output.context("wait for lakewright-agent")?,
        () = stop.cancelled() => bail!("interrupted: what was committed stays, and nothing else was done"),
    };
    drop(stdin);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("lakewright-agent ended with {}: {}", output.status, said.trim());
    }
    serde_json::from_slice(&output.stdout).context("read what lakewright-agent says")
}
