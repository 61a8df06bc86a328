//! Lines that were labelled by hand, a hundred to develop on and a hundred to judge by; and what follows from lines.

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use serde_json::{Value, json};

use super::*;

const DEVELOPMENT: &str = include_str!("lines/development.tsv");
const HELD_OUT: &str = include_str!("lines/held_out.tsv");

fn now() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2023, 10, 18).and_then(|day| day.and_hms_opt(12, 0, 0)).expect("a time")
}

fn known() -> Known {
    let values: Value = serde_json::from_str(include_str!("lines/known.json")).expect("JSON");
    let list = |name: &str| -> Vec<String> { serde_json::from_value(values[name].clone()).expect("a list") };
    Known {
        products: list("products"),
        brands: list("brands"),
        categories: list("categories"),
        cities: list("cities"),
        countries: list("countries"),
        actions: list("actions"),
        members: Vec::new(),
    }
}

/// The parts as labels have them.
fn labels(line: &str) -> BTreeSet<String> {
    let understood = understand(line, &known(), now()).expect("understood");
    let time = |time: Option<NaiveDateTime>| {
        let short = |time: NaiveDateTime| if time.time() == NaiveTime::MIN { "%Y-%m-%d" } else { "%Y-%m-%dT%H:%M" };
        time.map_or_else(String::new, |time| time.format(short(time)).to_string())
    };
    let label = |part: &Part| {
        let minus = if part.excluded { "-" } else { "" };
        match &part.meaning {
            Meaning::Known { field, values } => format!("{minus}{}={}", field.name(), values[0]),
            Meaning::Time(span) => format!("{minus}time={}..{}", time(span.from), time(span.to)),
            Meaning::Phrase(text) => format!("{minus}phrase={text}"),
            Meaning::Exact { member, value, .. } => format!("{minus}exact={member}:{value}"),
            Meaning::Text(text) => format!("{minus}text={text}"),
        }
    };
    understood.parts.iter().map(label).collect()
}

/// How many fields of the lines are right, of how many that are labelled or found; and what is wrong.
fn judged(lines: &str) -> (usize, usize, Vec<String>) {
    let (mut right, mut all, mut wrong) = (0, 0, Vec::new());
    for entry in lines.lines() {
        let parts: Vec<&str> = entry.split('\t').collect();
        let [_, line, expected] = parts[..] else { panic!("{entry}") };
        let expected: BTreeSet<String> = expected.split("; ").map(str::to_owned).collect();
        let found = labels(line);
        right += expected.intersection(&found).count();
        all += expected.union(&found).count();
        if found != expected {
            wrong.push(format!("{line}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert_eq!(lines.lines().count(), 100);
    (right, all, wrong)
}

#[test]
fn lines_to_develop_on_are_understood() {
    let (right, all, wrong) = judged(DEVELOPMENT);
    let share = right as f64 / all as f64;
    assert!(share >= 0.98, "{right} of {all} fields\n{}", wrong.join("\n"));
}

#[test]
fn lines_to_judge_by_are_understood() {
    let (right, all, wrong) = judged(HELD_OUT);
    let share = right as f64 / all as f64;
    assert!(share >= 0.95, "{right} of {all} fields\n{}", wrong.join("\n"));
}

fn sentence(line: &str) -> String {
    understand(line, &known(), now()).expect("understood").sentence()
}

#[test]
fn a_line_is_said_as_it_was_understood() {
    for (line, expected) in [
        (
            "Chrome, Lipstick, Stockholm, 2023-09",
            "Chrome (browser), Lipstick (product), Stockholm (place), September 2023",
        ),
        ("stokholm lipsticks -edge", "stokholm → Stockholm (place), lipstick (product), not Edge (browser)"),
        ("returns from Seoul last week", "return (action), Seoul (place), 2023-10-09 to 2023-10-15"),
        ("unicorn \"green tea\" user_id:u-1", "unicorn (words), \"green tea\", user_id:u-1 (as it is)"),
        ("Kunden in SE, in the", "Kunden (words), Sweden (place)"),
        (
            "jeans ohne Berlin, not Samsung Internet",
            "jeans (product), not Berlin (place), not Samsung Internet (browser)",
        ),
        ("the", "everything"),
    ] {
        assert_eq!(sentence(line), expected, "{line}");
    }
}

#[test]
fn mistakes_name_what_mends_them() {
    let error = |line: &str| understand(line, &known(), now()).expect_err("a mistake").to_string();
    assert_eq!(error("evnt_type:search"), "no user action has a field `evnt_type`: did you mean `event_type:search`?");
    assert!(error("zzzzzzzz:search").contains("fields are brand, category, event_id"), "{}", error("zzzzzzzz:search"));
    assert!(error(&"a ".repeat(600)).contains("1000 characters at most"));
    let known = Known { members: vec!["own".to_owned()], ..known() };
    understand("own:value event_type.keyword:search", &known, now()).expect("both are members");
}

#[test]
fn values_of_one_field_are_alternatives_and_fields_are_conditions() {
    let understood = understand("Oslo, Bergen, Chrome, jeans -Berlin", &known(), now()).expect("understood");
    let query = query::query(&understood, Some(now()));
    let clauses = &query["bool"];
    assert_eq!(clauses["filter"].as_array().map(Vec::len), Some(3), "{query:#}");
    assert_eq!(clauses["filter"][0]["bool"]["should"].as_array().map(Vec::len), Some(2), "{query:#}");
    assert_eq!(clauses["filter"][2], json!({ "range": { "event_time": { "gte": "2023-10-18T12:00:00Z" } } }));
    assert_eq!(clauses["must_not"].as_array().map(Vec::len), Some(1), "{query:#}");
    assert_eq!(clauses["must"][0]["bool"]["should"][0]["match"]["product_name"]["query"], "jeans", "{query:#}");
}

#[test]
fn an_index_that_holds_nothing_leaves_words_and_the_dictionary() {
    let understood = understand("Chrome lipstick bought in Sweden", &Known::default(), now()).expect("understood");
    assert_eq!(understood.sentence(), "Chrome (browser), lipstick (words), purchase (action), Sweden (place)");
}

#[test]
fn any_line_is_understood_somehow() {
    for line in [
        "",
        "-",
        "\"",
        ":",
        "a:",
        "-\"",
        "..",
        "，、",
        "\u{e000}",
        "- - -",
        "東",
        "1 2 3",
        "last",
        "between and",
        "''",
        "-a:b:c",
    ] {
        _ = understand(line, &known(), now());
    }
}
