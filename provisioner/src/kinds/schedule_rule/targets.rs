//! The targets of a rule: what it calls.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_eventbridge::operation::remove_targets::RemoveTargetsOutput;
use aws_sdk_eventbridge::types;
use lakewright_aws::{Error, Needed as _, ask};

use super::settings::settings;
use super::{SERVICE, Target, alone};
use crate::kind::Context;
use crate::kinds::wait;
use crate::services::Services as _;

/// The targets of a rule by their ids; none if the rule isn't there.
pub(super) async fn targets(context: &Context, rule: &str) -> Result<Option<BTreeMap<String, Target>>> {
    let call = context.aws.event_bridge().list_targets_by_rule().rule(rule);
    let mut all = BTreeMap::new();
    let mut next = None;
    loop {
        let answer = ask(call.clone().set_next_token(next).send()).await;
        let Some(page) = wait::found(answer)? else { return Ok(None) };
        for target in page.targets() {
            all.insert(target.id().needed(SERVICE, "Target.Id")?.to_owned(), target_of(target)?);
        }
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(Some(all));
        }
    }
}

fn target_of(target: &types::Target) -> Result<Target, Error> {
    Ok(Target {
        arn: target.arn().needed(SERVICE, "Target.Arn")?.to_owned(),
        input: target.input.clone(),
        role: target.role_arn.clone(),
        settings: settings(target),
    })
}

/// Gives a rule targets.
pub(super) async fn put(context: &Context, rule: &str, targets: &[(&String, &Target)]) -> Result<()> {
    if targets.is_empty() {
        return Ok(());
    }
    let entries = targets.iter().map(|(id, target)| entry(id, target)).collect::<Result<_>>()?;
    let call = context.aws.event_bridge().put_targets().rule(rule).set_targets(Some(entries));
    let answer = wait::visible(context, || alone(context, || ask(call.clone().send()))).await?;
    match answer.failed_entries().first() {
        None => Ok(()),
        Some(failed) => {
            Err(refusal(failed.target_id(), failure("PutTargets", failed.error_code(), failed.error_message())))
        }
    }
}

fn entry(id: &str, target: &Target) -> Result<types::Target> {
    let entry = types::Target::builder().id(id).arn(&target.arn);
    Ok(entry.set_input(target.input.clone()).set_role_arn(target.role.clone()).build()?)
}

/// Takes targets from a rule; that one was missing is success.
pub(super) async fn remove(context: &Context, rule: &str, ids: Vec<String>) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let call = context.aws.event_bridge().remove_targets().rule(rule).set_ids(Some(ids));
    let answer = wait::found(alone(context, || ask(call.clone().send())).await)?;
    for failed in answer.iter().flat_map(RemoveTargetsOutput::failed_entries) {
        let error = failure("RemoveTargets", failed.error_code(), failed.error_message());
        if !error.is_not_found() {
            return Err(refusal(failed.target_id(), error));
        }
    }
    Ok(())
}

/// Why one target failed: the calls succeed as a whole, and each target's failure stands in the answer.
fn failure(operation: &str, code: Option<&str>, message: Option<&str>) -> Error {
    Error::answered(SERVICE, operation, code.unwrap_or_default(), message.unwrap_or_default(), 400, "")
}

fn refusal(target: Option<&str>, error: Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("EventBridge refuses the target {}", target.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_eventbridge::types::RetryPolicy;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_set_on_a_target_shows() {
        let written = Target { arn: "arn".to_owned(), input: Some("{}".to_owned()), role: None, settings: None };
        let mut target = entry("a", &written).expect("a target");
        assert_eq!(target_of(&target).expect("read"), written);
        target.retry_policy = Some(RetryPolicy::builder().maximum_retry_attempts(1).build());
        let settings = target_of(&target).expect("read").settings;
        assert_eq!(settings, Some(json!({"RetryPolicy": {"MaximumRetryAttempts": 1}})));
    }

    #[test]
    fn a_target_that_was_missing_is_told_from_one_that_is_refused() {
        assert!(failure("RemoveTargets", Some("ResourceNotFoundException"), None).is_not_found());
        let refused = refusal(Some("a"), failure("PutTargets", Some("ManagedRuleException"), Some("no")));
        assert!(
            format!("{refused:#}").contains("the target a: events PutTargets: ManagedRuleException: no"),
            "{refused:#}"
        );
    }
}
