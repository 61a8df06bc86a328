//! Carries a plan out: bounded parallelism over the order that the plan gives, and nothing left to decide.

mod moving;
mod progress;
mod recording;
mod refused;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::kind::{ADDRESS, AnyKind, Context, Outcome, STACK, Wanted, applied};
use crate::lease::End;
use crate::plan::order::{Task, Work, remaining, tasks};
use crate::plan::reference::{plain, references, resolve};
use crate::plan::{Action, Change, Kinds, Plan, Step, replaced};
use crate::reading::{Missed, Reading};
use crate::resource::{Address, Condition, Live};
use moving::{heir, note_left, retire};
pub use progress::{Progress, took};
pub use recording::record;
use recording::{readdress, record_unchanged, retag, seal_written};
use refused::is_refused;

/// How many calls of kinds are under way at a time.
const AT_ONCE: usize = 24;
/// The least time that a task counts for, so that longer chains begin first where AWS answers at once.
const LEAST: Duration = Duration::from_millis(100);
/// The least time to wait for something that was on its way when the plan was made.
const PATIENCE: Duration = Duration::from_secs(600);

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Report {
    /// What was done, in that order.
    pub done: Vec<(Address, Work)>,
    /// The identifiers of what was made or changed.
    pub ids: BTreeMap<Address, String>,
    /// What went wrong.
    pub failed: Vec<(Address, Work, anyhow::Error)>,
    /// What was not begun: it needs something that failed, or the apply was stopped.
    pub not_done: Vec<(Address, Work)>,
    /// Whether it was stopped from outside.
    pub stopped: bool,
    /// How long everything took.
    pub took: Duration,
    /// How long the longest chain of tasks that had to wait for each other took: nothing could have been faster.
    pub critical: Duration,
}

impl Report {
    /// Whether everything was done.
    pub fn complete(&self) -> bool {
        self.failed.is_empty() && self.not_done.is_empty()
    }

    /// What the next apply must know of this one.
    pub fn end(&self, kinds: Kinds<'_>, plan: &Plan) -> End {
        let failed = self.failed.iter().filter(|(_, work, _)| *work == Work::Create);
        let failed = failed.map(|(address, _, error)| (address.clone(), is_refused(kinds, address, error)));
        let (refused, failed): (Vec<_>, Vec<_>) = failed.partition(|(_, is_refused)| *is_refused);
        End {
            lives: self.lives(plan),
            made: self.made(),
            failed: failed.into_iter().map(|(address, _)| address).collect(),
            refused: refused.into_iter().map(|(address, _)| address).collect(),
            unread: plan.unread.clone(),
            answered: self.answered(),
            complete: self.complete() && is_whole(plan),
        }
    }

    /// What was made.
    fn made(&self) -> BTreeSet<Address> {
        let made = self.done.iter().filter(|(_, work)| *work == Work::Create);
        made.map(|(address, _)| address.clone()).collect()
    }

    /// Whether every call was answered: no failure may stand for a call that took effect unseen.
    fn answered(&self) -> bool {
        let lost = |error: &anyhow::Error| {
            error.chain().filter_map(|cause| cause.downcast_ref::<lakewright_aws::Error>()).any(|error| error.lost)
        };
        !self.failed.iter().any(|(_, _, error)| lost(error))
    }

    /// What exists when the plan has been carried out as far as this says, by address.
    pub fn lives(&self, plan: &Plan) -> BTreeMap<Address, String> {
        let mut lives = plan.exists.clone();
        // What is replaced by a new one that exists beside it has given its address up before that one is made.
        let tried = self.done.iter().map(|(address, work)| (address, work));
        let tried = tried.chain(self.failed.iter().map(|(address, work, _)| (address, work)));
        for (address, _) in tried.filter(|(_, work)| **work == Work::Create) {
            let step = plan.steps.iter().find(|step| step.address == *address && step.create_first);
            if let Some(live) = step.and_then(|step| step.live.as_ref()) {
                lives.remove(address);
                lives.insert(replaced(live), live.id.clone());
            }
        }
        for (address, work) in &self.done {
            let beside = plan.steps.iter().find(|step| step.address == *address && step.create_first);
            match (work, beside.and_then(|step| step.live.as_ref())) {
                (Work::Create | Work::Update, _) => {
                    lives.extend(self.ids.get(address).map(|id| (address.clone(), id.clone())));
                }
                (Work::Delete, Some(live)) => drop(lives.remove(&replaced(live))),
                (Work::Delete, None) => drop(lives.remove(address)),
            }
        }
        lives
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Done,
    Failed,
}

type Outputs = BTreeMap<Address, BTreeMap<String, String>>;

/// Carries out the plan. After `stop` no new task begins and those under way are waited for.
pub async fn apply(
    kinds: Kinds<'_>,
    context: &Context,
    plan: &Plan,
    progress: &Progress,
    stop: &CancellationToken,
) -> Report {
    let began = Instant::now();
    let tasks = tasks(plan);
    let usual = |index: usize| {
        let task: &Task = &tasks[index];
        let kind = kinds.get(&plan.steps[task.step].address.kind);
        kind.map_or(Duration::ZERO, |kind| expected(kind, context, &plan.steps[task.step], task.work)).max(LEAST)
    };
    let remaining = remaining(&tasks, &usual);
    let mut times = vec![Duration::ZERO; tasks.len()];
    let mut states = vec![State::Waiting; tasks.len()];
    let mut outputs = known_outputs(plan);
    let mut report = Report::default();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < AT_ONCE
            && !stop.is_cancelled()
            && let Some(index) = next_ready(&tasks, &states, &remaining)
        {
            states[index] = State::Running;
            let (task, step) = (&tasks[index], &plan.steps[tasks[index].step]);
            let kind = kinds.get(&step.address.kind);
            let spec = step.spec.as_ref().map(|spec| {
                resolve(spec, &|reference| outputs.get(&reference.address)?.get(&reference.output).cloned())
            });
            let line = progress.start(step, task.work, kind.map(|kind| expected(kind, context, step, task.work)));
            let waiting = progress.waiting(&line, &step.address);
            let records = context.records.clone().left_to(heir(plan, step, &report.ids));
            let context = Context { waiting, records, tags: step.tags.clone(), ..context.clone() };
            running.push(async move {
                let started = Instant::now();
                let result = match kind {
                    Some(kind) => run(kind, &context, step, task.work, spec).await,
                    None => Err(anyhow!("no kind {} is known: this is a bug in lakewright", step.address.kind)),
                };
                (index, line, started.elapsed(), result)
            });
        }
        let finished = tokio::select! {
            biased;
            finished = running.next() => finished,
            () = stop.cancelled(), if !report.stopped => {
                report.stopped = true;
                let under_way = addresses(plan, &tasks, &states, State::Running);
                progress.stopping(&under_way);
                continue;
            }
        };
        let Some((index, line, time, result)) = finished else { break };
        let (address, work) = (plan.steps[tasks[index].step].address.clone(), tasks[index].work);
        times[index] = time;
        match result {
            Ok(outcome) => {
                progress.done(line, &address, work, time, outcome.as_ref().map(|outcome| outcome.id.as_str()));
                if let Some(outcome) = outcome {
                    outputs.insert(address.clone(), outcome.outputs);
                    report.ids.insert(address.clone(), outcome.id);
                }
                states[index] = State::Done;
                report.done.push((address, work));
            }
            Err(error) => {
                progress.failed(line, &address, &error);
                states[index] = State::Failed;
                report.failed.push((address, work, error));
            }
        }
    }
    report.not_done = addresses(plan, &tasks, &states, State::Waiting);
    report.stopped = stop.is_cancelled();
    report.took = began.elapsed();
    report.critical = critical(&tasks, &times);
    tracing::debug!(took = ?report.took, critical = ?report.critical, tasks = tasks.len(), "the plan was carried out");
    // A stop that came after the last task leaves nothing undone.
    if !report.stopped || report.not_done.is_empty() {
        for (address, error) in record_unchanged(kinds, context, plan).await {
            progress.unrecorded(&address, &error);
            report.failed.push((address, Work::Update, error));
        }
        seal_written(kinds, context, plan, (&report, &outputs)).await;
        note_left(kinds, context, plan, &report).await;
    }
    report
}

/// What the plan makes: what may exist, without a record, if the apply ends in the middle.
pub fn making(plan: &Plan) -> BTreeSet<Address> {
    let makes = |step: &&Step| matches!(step.action, Action::Create | Action::Replace);
    plan.steps.iter().filter(makes).map(|step| step.address.clone()).collect()
}

/// Whether a plan makes or changes anything that gets a record.
pub fn signs(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| step.action != Action::Delete)
}

/// Whether a plan is of all that the stack has, with nothing left as it is.
pub fn is_whole(plan: &Plan) -> bool {
    plan.left_out.is_empty() && plan.blocked.is_empty() && !plan.is_unsure
}

fn addresses(plan: &Plan, tasks: &[Task], states: &[State], state: State) -> Vec<(Address, Work)> {
    let chosen = tasks.iter().zip(states).filter(|(_, is)| **is == state);
    chosen.map(|(task, _)| (plan.steps[task.step].address.clone(), task.work)).collect()
}

/// The outputs that are known before anything is done.
fn known_outputs(plan: &Plan) -> Outputs {
    let stay = plan.steps.iter().filter(|step| step.action == Action::Update).filter_map(|step| step.live.as_ref());
    let live = plan.unchanged.iter().map(|unchanged| &unchanged.live).chain(stay);
    live.map(|live| (live.address.clone(), live.outputs.clone())).collect()
}

/// The task that may begin and has the longest way to go.
fn next_ready(tasks: &[Task], states: &[State], remaining: &[Duration]) -> Option<usize> {
    let ready = |index: &usize| {
        states[*index] == State::Waiting && tasks[*index].after.iter().all(|before| states[*before] == State::Done)
    };
    (0..tasks.len()).filter(ready).max_by_key(|index| (remaining[*index], std::cmp::Reverse(*index)))
}

/// The longest chain of tasks that wait for each other, by the times that they took.
fn critical(tasks: &[Task], times: &[Duration]) -> Duration {
    remaining(tasks, &|index| times[index]).into_iter().max().unwrap_or_default()
}

/// How long the work takes usually; nothing where an account does everything at once.
fn expected(kind: &dyn AnyKind, context: &Context, step: &Step, work: Work) -> Duration {
    if context.pace.at_once {
        return Duration::ZERO;
    }
    if step.is_of_tags() {
        return step.expected;
    }
    kind.expected()[match work {
        Work::Create => 0,
        Work::Update => 1,
        Work::Delete => 2,
    }]
}

async fn run(
    kind: &dyn AnyKind,
    context: &Context,
    step: &Step,
    work: Work,
    spec: Option<serde_json::Value>,
) -> Result<Option<Outcome>> {
    let address = &step.address;
    if work == Work::Delete {
        let live = step.live.as_ref().expect("what is deleted exists");
        kind.delete(context, live).await.with_context(|| format!("delete {address} ({})", live.id))?;
        let gave_up = if step.create_first { replaced(live) } else { address.clone() };
        context.records.gone(&gave_up, &live.id).await;
        return Ok(None);
    }
    let spec = kind.normalise(&spec.expect("what is made or changed has a spec"))?;
    if let Some(reference) = references(&spec).into_iter().next() {
        bail!("{reference} has no value: nothing exists at {}, or AWS gave it none", reference.address);
    }
    let spec = plain(&spec).into_owned();
    let outcome = if work == Work::Create {
        if step.create_first {
            retire(kind, context, step).await.with_context(|| format!("make room for the new {address}"))?;
        }
        let created = kind.create(context, address, &spec).await;
        let created = created.map_err(|error| taken(error, kind, address, &spec));
        created.with_context(|| format!("create {address}"))?
    } else {
        update(kind, context, step, &spec).await.with_context(|| format!("update {address}"))?
    };
    // What somebody did to its tags is undone with its record.
    let is_known = step.live.as_ref().is_none_or(|live| live.whose.fault().is_none());
    let text = address.to_string();
    let mut tags = if is_known { Vec::new() } else { vec![(STACK, context.stack.as_str()), (ADDRESS, &text)] };
    if work == Work::Update {
        retag(kind, context, step, &outcome).await.with_context(|| format!("tag what belongs to {address}"))?;
        tags.extend(step.set_tags());
    } else if !kind.is_tagless() {
        // What an attempt before this one made, or what was restored, carries the tags that it had.
        tags.extend(step.carries.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    }
    let hashes = applied::with_tags(applied::hashes(kind.fields(), &spec), &step.tags);
    let recorded = record(kind, context, (address, &outcome), &hashes, &tags).await;
    let recorded = recorded.with_context(|| format!("record what was applied to {address}"))?;
    if let Some(live) = step.live.as_ref().filter(|_| work == Work::Update) {
        recorded.forget_rest(kind, context, live).await?;
    }
    Ok(Some(outcome))
}

/// Says how to take over what stands in the way of a creation.
fn taken(error: anyhow::Error, kind: &dyn AnyKind, address: &Address, spec: &serde_json::Value) -> anyhow::Error {
    let exists = error.chain().filter_map(|cause| cause.downcast_ref::<lakewright_aws::Error>());
    if !exists.into_iter().any(lakewright_aws::Error::is_already_exists) {
        return error;
    }
    // A name that is unique within something else only names nothing by itself.
    let id = match kind.facts().identified_by {
        [field] => spec[*field].as_str(),
        _ => None,
    };
    let id = id.unwrap_or("ID");
    error.context(format!(
        "there is one already, and it isn't the stack's; `lakewright adopt {address} {id}` takes it over, another name \
         in the stack file leaves it alone"
    ))
}

/// What exists of a kind. Others of it that can't be read are passed over; what is looked for is not.
async fn look(kind: &dyn AnyKind, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
    let context = Context { reading: Reading::of_one_sweep(), ..context.clone() };
    let found = kind.find(&context, wanted).await?;
    let is_wanted = |one: &Missed| wanted.iter().any(|wanted| one.address.as_ref() == Some(wanted.address));
    match context.reading.missed().into_iter().find(is_wanted) {
        Some(missed) => Err(missed.error),
        None => Ok(found),
    }
}

async fn update(kind: &dyn AnyKind, context: &Context, step: &Step, spec: &serde_json::Value) -> Result<Outcome> {
    let mut live = step.live.clone().expect("what is updated exists");
    if matches!(live.condition, Condition::Pending(_)) {
        live = ready(kind, context, &live, spec).await?;
    }
    if step.moved_from.is_some() {
        readdress(kind, context, &live, &step.address).await?;
    }
    let fields = kind.fields();
    let departures = step.live.as_ref().map(|live| live.departures.as_slice()).unwrap_or_default();
    let is_field = |name: &&str| {
        fields.iter().any(|field| field.name == *name) || departures.iter().any(|one| one.field() == *name)
    };
    let of_fields = step.changes.iter().filter(|change| !change.is_of_tag());
    let changed: BTreeSet<&str> = of_fields.map(Change::field).filter(is_field).collect();
    if changed.is_empty() {
        return Ok(Outcome { id: live.id, outputs: live.outputs });
    }
    let changed: Vec<String> = changed.into_iter().map(str::to_owned).collect();
    kind.update(context, &live, spec, &changed).await
}

/// Waits until what was on its way can be used.
async fn ready(kind: &dyn AnyKind, context: &Context, live: &Live, spec: &serde_json::Value) -> Result<Live> {
    let patience = PATIENCE.max(kind.expected()[0] * 4);
    let started = Instant::now();
    loop {
        let found = look(kind, context, &[Wanted { address: &live.address, spec }]).await?;
        let Some(found) = found.into_iter().find(|found| found.id == live.id) else {
            bail!("{} has gone while apply waited for it", live.id);
        };
        match &found.condition {
            Condition::Ready => return Ok(found),
            Condition::Failed(reason) => bail!("AWS gave {} up: {reason}", live.id),
            Condition::Pending(state) if started.elapsed() > patience => {
                bail!("{} is still {state} after {}", live.id, took(patience));
            }
            Condition::Pending(_) => tokio::time::sleep(context.pace.poll).await,
        }
    }
}
