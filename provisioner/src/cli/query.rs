//! `lakewright query`: a statement for Athena and its rows.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lakewright_aws::{Client, Service, list, text};
use serde_json::{Value, json};

use super::connect::{connect, stack};
use super::table::{RowFormat, render};
use super::{Global, Outcome, print};
use crate::up::RunFile;

/// The rows of a query, as text; `None` for NULL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Names and Athena's types.
    pub columns: Vec<(String, String)>,
    /// One value a column.
    pub rows: Vec<Vec<Option<String>>>,
}

/// `lakewright query`.
pub async fn run(global: &Global, sql: &str, format: RowFormat) -> Result<Outcome> {
    // What runs on this machine knows its stack; no file is needed.
    let (name, region) = if global.local && global.stack_file.is_none() {
        let run = RunFile::read(&global.data)?;
        (run.stack, Some(run.region))
    } else {
        let stack = stack(global)?;
        (stack.name().to_owned(), stack.file.stack.region.as_deref().cloned())
    };
    let context = connect(global, &name, region.as_deref()).await?;
    let rows = ask(&context.aws, &name, sql).await?;
    print(&render(&rows, format)?)
}

/// Asks Athena in the stack's workgroup and waits for the answer.
pub async fn ask(aws: &Client, stack: &str, sql: &str) -> Result<Rows> {
    let input = json!({
        "QueryString": sql,
        "WorkGroup": stack,
        "QueryExecutionContext": { "Database": stack.replace('-', "_") },
        "ClientRequestToken": uuid::Uuid::new_v4().to_string(),
    });
    let started = aws.call(Service::Athena, "StartQueryExecution", input).await.context("ask Athena")?;
    let id = text(&started, "QueryExecutionId").to_owned();
    finished(aws, &id).await?;
    results(aws, &id).await
}

async fn finished(aws: &Client, id: &str) -> Result<()> {
    let mut pause = Duration::from_millis(20);
    loop {
        let answer = aws
            .call(Service::Athena, "GetQueryExecution", json!({ "QueryExecutionId": id }))
            .await
            .context("ask Athena how far the query is")?;
        let status = &answer["QueryExecution"]["Status"];
        match text(status, "State") {
            "SUCCEEDED" => return Ok(()),
            "FAILED" | "CANCELLED" => bail!("the query failed: {}", text(status, "StateChangeReason")),
            _ => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

async fn results(aws: &Client, id: &str) -> Result<Rows> {
    let mut rows = Rows::default();
    let mut next: Option<String> = None;
    loop {
        let mut input = json!({ "QueryExecutionId": id, "MaxResults": 1000 });
        if let Some(token) = &next {
            input["NextToken"] = json!(token);
        }
        let page = aws.call(Service::Athena, "GetQueryResults", input).await.context("read the rows from Athena")?;
        let set = &page["ResultSet"];
        if next.is_none() {
            let columns = list(&set["ResultSetMetadata"], "ColumnInfo");
            rows.columns = columns.iter().map(|c| (text(c, "Name").to_owned(), text(c, "Type").to_owned())).collect();
        }
        // The first row of a SELECT repeats the columns' names.
        let names = rows.columns.iter().map(|(name, _)| Some(name.clone()));
        let mut page_rows = list(set, "Rows").iter().map(values).peekable();
        if next.is_none() && page_rows.peek().is_some_and(|first| first.iter().cloned().eq(names)) {
            page_rows.next();
        }
        rows.rows.extend(page_rows);
        next = Some(text(&page, "NextToken").to_owned()).filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(rows);
        }
    }
}

fn values(row: &Value) -> Vec<Option<String>> {
    list(row, "Data").iter().map(|datum| datum.get("VarCharValue").and_then(Value::as_str).map(str::to_owned)).collect()
}
