//! `lakewright query`: a statement, and its rows on standard output.

use anyhow::{Context as _, Result};

use super::table::{RowFormat, render};
use crate::app::connect::{connect, stack};
use crate::app::query::{ask_in, find_saved, warehouse};
use crate::app::{Global, Outcome, RunFile, print};

/// `lakewright query`.
pub async fn run(global: &Global, sql: Option<String>, saved: Option<&str>, format: RowFormat) -> Result<Outcome> {
    // What runs on this machine knows its stack; no file is needed.
    let (name, region) = if global.local && global.stack_file.is_none() {
        let run = RunFile::read(&global.data)?;
        (run.stack, Some(run.region))
    } else {
        let stack = stack(global)?;
        (stack.name().to_owned(), stack.file.stack.region.as_deref().cloned())
    };
    let context = connect(global, &name, region.as_deref()).await?;
    let (database, sql) = match (saved, sql) {
        (Some(saved), _) => find_saved(&context, &name, saved).await?,
        (None, sql) => (warehouse(&name), sql.context("a statement, or --saved NAME, is needed")?),
    };
    let rows = ask_in(&context.aws, &name, &database, &sql).await?;
    print(&render(&rows, format)?)
}
