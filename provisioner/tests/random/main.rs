//! Random stacks, random edits and random faults: whatever goes wrong on the way, repeated applies make what the file
//! says, once, and touch nothing else. `LAKEWRIGHT_SEED=…` repeats one case, `LAKEWRIGHT_CASES=…` tries more of them.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test ends where it can't go on, and says why")]

mod faults;
mod model;
mod text;
mod world;

use std::collections::BTreeSet;
use std::time::Instant;

use futures::StreamExt as _;
use model::Model;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use text::Network;
use world::{Told, World};

/// How many cases there are, unless the environment says otherwise.
const CASES: u64 = 50;
/// How many cases run at a time.
const AT_ONCE: usize = 4;

fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stacks_come_to_be_what_their_files_say() {
    let seeds: Vec<u64> = match number("LAKEWRIGHT_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("LAKEWRIGHT_CASES").unwrap_or(CASES)).collect(),
    };
    let began = Instant::now();
    let cases = futures::stream::iter(seeds.iter().copied())
        .map(|seed| async move {
            let running = tokio::runtime::Handle::current();
            (seed, tokio::task::spawn_blocking(move || running.block_on(case(seed))).await.ok())
        })
        .buffer_unordered(AT_ONCE);
    let ended: Vec<(u64, Option<Told>)> = cases.collect().await;
    let mut failed: Vec<u64> = ended.iter().filter(|(_, told)| told.is_none()).map(|(seed, _)| *seed).collect();
    failed.sort_unstable();
    let told = ended.iter().filter_map(|(_, told)| *told).fold(Told::default(), Told::and);
    eprintln!("{} cases in {:?}: {told:?}", seeds.len(), began.elapsed());
    assert!(failed.is_empty(), "LAKEWRIGHT_SEED= one of {failed:?} repeats what failed");
    // A day on which nothing goes wrong shows nothing.
    let many = u32::try_from(seeds.len()).unwrap() / 2;
    assert!(seeds.len() < 20 || (told.killed > many && told.failed > many / 4), "{told:?}");
}

/// Kinds that no section makes, each with the reason why stacks of the sample have none.
const UNREACHED: [(&str, &str); 0] = [];

#[test]
fn the_sample_reaches_every_kind() {
    let others =
        Network { vpc: "vpc-00000000".to_owned(), subnets: (0..3).map(|at| format!("subnet-0000000{at}")).collect() };
    let of = |seed| {
        let model = Model::any(&mut StdRng::seed_from_u64(seed));
        let desired = world::desired(&model, &others, "agent".to_owned());
        desired.unwrap_or_else(|error| panic!("seed {seed}: {error}")).resources
    };
    let reached: BTreeSet<String> = (0..CASES).flat_map(of).map(|resource| resource.address.kind).collect();
    let missing = lakewright::kinds::all().iter().map(|kind| kind.name()).filter(|kind| !reached.contains(*kind));
    let excused: Vec<&str> = UNREACHED.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(missing.collect::<Vec<_>>(), excused, "random/model.rs says nothing of these");
}

/// One life of a stack: made, edited, sometimes destroyed and made again, on bad days.
async fn case(seed: u64) -> Told {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new(seed).await;
    let mut model = Model::any(&mut rng);
    let bad = rng.random_range(0..=3);
    assert!(world.comes_to_be(&model, &mut rng, bad).await, "seed {seed}: nothing can be impossible of a new stack");
    for _ in 0..rng.random_range(1..=3) {
        let mut edited = model.clone();
        for _ in 0..rng.random_range(1..=4) {
            edited.edit(&mut rng);
        }
        if world.comes_to_be(&edited, &mut rng, bad).await {
            model = edited;
        }
    }
    if rng.random_ratio(1, 3) {
        world.goes(&model, &mut rng, bad).await;
        if rng.random() {
            world.comes_to_be(&model, &mut rng, bad).await;
        }
    }
    world.told
}
