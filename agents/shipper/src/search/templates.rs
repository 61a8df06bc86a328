//! Puts the templates and the policy of an index on the cluster, before documents go there: at the start, after the cluster was away, and
//! when it lost them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::metrics::Trouble;
use crate::search::ask::Answer;
use crate::search::client::Search;
use crate::search::policies::Deletion;
use crate::search::shape::Shape;
use crate::search::template::{MAKER, Objects, Template, VERSION};

/// How long after a look there is another one whether what was put is still there.
const LOOK: Duration = Duration::from_mins(10);
/// After so many answers in a row that the cluster can't now, documents go on without: something before it may let them alone
/// through.
const PATIENCE: u32 = 3;

/// What a missing right asks for.
const RIGHTS: &str = "its role on the search host needs the rights `indices:admin/index_template/get` and `put`, and with `keep_days` \
                      `cluster:admin/ilm/get` and `put`: a host that was started by a version before lacks them, end it once \
                      (docs/upgrading.md)";
/// What a refusal tells by that a server doesn't know a type of members.
const UNKNOWN_TYPES: [&str; 3] = ["No handler for type", "No mapper found for type", "unknown type"];

/// The templates of an index, and whether they are there.
#[derive(Debug)]
pub struct Templates {
    pub(super) shape: Shape,
    pub(super) trouble: Trouble,
    /// Whether the index's own template is there: of documents that it refuses, `flattened` takes the record.
    is_there: AtomicBool,
    /// Whether that one keeps objects in OpenSearch's way.
    keeps_flat_objects: AtomicBool,
    /// Whether the cluster was away since the last look.
    stale: AtomicBool,
    state: Mutex<State>,
}

/// What is known of the cluster.
#[derive(Debug, Default)]
pub(super) struct State {
    /// When it was looked last.
    looked: Option<Instant>,
    /// How objects are kept there, once a template was taken.
    objects: Option<Objects>,
    /// By what indices are deleted there, once that is known.
    pub(super) deletion: Option<Deletion>,
    /// Whether all were put once: another agent's may take their place then.
    pub(super) has_put: bool,
    /// Answers in a row that it can't now.
    pressed: u32,
    /// What is wrong, as it was said last.
    said: Option<String>,
}

/// Why documents are to wait.
pub(super) enum Wait {
    /// Nobody answers.
    Away(String),
    /// The cluster can't now.
    Pressed(String),
}

/// What is on the cluster under a name.
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// What is wanted.
    Wanted,
    /// Something of an agent's, with other settings.
    Other,
    /// Something of a newer agent's.
    Newer,
    /// Something that no agent made.
    Foreign,
}

impl Templates {
    /// Those of an index of this shape.
    pub fn new(shape: Shape, trouble: Trouble) -> Self {
        let (is_there, keeps_flat_objects) = (AtomicBool::default(), AtomicBool::default());
        Self { shape, trouble, is_there, keeps_flat_objects, stale: AtomicBool::default(), state: Mutex::default() }
    }

    /// Whether the index's own template is on the cluster.
    pub fn are_there(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }

    /// Whether names with dots are taken: OpenSearch fails where they lead into an object that it would keep flat.
    pub fn take_dots(&self) -> bool {
        !self.keeps_flat_objects.load(Ordering::Relaxed)
    }

    /// The cluster was away: it may have come back without them.
    pub fn cluster_was_away(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    /// Makes sure of them, if it is time to.
    ///
    /// # Errors
    /// Why documents are to wait: the cluster doesn't answer, or can't now.
    pub async fn ready(&self, search: &Search) -> Result<(), String> {
        let mut state = self.state.lock().await;
        let is_stale = self.stale.swap(false, Ordering::Relaxed);
        if !is_stale && state.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Ok(());
        }
        let mut wrong = Vec::new();
        let waits = match self.put_all(search, &mut state, &mut wrong).await {
            Ok(()) => None,
            Err(Wait::Pressed(reason)) => {
                state.pressed += 1;
                if state.pressed < PATIENCE {
                    Some(reason)
                } else {
                    wrong.push(format!("it doesn't take index templates: {reason}"));
                    None
                }
            }
            Err(Wait::Away(reason)) => Some(reason),
        };
        if let Some(reason) = waits {
            self.stale.store(true, Ordering::Relaxed);
            return Err(format!(
                "before documents go to {}, it is asked for its index templates: {reason}",
                self.shape.index
            ));
        }
        state.pressed = 0;
        state.looked = Some(Instant::now());
        self.say(&mut state, &wrong);
        Ok(())
    }

    /// Shows what is wrong until it isn't any more, once for each time that it changes.
    fn say(&self, state: &mut State, wrong: &[String]) {
        let text = (!wrong.is_empty())
            .then(|| format!("the search cluster's templates of {}: {}", self.shape.index, wrong.join("; ")));
        match &text {
            None => self.trouble.ends(),
            Some(text) if state.said.as_ref() == Some(text) => {}
            Some(text) => self.trouble.begins(text),
        }
        state.said = text;
    }

    async fn put_all(&self, search: &Search, state: &mut State, wrong: &mut Vec<String>) -> Result<(), Wait> {
        let ways = match state.objects {
            Some(objects) => vec![objects],
            None => ways_of(search).await?,
        };
        let policy = self.policy(search, state, &ways, wrong).await?;
        for (number, objects) in ways.iter().enumerate() {
            let is_last = number + 1 == ways.len();
            let [main, outside, rejected] = self.shape.templates(*objects, policy);
            match self.template(search, state, &main).await? {
                Ok(()) => self.is_there.store(true, Ordering::Relaxed),
                Err(reason) if !is_last && UNKNOWN_TYPES.iter().any(|part| reason.contains(part)) => continue,
                Err(reason) => {
                    self.is_there.store(false, Ordering::Relaxed);
                    wrong.push(reason);
                }
            }
            for template in [outside, rejected] {
                if let Err(reason) = self.template(search, state, &template).await?
                    // One right is missing for all of them.
                    && wrong.is_empty()
                {
                    wrong.push(reason);
                }
            }
            if self.are_there() {
                state.objects = Some(*objects);
                self.keeps_flat_objects.store(*objects == Objects::FlatObject, Ordering::Relaxed);
            }
            break;
        }
        state.has_put = wrong.is_empty();
        Ok(())
    }

    /// Puts a template, unless it is there or somebody else's stands in its place; why it isn't there in words otherwise.
    async fn template(&self, search: &Search, state: &State, wanted: &Template) -> Result<Result<(), String>, Wait> {
        let Template { name, body } = wanted;
        let path = format!("_index_template/{name}");
        let found = match search.ask(Method::GET, &path, None).await {
            Answer::Done(answer) => {
                let there = &answer["index_templates"][0]["index_template"];
                found((&there["_meta"], &there["version"]), &body["_meta"])
            }
            Answer::Missing => Found::Nothing,
            Answer::Refused(status, text) => return Ok(Err(refused("read", name, status, &text))),
            Answer::Later { reason, answered } => return Err(wait(reason, answered)),
        };
        match found {
            Found::Wanted | Found::Newer => return Ok(Ok(())),
            // The agent that started last put it.
            Found::Other if state.has_put => return Ok(Ok(())),
            Found::Foreign => {
                return Ok(Err(format!(
                    "the index template {name} is somebody else's (its _meta.made_by isn't `{MAKER}`) and left alone; the first record \
                     of a day decides its types, unless that template does; delete it (DELETE _index_template/{name}), and the shipper \
                     puts its own within ten minutes"
                )));
            }
            Found::Nothing | Found::Other => {}
        }
        Ok(match search.ask(Method::PUT, &path, Some(body)).await {
            Answer::Done(_) => {
                tracing::info!(template = name, "put an index template");
                Ok(())
            }
            Answer::Missing => Err(format!("it knows no index templates: PUT {path} is answered 404")),
            Answer::Refused(status, text) => Err(refused("put", name, status, &text)),
            Answer::Later { reason, answered } => return Err(wait(reason, answered)),
        })
    }
}

/// The ways in which the server may keep objects, the likely ones first.
async fn ways_of(search: &Search) -> Result<Vec<Objects>, Wait> {
    let answer = match search.ask(Method::GET, "", None).await {
        Answer::Done(answer) => answer,
        // Who may put templates need not be let in on what the cluster is, and some that are behind others don't say.
        Answer::Missing | Answer::Refused(..) => return Ok(Objects::ALL.to_vec()),
        Answer::Later { reason, answered } => return Err(wait(reason, answered)),
    };
    let tagline = answer["tagline"].as_str().unwrap_or_default();
    if answer["version"]["distribution"] == "opensearch" || tagline.contains("OpenSearch") {
        return Ok(vec![Objects::FlatObject, Objects::Unindexed]);
    }
    let is_elasticsearch =
        answer["version"]["build_flavor"] == "default" || answer["version"]["build_flavor"] == "serverless";
    // One of OpenSearch that gives itself out as an old Elasticsearch has another flavour, or none.
    Ok(if is_elasticsearch { vec![Objects::Flattened, Objects::Unindexed] } else { Objects::ALL.to_vec() })
}

pub(super) fn wait(reason: String, answered: bool) -> Wait {
    if answered { Wait::Pressed(reason) } else { Wait::Away(reason) }
}

/// What there is, held against what is wanted, by the `_meta` and the version of both.
pub(super) fn found(there: (&Value, &Value), wanted: &Value) -> Found {
    let (meta, version) = there;
    if meta["made_by"] != MAKER {
        return Found::Foreign;
    }
    by_version(version.as_u64(), meta == wanted)
}

pub(super) fn by_version(version: Option<u64>, is_wanted: bool) -> Found {
    match version {
        Some(version) if version > VERSION => Found::Newer,
        Some(VERSION) if is_wanted => Found::Wanted,
        _ => Found::Other,
    }
}

/// What a refusal with that status asks for.
pub(super) fn missing_rights(status: StatusCode) -> String {
    if status == StatusCode::FORBIDDEN { format!("; {RIGHTS}") } else { String::new() }
}

fn refused(what: &str, name: &str, status: StatusCode, text: &str) -> String {
    let fix = missing_rights(status);
    format!(
        "it doesn't let the index template {name} be {what} ({}): {text}{fix}; documents go on, and the first one of a day decides its types",
        status.as_u16()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_made_a_template_and_of_which_version_says_what_becomes_of_it() {
        let of = |version: u64, days: u64| json!({ "version": version, "_meta": { "made_by": MAKER, "from": days } });
        let wanted = of(VERSION, 1);
        let found = |there: &Value, wanted: &Value| found((&there["_meta"], &there["version"]), &wanted["_meta"]);
        assert!(matches!(found(&wanted, &wanted), Found::Wanted));
        assert!(matches!(found(&of(VERSION, 2), &wanted), Found::Other));
        assert!(matches!(found(&of(VERSION - 1, 1), &wanted), Found::Other));
        assert!(matches!(found(&of(VERSION + 1, 1), &wanted), Found::Newer));
        for foreign in [json!({ "version": 1 }), json!({ "_meta": { "made_by": "fleet" } }), Value::Null] {
            assert!(matches!(found(&foreign, &wanted), Found::Foreign), "{foreign}");
        }
    }
}
