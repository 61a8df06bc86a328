//! Runs in the mode `STREAMING`: they have no end, and nothing of this machine runs them.
//!
//! <https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark-streaming.html>

use std::sync::Arc;

use serde_json::{Value, json};

use super::{invalid, job_run};
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::services::glue::objects;
use crate::state::State;

/// The mode.
pub(super) const MODE: &str = "STREAMING";
/// The seconds that a run takes to finish what it has begun and to release its workers.
const END_SECONDS: i64 = 30;
/// The most failures in an hour that a run may be given.
/// <https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-resiliency.html>
const MOST_FAILURES: i64 = 10;
/// The most minutes that a run may be given.
const MOST_MINUTES: i64 = 1_000_000;
/// The first release with the mode, after `emr-`.
const FIRST_RELEASE: [u32; 2] = [7, 1];

/// Whether a run is in the mode.
pub(super) fn is_one(run: &Value) -> bool {
    run["mode"] == MODE
}

/// Whether a run has been cancelled and isn't over yet.
pub(super) fn is_ending(run: &Value) -> bool {
    run["state"] == "CANCELLING"
}

/// Whether nothing of this account moves a run on.
pub(super) fn is_left_alone(run: &Value) -> bool {
    is_one(run) && (run["state"] == "RUNNING" || is_ending(run))
}

/// Refuses what no run in the mode is given.
pub(super) fn check(application: &Value, input: &Value) -> Result<(), AwsError> {
    let release = application.text("releaseLabel").unwrap_or_default();
    let numbers = release.strip_prefix("emr-").unwrap_or_default().split('.').map(|number| number.parse().ok());
    let numbers: Option<Vec<u32>> = numbers.take(2).collect();
    if numbers.is_some_and(|numbers| numbers < FIRST_RELEASE.to_vec()) {
        return Err(invalid(format!("The release {release} does not support job runs in STREAMING mode")));
    }
    if let Some(policy) = input.member("retryPolicy") {
        if policy.member("maxAttempts").is_some() {
            return Err(invalid("retryPolicy.maxAttempts is only applicable for BATCH mode"));
        }
        if let Some(failures) = policy.number("maxFailedAttemptsPerHour")
            && !(1..=MOST_FAILURES).contains(&failures)
        {
            let most = MOST_FAILURES;
            return Err(invalid(format!("maxFailedAttemptsPerHour must be between 1 and {most}, not {failures}")));
        }
    }
    match input.number("executionTimeoutMinutes") {
        Some(minutes) if !(0..=MOST_MINUTES).contains(&minutes) => {
            Err(invalid(format!("executionTimeoutMinutes must be between 0 and {MOST_MINUTES}, not {minutes}")))
        }
        _ => Ok(()),
    }
}

/// Refuses a time to end in that no run is given.
pub(super) fn check_grace(input: &Value) -> Result<(), AwsError> {
    match input.number("shutdownGracePeriodInSeconds") {
        Some(seconds) if seconds != 0 && !(15..=1800).contains(&seconds) => {
            Err(invalid(format!("shutdownGracePeriodInSeconds must be 0 or between 15 and 1800, not {seconds}")))
        }
        _ => Ok(()),
    }
}

/// Begins a run: from then on it runs, unless EMR can't take its role on or its program isn't there.
pub(super) async fn begin(account: &Arc<Account>, request: &Request, id: &str, run: &Value) {
    let role = match job_run::role(account, request, id) {
        Ok(role) => role,
        Err(error) => return job_run::end(account, request, id, &Err(error.message)),
    };
    let program = run["jobDriver"]["sparkSubmit"].text("entryPoint").unwrap_or_default();
    let access_key = role.map_or_else(|| request.access_key.clone(), |role| role.access_key);
    let by_role = Request { access_key, ..request.clone() };
    // One that stands in the image can't be seen from here.
    let seen = if program.starts_with("s3://") { objects::look(account, &by_role, program).await } else { Ok(()) };
    let Err(error) = seen else {
        job_run::go(account, request, id, "RUNNING");
        return;
    };
    let begun = account.transact(request, |state| {
        let now = clock::epoch(state.now());
        state.update(job_run::COLLECTION, id, |run| run["startedAt"] = now);
        Ok(())
    });
    if let Err(error) = begun {
        tracing::error!(%error, run = id, "cannot write the begin of a job run");
    }
    let details = format!(
        "Job execution failed, please check complete logs in configured logging destination. ExitCode: 1. Last few \
         exceptions: {}",
        error.message
    );
    job_run::end(account, request, id, &Err(details));
}

/// Cancels a run, which ends in a while.
pub(super) fn cancel(state: &mut State<'_>, run: &mut Value, details: &str) {
    if is_ending(run) {
        return;
    }
    run["state"] = json!("CANCELLING");
    run["stateDetails"] = json!(details);
    run["updatedAt"] = clock::epoch(state.now());
    run["_until"] = json!(state.done_in(END_SECONDS));
    put(state, run);
    settle(state);
}

fn put(state: &mut State<'_>, run: &Value) {
    let id = job_run::key(run.text("applicationId").unwrap_or_default(), run.text("jobRunId").unwrap_or_default());
    state.put(job_run::COLLECTION, &id, run);
}

/// Lets time pass: cancels what has run for as long as it may, and ends what was cancelled.
pub(super) fn settle(state: &mut State<'_>) {
    let now = state.now();
    let open = state.list(job_run::COLLECTION).filter(|(_, run)| is_left_alone(run));
    let open: Vec<Value> = open.map(|(_, run)| run.clone()).collect();
    for mut run in open {
        if is_ending(&run) {
            if run.number("_until").is_some_and(|until| until <= now) {
                let details = run.text("stateDetails").unwrap_or_default().to_owned();
                job_run::finish(&mut run, "CANCELLED", &details, now);
                run.as_object_mut().expect("a run is an object").shift_remove("_until");
                put(state, &run);
            }
        } else if is_timed_out(&run, now) {
            cancel(state, &mut run, "Job run exceeded its execution timeout.");
        }
    }
}

fn is_timed_out(run: &Value, now: i64) -> bool {
    let minutes = run.number("executionTimeoutMinutes").unwrap_or_default();
    let started = run["startedAt"].as_f64().unwrap_or_default();
    minutes > 0 && now as f64 / 1000.0 >= started + minutes as f64 * 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_streaming_run_is_given_is_refused() {
        let refused = |release: &str, input: Value| {
            check(&json!({ "releaseLabel": release }), &input).err().map(|error| error.message).unwrap_or_default()
        };
        assert_eq!(refused("emr-7.1.0", json!({ "executionTimeoutMinutes": 0 })), "");
        assert_eq!(refused("emr-spark-8.0-preview", json!({ "retryPolicy": { "maxFailedAttemptsPerHour": 10 } })), "");
        assert!(refused("emr-7.0.0", json!({})).contains("STREAMING"));
        assert!(refused("emr-6.15.0", json!({})).contains("STREAMING"));
        assert!(refused("emr-7.9.0", json!({ "retryPolicy": { "maxAttempts": 2 } })).contains("BATCH"));
        for failures in [0, 11] {
            let input = json!({ "retryPolicy": { "maxFailedAttemptsPerHour": failures } });
            assert!(refused("emr-7.9.0", input).contains("between 1 and 10"), "{failures}");
        }
        assert!(refused("emr-7.9.0", json!({ "executionTimeoutMinutes": -1 })).contains("between 0"));
    }

    #[test]
    fn a_run_with_a_timeout_is_over_after_it() {
        let run = |minutes: i64| json!({ "executionTimeoutMinutes": minutes, "startedAt": 1000.0 });
        assert!(!is_timed_out(&run(0), i64::MAX));
        assert!(!is_timed_out(&run(2), 1_119_999) && is_timed_out(&run(2), 1_120_000));
    }
}
