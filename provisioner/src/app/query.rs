//! A statement for Athena and its rows.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_sdk_athena::types::{
    NamedQuery, QueryExecution, QueryExecutionContext, QueryExecutionState, QueryExecutionStatus, ResultSet,
    ResultSetMetadata, Row,
};
use lakewright_aws::{Aws, Needed as _};
use tokio_util::sync::CancellationToken;

use crate::kind::Context;
use crate::kinds::saved_query;
use crate::services::Services as _;

/// The rows of a query, as text; `None` for NULL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Names and Athena's types.
    pub columns: Vec<(String, String)>,
    /// One value a column.
    pub rows: Vec<Vec<Option<String>>>,
}

/// The database and the statement of a query that is saved in the stack's workgroup.
pub async fn find_saved(context: &Context, stack: &str, name: &str) -> Result<(String, String)> {
    let queries = saved_query::saved(context, stack).await.context("ask Athena for the saved queries")?;
    let named: Vec<&NamedQuery> = queries.iter().filter(|query| query.name() == name).collect();
    match named[..] {
        [one] => {
            let database = one.database().needed("athena", "NamedQuery.Database")?;
            let sql = one.query_string().needed("athena", "NamedQuery.QueryString")?;
            Ok((database.to_owned(), sql.to_owned()))
        }
        [] if queries.is_empty() => {
            bail!("no query is saved in the workgroup {stack}; declare one in a section `[queries.{name}]`, then apply")
        }
        [] => {
            let names: BTreeSet<&str> = queries.iter().map(NamedQuery::name).collect();
            let names: Vec<&str> = names.into_iter().collect();
            bail!("no query named {name} is saved in the workgroup {stack}; there are {}", names.join(", "))
        }
        _ => bail!("{} queries named {name} are saved in the workgroup {stack}: rename all but one", named.len()),
    }
}

/// Asks Athena in the stack's workgroup and waits for the answer; tables named alone are the warehouse's.
pub async fn ask(aws: &Aws, stack: &str, sql: &str) -> Result<Rows> {
    ask_in(aws, stack, &warehouse(stack), sql).await
}

/// The database of a stack's warehouse.
pub fn warehouse(stack: &str) -> String {
    stack.replace('-', "_")
}

/// Asks Athena in the stack's workgroup and waits for the answer; tables named alone are the database's.
pub async fn ask_in(aws: &Aws, stack: &str, database: &str, sql: &str) -> Result<Rows> {
    ask_until(aws, (stack, database), sql, &CancellationToken::new()).await
}

/// The same; the query is stopped when nobody waits for its answer any more.
pub async fn ask_until(
    aws: &Aws,
    (stack, database): (&str, &str),
    sql: &str,
    stop: &CancellationToken,
) -> Result<Rows> {
    let call = aws.athena().start_query_execution().query_string(sql).work_group(stack);
    let call = call
        .query_execution_context(QueryExecutionContext::builder().database(database).build())
        .client_request_token(uuid::Uuid::new_v4().to_string());
    let started = lakewright_aws::ask(call.send()).await.context("ask Athena")?;
    let id = started.query_execution_id().needed("athena", "StartQueryExecution.QueryExecutionId")?;
    tokio::select! {
        finished = finished(aws, id) => finished?,
        () = stop.cancelled() => {
            let call = aws.athena().stop_query_execution().query_execution_id(id);
            lakewright_aws::ask(call.send()).await.context("stop the query")?;
            bail!("interrupted: the query was stopped")
        }
    }
    results(aws, id).await
}

async fn finished(aws: &Aws, id: &str) -> Result<()> {
    let mut pause = Duration::from_millis(20);
    let call = aws.athena().get_query_execution().query_execution_id(id);
    loop {
        let answer = lakewright_aws::ask(call.clone().send()).await.context("ask Athena how far the query is")?;
        let status = answer.query_execution().and_then(QueryExecution::status);
        let status = status.needed("athena", "QueryExecution.Status")?;
        match status.state().needed("athena", "QueryExecutionStatus.State")? {
            QueryExecutionState::Succeeded => return Ok(()),
            QueryExecutionState::Failed | QueryExecutionState::Cancelled => bail!("the query failed: {}", why(status)),
            _ => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

fn why(status: &QueryExecutionStatus) -> &str {
    status.state_change_reason().unwrap_or("Athena gives no reason")
}

async fn results(aws: &Aws, id: &str) -> Result<Rows> {
    let call = aws.athena().get_query_results().query_execution_id(id).max_results(1000);
    let pages = lakewright_aws::ask_all(call.into_paginator().send()).await.context("read the rows from Athena")?;
    let mut rows = Rows::default();
    for (number, page) in pages.into_iter().enumerate() {
        let set = page.result_set.needed("athena", "GetQueryResults.ResultSet")?;
        let is_first = number == 0;
        if is_first {
            rows.columns = columns(&set);
        }
        // The first row of a SELECT repeats the columns' names.
        let names = rows.columns.iter().map(|(name, _)| Some(name.clone()));
        let mut page_rows = set.rows.unwrap_or_default().into_iter().map(values).peekable();
        if is_first && page_rows.peek().is_some_and(|first| first.iter().cloned().eq(names)) {
            page_rows.next();
        }
        rows.rows.extend(page_rows);
    }
    Ok(rows)
}

/// The columns' names and types; a statement that gives no rows has none.
fn columns(set: &ResultSet) -> Vec<(String, String)> {
    let columns = set.result_set_metadata().map(ResultSetMetadata::column_info).unwrap_or_default();
    columns.iter().map(|column| (column.name().to_owned(), column.r#type().to_owned())).collect()
}

/// A row's values; one that is absent is NULL.
fn values(row: Row) -> Vec<Option<String>> {
    row.data.unwrap_or_default().into_iter().map(|datum| datum.var_char_value).collect()
}
