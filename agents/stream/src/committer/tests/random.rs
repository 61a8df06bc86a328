//! Faults in any order, from seeds.

use super::world::{Life, World};
use crate::sink::Blame;
use crate::sink::memory::Next;
use crate::testing::{ADDING, DECODING, KEY};

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // The constants of Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What a world's faults are, beside those that there are in all of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Rows that can't be written.
    Poison,
    /// A table in quarantine is rolled back.
    RolledBack,
    /// The tables' code breaks on some records, now and then.
    Breaks,
    /// The topic is deleted and made again, and one holds records of the old one.
    MadeAnew,
    /// A table and the dead letters are rolled back together.
    BothRolledBack,
    /// A table is taken out of the declaration, and declared again.
    Undeclared,
}

const KINDS: [Kind; 6] =
    [Kind::Poison, Kind::RolledBack, Kind::Undeclared, Kind::Breaks, Kind::MadeAnew, Kind::BothRolledBack];

/// Keys that a topic bears one after the other.
const KEYS: [&str; 6] = ["c/t1", "c/t2", "c/t3", "c/t4", "c/t5", "c/t6"];

/// Lets one read some of the topic, makes that anew, and lets the one commit what it has while others read the new one.
async fn make_anew(world: &mut World, (life, zombie): (&mut Life, &mut Life), dice: &mut Dice) {
    let next = KEYS.iter().position(|key| *key == world.key).map_or(0, |known| known + 1);
    let Some(key) = KEYS.get(next) else { return };
    zombie.begin(world).await;
    let holds = zombie.is_reading() && zombie.take_in(world, world.log.len()).await;
    world.make_anew(key);
    world.send(dice.below(20) as usize);
    for _ in 0..dice.below(4) {
        life.read(world, world.log.len()).await;
    }
    if holds {
        zombie.commit(world).await;
    }
}

/// Rolls sales and the dead letters back to a moment, if there was one, and says how many commits there are by then.
fn roll_back(world: &World, moment: Option<[usize; 2]>) -> Option<[usize; 2]> {
    let shelves = [0, 2].map(|shelf| &world.shelves[shelf]);
    for (shelf, commits) in shelves.iter().zip(moment.into_iter().flatten()) {
        let mut shelf = shelf.lock();
        while shelf.commits() > commits {
            shelf.roll_back();
        }
    }
    let now = shelves.map(|shelf| shelf.lock().commits());
    now.iter().all(|commits| *commits > 0).then_some(now)
}

/// Leaves sales undeclared, or declares them again, where nothing hangs between the table and the ledger.
async fn declare(world: &mut World, life: &mut Life) {
    let floor = world.floor();
    if world.names.len() == 1 {
        let from = world.undeclared.last_mut().expect("a span");
        from.end = floor;
        world.names = vec!["sales", "users"];
    } else {
        if world.shelves[0].lock().settled.offsets.get(KEY, 0).is_some_and(|own| own > floor) {
            return;
        }
        world.undeclared.push(floor..i64::MAX);
        world.names = vec!["users"];
    }
    *life = Life::new(world).await;
}

#[tokio::test]
async fn any_order_of_faults_and_deaths_leaves_each_record_in_one_table_once() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let kind = KINDS[seed as usize % KINDS.len()];
        let mut world = World { seed, ..World::new() };
        let mut poison: Vec<i64> = Vec::new();
        let (mut broken, mut moment) = (Vec::new(), None);
        // The second believes now and then that the partition is its own.
        let (mut life, mut zombie) = (Life::new(&world).await, Life::new(&world).await);
        for _ in 0..25 {
            let shelf = dice.below(3) as usize;
            match dice.below(12) {
                0 => world.shelves[shelf].lock().next.push_back(Next::Refused(Blame::Passing)),
                1 => world.shelves[shelf].lock().next.push_back(Next::Refused(Blame::Table)),
                2 => world.shelves[shelf].lock().next.push_back(Next::Lost),
                3 if shelf < 2 => {
                    let mut shelf = world.shelves[shelf].lock();
                    shelf.shut = if shelf.shut.is_some() { None } else { Some(Blame::Table) };
                }
                4 if kind == Kind::Poison && world.log.len() > 5 && poison.len() < 60 => {
                    // Rows of the first table that nobody has read yet: one, or more than are tried at once.
                    let from = world.log.len().div_ceil(5) as i64;
                    let count = [1, 1, 30][shelf];
                    poison.extend((from..from + count).map(|row| row * 5));
                    world.shelves[0].lock().poison.clone_from(&poison);
                }
                4 if kind == Kind::RolledBack && world.knows_own("sales") => world.shelves[0].lock().roll_back(),
                4 if kind == Kind::Breaks => {
                    let row = dice.below(world.log.len().max(5) as u64 / 5) as i64 * 5;
                    broken.push(row);
                    DECODING.on(broken.iter().copied().filter(|_| dice.below(2) == 0));
                    ADDING.on(broken.iter().copied().filter(|_| dice.below(3) == 0));
                }
                4 if kind == Kind::MadeAnew => make_anew(&mut world, (&mut life, &mut zombie), &mut dice).await,
                4 if kind == Kind::BothRolledBack => {
                    moment = roll_back(&world, moment);
                    // Nobody is at work meanwhile.
                    (life, zombie) = (Life::new(&world).await, Life::new(&world).await);
                }
                4 if kind == Kind::Undeclared => declare(&mut world, &mut life).await,
                5 => life = Life::new(&world).await,
                6 => life.wait(&world).await,
                // One that knows other tables puts messages elsewhere.
                7 | 8 if kind == Kind::Undeclared => {}
                7 => _ = zombie.read(&world, world.log.len()).await,
                8 => zombie = std::mem::replace(&mut life, Life::new(&world).await),
                _ => world.send(dice.below(20) as usize),
            }
            let to = world.log.len();
            life.read(&world, to.saturating_sub(dice.below(4) as usize)).await;
            world.assert_once();
        }
        for shelf in &world.shelves {
            let mut shelf = shelf.lock();
            (shelf.shut, shelf.next) = (None, std::collections::VecDeque::new());
        }
        if world.names.len() == 1 {
            declare(&mut world, &mut life).await;
        }
        world.send(10);
        life.settle(&world).await;
        // What broke code is in one place, wherever that is.
        let dead = world.offsets(2);
        poison.extend(broken.into_iter().filter(|offset| dead.contains(offset)));
        DECODING.on([]);
        ADDING.on([]);
        let there = poison.iter().copied().filter(|offset| *offset < world.log.len() as i64).collect::<Vec<_>>();
        world.assert_complete(&there);
    }
}
