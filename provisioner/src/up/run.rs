//! `lakewright up` from its first step to its last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use lakewright_aws::Client;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::agents::{Placed, Supervised, Surroundings, published};
use super::child::Process;
use super::ending::{caught_up, last_run, stop, stop_all};
use super::parts::{self, DataFolder, Endpoints};
use super::report::{exact, report};
use super::runfile::RunFile;
use super::verify::{Subject, verify};
use super::view::{Heading, show};
use crate::apply::{Progress, apply};
use crate::cli::change::{all_kinds, conclude, refuse_loss};
use crate::cli::connect::{agent_program, artifact, context, desired, local_client, stack};
use crate::cli::run::until_interrupted;
use crate::cli::{Global, Outcome, print, say};
use crate::kind::Context as KindContext;
use crate::plan::plan;
use crate::render;
use crate::resource::Desired;
use crate::stack::Stack;
use crate::sweep::sweep;

/// How long the local parts may take to write everything out.
const GRACE: Duration = Duration::from_secs(30);

/// `lakewright up`.
pub async fn run(global: &Global, options: &Options) -> Result<Outcome> {
    let stack = stack(global)?;
    let data = Arc::new(DataFolder::open(&global.data).await?);
    until_interrupted(|interrupted| async move {
        let (local, endpoints) = parts::start(&data, options).await?;
        let outcome = with_parts(global, options, &stack, &data, &endpoints, &local, &interrupted).await;
        let stopped = local.stop(GRACE).await;
        RunFile::remove(&data.path);
        let outcome = outcome?;
        stopped?;
        Ok(outcome)
    })
    .await
}

async fn with_parts(
    global: &Global,
    options: &Options,
    stack: &Stack,
    data: &Arc<DataFolder>,
    endpoints: &Endpoints,
    local: &Process,
    interrupted: &CancellationToken,
) -> Result<Outcome> {
    let region = global.region.clone().or_else(|| stack.file.stack.region.as_deref().cloned()).unwrap_or_default();
    let local_account = options.aws.is_none();
    let aws = if local_account {
        local_client(&endpoints.account, &region)?
    } else {
        let given = lakewright_aws::Options {
            region: Some(region).filter(|region| !region.is_empty()),
            endpoint: options.aws.clone(),
            profile: global.profile.clone(),
        };
        Client::connect(given).await?
    };
    let run = RunFile {
        stack: stack.name().to_owned(),
        region: aws.region().to_owned(),
        account: endpoints.account.clone(),
        kafka: endpoints.kafka.clone(),
        search: endpoints.search.clone(),
        pid: std::process::id(),
        children: vec![local.record.clone()],
    };
    run.write(&data.path)?;
    let kinds = context(aws.clone(), stack.name(), true).await?;
    let desired = desired(stack, &kinds, &artifact(global)?)?;
    if !make(&kinds, &desired, options, interrupted).await? {
        return Ok(Outcome::Wrong);
    }
    let artifacts = artifacts_bucket(&desired)?;
    let placed = published(&aws, &artifacts, data).await?;
    if placed.is_empty() {
        bail!("the stack has no host with an agent, so that nothing is there to run; add one under [hosts]");
    }
    let surroundings = Arc::new(Surroundings {
        data: data.clone(),
        agent: agent_program(global)?,
        endpoints: endpoints.clone(),
        region: aws.region().to_owned(),
        local_account,
        run: Mutex::new(run),
        board: Arc::default(),
    });
    let mut agents: Vec<Supervised> = Vec::new();
    for one in &placed {
        tokio::spawn(surroundings.board.clone().watch(one.clone()));
        agents.push(Supervised::start(&surroundings, one.clone()));
    }
    say(&format!("\nRunning {} agents; logs are in {}.", placed.len(), data.path.join("logs").display()));
    let outcome = live(options, stack, &surroundings, &mut agents, interrupted).await;
    if let Err(error) = &outcome {
        say(&format!("! {error:#}"));
    }
    if interrupted.is_cancelled() || options.duration.is_none() || outcome.is_err() {
        stop_all(&mut agents).await;
        outcome?;
        say("Stopped. `lakewright up` goes on from here.");
        return Ok(Outcome::Done);
    }
    let subject = Subject {
        aws: &aws,
        stack: stack.name(),
        artifacts: &artifacts,
        agent: &surroundings.agent,
        kafka: &endpoints.kafka,
        search: &endpoints.search,
        agents: &placed,
    };
    settle(&surroundings, &mut agents, &placed, interrupted).await?;
    if interrupted.is_cancelled() {
        say("Stopped before the verification.");
        return Ok(Outcome::Wrong);
    }
    say("Verifying …\n");
    let checks = verify(&subject).await.context("verify")?;
    print(&report(&checks))?;
    Ok(if exact(&checks) { Outcome::Done } else { Outcome::Wrong })
}

/// Plans and applies; false when something failed, which has been said.
async fn make(
    context: &KindContext,
    desired: &Desired,
    options: &Options,
    interrupted: &CancellationToken,
) -> Result<bool> {
    let started = Instant::now();
    let live = sweep(all_kinds(), context, desired).await?;
    let plan = plan(all_kinds(), desired, &live)?;
    say(&render::summary(&plan));
    refuse_loss(&plan, &options.allow_data_loss)?;
    let report = apply(all_kinds(), context, &plan, &Progress::new(), interrupted).await;
    if !plan.is_empty() {
        conclude(&report, "up", started);
    }
    Ok(report.complete())
}

/// The bucket that hosts read their configurations from: the one of the objects that hold them.
fn artifacts_bucket(desired: &Desired) -> Result<String> {
    let bucket = desired.resources.iter().find(|r| r.address.kind == "bucket" && r.address.name == "artifacts");
    let name = bucket.and_then(|bucket| bucket.spec["name"].as_str());
    Ok(name.context("the stack has no artifacts bucket: this is a bug in lakewright")?.to_owned())
}

/// Shows what happens until the time is over or somebody interrupts.
async fn live(
    options: &Options,
    stack: &Stack,
    surroundings: &Arc<Surroundings>,
    agents: &mut Vec<Supervised>,
    interrupted: &CancellationToken,
) -> Result<()> {
    let endpoints = &surroundings.endpoints;
    let heading = Heading {
        stack: stack.name().to_owned(),
        endpoints: [endpoints.account.clone(), endpoints.kafka.clone(), endpoints.search.clone()],
        started: Instant::now(),
        until: options.duration,
    };
    let over = interrupted.child_token();
    let view = tokio::spawn(show(surroundings.board.clone(), heading, options.plain, over.clone()));
    let end = async {
        match options.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = end => {
            stop(agents, "producer").await;
            let caught_up = caught_up(&surroundings.board, interrupted).await;
            over.cancel();
            view.await.context("show the view")??;
            return caught_up;
        }
        () = interrupted.cancelled() => {}
    }
    view.await.context("show the view")?
}

/// Stops what reads the log and runs the models a last time.
async fn settle(
    surroundings: &Arc<Surroundings>,
    agents: &mut Vec<Supervised>,
    placed: &[Placed],
    interrupted: &CancellationToken,
) -> Result<()> {
    say("The log is read to its end.");
    stop_all(agents).await;
    for one in placed.iter().filter(|one| one.agent == "batch") {
        say("Running the models a last time …");
        tokio::select! {
            done = last_run(surroundings, one) => done?,
            () = interrupted.cancelled() => return Ok(()),
        }
    }
    Ok(())
}
