//! Tests of the messages.

use lakewright_config::{Bots, Column, ColumnType, Table};
use serde_json::{Value, json};

use super::*;

const START: i64 = 1_700_000_000_000_000;

fn table(name: &str, columns: &[(&str, &str)], key: &[&str]) -> Table {
    Table {
        name: name.into(),
        database: "shop_raw".into(),
        topic: "iceberg_events".into(),
        location: "s3://raw/x".into(),
        columns: columns
            .iter()
            .map(|(name, kind)| Column {
                name: (*name).into(),
                column_type: kind.parse::<ColumnType>().expect("a type"),
                required: true,
                doc: None,
                was: None,
            })
            .collect(),
        key: key.iter().map(|k| (*k).into()).collect(),
        partition: vec![],
        reading: lakewright_config::Reading::default(),
        sink: lakewright_config::Sink::default(),
        existing: None,
    }
}

fn tables() -> Vec<Table> {
    vec![
        table("users", &[("user_id", "string"), ("email", "string"), ("shoe_size", "decimal(4,1)")], &["user_id"]),
        table("sales", &[("sale_id", "string"), ("amount", "decimal(12,2)"), ("sold_at", "timestamptz")], &["sale_id"]),
        table(
            "inventory",
            &[("product_id", "string"), ("warehouse", "string"), ("stock", "int")],
            &["product_id", "warehouse"],
        ),
        table("visits", &[("stars", "int"), ("tags", "list<string>"), ("day", "date")], &[]),
    ]
}

fn config(tables: &[Table], scenario: Scenario) -> ProducerConfig {
    let written = json!({
        "kafka": { "bootstrap": "127.0.0.1:9", "security": { "protocol": "plaintext" } },
        "facts_topic": "facts",
        "actions_topic": "actions",
        "rate": "1000/s",
        "tables": tables,
        "scenario": scenario,
        "log": { "file": "shop.log", "rotate_bytes": 1, "keep": 1 },
    });
    serde_json::from_value(written).expect("a configuration")
}

/// Messages a millisecond apart.
fn messages(config: &ProducerConfig, seed: u64, count: usize) -> Vec<Message> {
    let mut events = Events::new(config, seed, START);
    (0..count)
        .map(|at| {
            let mut message = Message::default();
            events.next(START + at as i64 * 1000, &mut message);
            message
        })
        .collect()
}

fn run(seed: u64, duplicates: f64, broken: f64, count: usize) -> Vec<Message> {
    let config = ProducerConfig { duplicates, broken, ..config(&tables(), Scenario::default()) };
    messages(&config, seed, count)
}

#[test]
fn messages_are_json_and_follow_the_declarations() {
    let mut seen = HashMap::<String, usize>::new();
    for message in run(7, 0.0, 0.0, 20_000) {
        let value: Value = serde_json::from_slice(&message.payload).expect("JSON");
        let name = match message.destination {
            Destination::Facts => {
                let table = value["table"].as_str().expect("a table").to_owned();
                let declared = tables().into_iter().find(|t| t.name == table).expect("declared");
                let names: Vec<&String> = value["data"].as_object().expect("data").keys().collect();
                assert_eq!(names, declared.columns.iter().map(|c| &c.name).collect::<Vec<_>>());
                let key: Vec<String> =
                    declared.key.iter().map(|k| value["data"][k].as_str().expect("text").to_owned()).collect();
                assert_eq!(String::from_utf8_lossy(&message.key), key.join("|"));
                table
            }
            Destination::Actions => {
                assert_eq!(value["location"].as_array().expect("location").len(), 5);
                value["event_type"].as_str().expect("a type").to_owned()
            }
        };
        *seen.entry(name).or_default() += 1;
    }
    for name in ["users", "sales", "inventory", "visits", "login", "search", "view_product", "purchase", "logout"] {
        assert!(seen.get(name).is_some_and(|count| *count > 50), "{name}: {seen:?}");
    }
    // The funnel narrows.
    let at = |name: &str| seen[name];
    assert!(at("view_product") > at("add_to_cart") && at("add_to_cart") > at("checkout"), "{seen:?}");
    assert!(at("checkout") > at("purchase"), "{seen:?}");
}

#[test]
fn a_seed_repeats_its_messages() {
    let payloads = |seed| run(seed, 0.05, 0.05, 3_000).into_iter().map(|m| m.payload).collect::<Vec<_>>();
    assert_eq!(payloads(11), payloads(11));
    assert_ne!(payloads(11), payloads(12));
}

#[test]
fn shares_of_duplicates_and_broken_messages_are_as_asked() {
    let messages = run(3, 0.1, 0.05, 20_000);
    let duplicates = messages.iter().filter(|m| m.duplicate).count();
    let broken = messages.iter().filter(|m| m.broken).count();
    assert!((1_800..2_200).contains(&duplicates), "{duplicates}");
    assert!((800..1_000).contains(&broken), "{broken}");
    assert!(messages.iter().filter(|m| m.duplicate).all(|m| !m.broken));
}

fn value(message: &Message) -> Value {
    serde_json::from_slice(&message.payload).expect("JSON")
}

#[test]
fn bots_look_at_very_many_pages_and_buy_nothing() {
    let bots = Some(Bots { count: 3, share: 0.5 });
    let messages = messages(&config(&[], Scenario { bots, ..Scenario::default() }), 1, 20_000);
    let mut views = HashMap::<String, (usize, i64)>::new();
    for action in messages.iter().map(value) {
        let seen = views.entry(action["session_id"].as_str().expect("an id").to_owned()).or_default();
        *seen = (seen.0 + 1, action["page_views"].as_i64().expect("a number").max(seen.1));
    }
    let mut most: Vec<(usize, i64)> = views.into_values().collect();
    most.sort_unstable_by(|one, other| other.cmp(one));
    assert!(most[..3].iter().all(|(actions, pages)| *actions > 3_000 && *pages == *actions as i64), "{most:?}");
    assert!(most[3].0 < 100, "{most:?}");
}

#[test]
fn late_messages_are_as_many_and_as_old_as_asked() {
    let late = Some(Late { share: 0.1, least_seconds: 60, most_seconds: 259_200 });
    let messages = messages(&config(&tables()[1..2], Scenario { late, ..Scenario::default() }), 1, 20_000);
    let mut ages = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let value = value(message);
        let time = value["event_time"].as_str().or_else(|| value["data"]["sold_at"].as_str()).expect("a time");
        let time = chrono::DateTime::parse_from_rfc3339(time).expect("RFC 3339").timestamp_micros();
        let age = (START + at as i64 * 1000 - time) / SECOND;
        assert_eq!(message.late, age != 0);
        ages.extend(message.late.then_some(age));
    }
    assert!((1_850..2_150).contains(&ages.len()), "{}", ages.len());
    assert!(ages.iter().all(|age| (59..=259_200).contains(age)));
    // Minutes, hours and days: each magnitude is as likely.
    let within = |from: i64, to: i64| ages.iter().filter(|age| (from..to).contains(*age)).count();
    assert!(within(0, 3_600) > 700 && within(3_600, 86_400) > 500 && within(86_400, 300_000) > 200);
}

#[test]
fn facts_are_told_again_word_for_word_as_long_after_as_asked() {
    let repeats = Some(Repeats { share: 0.1, after_seconds: 2 });
    // Each sale has an id, so that no two are sent in the same words by chance.
    let messages = messages(&config(&tables()[1..2], Scenario { repeats, ..Scenario::default() }), 1, 20_000);
    let mut first = HashMap::new();
    let mut again = 0;
    for (at, message) in messages.iter().enumerate() {
        let sent = (&message.key, &message.payload);
        if message.duplicate {
            assert_eq!(message.destination, Destination::Facts);
            let before = first.get(&sent).expect("sent before");
            assert!((2_000..2_100).contains(&(at - before)), "{}", at - before);
            again += 1;
        } else {
            first.insert(sent, at);
        }
    }
    let facts = messages.iter().filter(|message| message.destination == Destination::Facts).count();
    assert!((facts / 15..facts / 8).contains(&again), "{again} of {facts}");
}

#[test]
fn a_scenario_is_repeated_by_its_seed_and_changes_nothing_that_it_is_not_about() {
    let late = Some(Late { share: 0.2, least_seconds: 60, most_seconds: 600 });
    let scenario = || Scenario { late: late.clone(), ..Scenario::default() };
    let payloads = |scenario: Scenario, seed| -> Vec<Vec<u8>> {
        messages(&config(&tables(), scenario), seed, 3_000).into_iter().map(|message| message.payload).collect()
    };
    let (with, without) = (payloads(scenario(), 4), payloads(Scenario::default(), 4));
    assert_eq!(with, payloads(scenario(), 4));
    let same = with.iter().zip(&without).filter(|(one, other)| one == other).count();
    assert!((2_300..2_700).contains(&same), "{same}");
}

#[test]
fn reviews_are_written_where_their_table_is_declared() {
    let columns = [
        ("review_id", "string"),
        ("product_id", "string"),
        ("stars", "int"),
        ("language", "string"),
        ("body", "string"),
        ("verified_purchase", "boolean"),
        ("reviewed_at", "timestamptz"),
        ("mood", "string"),
    ];
    let mut tables = tables();
    tables.push(table("reviews", &columns, &["review_id"]));
    let with = messages(&config(&tables, Scenario::default()), 1, 10_000);
    let reviews: Vec<Value> = with
        .iter()
        .filter(|message| message.destination == Destination::Facts)
        .map(value)
        .filter(|value| value["table"] == "reviews")
        .collect();
    assert!((350..=400).contains(&reviews.len()), "{}", reviews.len());
    for review in &reviews {
        let data = &review["data"];
        assert!(data["stars"].as_i64().is_some_and(|stars| (1..=5).contains(&stars)), "{review}");
        assert!(data["body"].as_str().is_some_and(|body| !body.is_empty()) && data["mood"].is_string(), "{review}");
        assert!(data["verified_purchase"].is_boolean() && data["language"].is_string(), "{review}");
    }
}
