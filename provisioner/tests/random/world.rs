//! An account with things of others in it, in which a stack is applied by the library as often as it takes.

#[path = "counts.rs"]
mod counts;
#[path = "foreign.rs"]
mod foreign;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use lakewright::apply::{Progress, apply, is_whole, making, signs};
use lakewright::intents::Intents;
use lakewright::kind::{Context, Pace};
use lakewright::lease::{self, Waiting};
use lakewright::plan::{Kinds, Options, Plan, PlanError, plan_for};
use lakewright::resource::{Address, Desired, Live};
use lakewright::stack::{Artifact, Programs, Target, expand, parse};
use lakewright::whose::{self, Known};
use lakewright_account::{Config, Faults, Running};
use lakewright_aws::{Aws, ask};
use lakewright_ec2::Ec2 as _;
use rand::Rng as _;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;

use super::faults::faults;
use super::model::Model;
use super::text::Network;

const REGION: &str = "eu-north-1";
const ACCOUNT: &str = "123456789012";
/// How often an apply is repeated; the last ones meet no faults.
const ROUNDS: u32 = 12;
const GOOD_ROUNDS: u32 = 3;
/// Longer than anything stays invisible.
const SEEN: Duration = Duration::from_millis(200);
/// No apply on this machine takes as long, unless it waits for what never comes.
const ENDLESS: Duration = Duration::from_secs(60);

pub struct World {
    seed: u64,
    url: String,
    account: Running,
    _kafka: lakewright_kafka::Running,
    folder: tempfile::TempDir,
    foreign: BTreeMap<&'static str, String>,
    /// A network of others, in which a stack may stand.
    network: Network,
    /// How much went wrong so far, and what.
    pub told: Told,
    history: Vec<String>,
    /// Whether the apply under way was once planned: it must stay possible from then on.
    planned: Cell<bool>,
    /// A VPC of somebody else's that carries the tags of the stack's own.
    twin: Option<String>,
    /// The cluster on which somebody else has a topic.
    topic_on: Option<String>,
}

/// How much went wrong.
#[derive(Debug, Default, Clone, Copy)]
pub struct Told {
    /// Applies and destroys that came to their end.
    pub complete: u32,
    /// Those that were dropped in the middle.
    pub killed: u32,
    /// Those in which something failed.
    pub failed: u32,
    /// Edits that AWS can't make.
    pub impossible: u32,
    /// Requests that a fault hit.
    pub hits: u64,
}

impl Told {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            complete: self.complete + other.complete,
            killed: self.killed + other.killed,
            failed: self.failed + other.failed,
            impossible: self.impossible + other.impossible,
            hits: self.hits + other.hits,
        }
    }
}

/// What one apply came to.
enum End {
    Complete,
    /// Everything was dropped in the middle.
    Killed(u64),
    /// Something failed.
    Failed(String),
    /// There is no plan: AWS can't do that.
    Impossible(PlanError),
}

/// Frees the lease of a round that was dropped: its process, being the same, can't be seen to have ended. Its last write
/// may arrive late.
struct Freeing(Context);

impl Waiting for Freeing {
    fn held(&self, _holder: &str, _until: &str) {
        let context = self.0.clone();
        // The round's faults may hit this as well.
        tokio::spawn(async move { while lease::unlock(&context).await.is_err() {} });
    }

    fn taken_over(&self, _holder: &str, _why: &str) {}
}

/// The plan for what is known of the stack.
fn plan_of(desired: &Desired, known: Known, destroy: bool) -> Result<Plan, PlanError> {
    let Known { live, memory, doubt, unread, .. } = known;
    let remembered = memory.addresses();
    let options = Options { destroy, remembered, applied: memory.applied, doubt, unread, ..Options::default() };
    plan_for(kinds(), desired, &live, &options)
}

fn kinds() -> Kinds<'static> {
    Kinds(lakewright::kinds::all())
}

/// What the model's file stands for; `agent` is the agents' program.
pub fn desired(model: &Model, others: &Network, agent: String) -> Result<Desired, String> {
    let file = model.text(others);
    let stack = parse(Path::new("random.toml"), &file, model.models()).map_err(|error| format!("{error}\n{file}"))?;
    let target = Target { account: ACCOUNT.to_owned(), region: REGION.to_owned() };
    let sha256 = "6c3cbda85b4f807a4afdbc83a80a345e6fb0c8a9706ff47e7d04dbce64846a53".to_owned();
    let program = Artifact { sha256, size: 10, file: Some(agent) };
    let programs = Programs { lakewright: Some(program.clone()), ..Programs::everywhere(program) };
    Ok(expand(&stack, &target, &programs))
}

impl World {
    pub async fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kafka = lakewright_kafka::serve(lakewright_kafka::Config::new(folder.path().join("kafka"))).await.unwrap();
        let account = lakewright_account::serve(Config {
            kafka: Some(kafka.address().to_string()),
            // For whoever looks into one case.
            events: std::env::var_os("LAKEWRIGHT_EVENTS").map(Into::into),
            // Applies that are cut off leave theirs open: they died in this very process.
            connections: 10_000,
            ..Config::new(folder.path().join("account"))
        })
        .await
        .unwrap();
        std::fs::write(folder.path().join("lakewright-agent"), "the agents").unwrap();
        let url = format!("http://{}", account.address());
        let mut world = Self {
            seed,
            url,
            account,
            _kafka: kafka,
            folder,
            foreign: BTreeMap::new(),
            network: Network::default(),
            told: Told::default(),
            history: Vec::new(),
            planned: Cell::new(false),
            twin: None,
            topic_on: None,
        };
        world.make_foreign().await;
        world.network = world.make_network().await;
        world.foreign = world.read_foreign().await;
        world
    }

    /// What a process that has just started works with.
    fn context(&self) -> Context {
        Context {
            aws: Aws::with_keys(REGION, &self.url, ACCOUNT, "secret").unwrap(),
            stack: "random".to_owned(),
            account: ACCOUNT.to_owned(),
            caller: format!("arn:aws:iam::{ACCOUNT}:root"),
            region: REGION.to_owned(),
            state_bucket: None,
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            pace: Pace { poll: Duration::from_millis(5), settles: 2 * SEEN, ..Pace::LOCAL },
            clock: lakewright::kind::Clock::default(),
            reading: lakewright::reading::Reading::default(),
            intents: Intents::default(),
            waiting: lakewright::kind::Waiting::default(),
            records: lakewright::record::Records::default(),
            tags: lakewright::reading::Tags::new(),
        }
    }

    fn desired(&self, model: &Model) -> Desired {
        let agent = self.folder.path().join("lakewright-agent").display().to_string();
        desired(model, &self.network, agent).unwrap_or_else(|error| panic!("seed {}: {error}", self.seed))
    }

    /// Applies until the stack is as its file says; false if AWS can't do that.
    pub async fn comes_to_be(&mut self, model: &Model, rng: &mut StdRng, bad: u32) -> bool {
        let desired = self.desired(model);
        if !self.carried_out(&desired, false, rng, bad).await {
            return false;
        }
        let addresses: BTreeSet<Address> = desired.resources.iter().map(|one| one.address.clone()).collect();
        self.check(&desired, &addresses, &model.text(&self.network)).await;
        true
    }

    /// Destroys until nothing of the stack exists.
    pub async fn goes(&mut self, model: &Model, rng: &mut StdRng, bad: u32) {
        let desired = self.desired(model);
        assert!(self.carried_out(&desired, true, rng, bad).await, "seed {}: a destroy is refused", self.seed);
        self.check(&desired, &BTreeSet::new(), &model.text(&self.network)).await;
        assert_eq!(self.aliases().await, 0, "seed {}", self.seed);
        // Nobody can distinguish it from what an interrupted apply made, were the stack made anew.
        if let Some(twin) = self.twin.take() {
            ask(self.context().aws.ec2().delete_vpc().vpc_id(twin).send()).await.unwrap();
        }
    }

    /// Whether repeated applies came to their end; false when there is no plan.
    async fn carried_out(&mut self, desired: &Desired, destroy: bool, rng: &mut StdRng, bad: u32) -> bool {
        self.planned.set(false);
        self.history.push(if destroy { "destroy".to_owned() } else { "apply".to_owned() });
        for round in 0..ROUNDS {
            let calm = round >= ROUNDS - GOOD_ROUNDS;
            let rules = if calm { String::new() } else { faults(rng, bad) };
            // Every other day that can be bad is one on which the process dies.
            let longest = [5, 25, 120][rng.random_range(0..3)];
            let crash = (!calm && bad > 0 && rng.random()).then(|| rng.random_range(1..=longest));
            self.account.faults().set(Faults::default());
            lease::unlock(&self.context()).await.unwrap();
            self.account.events().reset();
            self.account.faults().set(Faults::parse(&rules).unwrap());
            let end = tokio::time::timeout(ENDLESS, async {
                tokio::select! {
                    biased;
                    () = self.crashed(crash) => End::Killed(crash.unwrap_or_default()),
                    end = self.round(desired, destroy) => end.unwrap_or_else(|error| End::Failed(format!("{error:#}"))),
                }
            });
            let end = end.await.unwrap_or_else(|_| {
                let last = self.account.events().after(0);
                let last: Vec<_> = last.iter().rev().take(5).collect();
                panic!("seed {}: apply doesn't end, with\n{rules}{:#?}\nlast {last:#?}", self.seed, self.history);
            });
            self.told.hits += self.account.faults().hits().iter().sum::<u64>();
            self.account.faults().set(Faults::default());
            match end {
                End::Complete => {
                    self.told.complete += 1;
                    self.history.push(format!("complete in spite of\n{rules}"));
                    return true;
                }
                End::Killed(at) => {
                    self.told.killed += 1;
                    self.history.push(format!("killed at change {at}"));
                }
                End::Failed(why) => {
                    self.told.failed += 1;
                    self.history.push(why);
                }
                End::Impossible(PlanError::Stack(_)) if !self.planned.get() => {
                    self.told.impossible += 1;
                    self.history.push("impossible".to_owned());
                    return false;
                }
                End::Impossible(error) => panic!("seed {}: {error}\n{:#?}", self.seed, self.history),
            }
        }
        panic!("seed {}: apply doesn't come to its end: {:#?}", self.seed, self.history);
    }

    /// Returns when so many changes were asked for.
    async fn crashed(&self, at: Option<u64>) {
        let Some(at) = at else { return std::future::pending().await };
        while self.account.events().wait(ENDLESS, |event| event.mutation == Some(at)).await.is_empty() {}
    }

    /// One `lakewright apply --yes --allow-data-loss all`, or destroy.
    async fn round(&self, desired: &Desired, destroy: bool) -> Result<End> {
        let context = self.context();
        let lease = lease::take(&context, "apply", &Freeing(context.clone())).await?;
        let under = lease.context(&context).await;
        let known = whose::read(kinds(), &under, desired).await;
        let plan = match known.map(|known| plan_of(desired, known, destroy)) {
            Ok(Ok(plan)) => plan,
            Ok(Err(error)) => {
                lease.give_back().await?;
                return Ok(End::Impossible(error));
            }
            Err(error) => {
                lease.give_back().await?;
                return Err(error);
            }
        };
        self.planned.set(true);
        lease.judged(plan.doubt.is_some()).await;
        if let Err(error) = lease.begin(making(&plan), signs(&plan)).await {
            lease.give_back().await?;
            return Err(error);
        }
        let report = apply(kinds(), &under, &plan, &Progress::silent(), &CancellationToken::new()).await;
        let lives = report.lives(&plan);
        if lives.is_empty() && report.complete() && is_whole(&plan) {
            lease.remove().await?;
        } else {
            lease.release(report.end(kinds(), &plan)).await?;
        }
        if report.complete() && plan.blocked.is_empty() {
            return Ok(End::Complete);
        }
        let blocked = plan.blocked.iter().map(|one| format!("{}: {}\n", one.address, one.obstacle.reason));
        let failed = report.failed.iter().map(|(address, _, error)| format!("{address}: {error:#}\n"));
        Ok(End::Failed(failed.chain(blocked).collect()))
    }

    /// Whether what exists is what is wanted, each once, and what others have is as it was.
    async fn check(&mut self, desired: &Desired, wanted: &BTreeSet<Address>, file: &str) {
        let seed = self.seed;
        tokio::time::sleep(SEEN).await;
        let context = self.context();
        let known = whose::read(kinds(), &context, desired).await.unwrap();
        assert_eq!(known.unread, [], "seed {seed}");
        let (claimed, live): (Vec<Live>, Vec<Live>) =
            known.live.iter().cloned().partition(|live| live.whose.claim().is_some());
        let claimed: Vec<String> = claimed.iter().map(|live| live.address.to_string()).collect();
        let twin = self.twin.iter().map(|_| "vpc.main");
        let expected: Vec<String> = foreign::CLAIMED.into_iter().chain(twin).map(str::to_owned).collect();
        assert_eq!(claimed, expected, "seed {seed}: {:#?}\n{file}", self.history);
        let found: Vec<&Address> = live.iter().map(|live| &live.address).collect();
        assert_eq!(found, wanted.iter().collect::<Vec<_>>(), "seed {seed}: {:#?}\n{file}", self.history);
        if !wanted.is_empty() {
            let plan = plan_of(desired, known, false).unwrap();
            let json = lakewright::render::json(&plan);
            let is_settled = Plan { claimed: Vec::new(), ..plan.clone() }.is_settled();
            assert!(is_settled, "seed {seed}: {json}\n{:#?}\n{file}", self.history);
            // Each has its record, and is remembered under the identifier by which it was found. An object that an apply had put
            // when it was killed is sealed by the first one that finds it four seconds old.
            let without =
                |plan: &Plan| -> Vec<_> { plan.unchanged.iter().filter(|one| one.record.is_some()).cloned().collect() };
            let mut unrecorded = without(&plan);
            if !unrecorded.is_empty() && unrecorded.iter().all(|one| one.live.address.kind == "object") {
                let again = self.round(desired, false).await.unwrap();
                assert!(matches!(again, End::Complete), "seed {seed}: {:#?}\n{file}", self.history);
                let known = whose::read(kinds(), &context, desired).await.unwrap();
                unrecorded = without(&plan_of(desired, known, false).unwrap());
            }
            assert!(unrecorded.is_empty(), "seed {seed}: {unrecorded:#?}\n{:#?}\n{file}", self.history);
        }
        // Counted by AWS's own lists too: a kind that doesn't find something doesn't count it.
        self.count(wanted, file).await;
        let cluster = live.iter().find(|live| live.address.kind == "cluster").map(|live| live.id.clone());
        self.foreign_topic(cluster).await;
        if self.twin.is_none() && wanted.contains(&Address::new("vpc", "main")) {
            self.twin = Some(self.make_vpc(Some("vpc.main")).await);
        }
        let foreign = self.read_foreign().await;
        for (what, before) in &self.foreign {
            assert_eq!(&foreign[what], before, "seed {seed}: another's {what} was touched\n{file}");
        }
    }
}
