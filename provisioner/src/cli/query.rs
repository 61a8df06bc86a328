//! `lakewright query`: a statement for Athena and its rows.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lakewright_aws::{Client, Service, list, text};
use serde_json::{Value, json};

use super::connect::{connect, stack};
use super::table::{RowFormat, render};
use super::{Global, Outcome, print};
use crate::kind::Context;
use crate::kinds::saved_query;
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
    let warehouse = name.replace('-', "_");
    let (database, sql) = match (saved, sql) {
        (Some(saved), _) => find_saved(&context, &name, saved).await?,
        (None, sql) => (warehouse, sql.context("a statement, or --saved NAME, is needed")?),
    };
    let rows = ask_in(&context.aws, &name, &database, &sql).await?;
    print(&render(&rows, format)?)
}

/// The database and the statement of a query that is saved in the stack's workgroup.
async fn find_saved(context: &Context, stack: &str, name: &str) -> Result<(String, String)> {
    let queries = saved_query::saved(context, stack).await.context("ask Athena for the saved queries")?;
    let named: Vec<&Value> = queries.iter().filter(|query| text(query, "Name") == name).collect();
    match named[..] {
        [one] => Ok((text(one, "Database").to_owned(), text(one, "QueryString").to_owned())),
        [] if queries.is_empty() => {
            bail!("no query is saved in the workgroup {stack}; declare one in a section `[queries.{name}]`, then apply")
        }
        [] => {
            let names: BTreeSet<&str> = queries.iter().map(|query| text(query, "Name")).collect();
            let names: Vec<&str> = names.into_iter().collect();
            bail!("no query named {name} is saved in the workgroup {stack}; there are {}", names.join(", "))
        }
        _ => bail!("{} queries named {name} are saved in the workgroup {stack}: rename all but one", named.len()),
    }
}

/// Asks Athena in the stack's workgroup and waits for the answer; tables named alone are the warehouse's.
pub async fn ask(aws: &Client, stack: &str, sql: &str) -> Result<Rows> {
    ask_in(aws, stack, &stack.replace('-', "_"), sql).await
}

async fn ask_in(aws: &Client, stack: &str, database: &str, sql: &str) -> Result<Rows> {
    let input = json!({
        "QueryString": sql,
        "WorkGroup": stack,
        "QueryExecutionContext": { "Database": database },
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
