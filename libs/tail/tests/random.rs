//! Random schedules of writes, rotations and crashes. In the end every line is there, under one place; what `copytruncate` loses by its
//! nature is what was written after the copy and read by nobody before the truncation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lakewright_tail::{Framing, LEAST_RECORD};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::support::World;

/// A writer with its rotation, and what may be lost.
struct Writer {
    name: String,
    written: u32,
    /// A line that isn't whole yet.
    part: String,
    /// Lines since the last copy: they are in the file alone.
    uncopied: Vec<String>,
    /// Lines that a truncation cut off.
    cut_off: BTreeSet<String>,
    expected: BTreeSet<String>,
    copied: bool,
    /// Whether its file is one that nobody has seen yet.
    is_new: bool,
}

impl Writer {
    fn new(name: &str) -> Self {
        let (part, uncopied, cut_off, expected) = Default::default();
        Self { name: name.to_owned(), written: 0, part, uncopied, cut_off, expected, copied: false, is_new: true }
    }

    fn log(&self) -> String {
        format!("{}.log", self.name)
    }

    /// Writes some lines, the last of them maybe in part. A file is seen once under its name: one that rotation takes away before
    /// anybody looked stands under no name that is followed.
    fn write(&mut self, world: &mut World, chance: &mut SmallRng) {
        let mut text = String::new();
        for _ in 0..chance.random_range(1..40) {
            if self.part.is_empty() {
                self.written += 1;
                let padding = match chance.random_range(0..200) {
                    0 => LEAST_RECORD - 20,
                    1..20 => 300,
                    _ => chance.random_range(0..60),
                };
                self.part = format!("{} {} {}", self.name, self.written, "x".repeat(padding));
                self.uncopied.push(self.part.clone());
                self.expected.insert(self.part.clone());
            }
            text.push_str(&std::mem::take(&mut self.part));
            text.push('\n');
        }
        // Cut the text: its rest comes with the next writing.
        if chance.random_bool(0.3) && !self.is_new {
            let last = text.trim_end().rfind('\n').map_or(0, |at| at + 1);
            let cut = chance.random_range(last..text.len());
            self.part = text.split_off(cut).trim_end_matches('\n').to_owned();
            if self.part.is_empty() {
                self.part = text.split_off(text.len() - 1);
            }
        }
        world.append(&self.log(), text);
        if std::mem::take(&mut self.is_new) {
            world.seconds(1);
        }
    }

    /// Ends a line that was written in part.
    fn end_line(&mut self, world: &World) {
        if !self.part.is_empty() {
            world.append(&self.log(), format!("{}\n", std::mem::take(&mut self.part)));
        }
    }

    /// Gives the numbered files their next numbers; the third one is packed.
    fn shift(&self, world: &World, chance: &mut SmallRng) {
        for number in (1..9).rev() {
            for ending in ["", ".gz"] {
                let (from, to) =
                    (format!("{}.{number}{ending}", self.log()), format!("{}.{}{ending}", self.log(), number + 1));
                if world.path(&from).exists() {
                    world.rename(&from, &to);
                }
            }
        }
        let third = format!("{}.3", self.log());
        if world.path(&third).exists() && chance.random_bool(0.7) {
            world.pack(&third);
        }
    }

    fn rename(&mut self, world: &World, chance: &mut SmallRng) {
        self.end_line(world);
        if world.path(&self.log()).exists() {
            self.shift(world, chance);
            world.rename(&self.log(), &format!("{}.1", self.log()));
            self.is_new = true;
            self.uncopied.clear();
        }
    }

    /// Copies the file, when its first bytes are enough to know the copy by: of fewer a crash may bring lines twice.
    fn copy(&mut self, world: &World, chance: &mut SmallRng) {
        let size = std::fs::metadata(world.path(&self.log())).map_or(0, |metadata| metadata.len());
        if size >= 4096 {
            self.end_line(world);
            self.shift(world, chance);
            world.copy(&self.log(), &format!("{}.1", self.log()));
            self.uncopied.clear();
            self.copied = true;
        }
    }

    fn truncate(&mut self, world: &World) {
        self.end_line(world);
        world.truncate(&self.log());
        self.cut_off.extend(self.uncopied.drain(..));
        self.copied = false;
        self.is_new = true;
    }
}

fn run(seed: u64, glob: &str, framing: &Framing, copies: bool) {
    let mut chance = SmallRng::seed_from_u64(seed);
    let mut world = World::with(&[glob], |settings| {
        settings.framing = framing.clone();
        settings.max_record = LEAST_RECORD;
        settings.max_open = 4;
        // A copy whose original isn't truncated in this time counts as a file of its own.
        if copies {
            settings.rotation = Duration::from_secs(600);
        }
    });
    world.may_be_cut = copies;
    let mut writers = [Writer::new("one"), Writer::new("two")];
    let mut steps = Vec::new();
    for _ in 0..chance.random_range(30..90) {
        let writer = &mut writers[chance.random_range(0..2)];
        let step = chance.random_range(0..100);
        steps.push(format!("{} {step} {}", writer.name, writer.written));
        match step {
            _ if writer.copied && chance.random_bool(0.6) => writer.truncate(&world),
            0..45 => writer.write(&mut world, &mut chance),
            45..52 if !writer.copied => {
                if copies {
                    writer.copy(&world, &mut chance);
                } else {
                    writer.rename(&world, &mut chance);
                }
            }
            52..70 => world.seconds(chance.random_range(1..4)),
            70..80 => world.pass(Duration::from_millis(300)),
            80..86 => world.read(chance.random_range(1..3)),
            86..93 => world.settle_first(chance.random_range(0..60)),
            93..98 => {
                // A crash: whatever was read of what isn't there any more is lost with it, so that a truncation waits.
                if !writers.iter().any(|writer| writer.copied) {
                    world.crash();
                    world.start();
                }
            }
            _ => world.seconds(15),
        }
    }
    for writer in &mut writers {
        if writer.copied {
            writer.truncate(&world);
        }
        writer.end_line(&world);
    }
    world.seconds(60);
    world.pass(Duration::from_secs(600));
    world.seconds(40);
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for text in world.texts().iter().flat_map(|text| text.split('\n').map(str::to_owned).collect::<Vec<_>>()) {
        *found.entry(text).or_default() += 1;
    }
    for writer in &writers {
        for line in &writer.expected {
            let count = found.remove(line).unwrap_or(0);
            let may_be_lost = writer.cut_off.contains(line);
            let places: Vec<_> = world
                .taken
                .iter()
                .filter(|(_, text)| text.starts_with(line.as_bytes()))
                .map(|(place, _)| place)
                .collect();
            assert!(
                count == 1 || (count == 0 && may_be_lost),
                "seed {seed}, {glob}: {count} times `{line:.40}`\n{steps:?}\n{places:?}\n{:?}",
                world.notices
            );
        }
    }
    // What was read of a line before a truncation cut it off.
    let is_cut = |text: &str| writers.iter().flat_map(|writer| &writer.cut_off).any(|line| line.starts_with(text));
    found.retain(|text, _| !is_cut(text));
    assert!(found.is_empty(), "seed {seed}: what nobody wrote: {found:?}");
}

#[test]
fn renamed_files_lose_nothing_and_bring_nothing_twice() {
    for seed in 0..60 {
        run(seed, "*.log*", &Framing::Lines, false);
        run(seed, "*.log", &Framing::Lines, false);
    }
}

#[test]
fn truncated_files_lose_only_what_came_between_copy_and_truncation() {
    for seed in 0..60 {
        run(seed, "*.log*", &Framing::Lines, true);
        run(seed, "*.log", &Framing::Lines, true);
    }
}

#[test]
fn so_do_records_of_several_lines() {
    for seed in 1000..1040 {
        let dated = Framing::begins(r"^(one|two) \d*[05] ").expect("a pattern");
        run(seed, "*.log*", &dated, false);
        run(seed, "*.log*", &dated, true);
    }
}
