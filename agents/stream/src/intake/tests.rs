//! However the intake ends, it leaves its group. On the local Kafka, with tables in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use lakewright_config::agents;
use lakewright_config::agents::stream::{OnGap, OnReject};
use lakewright_config::{KafkaConnection, Security, Table};
use lakewright_runtime::kafka::client_config;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use super::group::denied;
use super::*;
use crate::committer::Committer;
use crate::context::Rebalanced;
use crate::sink::memory::{MemorySink, Shelf};
use crate::testing::{TOPIC, dead_schema, schema, table};

const PARTITIONS: i32 = 3;
/// Nothing takes so long here; what hangs takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A Kafka with a topic.
struct World {
    kafka: Option<lakewright_kafka::Running>,
    connection: KafkaConnection,
    _data: tempfile::TempDir,
}

impl World {
    /// A Kafka where nobody may do anything.
    async fn closed() -> Self {
        Self::with(Some(lakewright_kafka::Authorizer::default())).await
    }

    async fn with(authorizer: Option<lakewright_kafka::Authorizer>) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let config = lakewright_kafka::Config { authorizer, ..lakewright_kafka::Config::new(data.path()) };
        let kafka = lakewright_kafka::serve(config).await.expect("serves");
        let connection = KafkaConnection::plaintext(kafka.address().to_string());
        Self { kafka: Some(kafka), connection, _data: data }
    }

    async fn new() -> Self {
        let world = Self::with(None).await;
        let admin: AdminClient<DefaultClientContext> = world.client().await.create().expect("an admin client");
        let topic = NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1));
        for made in admin.create_topics([&topic], &AdminOptions::new()).await.expect("answered") {
            made.expect("created");
        }
        world
    }

    async fn client(&self) -> Access {
        client_config(&self.connection).await.expect("configured")
    }

    /// An intake that has subscribed, with a committer behind it.
    async fn intake(&self) -> Intake {
        let config = StreamConfig {
            kafka: self.connection.clone(),
            group: "lake".into(),
            tables: vec![table("sales")],
            dead_letters: table("dead_letters"),
            account: None,
            commit_interval_ms: 100,
            commit_bytes: 1 << 20,
            on_reject: OnReject::DeadLetters,
            on_gap: OnGap::Skip,
            maintenance: None,
            orphans_elsewhere_ms: None,
            watch: None,
        };
        let agent = Agent::detached(agents::Agent::Stream, PathBuf::new());
        let mut kafka = self.client().await;
        let membership = Membership::of(&agent, &config).expect("a member");
        membership.configure(&mut kafka, &config);
        let consumer = kafka.create_with_context(Context::new(kafka.context(&agent.health))).expect("a consumer");
        let (work, waiting) = mpsc::channel(1);
        let (outcomes, settled) = std::sync::mpsc::channel();
        let sink = |table: Table, schema| (table, MemorySink::new(&Shelf::new(schema)));
        let tables = vec![sink(table("sales"), schema())];
        let dead = sink(table("dead_letters"), dead_schema());
        let committer = Committer::new(tables, dead, config.on_reject, &agent.metrics, outcomes);
        let last_commit = agent.metrics.gauge(&agents::stream::LAST_COMMIT, &[]);
        tokio::spawn(committer.run(waiting, last_commit));
        let latch = agent.health.latch();
        let parts = (config, Registries::default(), membership);
        let mut intake = Intake::new(agent, parts, (kafka, consumer), work, settled, latch, 1);
        intake.subscribe().expect("subscribed");
        intake
    }

    /// Another member of the group, before it joins.
    async fn other(&self) -> BaseConsumer {
        let mut settings: ClientConfig = (*self.client().await).clone();
        settings
            .set("group.id", "lake-cooperative")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("heartbeat.interval.ms", "200");
        settings.create().expect("a consumer")
    }
}

/// Does so until something holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not {what} after a minute");
    }
}

/// Does something with the intake as its own loop does, with nobody else who decodes.
fn looped(
    intake: &mut Intake,
    work: impl for<'m> FnOnce(&mut Intake, &'m BaseConsumer<Context>, &mut Lines<BorrowedMessage<'m>>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let consumer = Arc::clone(&intake.consumer);
    std::thread::scope(|scope| {
        let mut lines = Lines::start(scope, &intake.decode);
        work(intake, &consumer, &mut lines)
    })
}

fn step(intake: &mut Intake) -> anyhow::Result<()> {
    looped(intake, Intake::step)
}

fn poll(intake: &mut Intake) -> anyhow::Result<()> {
    looped(intake, Intake::poll)
}

/// Takes part until all partitions are read.
fn read_all(intake: &mut Intake) {
    until("read", || {
        step(intake).expect("goes on");
        intake.partitions.iter().filter(|partition| partition.lock().begun).count() == PARTITIONS as usize
    });
}

/// Ends an intake in a certain state, and waits until another member has all partitions.
async fn ends(end: impl FnOnce(&mut Intake, &BaseConsumer) + Send + 'static) {
    let mut world = World::new().await;
    let (mut intake, other) = (world.intake().await, world.other().await);
    let (ended, waits) = std::sync::mpsc::channel();
    let (sender, receiver) = std::sync::mpsc::channel();
    // It isn't joined: it would keep a test from failing that fails because of it.
    std::thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| end(&mut intake, &other)));
        _ = sender.send((result, other));
        drop(intake);
        _ = ended.send(());
    });
    let inherits = move || {
        let (result, other) = receiver.recv_timeout(2 * PATIENCE).expect("it came so far");
        other.subscribe(&[TOPIC]).expect("subscribed");
        until("all given to the other member", || {
            drop(other.poll(Duration::from_millis(50)));
            other.assignment().expect("an assignment").count() == PARTITIONS as usize
        });
        waits.recv_timeout(PATIENCE).expect("the intake ended");
        result
    };
    let result = tokio::task::spawn_blocking(inherits).await.expect("ran");
    if let Err(panic) = result {
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a bug"));
    }
    world.kafka.take().expect("it runs").shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intake_that_ends_while_it_has_partitions_leaves_its_group() {
    ends(|intake, _| read_all(intake)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intake_that_ends_before_it_answered_an_assignment_leaves_its_group() {
    ends(|intake, _| {
        until("assigned", || {
            poll(intake).expect("goes on");
            intake.consumer.context().next_event().is_some_and(|event| matches!(event, Rebalanced::Assigned(_)))
        });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intake_that_panics_before_it_answered_a_revocation_leaves_its_group() {
    ends(|intake, other| {
        read_all(intake);
        other.subscribe(&[TOPIC]).expect("subscribed");
        until("revoked", || {
            drop(other.poll(Duration::ZERO));
            poll(intake).expect("goes on");
            let event = intake.consumer.context().next_event();
            let is_revoked = matches!(event, Some(Rebalanced::Revoked(_)));
            if !is_revoked && let Some(event) = event {
                intake.rebalanced(event).expect("answered");
            }
            is_revoked
        });
        panic!("a bug");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_may_not_be_a_member_names_its_group_and_what_allows_it() {
    let mut world = World::closed().await;
    let mut intake = world.intake().await;
    let says = move || {
        let mut said = String::new();
        until("refused", || {
            step(&mut intake).expect("goes on");
            said = intake.agent.health.last_error().unwrap_or_default();
            said.contains("GROUP_AUTHORIZATION_FAILED")
        });
        said
    };
    let said = tokio::task::spawn_blocking(says).await.expect("ran");
    assert!(said.contains("--operation Read --group lake-cooperative") && said.contains("members of lake:"), "{said}");
    let by_iam = denied("lake", &Security::Iam { region: "eu-north-1".into() });
    assert!(by_iam.contains("`kafka-cluster:AlterGroup` on the group lake-cooperative"), "{by_iam}");
    world.kafka.take().expect("it runs").shutdown().await;
}
