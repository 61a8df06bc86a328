//! Reports: how an agent is doing, sent to its log group in CloudWatch's embedded metric format.
//!
//! The agent sends them itself. A host's CloudWatch agent ships log files and needs no such line; on a laptop nobody
//! ships anything, and the way of the numbers is the same on both.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use lakewright_aws::{Aws, Options, ask, client};
use lakewright_config::WatchConfig;
use lakewright_config::agents::Role;
use lakewright_config::reports::{self, GROWING, Reported};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use crate::{Agent, Reading, health};

/// The file in the state directory that holds the name of the log stream: a restart goes on in it.
const STREAM_FILE: &str = "watch.stream";

/// Makes the reports of an agent.
#[derive(Debug)]
struct Reporter {
    agent: Agent,
    stack: String,
    started_ms: i64,
    /// When nothing waited last, as far as reports looked; at first the start.
    idle_ms: i64,
    /// What grew by the last report that arrived.
    reported: Vec<f64>,
}

/// A report that is on its way.
struct Report {
    line: String,
    time_ms: i64,
    totals: Vec<f64>,
}

impl Reporter {
    fn new(agent: Agent, stack: &str) -> Self {
        let started_ms = health::now_ms();
        Self { agent, stack: stack.to_owned(), started_ms, idle_ms: started_ms, reported: vec![0.0; GROWING.len() + 1] }
    }

    /// What has grown, in the order of [`GROWING`], the errors last; those that the agent has nothing of are `None`.
    fn totals(&self, readings: &[Reading]) -> Vec<Option<f64>> {
        let errors = self.agent.health.errors() as f64;
        GROWING.iter().map(|(_, role)| sum(readings, *role)).chain([Some(errors)]).collect()
    }

    fn report(&mut self, now_ms: i64) -> Report {
        let readings = self.agent.metrics.readings();
        // Before the first of them is done, what counts is since when it could have been.
        let age = |role: Role, since_ms: i64| {
            sum(&readings, role).map(|at| (now_ms as f64 - at.max(since_ms as f64)).max(0.0) / 1000.0)
        };
        let totals = self.totals(&readings);
        let mut found: Vec<(&Reported, f64)> = vec![(&reports::HEARTBEAT, 1.0)];
        let growing = GROWING.iter().map(|(reported, _)| *reported).chain([&reports::ERRORS]);
        for ((metric, total), before) in growing.zip(&totals).zip(&self.reported) {
            found.extend(total.map(|total| (metric, (total - before).max(0.0))));
        }
        let lag = sum(&readings, Role::Lag);
        found.extend(lag.map(|lag| (&reports::LAG, lag)));
        if lag.is_some_and(|lag| lag <= 0.0) {
            self.idle_ms = now_ms;
        }
        // Where an agent doesn't know how old its oldest record is: after a pause the last commit is long ago; what came
        // since then waits no longer than since nothing waited.
        let since_commit = || if lag? > 0.0 { age(Role::LastCommit, self.idle_ms) } else { Some(0.0) };
        let waits = sum(&readings, Role::LagAge).or_else(since_commit);
        found.extend(waits.map(|seconds| (&reports::LAG_SECONDS, seconds)));
        found.extend(sum(&readings, Role::Quarantined).map(|parts| (&reports::QUARANTINED, parts)));
        let fresh = age(Role::LastSuccess, self.started_ms);
        found.extend(fresh.map(|seconds| (&reports::FRESHNESS_SECONDS, seconds)));

        let metrics: Vec<Value> =
            found.iter().map(|(reported, _)| json!({"Name": reported.name, "Unit": reported.unit})).collect();
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": now_ms,
                "CloudWatchMetrics": [{
                    "Namespace": reports::NAMESPACE,
                    "Dimensions": [[reports::AGENT, reports::STACK]],
                    "Metrics": metrics,
                }],
            }),
        );
        line.insert(reports::AGENT.to_owned(), json!(self.agent.name));
        line.insert(reports::STACK.to_owned(), json!(self.stack));
        line.insert("Version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
        line.extend(found.into_iter().map(|(reported, number)| (reported.name.to_owned(), json!(number))));
        let totals = totals.into_iter().map(Option::unwrap_or_default).collect();
        Report { line: Value::Object(line).to_string(), time_ms: now_ms, totals }
    }
}

/// What the metrics in a role come to together, those by label left out; `None` if there are none.
fn sum(readings: &[Reading], role: Role) -> Option<f64> {
    let of_role = readings.iter().filter(|reading| reading.metric.role == role && reading.labels.is_empty());
    of_role.map(|reading| reading.value).reduce(|a, b| a + b)
}

/// Reports until the agent's shutdown, and once more then; returns when the last report has gone. What fails is logged and
/// sent again with the next report.
pub fn start(agent: &Agent, config: WatchConfig) -> JoinHandle<()> {
    let agent = agent.clone();
    tokio::spawn(async move {
        let shutdown = agent.shutdown.clone();
        let mut reporter = Reporter::new(agent, &config.stack);
        let mut sink = None;
        loop {
            let last = shutdown.is_cancelled();
            let report = reporter.report(health::now_ms());
            match send(&mut sink, &reporter.agent.state_dir, &config, &report).await {
                Ok(()) => reporter.reported = report.totals,
                Err(error) => tracing::warn!(error = format!("{error:#}"), "the report could not be sent"),
            }
            if last {
                return;
            }
            let pause = Duration::from_secs(config.every_seconds.max(1));
            _ = tokio::time::timeout(pause, shutdown.cancelled()).await;
        }
    })
}

/// Where reports go: a client and the log stream, once that is there.
struct Sink {
    logs: aws_sdk_cloudwatchlogs::Client,
    stream: String,
}

async fn send(sink: &mut Option<Sink>, state: &Path, config: &WatchConfig, report: &Report) -> Result<()> {
    if sink.is_none() {
        *sink = Some(open(state, config).await?);
    }
    let Some(Sink { logs, stream }) = sink else { return Ok(()) };
    let event = InputLogEvent::builder().timestamp(report.time_ms).message(&report.line).build();
    let event = event.expect("an event has its time and its message");
    let put = logs.put_log_events().log_group_name(&config.log_group).log_stream_name(&*stream).log_events(event);
    let sent = ask(put.send()).await;
    if sent.as_ref().is_err_and(lakewright_aws::Error::is_not_found) {
        // Somebody deleted the stream, or the group, which the next apply makes anew.
        *sink = None;
    }
    sent.with_context(|| format!("send a report to {}", config.log_group))?;
    Ok(())
}

async fn open(state: &Path, config: &WatchConfig) -> Result<Sink> {
    let aws = Aws::connect(Options::default()).await?;
    let logs = client!(aws, "logs", aws_sdk_cloudwatchlogs);
    let file = state.join(STREAM_FILE);
    let stream = match std::fs::read_to_string(&file) {
        Ok(name) if !name.trim().is_empty() => name.trim().to_owned(),
        _ => {
            let name = format!("reports-{}", uuid::Uuid::new_v4().simple());
            std::fs::write(&file, &name).with_context(|| format!("write {}", file.display()))?;
            name
        }
    };
    match ask(logs.create_log_stream().log_group_name(&config.log_group).log_stream_name(&stream).send()).await {
        Err(error) if !error.is_already_exists() => {
            Err(error).with_context(|| format!("make a log stream in {}", config.log_group))
        }
        _ => Ok(Sink { logs, stream }),
    }
}

#[cfg(test)]
mod tests {
    use lakewright_config::agents::{self, stream};

    use super::*;

    fn numbers(report: &Report) -> Value {
        let mut line: Value = serde_json::from_str(&report.line).expect("JSON");
        let names: Vec<String> = line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
            .as_array()
            .expect("metrics")
            .iter()
            .map(|metric| metric["Name"].as_str().expect("a name").to_owned())
            .collect();
        let members = line.as_object_mut().expect("an object");
        members.retain(|name, _| names.contains(name));
        assert_eq!(members.len(), names.len(), "every metric has its value");
        line
    }

    #[test]
    fn reports_say_what_grew_since_the_last_that_arrived() {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = Agent::detached(agents::Agent::Stream, folder.path().to_path_buf());
        let (records, dead) =
            (agent.metrics.counter(&stream::RECORDS, &[]), agent.metrics.counter(&stream::DEAD_LETTERS, &[]));
        let mut reporter = Reporter::new(agent.clone(), "shop");
        records.increment(10);
        dead.increment(1);
        agent.health.error("disk full");
        let now = reporter.started_ms;
        let first = reporter.report(now);
        let expected = json!({"Heartbeat": 1.0, "Records": 10.0, "DeadLetters": 1.0, "Errors": 1.0});
        assert_eq!(numbers(&first), expected);
        // It got lost: the next one says the same, and what came since.
        records.increment(5);
        let second = reporter.report(now);
        assert_eq!(numbers(&second)["Records"], 15.0);
        reporter.reported = second.totals;
        assert_eq!(numbers(&reporter.report(now))["Records"], 0.0);
    }

    #[test]
    fn commits_of_other_partitions_do_not_hide_one_that_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = Agent::detached(agents::Agent::Stream, folder.path().to_path_buf());
        let (lag, done) = (agent.metrics.gauge(&stream::LAG, &[]), agent.metrics.gauge(&stream::LAST_COMMIT, &[]));
        agent.metrics.gauge(&stream::LAG_AGE, &[]).set(720);
        let of = [(stream::TOPIC, "facts"), (stream::PARTITION, "3")];
        agent.metrics.gauge(&stream::PARTITION_LAG, &of).set(720);
        let mut reporter = Reporter::new(agent, "shop");
        let now = reporter.started_ms + 900_000;
        lag.set(7);
        done.set(now as f64);
        assert_eq!(numbers(&reporter.report(now))["LagSeconds"], 720.0);
    }

    #[test]
    fn records_wait_only_while_there_are_any() {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = Agent::detached(agents::Agent::Stream, folder.path().to_path_buf());
        let (lag, done) = (agent.metrics.gauge(&stream::LAG, &[]), agent.metrics.gauge(&stream::LAST_COMMIT, &[]));
        let mut reporter = Reporter::new(agent, "shop");
        let start = reporter.started_ms;
        lag.set(7);
        // Nothing was committed since the start.
        assert_eq!(numbers(&reporter.report(start + 90_000))["LagSeconds"], 90.0);
        done.set((start + 60_000) as f64);
        let report = numbers(&reporter.report(start + 90_000));
        assert_eq!((&report["Lag"], &report["LagSeconds"]), (&json!(7.0), &json!(30.0)));
        // A pause of an hour, in which nothing is committed because nothing came.
        lag.set(0);
        assert_eq!(numbers(&reporter.report(start + 3_600_000))["LagSeconds"], 0.0);
        lag.set(1);
        assert_eq!(numbers(&reporter.report(start + 3_660_000))["LagSeconds"], 60.0);
    }
}
