//! Random stacks, random edits and random faults: whatever goes wrong on the way, repeated applies make what the file
//! says, once, and touch nothing else. `LAKEWRIGHT_SEED=…` repeats one case, `LAKEWRIGHT_CASES=…` tries more of them.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test ends where it can't go on, and tells why")]

#[path = "random/model.rs"]
mod model;
#[path = "random/world.rs"]
mod world;

use std::time::Instant;

use futures::StreamExt as _;
use model::Model;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use world::{Told, World};

/// How many cases run at a time.
const AT_ONCE: usize = 4;

fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stacks_come_to_be_what_their_files_say() {
    let seeds: Vec<u64> = match number("LAKEWRIGHT_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("LAKEWRIGHT_CASES").unwrap_or(50)).collect(),
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
