//! Job runs: started, run in the background, cancelled, described.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use lakewright_iam::Arn;
use serde_json::{Value, json};

use super::{Running, application, invalid, need, not_found, once, paged, streaming, tags_in};
use crate::access::{self, Acting};
use crate::account::Account;
use crate::clock;
use crate::engine::{Caller, Temporary};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::services::sts::{self, Session};
use crate::state::State;

/// Where runs stand, by `APPLICATION/RUN`.
pub(super) const COLLECTION: &str = "emr-serverless/job-run";
/// The states on the way to the end, and the seconds that a run spends in each.
const WAY: [(&str, i64); 3] = [("PENDING", 2), ("SCHEDULED", 3), ("RUNNING", 5)];
/// The states of a run that is over.
const OVER: [&str; 3] = ["SUCCESS", "FAILED", "CANCELLED"];
/// The longest text of `stateDetails`.
const DETAILS: usize = 256;

pub(super) fn is_over(run: &Value) -> bool {
    run.text("state").is_some_and(|state| OVER.contains(&state))
}

pub(super) fn key(application: &str, run: &str) -> String {
    format!("{application}/{run}")
}

/// Says whether an application has runs that are not over.
pub(super) fn any_open(state: &State<'_>, application: &str) -> bool {
    state.list(COLLECTION).any(|(_, run)| run["applicationId"] == application && !is_over(run))
}

/// The run of a name that isn't over.
pub(super) fn open(state: &State<'_>, name: &str) -> Option<Value> {
    let mut runs = state.list(COLLECTION).map(|(_, run)| run);
    runs.find(|run| run["name"] == name && !is_over(run)).cloned()
}

/// Forgets the runs of an application that is gone.
pub(super) fn forget(state: &mut State<'_>, application: &str) {
    let of_it = state.list(COLLECTION).filter(|(_, run)| run["applicationId"] == application);
    let runs: Vec<(String, String)> =
        of_it.map(|(id, run)| (id.to_owned(), run.text("arn").unwrap_or_default().to_owned())).collect();
    for (id, arn) in runs {
        state.forget_tags(&arn);
        state.remove(COLLECTION, &id);
    }
}

pub(super) fn start(account: &Arc<Account>, request: &Request, running: &Running) -> Result<Value, AwsError> {
    let (answer, fresh) = account.transact(request, |state| {
        application::settle(state);
        once(state, request, |state| make(state, request))
    })?;
    if fresh {
        let part = |member: &str| answer.text(member).unwrap_or_default().to_owned();
        spawn(account, request, running, key(&part("applicationId"), &part("jobRunId")));
    }
    Ok(answer)
}

fn make(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let mut application = application::named(state, request)?;
    match application.text("state") {
        Some("STARTED" | "STARTING") => {}
        Some("CREATED" | "STOPPED" | "CREATING" | "STOPPING")
            if application["autoStartConfiguration"]["enabled"] != false =>
        {
            application::go(state, &mut application, "STARTING");
        }
        other => {
            let id = application.text("applicationId").unwrap_or_default();
            let other = other.unwrap_or_default();
            return Err(invalid(format!("Application {id} is in {other} state and takes no job runs.")));
        }
    }
    let role = need(input, "executionRoleArn")?;
    if !Arn::parse(role).is_some_and(|arn| arn.is("iam", "role")) {
        return Err(invalid(format!("executionRoleArn is not the ARN of a role: {role}")));
    }
    let driver = input.member("jobDriver").ok_or_else(|| invalid("jobDriver is required"))?;
    let submit = driver.member("sparkSubmit").ok_or_else(|| invalid("The local account runs sparkSubmit jobs only"))?;
    need(submit, "entryPoint")?;
    match input.text("mode") {
        None | Some("BATCH") => {}
        Some(streaming::MODE) => streaming::check(&application, input)?,
        Some(other) => return Err(invalid(format!("Job run mode {other} is not supported"))),
    }
    let tags = tags_in(input)?;
    let id = format!("00{}", ids::letters(14, b"abcdefghijklmnopqrstuvwxyz0123456789"));
    let application_id = application.text("applicationId").unwrap_or_default().to_owned();
    let arn = request.arn("emr-serverless", &format!("/applications/{application_id}/jobruns/{id}"));
    let now = clock::epoch(state.now());
    let mut run = json!({
        "applicationId": application_id,
        "jobRunId": id,
        "arn": arn,
        "createdBy": format!("arn:aws:iam::{}:root", request.account),
        "createdAt": now,
        "updatedAt": now,
        "executionRole": role,
        "state": "SUBMITTED",
        "stateDetails": "",
        "releaseLabel": application["releaseLabel"],
        "jobDriver": driver,
        "mode": input.text("mode").unwrap_or("BATCH"),
        "attempt": 1,
        "executionTimeoutMinutes": input.number("executionTimeoutMinutes").unwrap_or(720),
        "_access_key": request.access_key,
    });
    for member in ["name", "configurationOverrides", "retryPolicy"] {
        if let Some(value) = input.member(member) {
            run[member] = value.clone();
        }
    }
    if let Some(network) = application.member("networkConfiguration") {
        run["networkConfiguration"] = network.clone();
    }
    state.put(COLLECTION, &key(&application_id, &id), run);
    state.set_tags(&arn, &tags);
    Ok(json!({ "applicationId": application_id, "jobRunId": id, "arn": arn }))
}

fn spawn(account: &Arc<Account>, request: &Request, running: &Running, key: String) {
    let (account, request, handles, id) = (account.clone(), request.clone(), running.clone(), key.clone());
    // The lock is held until the handle is in the map, so that the task can't take it out before.
    let mut map = running.lock();
    let task = tokio::spawn(async move {
        run(&account, &request, &id).await;
        handles.lock().remove(&id);
    });
    map.insert(key, task.abort_handle());
}

/// Starts what a restart interrupted once more.
pub(super) fn resume(account: &Arc<Account>, running: &Running) {
    for scope in account.scopes() {
        let unfinished = account.transact_at(scope.clone(), |state| {
            let open = state.list(COLLECTION).filter(|(_, run)| !is_over(run) && !streaming::is_left_alone(run));
            Ok(open.map(|(id, run)| (id.to_owned(), run.clone())).collect::<Vec<_>>())
        });
        for (id, run) in unfinished.unwrap_or_default() {
            let request = Request {
                account: scope.account.clone(),
                region: scope.region.clone(),
                access_key: run.text("_access_key").unwrap_or_default().to_owned(),
                operation: "StartJobRun".to_owned(),
                input: json!({}),
                request_id: ids::uuid(),
            };
            spawn(account, &request, running, id);
        }
    }
}

async fn run(account: &Arc<Account>, request: &Request, id: &str) {
    let mut open = json!({});
    for (step, seconds) in WAY {
        if step == "RUNNING" && streaming::is_one(&open) {
            return streaming::begin(account, request, id, &open).await;
        }
        let Some(moved) = go(account, request, id, step) else { return };
        open = moved;
        let millis = account.delays.done_at(0, seconds) as u64;
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    let driver = &open["jobDriver"]["sparkSubmit"];
    let entry_point = driver.text("entryPoint").unwrap_or_default();
    let arguments = driver.texts("entryPointArguments");
    let role = match role(account, request, id) {
        Ok(role) => role,
        Err(error) => return end(account, request, id, &Err(error.message)),
    };
    let caller = Caller { account: &request.account, region: &request.region, role: role.as_ref() };
    let job = account.engine.run_job(caller, entry_point, &arguments);
    let outcome = match minutes(account, request, id) {
        // 0 is a run without an end, for streams.
        0 => job.await,
        minutes => tokio::time::timeout(Duration::from_secs(minutes.saturating_mul(60)), job)
            .await
            .unwrap_or_else(|_| Err(format!("Job run did not end within {minutes} minutes"))),
    };
    end(account, request, id, &outcome);
}

/// Moves a run on to a state, and returns it; none if it is over, or is being cancelled.
pub(super) fn go(account: &Account, request: &Request, id: &str, step: &str) -> Option<Value> {
    let moved = account.transact(request, |state| {
        application::settle(state);
        let now = clock::epoch(state.now());
        let mut open = None;
        state.update(COLLECTION, id, |run| {
            if !is_over(run) && !streaming::is_ending(run) {
                run["state"] = json!(step);
                run["updatedAt"] = now.clone();
                if step == "RUNNING" {
                    run["startedAt"] = now;
                }
                open = Some(run.clone());
            }
        });
        Ok(open)
    });
    moved.ok().flatten()
}

/// Credentials of the run's role, where policies are enforced; elsewhere a run works as the account's administrator.
pub(super) fn role(account: &Account, request: &Request, id: &str) -> Result<Option<Temporary>, AwsError> {
    if !account.enforce {
        return Ok(None);
    }
    let run = account.transact(request, |state| Ok(state.get(COLLECTION, id).cloned().unwrap_or_default()))?;
    let session = session_of_run(account, &run)?;
    Ok(Some(Temporary { access_key: session.access_key, secret: session.secret, token: session.token }))
}

/// A session of a job run's role, if the role lets EMR in for the application.
pub(crate) fn session_of_run(account: &Account, run: &Value) -> Result<Session, AwsError> {
    let part = |member: &str| run.text(member).unwrap_or_default();
    let application = part("arn").split("/jobruns/").next().unwrap_or_default();
    let owner = access::owner_of(application);
    let acting = Acting { service: "emr-serverless.amazonaws.com", source: Some((owner, application)) };
    sts::session_of_service(account, part("executionRole"), acting, part("jobRunId"))
}

/// Writes the end of a run: its log, or why it failed.
pub(super) fn end(account: &Account, request: &Request, id: &str, outcome: &Result<String, String>) {
    let ended = account.transact(request, |state| {
        let now = state.now();
        state.update(COLLECTION, id, |run| {
            if is_over(run) || streaming::is_ending(run) {
                return;
            }
            let (ending, details) = match outcome {
                Ok(_) => ("SUCCESS", ""),
                Err(details) => ("FAILED", details.as_str()),
            };
            finish(run, ending, details, now);
            if let Ok(log) = outcome {
                run["_log"] = json!(log);
            }
        });
        Ok(())
    });
    if let Err(error) = ended {
        tracing::error!(%error, run = id, "cannot write the end of a job run");
    }
}

/// How long a run may take at most.
fn minutes(account: &Account, request: &Request, id: &str) -> u64 {
    let read =
        |state: &mut State<'_>| Ok(state.get(COLLECTION, id).and_then(|run| run.number("executionTimeoutMinutes")));
    let minutes = account.transact(request, read).ok().flatten();
    minutes.and_then(|minutes| u64::try_from(minutes).ok()).unwrap_or(720)
}

pub(super) fn finish(run: &mut Value, ending: &str, details: &str, now: i64) {
    let at = clock::epoch(now);
    let seconds = run["startedAt"].as_f64().map_or(0.0, |started| now as f64 / 1000.0 - started).max(0.0);
    run["state"] = json!(ending);
    run["stateDetails"] = json!(details.chars().take(DETAILS).collect::<String>());
    run["updatedAt"] = at.clone();
    run["endedAt"] = at;
    run["totalExecutionDurationSeconds"] = json!(seconds.ceil() as i64);
    let hours = seconds / 3600.0;
    run["totalResourceUtilization"] =
        json!({ "vCPUHour": hours * 4.0, "memoryGBHour": hours * 16.0, "storageGBHour": hours * 20.0 });
    run["billedResourceUtilization"] =
        json!({ "vCPUHour": hours * 4.0, "memoryGBHour": hours * 16.0, "storageGBHour": 0.0 });
}

fn named(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let application = application::named(state, request)?;
    let application = application.text("applicationId").unwrap_or_default();
    let id = need(&request.input, "jobRunId")?;
    let found = state.get(COLLECTION, &key(application, id)).cloned();
    found.ok_or_else(|| not_found(format!("Job run {id} does not exist")))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let run = named(state, request)?;
    let mut shown = run.clone();
    let members = shown.as_object_mut().expect("a run is an object");
    members.retain(|name, _| !name.starts_with('_'));
    let tags = state.tags(run.text("arn").unwrap_or_default());
    members.insert("tags".into(), json!(tags));
    Ok(json!({ "jobRun": shown }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let application = application::named(state, request)?;
    let states = request.input.texts("states");
    let mode = request.input.text("mode");
    let (after, before) = (time(&request.input, "createdAtAfter")?, time(&request.input, "createdAtBefore")?);
    let is_within = |run: &Value| {
        let at = run["createdAt"].as_f64().unwrap_or_default();
        after.is_none_or(|after| at >= after) && before.is_none_or(|before| at <= before)
    };
    let mut all: Vec<Value> = state
        .list(COLLECTION)
        .filter(|(_, run)| run["applicationId"] == application["applicationId"])
        .filter(|(_, run)| mode.is_none_or(|mode| run["mode"] == mode) && is_within(run))
        .filter(|(_, run)| states.is_empty() || run.text("state").is_some_and(|it| states.iter().any(|s| s == it)))
        .map(|(_, run)| {
            let mut summary = json!({ "id": run["jobRunId"], "type": "SPARK" });
            for member in [
                "applicationId",
                "name",
                "mode",
                "arn",
                "createdBy",
                "createdAt",
                "updatedAt",
                "executionRole",
                "state",
                "stateDetails",
                "releaseLabel",
                "attempt",
            ] {
                if let Some(value) = run.member(member) {
                    summary[member] = value.clone();
                }
            }
            summary
        })
        .collect();
    let at = |run: &Value| run["createdAt"].as_f64().unwrap_or_default();
    all.sort_by(|one, other| at(other).total_cmp(&at(one)));
    paged(request, "jobRuns", all)
}

/// A time in a query, as seconds since the epoch.
fn time(input: &Value, member: &str) -> Result<Option<f64>, AwsError> {
    let Some(text) = input.text(member) else { return Ok(None) };
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| invalid(format!("{member} is not a time: {text}")))?;
    Ok(Some(time.timestamp_millis() as f64 / 1000.0))
}

pub(super) fn cancel(account: &Arc<Account>, request: &Request, running: &Running) -> Result<Value, AwsError> {
    let (application, id) = account.transact(request, |state| {
        application::settle(state);
        let mut run = named(state, request)?;
        let part = |member: &str| run.text(member).unwrap_or_default().to_owned();
        let ids = (part("applicationId"), part("jobRunId"));
        if is_over(&run) {
            let state = run.text("state").unwrap_or_default();
            return Err(invalid(format!("Job run {} is in {state} state and cannot be cancelled.", ids.1)));
        }
        if streaming::is_one(&run) {
            streaming::check_grace(&request.input)?;
            streaming::cancel(state, &mut run, "Job run was cancelled by the user.");
        } else {
            finish(&mut run, "CANCELLED", "Job run was cancelled by the user.", state.now());
            state.put(COLLECTION, &key(&ids.0, &ids.1), run);
        }
        Ok(ids)
    })?;
    if let Some(task) = running.lock().remove(&key(&application, &id)) {
        task.abort();
    }
    Ok(json!({ "applicationId": application, "jobRunId": id }))
}
