//! Says of each line of standard input what is found in it, a JSON object a line, for `tests/bench/text.py`:
//! `cargo run --package lakewright-text --example analyze [-- TIMES]` reads each so often, and says at the end how many a CPU-second took.

use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use lakewright_text::{Entities, keyphrases, language, sentiment};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let times: usize = std::env::args().nth(1).map_or(Ok(1), |times| times.parse())?;
    let lines: Vec<String> = std::io::stdin().lock().lines().collect::<Result<_, _>>()?;
    let entities = Entities::new(Vec::new()).map_err(|mistake| format!("{mistake:?}"))?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let read = |line: &str| (language(line), sentiment(line), keyphrases(line, "en", 5), entities.find(line));
    for line in &lines {
        let (language, sentiment, keyphrases, entities) = read(line);
        let entities: Vec<_> = entities.iter().map(|entity| [entity.kind, entity.text.as_str()]).collect();
        let said = serde_json::json!({
            "language": language, "mood": sentiment.mood.word(), "score": sentiment.score, "keyphrases": keyphrases, "entities": entities,
        });
        writeln!(out, "{said}")?;
    }
    out.flush()?;
    if times > 1 {
        let before = used()?;
        for line in lines.iter().cycle().take(lines.len() * times) {
            std::hint::black_box(read(line));
        }
        let took = used()?.saturating_sub(before).as_secs_f64();
        writeln!(std::io::stderr(), "{:.0}", (lines.len() * times) as f64 / took)?;
    }
    Ok(())
}

/// The processor time of this process.
fn used() -> Result<Duration, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Behind the name: the user's and the system's ticks, a hundred a second.
    let ticks = |at: usize| fields.get(at).ok_or("no ticks")?.parse::<u64>().map_err(|error| error.to_string());
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}
