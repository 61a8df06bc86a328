//! `lakewright query`: a statement, and its rows on standard output.

use std::io::{IsTerminal as _, stdout};

use anyhow::{Context as _, Result, bail};

use super::table::{Reader, RowFormat, render};
use crate::app::connect::{Belonging, connect, stack};
use crate::app::query::{ask_until, find_saved, warehouse};
use crate::app::{Global, Outcome, RunFile, print, until_interrupted};

/// `lakewright query`.
pub async fn run(
    global: &Global,
    sql: Option<String>,
    saved: Option<&str>,
    (format, spreadsheet): (RowFormat, bool),
) -> Result<Outcome> {
    if spreadsheet && format != RowFormat::Csv {
        bail!("--spreadsheet is for CSV: add --format csv")
    }
    // What runs on this machine knows its stack; no file is needed.
    let belonging = if global.local && global.stack_file.is_none() {
        let run = RunFile::read(&global.data)?;
        Belonging { stack: run.stack, region: Some(run.region), ..Belonging::default() }
    } else {
        Belonging::of(&stack(global)?, global)
    };
    let context = connect(global, &belonging).await?;
    let name = belonging.stack;
    let (database, sql) = match (saved, sql) {
        (Some(saved), _) => find_saved(&context, &name, saved).await?,
        (None, sql) => (warehouse(&name), sql.context("a statement, or --saved NAME, is needed")?),
    };
    let (aws, place, sql) = (&context.aws, (name.as_str(), database.as_str()), sql.as_str());
    let rows = until_interrupted(|stop| async move { ask_until(aws, place, sql, &stop).await }).await?;
    print(&render(&rows, format, Reader { terminal: stdout().is_terminal(), spreadsheet })?)
}
