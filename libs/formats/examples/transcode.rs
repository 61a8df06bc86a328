//! How fast Avro becomes JSON text, of the orders that `tests/written/messages.json` holds: `cargo run -p lakewright-formats --example transcode`.

use std::io::Write as _;
use std::time::Instant;

use anyhow::Context as _;
use lakewright_formats::{Schema, transcode};
use serde_json::Value;

const WRITTEN: &str = include_str!("../tests/written/messages.json");
const ROUNDS: usize = 300_000;

fn main() -> anyhow::Result<()> {
    let written: Value = serde_json::from_str(WRITTEN)?;
    let schema = Schema::parse(&written["schema"].to_string(), &[])?;
    let mut messages = Vec::new();
    for message in written["messages"].as_array().context("messages")?.iter().filter(|message| message["by"] == "avro")
    {
        messages.push(hex::decode(message["hex"].as_str().context("text")?)?);
    }
    let (mut bytes, mut text, mut out) = (0, 0, String::new());
    let began = Instant::now();
    for round in 0..ROUNDS {
        let message = &messages[round % messages.len()];
        out.clear();
        transcode(&schema, message, &mut out)?;
        bytes += message.len();
        text += out.len();
    }
    let seconds = began.elapsed().as_secs_f64();
    let rate = |count: usize| count as f64 / seconds / 1e6;
    writeln!(
        std::io::stdout(),
        "{:.0} MB of Avro a second, {:.0} MB of JSON text a second, {:.2} million messages a second",
        rate(bytes),
        rate(text),
        rate(ROUNDS)
    )?;
    Ok(())
}
