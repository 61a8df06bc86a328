//! What a refusal means, by the type of the server's error: that the cluster can't now, or that this document never fits.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the index.
    Done,
    /// One with its id is: the very one, as an attempt left it whose answer was lost.
    There,
    /// The cluster takes it later: it has no room, no such index, no time.
    Later(Fault),
    /// The cluster failed on it, in a way that may be its own or the document's.
    Doubtful(Fault),
    /// It never fits.
    Never(Fault),
}

/// The server's error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The status of the item.
    pub status: u16,
    /// The error's type, as `mapper_parsing_exception`.
    pub kind: String,
    /// The reason, with that of its cause.
    pub reason: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.kind, self.reason)
    }
}

/// Types of errors that say something of the cluster, its indices, or the login: an operator fixes what they name.
const CLUSTER: [&str; 22] = [
    "circuit_breaking_exception",
    "cluster_block_exception",
    "cluster_manager_not_discovered_exception",
    "es_rejected_execution_exception",
    "index_closed_exception",
    "index_create_block_exception",
    "index_not_found_exception",
    "master_not_discovered_exception",
    "node_closed_exception",
    "node_disconnected_exception",
    "node_not_connected_exception",
    "no_shard_available_action_exception",
    "not_master_exception",
    "open_search_rejected_execution_exception",
    "process_cluster_event_timeout_exception",
    "rejected_execution_exception",
    "resource_already_exists_exception",
    "security_exception",
    "shard_not_found_exception",
    "unavailable_shards_exception",
    // No index can be made: the cluster has as many shards as it takes.
    "validation_exception",
    "write_block_exception",
];

/// Types of errors that say something of the document.
const DOCUMENT: [&str; 11] = [
    "action_request_validation_exception",
    "document_parsing_exception",
    "illegal_argument_exception",
    "input_coercion_exception",
    "invalid_index_name_exception",
    "json_parse_exception",
    "mapper_parsing_exception",
    // With the status 500: what is no object.
    "not_x_content_exception",
    "parsing_exception",
    "strict_dynamic_mapping_exception",
    "x_content_parse_exception",
];

/// How reasons of `illegal_argument_exception` begin that say something of the cluster's settings.
const SETTINGS: [&str; 3] = ["no write index is defined", "pipeline with id", "unable to find a write index"];

#[derive(Deserialize)]
struct Answer {
    items: Vec<BTreeMap<String, Item>>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    status: u16,
    #[serde(default)]
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    caused_by: Option<Box<Error>>,
}

impl Error {
    fn said(&self) -> String {
        let own = self.reason.as_deref().unwrap_or("no reason given");
        match &self.caused_by {
            Some(cause) => format!("{own}: {}", cause.said()),
            None => own.to_owned(),
        }
    }
}

/// Why a request was refused, in the server's words; the body as it is where it says none.
pub fn why(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refused {
        error: Error,
    }
    match serde_json::from_slice(body) {
        Ok(Refused { error }) => format!("{}: {}", error.kind, error.said()),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    }
}

/// The verdicts of an answer, one for each item.
///
/// # Errors
/// It is no answer to so many items.
pub fn verdicts(body: &[u8], count: usize) -> Result<Vec<Verdict>, String> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| format!("the answer is no bulk answer: {error}"))?;
    if answer.items.len() != count {
        return Err(format!("{} items were answered, {count} were sent", answer.items.len()));
    }
    Ok(answer.items.into_iter().map(|item| verdict(item.into_values().next())).collect())
}

fn verdict(item: Option<Item>) -> Verdict {
    let Some(Item { status, error }) = item else {
        let (kind, reason) = ("none".to_owned(), "the item has no verdict".to_owned());
        return Verdict::Later(Fault { status: 503, kind, reason });
    };
    if (200..300).contains(&status) && error.is_none() {
        return Verdict::Done;
    }
    if status == StatusCode::CONFLICT.as_u16() {
        return Verdict::There;
    }
    let (kind, reason) = match error {
        Some(error) => (error.kind.clone(), error.said()),
        None => ("none".to_owned(), "no reason given".to_owned()),
    };
    judge(Fault { status, kind, reason })
}

/// What an error means.
pub fn judge(fault: Fault) -> Verdict {
    let Fault { status, kind, reason } = &fault;
    if CLUSTER.contains(&kind.as_str()) {
        return Verdict::Later(fault);
    }
    if kind == "illegal_argument_exception" && SETTINGS.iter().any(|begin| reason.starts_with(begin)) {
        return Verdict::Later(fault);
    }
    if DOCUMENT.contains(&kind.as_str()) {
        return Verdict::Never(fault);
    }
    match status {
        400 | 405..=407 | 409..=428 => Verdict::Never(fault),
        500.. => Verdict::Doubtful(fault),
        // A login, a missing index, too many requests, or no status at all.
        _ => Verdict::Later(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, kind: &str, reason: &str) -> Verdict {
        judge(Fault { status, kind: kind.to_owned(), reason: reason.to_owned() })
    }

    #[test]
    fn what_an_operator_fixes_is_waited_for() {
        for (status, kind, reason) in [
            (429, "es_rejected_execution_exception", "rejected execution of coordinating operation"),
            (429, "rejected_execution_exception", "rejected execution of primary operation"),
            (429, "circuit_breaking_exception", "[parent] Data too large"),
            (403, "cluster_block_exception", "index [a] blocked by: [FORBIDDEN/8/index write (api)]"),
            (
                400,
                "validation_exception",
                "this action would add [2] shards, but this cluster currently has [1000]/[1000]",
            ),
            (404, "index_not_found_exception", "no such index [a] and [action.auto_create_index] is [false]"),
            (503, "unavailable_shards_exception", "primary shard is not active"),
            (403, "security_exception", "action [indices:data/write/bulk] is unauthorized"),
            (400, "illegal_argument_exception", "no write index is defined for alias [a]"),
            (404, "an_unknown_one", "missing"),
            (408, "an_unknown_one", "late"),
            (0, "none", "no reason given"),
        ] {
            assert!(matches!(of(status, kind, reason), Verdict::Later(_)), "{status} {kind}");
        }
    }

    #[test]
    fn what_never_fits_is_a_dead_letter() {
        for (status, kind, reason) in [
            (400, "mapper_parsing_exception", "failed to parse field [n] of type [long]"),
            (400, "document_parsing_exception", "[1:40] Duplicate field '@timestamp'"),
            (400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"),
            (400, "strict_dynamic_mapping_exception", "mapping set to strict"),
            (500, "not_x_content_exception", "Compressor detection can only be called on some xcontent bytes"),
            (400, "an_unknown_one", "bad"),
        ] {
            assert!(matches!(of(status, kind, reason), Verdict::Never(_)), "{status} {kind}");
        }
        assert!(matches!(of(500, "array_index_out_of_bounds_exception", "3"), Verdict::Doubtful(_)));
    }

    #[test]
    fn each_item_has_its_own_verdict() {
        let body = br#"{"took":1,"errors":true,"items":[{"create":{"status":201}},
            {"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}},
            {"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"failed","caused_by":{"reason":"For input string"}}}},
            {"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}]}"#;
        let found = verdicts(body, 4).expect("verdicts");
        assert_eq!((&found[0], &found[3]), (&Verdict::Done, &Verdict::There));
        assert!(matches!(&found[1], Verdict::Later(fault) if fault.reason == "full"));
        assert!(matches!(&found[2], Verdict::Never(fault) if fault.reason == "failed: For input string"));
    }

    #[test]
    fn what_is_no_answer_is_no_success() {
        assert!(verdicts(br#"{"errors":false,"items":[]}"#, 1).is_err());
        assert!(verdicts(b"<html>", 1).is_err());
        assert!(verdicts(br#"{"errors":false}"#, 1).is_err());
        for item in ["{}", r#"{"create":{}}"#, r#"{"create":{"status":200,"error":{"type":"x"}}}"#] {
            let found = verdicts(format!(r#"{{"errors":false,"items":[{item}]}}"#).as_bytes(), 1).expect("an answer");
            assert!(matches!(found[0], Verdict::Later(_)), "{item}: {found:?}");
        }
    }
}
