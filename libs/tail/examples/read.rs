//! How many bytes of log files are read in a second and in a second of CPU, and what files that don't grow cost:
//! `cargo run --package lakewright-tail --example read -- [MEGABYTES] [FILES]`.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lakewright_tail::{Files, Moment, Settings};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let megabytes = arguments.next().transpose().context("MEGABYTES")?.unwrap_or(1_000);
    let count = arguments.next().transpose().context("FILES")?.unwrap_or(1_000);
    let folder = tempfile::tempdir().context("make a folder")?;
    write(folder.path(), megabytes)?;
    let glob = format!("{}/*.log", folder.path().display());
    let settings = Settings::new([glob.as_str()], "machine")?;
    let mut files = Files::open(settings, folder.path().join("checkpoint"), Moment::now())?;
    let (start, cpu) = (Instant::now(), used()?);
    let mut records = 0;
    loop {
        let batch = files.poll(Moment::now(), 1 << 20);
        if batch.is_empty() && !files.has_more() {
            break;
        }
        records += batch.len();
        if let Some(last) = batch.last() {
            files.settle(&last.stream, last.next);
        }
        files.save(Moment::now())?;
    }
    report("read", megabytes as f64, records, start, used()? - cpu);
    for number in 0..count {
        fs::write(folder.path().join(format!("{number}.log")), "one line\n").context("write a file")?;
    }
    // The folder is looked through every second and files that are open four times a second.
    for _ in 0..2 {
        let end = Instant::now() + Duration::from_secs(10);
        let (start, cpu) = (Instant::now(), used()?);
        let mut records = 0;
        while Instant::now() < end {
            records += files.poll(Moment::now(), 1 << 20).len();
            std::thread::park_timeout(Duration::from_millis(100));
        }
        report(&format!("with {count} files, 10 s"), 0.0, records, start, used()? - cpu);
    }
    Ok(())
}

/// Lines of 395 bytes.
fn write(folder: &std::path::Path, megabytes: u64) -> Result<()> {
    let mut file = BufWriter::new(File::create(folder.join("app.log")).context("make a file")?);
    for number in 0..megabytes * 1_000_000 / 395 {
        writeln!(file, "{{\"number\":{number:010},\"text\":\"{:x<366}\"}}", "").context("write a file")?;
    }
    file.flush().context("write a file")
}

/// The seconds of CPU that this process has used: user and system, in ticks of a hundredth.
fn used() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat").context("read the process's times")?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let tick = |place: usize| fields.get(place).and_then(|ticks| ticks.parse::<f64>().ok()).context("read a time");
    Ok((tick(11)? + tick(12)?) / 100.0)
}

#[expect(clippy::print_stdout, reason = "its figures are what it is for")]
fn report(what: &str, megabytes: f64, records: usize, start: Instant, cpu: f64) {
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what}: {records} records, {:.0} MB/s, {:.0} MB per CPU-second, {:.1} % of a core",
        megabytes / seconds,
        megabytes / cpu.max(0.01),
        100.0 * cpu / seconds
    );
}
