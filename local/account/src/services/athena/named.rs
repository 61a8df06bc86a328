//! Queries that are saved in a workgroup under a name.

use serde_json::{Value, json};

use super::{invalid, need, paged, workgroup};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::State;

/// Where they stand, by id.
const COLLECTION: &str = "athena/named_query";

/// The members of a query and the lengths that Athena takes, in characters.
const LIMITS: [(&str, usize, usize); 4] =
    [("Name", 1, 128), ("Description", 1, 1024), ("Database", 1, 255), ("QueryString", 1, 262_144)];

fn check(input: &Value) -> Result<(), AwsError> {
    for (member, least, most) in LIMITS {
        let Some(text) = input.text(member) else { continue };
        let length = text.chars().count();
        // An update may empty the description.
        let least = if member == "Description" && input.member("NamedQueryId").is_some() { 0 } else { least };
        if !(least..=most).contains(&length) {
            return Err(invalid(format!("{member} must have {least} to {most} characters")));
        }
    }
    Ok(())
}

fn missing(id: &str) -> AwsError {
    invalid(format!("NamedQuery {id} was not found"))
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    for member in ["Name", "Database", "QueryString"] {
        need(input, member)?;
    }
    check(input)?;
    let token = input.text("ClientRequestToken");
    if token.is_some_and(|token| !(32..=128).contains(&token.len())) {
        return Err(invalid("ClientRequestToken must have 32 to 128 characters"));
    }
    let group = input.text("WorkGroup").unwrap_or("primary");
    workgroup::find(state, group).ok_or_else(|| invalid(format!("WorkGroup {group} is not found.")))?;
    if let Some(token) = token {
        match state.answered("athena/CreateNamedQuery", token, input) {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(()) => return Err(invalid("Idempotent parameters do not match")),
        }
    }
    let id = ids::uuid();
    let mut query = json!({"NamedQueryId": id, "WorkGroup": group});
    for member in ["Name", "Description", "Database", "QueryString"] {
        if let Some(text) = input.text(member) {
            query[member] = json!(text);
        }
    }
    state.put(COLLECTION, &id, query);
    let answer = json!({"NamedQueryId": id});
    if let Some(token) = token {
        state.remember("athena/CreateNamedQuery", token, input, &answer);
    }
    Ok(answer)
}

fn named(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let id = need(&request.input, "NamedQueryId")?;
    state.get(COLLECTION, id).cloned().ok_or_else(|| missing(id))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    Ok(json!({"NamedQuery": named(state, request)?}))
}

pub(super) fn get_batch(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let ids = request.input.texts("NamedQueryIds");
    if !(1..=50).contains(&ids.len()) {
        return Err(invalid("NamedQueryIds must have 1 to 50 members"));
    }
    let (mut found, mut unprocessed) = (Vec::new(), Vec::new());
    for id in ids {
        match state.get(COLLECTION, &id) {
            Some(query) => found.push(query.clone()),
            None => unprocessed.push(json!({
                "NamedQueryId": id,
                "ErrorCode": "INVALID_INPUT",
                "ErrorMessage": missing(&id).message,
            })),
        }
    }
    Ok(json!({"NamedQueries": found, "UnprocessedNamedQueryIds": unprocessed}))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let group = request.input.text("WorkGroup").unwrap_or("primary");
    workgroup::find(state, group).ok_or_else(|| invalid(format!("WorkGroup {group} is not found.")))?;
    let ids = of_workgroup(state, group).into_iter().map(Value::from).collect();
    paged(request, "NamedQueryIds", ids, 50)
}

pub(super) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut query = named(state, request)?;
    for member in ["Name", "QueryString"] {
        need(&request.input, member)?;
    }
    check(&request.input)?;
    for member in ["Name", "Description", "QueryString"] {
        if let Some(text) = request.input.text(member) {
            query[member] = json!(text);
        }
    }
    let id = query.text("NamedQueryId").unwrap_or_default().to_owned();
    state.put(COLLECTION, &id, query);
    Ok(json!({}))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let query = named(state, request)?;
    forget(state, query.text("NamedQueryId").unwrap_or_default());
    Ok(json!({}))
}

/// Returns the ids of a workgroup's saved queries.
pub(super) fn of_workgroup(state: &State<'_>, name: &str) -> Vec<String> {
    state.list(COLLECTION).filter(|(_, query)| query["WorkGroup"] == name).map(|(id, _)| id.to_owned()).collect()
}

pub(super) fn forget(state: &mut State<'_>, id: &str) {
    state.remove(COLLECTION, id);
}
