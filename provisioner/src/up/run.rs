//! `lakewright up` from its first step to its last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use lakewright_aws::Aws;
use lakewright_config::agents::Need;
use lakewright_platform::http::without_password;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::agents::{Hosts, Placed, Supervised, Surroundings, published};
use super::child::Process;
use super::deployer::become_deployer;
use super::ending::{caught_up, last_run, stop_all, stop_writers};
use super::pace::COMMIT_INTERVAL;
use super::parts::{self, DataFolder, Endpoints, Needs};
use super::report::report;
use super::samples::Samples;
use super::verify::{Subject, verify};
use super::view::{Heading, show};
use crate::app::bounds::{make_boundaries, refuse_forbidden};
use crate::app::carry::{carry_out, conclude, give_back, lease};
use crate::app::connect::{Belonging, LOCAL_ACCOUNT, context, local_client, mfa_code, of_stack, stack};
use crate::app::desired::{artifacts_bucket, desired};
use crate::app::programs::{agent_program, own_program};
use crate::app::{Global, Outcome, RunFile, StackState, leased, print, refuse_loss, say, until_interrupted};
use crate::kind::{Context, Pace};
use crate::kinds::msk::in_clear;
use crate::names;
use crate::plan;
use crate::render;
use crate::stack::Stack;

/// How long the local parts may take to write everything out.
const GRACE: Duration = Duration::from_secs(30);

/// `lakewright up`.
pub async fn run(global: &Global, options: &Options) -> Result<Outcome> {
    let stack = stack(global)?;
    let data = Arc::new(DataFolder::open(&global.data).await?);
    parts::warn_of_password(options);
    until_interrupted(|interrupted| async move {
        let (mut local, endpoints) = parts::start(&data, options, &Needs::of(&stack, options)).await?;
        let parts = with_parts(global, options, &stack, (&data, &endpoints), &mut local, &interrupted);
        let outcome = Box::pin(parts).await;
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
    (data, endpoints): (&Arc<DataFolder>, &Endpoints),
    local: &mut Process,
    interrupted: &CancellationToken,
) -> Result<Outcome> {
    let local_account = options.aws.is_none();
    let (mut state, mut run) = begin(global, options, stack, (data.as_ref(), endpoints), local).await?;
    let aws = state.context.aws.clone();
    if local_account {
        // Nobody else is there to make it.
        make_boundaries(&state).await?;
    }
    let is_judged = local_account && !options.permissive;
    if is_judged {
        let aws = become_deployer(&state, stack).await?;
        state.context = of_stack(Context { aws, ..state.context }, &state.desired);
    }
    if !make(&state, options, interrupted).await? {
        return Ok(Outcome::Wrong);
    }
    let needs = Needs::of(stack, options);
    if let Some(logins) = &needs.logins {
        run.search = logins.administrator(&aws, &endpoints.search).await?;
        run.write(&data.path)?;
    }
    let search = run.search.clone();
    let artifacts = artifacts_bucket(&state.desired)?;
    let placed = published(&aws, &artifacts, data, local_account.then_some(options.keep)).await?;
    if placed.is_empty() {
        bail!("the stack has no host with an agent, so that nothing is there to run; add one under [hosts]");
    }
    let kafka = if local_account || options.kafka.is_some() {
        Some(endpoints.kafka.clone())
    } else {
        let existing = stack.file.kafka.as_ref().and_then(|kafka| kafka.existing.as_ref());
        in_clear(&state.context, existing.map(|existing| existing.arn.as_str())).await.context("find the Kafka")?
    };
    let surroundings = Arc::new(Surroundings {
        data: data.clone(),
        agent: agent_program(global)?,
        endpoints: endpoints.clone(),
        needs,
        kafka,
        // The log on this machine asks the account beside it who logs in.
        secured: endpoints.kafka_secured.clone().filter(|_| local_account),
        region: aws.region().to_owned(),
        local_account,
        as_hosts: is_judged.then(|| Hosts { stack: stack.name().to_owned(), account: state.context.account.clone() }),
        run: Mutex::new(run),
        board: Arc::default(),
    });
    let samples = Samples::of(&placed, options)?;
    let mut agents: Vec<Supervised> = Vec::new();
    for one in &placed {
        tokio::spawn(surroundings.board.clone().watch(one.clone()));
        agents.push(Supervised::start(&surroundings, one.clone()));
    }
    say(&format!("\nRunning {} agents; logs are in {}.", placed.len(), data.path.join("logs").display()));
    if placed.iter().any(|one| one.host == names::STREAM_JOB) {
        say("On AWS a job of Spark fills the tables; on this machine the stream agent does its work.");
    }
    for one in &samples {
        let (rate, topics) = (one.rate, one.topics.join(", "));
        say(&format!("No agent of the stack produces to {topics}: each gets {rate} sample messages a second."));
        agents.push(Supervised::samples(&surroundings, one.clone()));
    }
    for one in placed.iter().filter(|one| !one.left_out.is_empty()) {
        let sources = one.left_out.join(", ");
        say(&format!("No journal of a host is on this machine: {} goes without {sources}.", one.name()));
    }
    if placed.iter().any(|one| one.slow) {
        let seconds = COMMIT_INTERVAL.as_secs();
        say(&format!("On this machine rows are committed every {seconds} s, not as seldom as the stack file says."));
    }
    if placed.iter().any(|one| one.keeps_less) {
        let seconds = options.keep.as_secs();
        say(&format!(
            "Tables are kept small on this machine: snapshots for {seconds} s, unless --keep says otherwise."
        ));
    }
    let subject = Subject {
        aws: &aws,
        stack: stack.name(),
        artifacts: &artifacts,
        agent: &surroundings.agent,
        kafka: surroundings.kafka.as_deref(),
        search: &search,
        agents: &placed,
        surroundings: &surroundings,
        sampled: !samples.is_empty(),
    };
    let outcome = live(options, &subject, &surroundings, &mut agents, local, interrupted).await;
    if let Err(error) = &outcome {
        say(&format!("! {error:#}"));
    }
    if interrupted.is_cancelled() || options.duration.is_none() || outcome.is_err() {
        stop_all(&mut agents).await;
        outcome?;
        say("Stopped. `lakewright up` goes on from here.");
        return Ok(Outcome::Done);
    }
    settle(&surroundings, &mut agents, &placed, interrupted).await?;
    if interrupted.is_cancelled() {
        say("Stopped before the verification.");
        return Ok(Outcome::Wrong);
    }
    say("Verifying …\n");
    let verified = verify(&subject).await.context("verify")?;
    print(&report(&verified))?;
    Ok(if verified.exact() { Outcome::Done } else { Outcome::Wrong })
}

/// The stack in its account, and what other commands read of where that is.
async fn begin(
    global: &Global,
    options: &Options,
    stack: &Stack,
    (data, endpoints): (&DataFolder, &Endpoints),
    local: &Process,
) -> Result<(StackState, RunFile)> {
    let belonging = Belonging::of(stack, global);
    let local_account = options.aws.is_none();
    let mut run = RunFile {
        stack: stack.name().to_owned(),
        region: global.region.clone().or_else(|| belonging.region.clone()).unwrap_or_default(),
        account: endpoints.account.clone(),
        number: belonging.account.clone().unwrap_or_else(|| LOCAL_ACCOUNT.to_owned()),
        local_account,
        enforce: local_account && !options.permissive,
        kafka: endpoints.kafka.clone(),
        search: endpoints.search.clone(),
        pid: std::process::id(),
        children: vec![local.record.clone()],
    };
    let aws = if local_account {
        local_client(&run, Some(&data.secret), None)?
    } else {
        elsewhere(global, options, &belonging, &run.region).await?
    };
    aws.region().clone_into(&mut run.region);
    run.write(&data.path)?;
    let pace = if local_account { Pace::LOCAL } else { global.pace() };
    let context = leased(context(aws, stack.name(), pace).await?, stack);
    belonging.refuse_other(&context.account)?;
    let desired = desired(stack, &context, &own_program(global, stack, local_account)?);
    Ok((StackState::new(context, desired, stack), run))
}

/// A connection to an account that isn't this machine's, by the credentials at hand.
///
/// # Errors
/// The stack names a role: the agents on this machine have nothing but those credentials.
async fn elsewhere(global: &Global, options: &Options, belonging: &Belonging, region: &str) -> Result<Aws> {
    if let Some(role) = &belonging.role {
        bail!(
            "agents on this machine work with the credentials at hand, and the stack is applied as {}: give `up --aws` the \
             credentials of that role, by a profile that assumes it, and --no-role",
            role.arn
        );
    }
    let given = lakewright_aws::Options {
        region: Some(region.to_owned()).filter(|region| !region.is_empty()),
        endpoint: options.aws.clone(),
        profile: global.profile.clone(),
        mfa_code: mfa_code(),
        insecure: global.insecure_endpoint,
    };
    Ok(Aws::connect(given).await?)
}

/// Plans and applies; false when something failed, which has been said.
async fn make(state: &StackState, options: &Options, interrupted: &CancellationToken) -> Result<bool> {
    let lease = lease(state, "up", interrupted).await?;
    let context = lease.context(&state.context).await;
    let planned = async {
        let snapshot = state.snapshot(&context, plan::Options::default()).await?;
        say(&render::summary(&snapshot.plan));
        refuse_forbidden(state, &snapshot.plan).await?;
        refuse_loss(&snapshot.plan, &options.allow_data_loss)?;
        Ok::<_, anyhow::Error>(snapshot.plan)
    };
    let plan = match planned.await {
        Ok(plan) => plan,
        Err(error) => {
            give_back(lease).await;
            return Err(error);
        }
    };
    let report = carry_out(&context, lease, &plan, interrupted).await?;
    if !plan.is_empty() {
        conclude(&report, &plan, "up");
    }
    Ok(report.complete())
}

/// Shows what happens until the time is over or somebody interrupts. With a time, returns when the log is read.
async fn live(
    options: &Options,
    subject: &Subject<'_>,
    surroundings: &Arc<Surroundings>,
    agents: &mut Vec<Supervised>,
    local: &mut Process,
    interrupted: &CancellationToken,
) -> Result<()> {
    let endpoints = &surroundings.endpoints;
    let heading = Heading {
        stack: subject.stack.to_owned(),
        endpoints: [endpoints.account.clone(), endpoints.kafka.clone(), without_password(&endpoints.search).0],
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
    let watched = tokio::select! {
        () = end => Ok(()),
        () = interrupted.cancelled() => Ok(()),
        error = keep_alive(options, surroundings, local) => Err(error),
    };
    let outcome = if watched.is_ok() && !interrupted.is_cancelled() {
        stop_writers(agents).await;
        tokio::select! {
            caught_up = caught_up(&surroundings.board, subject, interrupted) => caught_up,
            error = keep_alive(options, surroundings, local) => Err(error),
        }
    } else {
        watched
    };
    over.cancel();
    view.await.context("show the view")??;
    outcome
}

/// Starts the local parts again whenever they end, where they were; returns why that can't be done.
async fn keep_alive(options: &Options, surroundings: &Surroundings, local: &mut Process) -> anyhow::Error {
    loop {
        let ended = local.ended().await;
        surroundings
            .board
            .event(format!("the local account, Kafka and search ended with {ended}; starting them again"));
        match parts::start(&surroundings.data, options, &surroundings.needs).await {
            Ok((process, endpoints)) if endpoints == surroundings.endpoints => {
                surroundings.note(process.record.clone());
                *local = process;
            }
            Ok((process, endpoints)) => {
                *local = process;
                return anyhow!("the local parts listen elsewhere now, because a port was taken: {endpoints:?}");
            }
            Err(error) => return error,
        }
    }
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
    for one in placed.iter().filter(|one| one.agent.needs(Need::Models)) {
        say("Running the models a last time …");
        tokio::select! {
            done = last_run(surroundings, one) => done?,
            () = interrupted.cancelled() => return Ok(()),
        }
    }
    Ok(())
}
