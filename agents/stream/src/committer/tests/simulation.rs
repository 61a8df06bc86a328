//! Many agents at many tables without Kafka: agents come, go, die and stand still, partitions move, commits meet and answers are
//! lost. The time is a simulated one, and what happens follows from a seed, which `LAKEWRIGHT_SEED` sets.

mod agent;
mod clock;
mod group;
mod sink;
mod world;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use agent::host;
use clock::run;
use world::{Order, Size, World, id};

/// So often in a row another writer may be faster than one, at most. Fifty times are a failure.
const MOST_CONFLICTS: u64 = 25;

fn seed() -> u64 {
    let given = std::env::var("LAKEWRIGHT_SEED").ok();
    given.map_or(20_261_130, |seed| seed.parse().expect("LAKEWRIGHT_SEED is a number"))
}

fn is_long() -> bool {
    std::env::var_os("LAKEWRIGHT_LONG").is_some_and(|long| long == "1")
}

/// Runs a world by a script until that has ended.
fn simulate(world: &Arc<World>, script: impl Future<Output = ()>) {
    let hosts = (0..world.size.agents)
        .map(|agent| Box::pin(host(Arc::clone(world), agent)) as Pin<Box<dyn Future<Output = ()>>>);
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = vec![Box::pin(script)];
    tasks.extend(hosts);
    run(&world.clock, tasks);
}

/// A second passes: groups hear of their members, and records may come.
async fn second(world: &World, sends: bool) {
    for _ in 0..2 {
        world.clock.sleep(Duration::from_millis(500)).await;
        let now = world.clock.now();
        for (index, group) in world.groups.iter().enumerate() {
            let is_alive = |member| world.order(member) == Order::Run(index) && world.stopped.lock()[member] <= now;
            group.lock().listen(is_alive, now);
        }
    }
    if sends {
        world.send();
    }
}

/// No faults come any more, and all agents run: everything is committed within minutes.
async fn settle(world: &World) {
    *world.has_faults.lock() = false;
    for waited in 0.. {
        second(world, false).await;
        if waited % 5 == 0 && world.rows() >= world.records() {
            break;
        }
        assert!(waited < 900, "{} of {} records after 15 minutes, seed {}", world.rows(), world.records(), world.seed);
    }
    // What is committed is held no more.
    for _ in 0..15 {
        second(world, false).await;
    }
    assert_eq!(world.all_held(), 0, "agents hold something, seed {}", world.seed);
    world.orders.lock().fill(Order::End);
    while world.groups.iter().any(|group| group.lock().has_members()) {
        second(world, false).await;
    }
}

/// What was counted, to be seen with `--nocapture`.
fn report(world: &World) {
    let counts = world.counts.lock();
    let metadata = (0..world.declared.len()).map(|table| world.metadata(table).values().sum::<usize>()).max();
    let ledger: usize = world.metadata(world.declared.len()).values().sum();
    let per_commit = counts.conflicts as f64 / counts.commits as f64;
    let lines = [
        format!("seed {}, {} records, {} s", world.seed, world.records(), world.clock.now().as_secs()),
        format!(
            "{} commits, {per_commit:.3} conflicts each, at most {} in a row, {} turns",
            counts.commits, counts.worst, counts.turns
        ),
        format!(
            "{} faults, {} generations, {} partitions begun, {} went on",
            counts.faults, counts.begins, counts.begun, counts.went_on
        ),
        format!("{} records taken in, at most {} bytes held by an agent", counts.taken, counts.most_held),
        format!("metadata: at most {} bytes of a table, {ledger} of the ledger", metadata.unwrap_or_default()),
    ];
    #[expect(clippy::print_stderr, reason = "the numbers of a run, beside its seed")]
    for line in &lines {
        eprintln!("{line}");
    }
}

fn assert_bounded(world: &World) {
    world.assert_complete();
    let counts = world.counts.lock();
    assert!(counts.worst <= MOST_CONFLICTS, "{} conflicts in a row, seed {}", counts.worst, world.seed);
    assert!(counts.conflicts <= 2 * counts.commits, "{} conflicts, {} commits", counts.conflicts, counts.commits);
    drop(counts);
    for index in 0..world.declared.len() {
        let settled = world.tables[index].shelf.lock().settled.clone();
        let own = format!("cluster/{}", id(index / world.size.tables));
        assert!(settled.offsets.topics().all(|topic| topic == own), "table {index} knows other topics' offsets");
        assert!(settled.refused.is_empty() && settled.owed.is_empty());
        let bytes: usize = world.metadata(index).values().sum();
        assert!(bytes <= 100 + 20 * world.size.partitions, "{bytes} bytes of metadata of table {index}");
    }
    let ledger = world.tables[world.declared.len()].shelf.lock().settled.clone();
    assert!(ledger.owed.is_empty(), "something is owed, seed {}", world.seed);
    let bytes: usize = world.metadata(world.declared.len()).values().sum();
    assert!(bytes <= world.size.topics * (200 + 20 * world.size.partitions), "{bytes} bytes of the ledger");
}

#[test]
fn fifty_agents_write_two_hundred_tables_from_a_thousand_partitions() {
    let seconds = if is_long() { 900 } else { 60 };
    let size = Size { topics: 20, partitions: 50, tables: 10, agents: 50, seconds };
    let world = World::new(size, 1, seed());
    for table in &world.tables[..20] {
        // As versions before wrote them, with other topics.
        let mut shelf = table.shelf.lock();
        for partition in 0..50 {
            shelf.settled.offsets.advance("cluster/gone", partition, 7);
        }
    }
    simulate(&world, async {
        world.orders.lock()[..40].fill(Order::Run(0));
        for _ in 0..world.size.seconds {
            second(&world, true).await;
            let agent = world.dice.below(size.agents as u64) as usize;
            let now = world.clock.now();
            let before = world.order(agent);
            let order = match world.dice.below(6) {
                0 => Order::End,
                1 => Order::Die,
                2 => {
                    // Longer than a session, or not.
                    let pause = world.dice.between(Duration::from_secs(1), Duration::from_secs(40));
                    world.stopped.lock()[agent] = now + pause;
                    before
                }
                _ => Order::Run(0),
            };
            let running = world.orders.lock().iter().filter(|order| **order == Order::Run(0)).count();
            if order == before || order == Order::Run(0) || running > 30 {
                world.orders.lock()[agent] = order;
            }
        }
        world.orders.lock().fill(Order::Run(0));
        settle(&world).await;
    });
    report(&world);
    assert_bounded(&world);
    let counts = world.counts.lock();
    assert!(counts.faults > 0 && counts.conflicts > 0 && counts.went_on > 0, "nothing happened");
    assert!(counts.most_held <= 4 << 20, "an agent held {} bytes", counts.most_held);
}

#[test]
fn agents_of_two_groups_that_read_the_same_partitions_lose_and_double_nothing() {
    let rounds = if is_long() { 20 } else { 2 };
    let mut first = None;
    // The first run once more at the end: a seed says everything.
    for round in (0..rounds).chain([0]) {
        let size = Size { topics: 3, partitions: 8, tables: 4, agents: 6, seconds: 60 };
        let world = World::new(size, 2, seed() + round);
        simulate(&world, async {
            world.orders.lock().fill(Order::Run(0));
            // Host after host gets the new version. Meanwhile each partition has a reader in both groups.
            for time in 0..size.seconds {
                second(&world, true).await;
                if time % 10 == 0 {
                    let agent = (time / 10) as usize;
                    world.orders.lock()[agent] = Order::Run(1);
                }
            }
            settle(&world).await;
        });
        report(&world);
        assert_bounded(&world);
        let counts = world.counts.lock();
        assert!(counts.taken > world.records() as u64, "no record was read by two");
        let run = (counts.commits, counts.conflicts, counts.begins, counts.taken, world.records());
        if round == 0 {
            assert_eq!(*first.get_or_insert(run), run, "the same seed gave two runs");
        }
    }
}
