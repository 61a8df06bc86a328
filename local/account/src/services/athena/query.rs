//! Query executions: started, run in the background, stopped, described.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lakewright_config::s3;
use serde_json::{Value, json};

use super::{Running, invalid, need, paged, results, workgroup};
use crate::account::Account;
use crate::clock;
use crate::engine::{Caller, QueryResult};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::services::glue::objects;
use crate::services::sts;
use crate::state::State;

/// Where queries stand, by id. Members beginning with `_` are ours and are never answered.
pub(super) const COLLECTION: &str = "athena/query";
/// Seconds that a query waits in the queue.
const QUEUE_SECONDS: i64 = 1;
/// Seconds that a query runs at least.
const RUN_SECONDS: i64 = 1;

/// What kind of statement a text is, in Athena's words, and the ending of its result file.
fn statement(sql: &str) -> (&'static str, &'static str) {
    let word = sql.trim_start_matches(|it: char| it.is_whitespace() || it == '(').split_whitespace().next();
    match word.unwrap_or_default().to_uppercase().as_str() {
        "CREATE" | "DROP" | "ALTER" | "MSCK" => ("DDL", "txt"),
        "SHOW" | "DESCRIBE" | "DESC" | "EXPLAIN" => ("UTILITY", "txt"),
        _ => ("DML", "csv"),
    }
}

pub(super) fn start(account: &Arc<Account>, request: &Request, running: &Running) -> Result<Value, AwsError> {
    let sql = need(&request.input, "QueryString")?;
    if sql.len() > 262_144 {
        return Err(invalid("QueryString is longer than 262144 bytes"));
    }
    let token = request.input.text("ClientRequestToken");
    if token.is_some_and(|token| !(32..=128).contains(&token.len())) {
        return Err(invalid("ClientRequestToken must have 32 to 128 characters"));
    }
    let (answer, fresh) = account.transact(request, |state| {
        if let Some(token) = token {
            match state.answered("athena/StartQueryExecution", token, &request.input) {
                Ok(Some(answer)) => return Ok((answer, false)),
                Ok(None) => {}
                Err(()) => return Err(invalid("Idempotent parameters do not match")),
            }
        }
        let id = ids::uuid();
        let query = made(state, request, &id, sql)?;
        state.put(COLLECTION, &id, query);
        let answer = json!({ "QueryExecutionId": id });
        if let Some(token) = token {
            state.remember("athena/StartQueryExecution", token, &request.input, &answer);
        }
        Ok((answer, true))
    })?;
    if fresh {
        let id = answer.text("QueryExecutionId").unwrap_or_default().to_owned();
        spawn(account, request.clone(), running, id);
    }
    Ok(answer)
}

fn made(state: &State<'_>, request: &Request, id: &str, sql: &str) -> Result<Value, AwsError> {
    let input = &request.input;
    let name = input.text("WorkGroup").unwrap_or("primary");
    let group = workgroup::find(state, name).ok_or_else(|| invalid(format!("WorkGroup {name} is not found.")))?;
    if group["State"] != "ENABLED" {
        return Err(invalid(format!("WorkGroup {name} is disabled.")));
    }
    let configuration = &group["Configuration"];
    let enforced = configuration["EnforceWorkGroupConfiguration"] == true;
    let asked = input.member("ResultConfiguration").filter(|it| !enforced && it.member("OutputLocation").is_some());
    let result = asked.unwrap_or(&configuration["ResultConfiguration"]);
    let location = result.text("OutputLocation").ok_or_else(|| {
        invalid(
            "No output location provided. An output location is required either through the Workgroup result \
             configuration setting or as an API input.",
        )
    })?;
    if s3::place(location).is_none() || !location.starts_with("s3://") {
        return Err(invalid(format!("outputLocation is not a valid S3 path: {location}")));
    }
    let parameters = input.texts("ExecutionParameters");
    let (kind, ending) = statement(sql);
    let mut output = result.clone();
    output["OutputLocation"] = json!(format!("{}/{id}.{ending}", location.trim_end_matches('/')));
    let mut query = json!({
        "QueryExecutionId": id,
        "Query": sql,
        "StatementType": kind,
        "ResultConfiguration": output,
        "ResultReuseConfiguration": { "ResultReuseByAgeConfiguration": { "Enabled": false } },
        "QueryExecutionContext": input.member("QueryExecutionContext").cloned().unwrap_or_else(|| json!({})),
        "Status": { "State": "QUEUED", "SubmissionDateTime": clock::epoch(state.now()) },
        "Statistics": {},
        "WorkGroup": name,
        "EngineVersion": configuration["EngineVersion"],
        "SubstatementType": sql.split_whitespace().next().unwrap_or_default().to_uppercase(),
        "_submitted": state.now(),
        "_sql": bind(sql, &parameters)?,
        "_access_key": request.access_key,
    });
    if !parameters.is_empty() {
        query["ExecutionParameters"] = json!(parameters);
    }
    Ok(query)
}

/// Puts execution parameters in the places of the question marks outside of quotes.
fn bind(sql: &str, parameters: &[String]) -> Result<String, AwsError> {
    if parameters.is_empty() {
        return Ok(sql.to_owned());
    }
    let (mut bound, mut quoted, mut given) = (String::new(), None, parameters.iter());
    for character in sql.chars() {
        match (character, quoted) {
            ('\'' | '"', None) => quoted = Some(character),
            (_, Some(quote)) if character == quote => quoted = None,
            ('?', None) => {
                let missing = || invalid("Incorrect number of parameters: too few");
                bound.push_str(given.next().ok_or_else(missing)?);
                continue;
            }
            _ => {}
        }
        bound.push(character);
    }
    match given.next() {
        Some(_) => Err(invalid("Incorrect number of parameters: too many")),
        None => Ok(bound),
    }
}

fn spawn(account: &Arc<Account>, request: Request, running: &Running, id: String) {
    let (account, handles, own) = (account.clone(), running.clone(), id.clone());
    // The lock is held until the handle is in the map, so that the task can't take it out before.
    let mut map = running.lock();
    let task = tokio::spawn(async move {
        run(&account, &request, &own).await;
        handles.lock().remove(&own);
    });
    map.insert(id, task.abort_handle());
}

/// Starts what a restart interrupted once more: queries only read.
pub(super) fn resume(account: &Arc<Account>, running: &Running) {
    for scope in account.scopes() {
        let unfinished = account.transact_at(scope.clone(), |state| {
            let running = state.list(COLLECTION).filter(|(_, query)| is_open(query));
            let keys = running.map(|(id, query)| (id.to_owned(), query.texts("_access_key").pop().unwrap_or_default()));
            Ok(keys.collect::<Vec<_>>())
        });
        for (id, access_key) in unfinished.unwrap_or_default() {
            let request = Request {
                account: scope.account.clone(),
                region: scope.region.clone(),
                access_key,
                operation: "StartQueryExecution".to_owned(),
                input: json!({}),
                request_id: ids::uuid(),
            };
            spawn(account, request, running, id);
        }
    }
}

fn is_open(query: &Value) -> bool {
    matches!(query["Status"].text("State"), Some("QUEUED" | "RUNNING"))
}

async fn pause(account: &Account, seconds: i64) {
    let millis = account.delays.done_at(0, seconds);
    tokio::time::sleep(Duration::from_millis(millis as u64)).await;
}

async fn run(account: &Arc<Account>, request: &Request, id: &str) {
    pause(account, QUEUE_SECONDS).await;
    let begun = account.transact(request, |state| {
        let query = state.get(COLLECTION, id).filter(|query| is_open(query)).cloned();
        state.update(COLLECTION, id, |query| {
            if is_open(query) {
                query["Status"]["State"] = json!("RUNNING");
                query["_running"] = json!(clock::now());
            }
        });
        Ok(query)
    });
    let Ok(Some(query)) = begun else { return };
    let started = Instant::now();
    let outcome = answer(account, request, &query).await;
    pause(account, RUN_SECONDS).await;
    let millis = started.elapsed().as_millis() as i64;
    let ended = account.transact(request, |state| {
        let now = state.now();
        // A query that was stopped meanwhile stays stopped.
        state.update(COLLECTION, id, |query| {
            if is_open(query) {
                finish(query, &outcome, now, millis);
            }
        });
        Ok(())
    });
    if let Err(error) = ended {
        tracing::error!(%error, query = id, "cannot write the end of a query");
    }
}

/// Runs a query and writes its result to S3.
async fn answer(account: &Arc<Account>, request: &Request, query: &Value) -> Result<QueryResult, String> {
    let database = query["QueryExecutionContext"].text("Database").unwrap_or("default");
    let role = sts::temporary(account, &request.access_key).map_err(|error| error.message)?;
    let caller = Caller { account: &request.account, region: &request.region, role: role.as_ref() };
    // From its submission on, so that restarts don't make it longer.
    let since = clock::now() - query.number("_submitted").unwrap_or_default();
    let left = account.query_time.saturating_sub(Duration::from_millis(since.max(0) as u64));
    let rows = account.engine.query(caller, database, query.text("_sql").unwrap_or_default());
    let result = match tokio::time::timeout(left, rows).await {
        Ok(result) => result?,
        Err(_) => return Err(format!("Query timeout: it didn't end within {} s", account.query_time.as_secs_f64())),
    };
    let location = query["ResultConfiguration"].text("OutputLocation").unwrap_or_default();
    let text = if location.ends_with(".csv") { results::csv(&result) } else { results::lines(&result) };
    objects::put(account, request, location, text.into())
        .await
        .map_err(|error| format!("Unable to write the query result: {}", error.message))?;
    Ok(result)
}

fn finish(query: &mut Value, outcome: &Result<QueryResult, String>, now: i64, millis: i64) {
    query["Status"]["CompletionDateTime"] = clock::epoch(now);
    let submitted = query.number("_submitted").unwrap_or(now);
    let running = query.number("_running").unwrap_or(submitted);
    query["Statistics"] = json!({
        "EngineExecutionTimeInMillis": millis,
        "TotalExecutionTimeInMillis": now - submitted,
        "QueryQueueTimeInMillis": running - submitted,
        "ServiceProcessingTimeInMillis": (now - running - millis).max(0),
        "DataScannedInBytes": 0,
    });
    match outcome {
        Ok(result) => {
            query["Status"]["State"] = json!("SUCCEEDED");
            query["Statistics"]["DataScannedInBytes"] = json!(result.scanned_bytes);
            query["_columns"] = json!(result.columns);
        }
        Err(reason) => {
            query["Status"]["State"] = json!("FAILED");
            query["Status"]["StateChangeReason"] = json!(reason);
            query["Status"]["AthenaError"] = json!({
                "ErrorCategory": 2, "ErrorType": 1006, "Retryable": false, "ErrorMessage": reason,
            });
        }
    }
}

fn shown(query: &Value) -> Value {
    let mut shown = query.clone();
    shown.as_object_mut().expect("a query is an object").retain(|name, _| !name.starts_with('_'));
    shown
}

/// Returns the query that a request names.
pub(super) fn named(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let id = need(&request.input, "QueryExecutionId")?;
    state.get(COLLECTION, id).cloned().ok_or_else(|| invalid(format!("QueryExecution {id} was not found")))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    Ok(json!({ "QueryExecution": shown(&named(state, request)?) }))
}

pub(super) fn get_batch(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for id in request.input.texts("QueryExecutionIds") {
        match state.get(COLLECTION, &id) {
            Some(query) => found.push(shown(query)),
            None => missing.push(json!({
                "QueryExecutionId": id,
                "ErrorCode": "INVALID_INPUT",
                "ErrorMessage": format!("QueryExecution {id} was not found"),
            })),
        }
    }
    Ok(json!({ "QueryExecutions": found, "UnprocessedQueryExecutionIds": missing }))
}

/// Returns the ids of a workgroup's queries.
pub(super) fn of_workgroup(state: &State<'_>, name: &str) -> Vec<String> {
    state.list(COLLECTION).filter(|(_, query)| query["WorkGroup"] == name).map(|(id, _)| id.to_owned()).collect()
}

pub(super) fn forget(state: &mut State<'_>, id: &str) {
    state.remove(COLLECTION, id);
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.text("WorkGroup").unwrap_or("primary");
    workgroup::find(state, name).ok_or_else(|| invalid(format!("WorkGroup {name} is not found.")))?;
    let mut own: Vec<(i64, String)> = state
        .list(COLLECTION)
        .filter(|(_, query)| query["WorkGroup"] == name)
        .map(|(id, query)| (query.number("_submitted").unwrap_or_default(), id.to_owned()))
        .collect();
    own.sort();
    own.reverse();
    paged(request, "QueryExecutionIds", own.into_iter().map(|(_, id)| json!(id)).collect(), 50)
}

/// Stops a query: its state says so at once, and the engine works no longer for it.
pub(super) fn stop(account: &Arc<Account>, request: &Request, running: &Running) -> Result<Value, AwsError> {
    let id = account.transact(request, |state| {
        let mut query = named(state, request)?;
        let id = query.text("QueryExecutionId").unwrap_or_default().to_owned();
        if is_open(&query) {
            query["Status"]["State"] = json!("CANCELLED");
            query["Status"]["StateChangeReason"] = json!("Query cancelled by user");
            query["Status"]["CompletionDateTime"] = clock::epoch(state.now());
            state.put(COLLECTION, &id, query);
        }
        Ok(id)
    })?;
    if let Some(task) = running.lock().remove(&id) {
        task.abort();
    }
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::{bind, statement};

    #[test]
    fn statements_and_parameters() {
        assert_eq!(statement(" select 1").0, "DML");
        assert_eq!(statement("SHOW TABLES"), ("UTILITY", "txt"));
        let given = ["'a?'".to_owned(), "2".to_owned()];
        assert_eq!(bind("x = ? and y = '?' and z = ?", &given).unwrap(), "x = 'a?' and y = '?' and z = 2");
        assert!(bind("x = ?", &given).is_err());
    }
}
