//! Puts the policy that deletes an index's days by their age, or takes it away.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::search::ask::Answer;
use crate::search::client::Search;
use crate::search::shape::Shape;
use crate::search::template::{MAKER, Objects};
use crate::search::templates::{Found, State, Templates, Wait, by_version, found, missing_rights, wait};

/// By what a server deletes indices of a certain age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// Elasticsearch's lifecycle management.
    Lifecycle,
    /// OpenSearch's state management.
    States,
    /// Nothing.
    Nothing,
}

/// What became of a policy.
enum Put {
    /// It is there.
    Done,
    /// It isn't, and why.
    Wrong(String),
    /// The server has none, and how it says so.
    Lacking(String),
}

impl Templates {
    /// Puts the policy that deletes indices of days, or takes away the one that did. Whether Elasticsearch's is there, for templates to name.
    pub(super) async fn policy(
        &self,
        search: &Search,
        state: &mut State,
        ways: &[Objects],
        wrong: &mut Vec<String>,
    ) -> Result<bool, Wait> {
        let candidates = match state.deletion {
            Some(Deletion::Nothing) => return Ok(false),
            Some(known) => vec![known],
            // The way in which objects are kept tells whose server it is.
            None if ways[0] == Objects::FlatObject => vec![Deletion::States],
            None if ways.len() == Objects::ALL.len() => vec![Deletion::Lifecycle, Deletion::States],
            None => vec![Deletion::Lifecycle],
        };
        let Some(days) = self.shape.keep_days else {
            if candidates.contains(&Deletion::States) {
                self.no_policy(search).await?;
            }
            return Ok(false);
        };
        let mut said = String::new();
        for deletion in candidates {
            match self.policy_by(search, deletion, days, state.has_put).await? {
                Put::Done => {
                    state.deletion = Some(deletion);
                    return Ok(deletion == Deletion::Lifecycle);
                }
                Put::Wrong(reason) => {
                    state.deletion = Some(deletion);
                    wrong.push(reason);
                    return Ok(false);
                }
                Put::Lacking(reason) => said = reason,
            }
        }
        // It won't have learned it when it is asked next.
        state.deletion = Some(Deletion::Nothing);
        self.trouble.happened(format!(
            "the search cluster deletes no indices by their age ({said}), so that `keep_days` has no effect on {}: delete indices of days \
             by other means",
            self.shape.index
        ));
        Ok(false)
    }

    async fn policy_by(&self, search: &Search, deletion: Deletion, days: u32, has_put: bool) -> Result<Put, Wait> {
        let name = self.shape.name();
        let (path, body) = match deletion {
            Deletion::States => (format!("_plugins/_ism/policies/{name}"), self.shape.state_policy(days)),
            _ => (format!("_ilm/policy/{name}"), Shape::lifecycle(days)),
        };
        let answer = search.ask(Method::GET, &path, None).await;
        let (found, at) = match answer {
            Answer::Done(answer) if deletion == Deletion::States => {
                let at = format!("?if_seq_no={}&if_primary_term={}", answer["_seq_no"], answer["_primary_term"]);
                (found_states(&answer["policy"], &self.shape.description(days)), at)
            }
            Answer::Done(answer) => {
                let there = &answer[&name]["policy"]["_meta"];
                (found((there, &there["version"]), &body["policy"]["_meta"]), String::new())
            }
            Answer::Missing => (Found::Nothing, String::new()),
            Answer::Refused(status, text) if lacks(status) => return Ok(Put::Lacking(format!("{status}: {text}"))),
            Answer::Refused(status, text) => return Ok(Put::Wrong(refused_policy(&name, status, &text))),
            Answer::Later { reason, answered } => return Err(wait(reason, answered)),
        };
        match found {
            Found::Wanted | Found::Newer => return Ok(Put::Done),
            Found::Other if has_put => return Ok(Put::Done),
            Found::Foreign => {
                return Ok(Put::Wrong(format!(
                    "the policy {name} is somebody else's and left alone: nothing of this shipper names it, so that `keep_days` deletes \
                     nothing; delete it ({path})"
                )));
            }
            Found::Nothing | Found::Other => {}
        }
        Ok(match search.ask(Method::PUT, &format!("{path}{at}"), Some(&body)).await {
            Answer::Done(_) => {
                tracing::info!(policy = name, days, "put a policy that deletes indices of days");
                Put::Done
            }
            Answer::Missing => Put::Lacking(format!("PUT {path} is answered 404")),
            // Another agent was faster.
            Answer::Refused(StatusCode::CONFLICT, _) => Put::Done,
            Answer::Refused(status, text) if status == StatusCode::METHOD_NOT_ALLOWED => {
                Put::Lacking(format!("{status}: {text}"))
            }
            Answer::Refused(status, text) => Put::Wrong(refused_policy(&name, status, &text)),
            Answer::Later { reason, answered } => return Err(wait(reason, answered)),
        })
    }

    /// Takes away the state policy that a stack with `keep_days` had: it chooses indices by itself. Who may not look leaves it.
    async fn no_policy(&self, search: &Search) -> Result<(), Wait> {
        let path = format!("_plugins/_ism/policies/{}", self.shape.name());
        let policy = match search.ask(Method::GET, &path, None).await {
            Answer::Done(answer) => answer["policy"].clone(),
            Answer::Missing | Answer::Refused(..) => return Ok(()),
            Answer::Later { reason, answered } => return Err(wait(reason, answered)),
        };
        // None is equal to it, so that every one that an agent of this version or an older one made is another.
        if matches!(found_states(&policy, ""), Found::Other) {
            if let Answer::Later { reason, answered } = search.ask(Method::DELETE, &path, None).await {
                return Err(wait(reason, answered));
            }
            tracing::info!(path, "took the policy away that deleted indices of days");
        }
        Ok(())
    }
}

/// Whether a status says that there is no such endpoint.
fn lacks(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND)
}

fn found_states(there: &Value, wanted: &str) -> Found {
    let said = there["description"].as_str().unwrap_or_default();
    let Some(version) = said.strip_prefix(MAKER).and_then(|rest| rest.trim_start().split(':').next()) else {
        return Found::Foreign;
    };
    match version.parse() {
        Ok(version) => by_version(Some(version), said == wanted),
        Err(_) => Found::Foreign,
    }
}

fn refused_policy(name: &str, status: StatusCode, text: &str) -> String {
    let fix = missing_rights(status);
    format!("it refuses the policy {name} ({}): {text}{fix}; nothing is deleted by `keep_days`", status.as_u16())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_state_policys_description_says_who_made_it() {
        let shape = Shape { index: "actions".to_owned(), fields: BTreeMap::new(), keep_days: Some(30) };
        let wanted = shape.description(30);
        let found = |description: &str| found_states(&serde_json::json!({ "description": description }), &wanted);
        assert!(matches!(found(&wanted), Found::Wanted));
        assert!(matches!(found(&shape.description(7)), Found::Other));
        assert!(matches!(found("lakewright 99: deletes otherwise"), Found::Newer));
        for foreign in ["", "hot and warm", "lakewright's own", "lakewrights 1: x"] {
            assert!(matches!(found(foreign), Found::Foreign), "{foreign}");
        }
    }
}
