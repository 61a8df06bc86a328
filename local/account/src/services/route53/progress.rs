//! Changes on their way to the name servers.

use super::missing;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::State;
use serde_json::{Value, json};

/// Where changes stand, by id.
const CHANGES: &str = "route53/change";
/// Seconds until all name servers have a change.
const SYNC_SECONDS: i64 = 30;

/// A new id: a letter and 20 capital letters and digits.
pub(super) fn id(letter: char) -> String {
    format!("{letter}{}", ids::letters(20, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))
}

/// Notes a change that begins now; what its operation answers of it.
pub(super) fn begin(state: &mut State<'_>, comment: Option<&str>) -> Value {
    let id = id('C');
    let change = json!({ "submitted": state.now(), "until": state.done_in(SYNC_SECONDS), "comment": comment });
    let answer = shown(&id, &change, "PENDING");
    state.put(CHANGES, &id, change);
    answer
}

fn shown(id: &str, change: &Value, status: &str) -> Value {
    let submitted = clock::iso(change.number("submitted").unwrap_or_default());
    json!({ "Id": format!("/change/{id}"), "Status": status, "SubmittedAt": submitted, "Comment": change["comment"] })
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let id = request.input.need("Id", missing)?;
    let Some(change) = state.get(CHANGES, id) else {
        return Err(AwsError::new("NoSuchChange", format!("Could not find resource with ID: {id}")).status(404));
    };
    let done = change.number("until").is_none_or(|until| until <= state.now());
    Ok(json!({ "ChangeInfo": shown(id, change, if done { "INSYNC" } else { "PENDING" }) }))
}
