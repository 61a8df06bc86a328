//! Random schemas and values, encoded by the Avro project's own encoder: the text of each says the same.

mod random;

use lakewright_formats::{Schema, transcode};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use random::{Schemas, expected, value};

fn rounds() -> u64 {
    if std::env::var_os("LAKEWRIGHT_LONG").is_some() { 500_000 } else { 10_000 }
}

#[test]
fn the_text_says_what_was_encoded() {
    for seed in 0..rounds() {
        let mut random = StdRng::seed_from_u64(seed);
        let schema = Schemas::new(&mut random).record(3).to_string();
        let theirs =
            apache_avro::Schema::parse_str(&schema).unwrap_or_else(|error| panic!("{seed}: {error}: {schema}"));
        let ours = Schema::parse(&schema, &[]).unwrap_or_else(|error| panic!("{seed}: {error}: {schema}"));
        for _ in 0..3 {
            let value = value(&schema, &mut random);
            let text = expected(&schema, &value);
            let bytes =
                apache_avro::to_avro_datum(&theirs, value).unwrap_or_else(|error| panic!("{seed}: {error}: {schema}"));
            let mut out = String::from("before ");
            transcode(&ours, &bytes, &mut out).unwrap_or_else(|error| panic!("{seed}: {error}: {schema}"));
            assert_eq!(out.strip_prefix("before "), Some(text.as_str()), "seed {seed}: {schema}");
            serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{seed}: {error}: {text}"));
            damaged(&ours, &bytes, &mut random);
        }
    }
}

/// Bytes that were cut off, changed or made longer are refused or read as something else, and nothing is left in the text.
fn damaged(schema: &Schema, bytes: &[u8], random: &mut StdRng) {
    let mut out = String::new();
    for cut in [0, bytes.len() / 2, bytes.len().saturating_sub(1)].into_iter().filter(|cut| *cut < bytes.len()) {
        let outcome = transcode(schema, &bytes[..cut], &mut out);
        assert!(outcome.is_err() && out.is_empty(), "{} of {} bytes", cut, bytes.len());
    }
    let longer = [bytes, &[0]].concat();
    assert!(transcode(schema, &longer, &mut out).is_err() && out.is_empty());
    for _ in 0..4 {
        let mut changed = bytes.to_vec();
        let Some(last) = changed.len().checked_sub(1) else { return };
        changed[random.random_range(0..=last)] = random.random();
        if transcode(schema, &changed, &mut out).is_ok() {
            serde_json::from_str::<serde_json::Value>(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
        } else {
            assert_eq!(out, "");
        }
        assert!(out.len() <= (changed.len() * 64).max(1 << 20) + (1 << 16));
        out.clear();
    }
}
