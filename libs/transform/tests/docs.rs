//! The examples of `docs/transforms.md`: what stands there is what happens.

use chrono::DateTime;
use lakewright_config::agents::shipper::transforms::{Step, Transform};
use lakewright_transform::{Event, Outcome, Place, Transforms, mistakes};
use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/transforms.md");

/// The blocks of the page, each with its language.
fn blocks() -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language.to_owned(), text.join("\n")));
        }
    }
    blocks
}

/// The transforms of a block of TOML.
fn list(text: &str) -> Vec<Transform> {
    let stack: toml::Table = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let list = stack["agents"]["shipper"]["transforms"].clone();
    list.try_into().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_example_is_as_it_says() {
    let blocks = blocks();
    let mut count = 0;
    for three in blocks.windows(3) {
        let [(toml, stack), (text, record), (json, expected)] = three else { continue };
        if (toml.as_str(), text.as_str(), json.as_str()) != ("toml", "text", "json") {
            continue;
        }
        count += 1;
        let list = list(stack);
        assert_eq!(mistakes(&list, &["es_events"], &[]), [], "{stack}");
        let transforms = Transforms::new(&list).expect("sound");
        let mut event = Event::new(record.as_bytes(), Place { stream: "s", sequence: 0 }, DateTime::UNIX_EPOCH);
        let outcome = transforms.apply(&mut event);
        let expected: Value = serde_json::from_str(expected).unwrap_or_else(|error| panic!("{expected}: {error}"));
        if expected == "drop" {
            assert!(matches!(outcome, Outcome::Drop { .. }), "{stack}");
            continue;
        }
        assert_eq!(outcome, Outcome::Keep, "{stack}");
        let mut out = Vec::new();
        event.write(&mut out);
        let found: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(found, expected, "{stack}");
        // Members stand in the order that the page shows.
        assert_eq!(found.to_string(), expected.to_string());
    }
    let examples = blocks.iter().filter(|(language, _)| language == "toml").count();
    assert_eq!(count, examples, "each block of TOML has a record and an event");
}

#[test]
fn every_type_is_shown() {
    let used: Vec<String> = blocks()
        .iter()
        .filter(|(language, _)| language == "toml")
        .flat_map(|(_, text)| list(text))
        .map(|transform| transform.step.word().to_owned())
        .collect();
    for word in Step::WORDS {
        assert!(used.iter().any(|one| one == word), "{word} has no example");
        assert!(PAGE.contains(&format!("\n### {word}\n")), "{word} has no section");
    }
}
