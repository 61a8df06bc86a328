//! Log streams and their events.

use super::extract::extract;
use super::groups::group;
use super::{STREAMS, invalid, missing, not_found, paged};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::State;
use serde_json::{Value, json};

const EVENTS: &str = "logs/event";
/// How far events may lie from now, in milliseconds: two hours ahead, two weeks behind.
const AHEAD: i64 = 2 * 3_600_000;
const BEHIND: i64 = 14 * 86_400_000;

fn stream_id(group: &str, stream: &str) -> String {
    format!("{group}\0{stream}")
}

fn stream(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let (group, _) = group(state, request)?;
    let id = stream_id(&group, request.input.need("logStreamName", missing)?);
    let found = state.get(STREAMS, &id).cloned().ok_or_else(|| not_found("log stream"))?;
    Ok((id, found))
}

pub(super) fn create_stream(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (group, _) = group(state, request)?;
    let name = request.input.need("logStreamName", missing)?;
    if name.contains([':', '*', '\0']) || name.len() > 512 {
        return Err(invalid("Value at 'logStreamName' failed to satisfy constraint: [^:*]*"));
    }
    let id = stream_id(&group, name);
    if state.get(STREAMS, &id).is_some() {
        return Err(AwsError::new("ResourceAlreadyExistsException", "The specified log stream already exists"));
    }
    state.put(STREAMS, &id, json!({ "name": name, "created": state.now(), "next": 0 }));
    Ok(json!({}))
}

pub(super) fn describe_streams(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (group, _) = group(state, request)?;
    let prefix = stream_id(&group, request.input.text("logStreamNamePrefix").unwrap_or_default());
    let streams = state
        .list(STREAMS)
        .filter(|(id, _)| id.starts_with(&prefix))
        .map(|(_, stream)| {
            let name = stream.text("name").unwrap_or_default();
            let mut out = json!({
                "logStreamName": name, "creationTime": stream["created"], "storedBytes": 0,
                "arn": request.arn("logs", &format!("log-group:{group}:log-stream:{name}")),
            });
            for (member, kept) in
                [("firstEventTimestamp", "first"), ("lastEventTimestamp", "last"), ("lastIngestionTime", "ingested")]
            {
                if let Some(time) = stream.number(kept) {
                    out[member] = json!(time);
                }
            }
            out
        })
        .collect();
    paged(request, "logStreams", streams, 50)
}

fn event_ids(state: &State<'_>, stream: &str) -> Vec<String> {
    let prefix = format!("{stream}\0");
    let events = state.range(EVENTS, &prefix).take_while(|(id, _)| id.starts_with(&prefix));
    events.map(|(id, _)| id.to_owned()).collect()
}

/// Removes a stream and its events.
pub(super) fn drop_stream(state: &mut State<'_>, stream: &str) {
    for id in event_ids(state, stream) {
        state.remove(EVENTS, &id);
    }
    state.remove(STREAMS, stream);
}

pub(super) fn delete_stream(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (id, _) = stream(state, request)?;
    drop_stream(state, &id);
    Ok(json!({}))
}

pub(super) fn put(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (id, mut stream) = stream(state, request)?;
    let group_name = id.split('\0').next().unwrap_or_default();
    let events = request.input.list("logEvents");
    if events.is_empty() || events.len() > 10_000 {
        return Err(invalid("Log events must have between 1 and 10000 members"));
    }
    let mut last = i64::MIN;
    let mut next = stream.number("next").unwrap_or_default();
    let (mut old, mut new) = (None, None);
    let now = state.now();
    for (index, event) in events.iter().enumerate() {
        let time = event.number("timestamp").ok_or_else(|| missing("timestamp"))?;
        let message = event.need("message", missing)?;
        if time < last {
            return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
        }
        last = time;
        if time < now - BEHIND {
            old = Some(index + 1);
            continue;
        }
        if time > now + AHEAD {
            new = new.or(Some(index));
            continue;
        }
        extract(state, group_name, time, message);
        let kept = json!({ "timestamp": time, "message": message, "ingestionTime": now });
        state.put(EVENTS, &format!("{id}\0{time:016}{next:012}"), kept);
        next += 1;
        stream["last"] = json!(stream.number("last").unwrap_or(time).max(time));
        stream["first"] = json!(stream.number("first").unwrap_or(time).min(time));
    }
    stream["next"] = json!(next);
    stream["ingested"] = json!(now);
    state.put(STREAMS, &id, stream);
    let mut out = json!({ "nextSequenceToken": next.to_string() });
    if let Some(end) = old {
        out["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"] = json!(end);
    }
    if let Some(start) = new {
        out["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"] = json!(start);
    }
    Ok(out)
}

/// The events of a stream between the times in the input, in the order of their times.
fn between(state: &State<'_>, request: &Request, stream: &str) -> Vec<(String, Value)> {
    let from = request.input.number("startTime").unwrap_or(i64::MIN);
    let to = request.input.number("endTime").unwrap_or(i64::MAX);
    let ids = event_ids(state, stream);
    ids.into_iter()
        .filter_map(|id| {
            let event = state.get(EVENTS, &id)?.clone();
            let time = event.number("timestamp")?;
            (time >= from && time < to).then_some((id, event))
        })
        .collect()
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (id, _) = stream(state, request)?;
    let events: Vec<Value> = between(state, request, &id).into_iter().map(|(_, event)| event).collect();
    let limit = request.input.number("limit").unwrap_or(10_000).clamp(1, 10_000) as usize;
    let token = request.input.text("nextToken");
    let total = events.len();
    let forward = request.input.flag("startFromHead").unwrap_or(false);
    let parse =
        |prefix: &str| token.and_then(|token| token.strip_prefix(prefix)).and_then(|text| text.parse::<usize>().ok());
    let (start, end) = match (parse("f/"), parse("b/")) {
        (Some(from), _) => (from.min(total), from.saturating_add(limit).min(total)),
        (None, Some(to)) => (to.min(total).saturating_sub(limit), to.min(total)),
        (None, None) if token.is_some() => return Err(invalid("The specified nextToken is invalid.")),
        (None, None) if forward => (0, limit.min(total)),
        (None, None) => (total.saturating_sub(limit), total),
    };
    Ok(json!({
        "events": events[start..end], "nextForwardToken": format!("f/{end}"), "nextBackwardToken": format!("b/{start}"),
    }))
}

pub(super) fn filter(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (group, _) = group(state, request)?;
    let names = request.input.texts("logStreamNames");
    let prefix = stream_id(&group, request.input.text("logStreamNamePrefix").unwrap_or_default());
    let pattern = request.input.text("filterPattern").unwrap_or_default();
    if pattern.starts_with(['{', '[', '%']) {
        return Err(invalid("the local account filters by words only"));
    }
    let words: Vec<&str> = pattern.split_whitespace().map(|word| word.trim_matches('"')).collect();
    let streams: Vec<(String, String)> = state
        .list(STREAMS)
        .filter(|(id, _)| id.starts_with(&prefix))
        .map(|(id, stream)| (id.to_owned(), stream.text("name").unwrap_or_default().to_owned()))
        .filter(|(_, name)| names.is_empty() || names.contains(name))
        .collect();
    let mut found = Vec::new();
    for (id, name) in streams {
        for (event_id, mut event) in between(state, request, &id) {
            let message = event.text("message").unwrap_or_default();
            if words.iter().all(|word| message.contains(word)) {
                event["logStreamName"] = json!(name);
                event["eventId"] = json!(event_id.rsplit('\0').next());
                found.push(event);
            }
        }
    }
    found.sort_by_key(|event| event.number("timestamp"));
    let mut out = paged(request, "events", found, 10_000)?;
    out["searchedLogStreams"] = json!([]);
    Ok(out)
}
