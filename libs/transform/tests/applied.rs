//! Lists of transforms as a shipper applies them: each record beside what becomes of it.

use chrono::{DateTime, Utc};
use lakewright_config::agents::shipper::transforms::Transform;
use lakewright_transform::{Dropped, Event, Outcome, Place, Transforms};
use serde::Deserialize;
use serde_json::{Value, json};

/// Transforms as a stack writes them.
fn list(toml: &str) -> Vec<Transform> {
    #[derive(Deserialize)]
    struct List {
        transforms: Vec<Transform>,
    }
    toml::from_str::<List>(toml).unwrap_or_else(|error| panic!("{toml}: {error}")).transforms
}

fn transforms(toml: &str) -> Transforms {
    Transforms::new(&list(toml)).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn arrived() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

fn event(record: &str) -> Event<'_> {
    Event::new(record.as_bytes(), Place { stream: "topic-0", sequence: 7 }, arrived())
}

/// The event that a record becomes.
fn made(toml: &str, record: &str) -> Value {
    let mut event = event(record);
    assert_eq!(transforms(toml).apply(&mut event), Outcome::Keep, "{record}");
    written(&event)
}

fn written(event: &Event<'_>) -> Value {
    let mut out = Vec::new();
    event.write(&mut out);
    assert!(!out.contains(&b'\n'));
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
}

#[test]
fn json_is_parsed_where_it_stands_and_the_rest_stays_as_it_was_written() {
    let parse = "[[transforms]]\ntype = \"parse_json\"\n";
    let mut parsed = event("{ \"a\" : 1.0e0, \"b\":{\"c\" :\r\n[1 ,2]}, \"a\":9007199254740993 }");
    assert_eq!(transforms(parse).apply(&mut parsed), Outcome::Keep);
    let mut out = Vec::new();
    parsed.write(&mut out);
    assert_eq!(String::from_utf8_lossy(&out), "{\"a\":9007199254740993,\"b\":{\"c\" :  [1 ,2]}}");

    let inner = "[[transforms]]\ntype = \"parse_json\"\n[[transforms]]\ntype = \"parse_json\"\nfield = \"log\"\n";
    assert_eq!(made(inner, r#"{"log":"{\"a\":\"\\\"x\"}","b":2}"#), json!({"b": 2, "a": "\"x"}));
    let into = format!("{inner}into = \"parsed.log\"\nkeep = true\n");
    assert_eq!(made(&into, r#"{"log":"{\"a\":1}"}"#), json!({"log": "{\"a\":1}", "parsed": {"log": {"a": 1}}}));
    // What isn't there, or null, is no error.
    assert_eq!(made(inner, r#"{"b":2}"#), json!({"b": 2}));
    assert_eq!(made(inner, r#"{"log":null}"#), json!({"log": null}));
}

#[test]
fn what_a_parser_cannot_read_goes_on_as_its_text_with_the_reason() {
    let parse = "[[transforms]]\ntype = \"parse_json\"\n";
    for (record, reason) in [
        ("plain text", "parse_json (transform 1): expected value at line 1 column 1"),
        ("[1]", "parse_json (transform 1): invalid type: sequence, expected a JSON object"),
        ("", "parse_json (transform 1): EOF while parsing a value at line 1 column 0"),
    ] {
        assert_eq!(made(parse, record), json!({"message": record, "transform_errors": [reason]}));
    }
    let mut broken = Event::new(b"a\xff\xfe", Place { stream: "s", sequence: 0 }, arrived());
    assert_eq!(transforms(parse).apply(&mut broken), Outcome::Keep);
    assert_eq!(broken.failures().len(), 1);
    assert_eq!(
        written(&broken),
        json!({"message": "a\u{fffd}\u{fffd}", "transform_errors": ["parse_json (transform 1): the record isn't UTF-8 at byte 1 of 3"]})
    );
    let refuse = format!("{parse}on_error = \"refuse\"\n");
    let reason = "parse_json (transform 1): expected value at line 1 column 1".to_owned();
    assert_eq!(transforms(&refuse).apply(&mut event("x")), Outcome::Refuse { by: 0, reason });
    let leave = format!("{parse}on_error = \"drop\"\n");
    let why = Dropped::Error("expected value at line 1 column 1".to_owned());
    assert_eq!(transforms(&leave).apply(&mut event("x")), Outcome::Drop { by: 0, why });
    // A number is no text to parse.
    let inner = "[[transforms]]\ntype = \"parse_json\"\n[[transforms]]\ntype = \"parse_logfmt\"\nfield = \"n\"\n";
    assert_eq!(
        made(inner, r#"{"n":5}"#),
        json!({"n": 5, "transform_errors": ["parse_logfmt (transform 2): `n` is a number, no text"]})
    );
}

#[test]
fn one_parser_takes_what_another_one_could_not_read() {
    let toml = r#"
        [[transforms]]
        type = "parse_json"
        [[transforms]]
        type = "parse_logfmt"
        when = "transform_errors exists"
        [[transforms]]
        type = "route"
        to = "odd"
        when = "transform_errors exists"
    "#;
    assert_eq!(made(toml, r#"{"a":1}"#), json!({"a": 1}));
    let both = made(toml, "a=1");
    assert_eq!((&both["a"], &both["message"]), (&"1".into(), &Value::Null));
    let mut odd = event("neither");
    transforms(toml).apply(&mut odd);
    assert_eq!((odd.route(), odd.failures().len()), (Some("odd"), 2));
    // A record's own member of that name says nothing of us, until something fails.
    let own = "[[transforms]]\ntype = \"parse_json\"\n[[transforms]]\ntype = \"types\"\nfields = { n = \"int\" }\n";
    assert_eq!(
        made(own, r#"{"transform_errors":["mine"],"n":"x"}"#)["transform_errors"],
        json!(["types (transform 2): `n` is \"x\", no whole number of 64 bits"])
    );
}

#[test]
fn named_groups_become_members() {
    let toml = r#"
        [[transforms]]
        type = "parse_regex"
        pattern = '^(?<time>\S+) (?<level>[A-Z]+) (?:\[(?<thread>[^]]+)\] )?(?<rest>.*)$'
        [[transforms]]
        type = "parse_logfmt"
        field = "rest"
    "#;
    assert_eq!(
        made(toml, "2026-01-02T15:04:05Z INFO user=ann path=\"/a b\""),
        json!({"time": "2026-01-02T15:04:05Z", "level": "INFO", "user": "ann", "path": "/a b"})
    );
    assert_eq!(
        made(toml, "no")["transform_errors"],
        json!(["parse_regex (transform 1): the expression doesn't match"])
    );
    let long = "x".repeat((1 << 20) + 1);
    let said = made(toml, &long);
    assert!(said["transform_errors"][0].as_str().expect("a reason").contains("1048577 bytes"));
    assert_eq!(said["message"].as_str().map(str::len), Some(long.len()));
}

#[test]
fn members_are_renamed_at_once_and_removed() {
    let rename = "[[transforms]]\ntype = \"parse_json\"\n[[transforms]]\ntype = \"rename\"\n";
    assert_eq!(
        made(&format!("{rename}fields = {{ a = \"b\", b = \"a\" }}"), r#"{"a":1,"b":2,"c":3}"#),
        json!({"a": 2, "b": 1, "c": 3})
    );
    assert_eq!(
        made(&format!("{rename}fields = {{ a = \"x.y.z\", \"n.m\" = \"m\" }}"), r#"{"a":1,"n":{"m":2}}"#),
        json!({"x": {"y": {"z": 1}}, "n": {}, "m": 2})
    );
    // A name that there is gives way; one within something else can't be made.
    assert_eq!(made(&format!("{rename}fields = {{ a = \"b\" }}"), r#"{"a":1,"b":2}"#), json!({"b": 1}));
    assert_eq!(
        made(&format!("{rename}fields = {{ a = \"b.c\" }}"), r#"{"a":1,"b":2}"#),
        json!({"b": 2, "a": 1, "transform_errors": ["rename (transform 2): `b` is no object that could take `c`"]})
    );
    let remove = "[[transforms]]\ntype = \"parse_json\"\n[[transforms]]\ntype = \"remove\"\nfields = [\"a\", \"n.m\", 'l.\"x.y\"', \"gone.too\"]";
    assert_eq!(made(remove, r#"{"a":1,"n":{"m":2,"o":3},"l":{"x.y":1}}"#), json!({"n": {"o": 3}, "l": {}}));
}

#[test]
fn types_are_made_or_the_value_stays() {
    let toml = r#"
        [[transforms]]
        type = "parse_json"
        [[transforms]]
        type = "types"
        fields = { int = "int", float = "float", bool = "bool", text = "text", ip = "ip", "deep.n" = "int" }
    "#;
    for (record, made_of) in [
        (
            json!({"int": "42", "float": "1.5e3", "bool": "Yes", "text": 7, "ip": "2001:DB8::1"}),
            json!({"int": 42, "float": 1500.0, "bool": true, "text": "7", "ip": "2001:db8::1"}),
        ),
        (
            json!({"int": " -7 ", "float": 3, "bool": 0, "text": true, "deep": {"n": "+5"}}),
            json!({"int": -7, "float": 3, "bool": false, "text": "true", "deep": {"n": 5}}),
        ),
        (json!({"int": 3.0, "bool": "OFF"}), json!({"int": 3, "bool": false})),
        (json!({"int": ["1", 2, null]}), json!({"int": [1, 2, null]})),
        (json!({"int": null, "absent": 1}), json!({"int": null, "absent": 1})),
    ] {
        assert_eq!(made(toml, &record.to_string()), made_of);
    }
    for (record, reason) in [
        (json!({"int": "4x"}), "`int` is \"4x\", no whole number of 64 bits"),
        (json!({"int": "3.5"}), "`int` is \"3.5\", no whole number of 64 bits"),
        (json!({"int": "9223372036854775808"}), "no whole number of 64 bits"),
        (json!({"int": true}), "`int` is true, no whole number of 64 bits"),
        (json!({"int": {}}), "`int` is an object"),
        (json!({"int": [[1]]}), "an array in an array"),
        (json!({"float": "NaN"}), "`float` is \"NaN\", no number"),
        (json!({"float": "1e999"}), "no number"),
        (json!({"bool": "maybe"}), "no boolean"),
        (json!({"ip": "10.0.0.256"}), "no IP address"),
        (json!({"ip": 7}), "`ip` is 7, no IP address"),
    ] {
        let made = made(toml, &record.to_string());
        let said = made["transform_errors"][0].as_str().unwrap_or_default();
        assert!(said.contains(reason), "{record}: {made}");
        let name = record.as_object().and_then(|members| members.keys().next()).expect("a member");
        assert_eq!(made[name], record[name]);
    }
}

#[test]
fn points_are_made_of_coordinates_that_there_are() {
    let parse = "[[transforms]]\ntype = \"parse_json\"\n[[transforms]]\ntype = \"geo_point\"\n";
    let two = format!("{parse}latitude = \"lat\"\nlongitude = \"lon\"\n");
    let one = format!("{parse}field = \"location\"\n");
    let geojson = format!("{one}order = \"lon_lat\"\ninto = \"geo.point\"\nkeep = true\n");
    let point = json!({"lat": 59.33, "lon": 18.06});
    for (toml, record, made_of) in [
        (&two, json!({"lat": "59.33", "lon": 18.06, "a": 1}), json!({"a": 1, "location": point})),
        (&two, json!({"lat": 59.33}), json!({"lat": 59.33})),
        (&two, json!({"lat": "", "lon": ""}), json!({"lat": "", "lon": ""})),
        (&one, json!({"location": " 59.33, 18.06 "}), json!({"location": point})),
        (&one, json!({"location": [59.33, 18.06, "Stockholm", "SE"]}), json!({"location": point})),
        (&one, json!({"location": null}), json!({"location": null})),
        (&geojson, json!({"location": [18.06, 59.33]}), json!({"location": [18.06, 59.33], "geo": {"point": point}})),
    ] {
        assert_eq!(made(toml, &record.to_string()), made_of, "{record}");
    }
    for (toml, record, reason) in [
        (&two, json!({"lat": 91, "lon": 0}), "a latitude of 91"),
        (&two, json!({"lat": 0, "lon": -180.5}), "a longitude of -180.5"),
        (&two, json!({"lat": "north", "lon": 0}), "`lat` is a text, no coordinate"),
        (&one, json!({"location": "59.33"}), "doesn't hold two coordinates"),
        (&one, json!({"location": [1]}), "doesn't hold two coordinates"),
        (&one, json!({"location": "NaN,NaN"}), "doesn't hold two coordinates"),
        (&one, json!({"location": {"lat": 1, "lon": 2}}), "doesn't hold two coordinates"),
    ] {
        let made = made(toml, &record.to_string());
        assert!(made["transform_errors"][0].as_str().unwrap_or_default().contains(reason), "{made}");
    }
}

#[test]
fn the_time_of_an_event_is_read() {
    let toml = r#"
        [[transforms]]
        type = "parse_json"
        [[transforms]]
        type = "timestamp"
        field = "ts"
        formats = ["rfc3339", "epoch_ms", "iso"]
        timezone = "Europe/Stockholm"
        into = "@timestamp"
    "#;
    for (ts, time) in [
        (json!("2026-01-02T15:04:05.5+01:00"), "2026-01-02T14:04:05.500Z"),
        (json!(1_767_366_245_123_i64), "2026-01-02T15:04:05.123Z"),
        (json!("2026-07-02 15:04:05,250"), "2026-07-02T13:04:05.250Z"),
    ] {
        let record = json!({ "ts": ts }).to_string();
        let mut event = event(&record);
        assert_eq!(transforms(toml).apply(&mut event), Outcome::Keep);
        assert_eq!(event.time(), Some(time.parse().expect("a time")));
        assert_eq!(written(&event), json!({"ts": ts, "@timestamp": time}));
    }
    // What is written so already stays as it is, unless a pattern read it otherwise.
    let own = "[[transforms]]\ntype = \"parse_json\"\n[[transforms]]\ntype = \"timestamp\"\nfield = \"ts\"\n";
    assert_eq!(made(own, r#"{"ts":"2026-01-02T15:04:05.000Z"}"#), json!({"ts": "2026-01-02T15:04:05.000Z"}));
    assert_eq!(made(own, r#"{"ts":"2026-01-02T15:04:05.5+01:00"}"#), json!({"ts": "2026-01-02T14:04:05.500Z"}));
    let pattern = format!("{own}formats = [\"%Y-%m-%dT%H:%M:%SZ\"]\ntimezone = \"Europe/Stockholm\"\n");
    assert_eq!(made(&pattern, r#"{"ts":"2026-01-02T15:04:05Z"}"#), json!({"ts": "2026-01-02T14:04:05Z"}));
    let mut odd = event(r#"{"ts":"soon"}"#);
    transforms(toml).apply(&mut odd);
    assert_eq!((odd.time(), odd.failures().len()), (None, 1));
    assert_eq!(made(toml, r#"{"a":1}"#), json!({"a": 1}));
}

#[test]
fn browsers_are_named() {
    let toml = "[[transforms]]\ntype = \"parse_json\"\n[[transforms]]\ntype = \"user_agent\"\n";
    let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
    for _ in 0..2 {
        let made = made(toml, &json!({ "user_agent": agent }).to_string());
        assert_eq!(made["user_agent"], agent);
        assert_eq!((&made["browser"]["name"], &made["browser"]["category"]), (&"Chrome".into(), &"pc".into()));
        assert_eq!(made["browser"]["version"], "120.0.0.0");
    }
    assert_eq!(made(toml, r#"{"user_agent":"-"}"#), json!({"user_agent": "-"}));
    assert_eq!(made(toml, "{}"), json!({}));
}

#[test]
fn what_texts_say_is_written_beside_them() {
    let toml = "[[transforms]]\ntype = \"parse_json\"\n[[transforms]]\ntype = \"analyze_text\"\nfield = \"body\"\n";
    let english = made(toml, r#"{"body":"It broke after a day, I hate it."}"#);
    let said = &english["text_analysis"];
    assert_eq!((&said["language"], &said["sentiment"]["label"]), (&"en".into(), &"negative".into()), "{english}");
    assert!(said["sentiment"]["score"].as_f64().is_some_and(|score| score < -0.05), "{english}");
    // What can't be said isn't.
    let german = made(toml, r#"{"body":"Leider ist der Pinsel nach einem Tag kaputt gegangen."}"#);
    assert_eq!(german["text_analysis"]["language"], "de");
    assert!(german["text_analysis"].get("sentiment").is_none(), "{german}");
    assert_eq!(made(toml, r#"{"body":":-)"}"#), json!({"body": ":-)"}));
    assert_eq!(made(toml, r#"{"body":null}"#), json!({"body": null}));
    let some = format!("{toml}find = [\"entities\"]\ninto = \"said\"\nnames = {{ brand = [\"Nord\"] }}\n");
    assert_eq!(
        made(&some, r#"{"body":"I paid $5 to Nord"}"#),
        json!({"body": "I paid $5 to Nord", "said": {"entities": {"money": ["$5"], "brand": ["Nord"]}}})
    );
    let mut odd = event(r#"{"body":{"a":1}}"#);
    transforms(toml).apply(&mut odd);
    assert_eq!(odd.failures().len(), 1);
}

#[test]
fn events_are_dropped_and_routed_by_condition_and_by_source() {
    let toml = r#"
        [[transforms]]
        type = "parse_json"
        from = ["app", "web"]
        [[transforms]]
        type = "drop"
        when = 'level == "debug"'
        from = ["app"]
        [[transforms]]
        type = "route"
        to = "audit"
        when = 'action in ["login", "logout"]'
    "#;
    let all = transforms(toml);
    let debug = r#"{"level":"debug","action":"login"}"#;
    assert_eq!(all.of("app").apply(&mut event(debug)), Outcome::Drop { by: 1, why: Dropped::Condition });
    let mut web = event(debug);
    assert_eq!(all.of("web").apply(&mut web), Outcome::Keep);
    assert_eq!(web.route(), Some("audit"));
    // Of a source that nothing parses, the record goes on as it is.
    let mut other = event(debug);
    assert_eq!(all.of("other").apply(&mut other), Outcome::Keep);
    assert!(!other.is_changed() && other.route().is_none());
    assert!(transforms("transforms = []").of("app").is_empty());
}

#[test]
fn samples_are_of_the_places_or_of_a_member_and_larger_ones_hold_smaller_ones() {
    let kept = |share: &str, by: &str| {
        let toml =
            format!("[[transforms]]\ntype = \"parse_json\"\n[[transforms]]\ntype = \"sample\"\nkeep = {share}\n{by}");
        let transforms = transforms(&toml);
        (0..10_000_u64)
            .filter(|sequence| {
                let record = format!("{{\"session\":\"s{}\"}}", sequence / 10);
                let mut event =
                    Event::new(record.as_bytes(), Place { stream: "topic-0", sequence: *sequence }, arrived());
                transforms.apply(&mut event) == Outcome::Keep
            })
            .collect::<Vec<_>>()
    };
    let (tenth, half) = (kept("0.1", ""), kept("0.5", ""));
    assert_eq!(tenth, kept("0.1", ""));
    assert!(
        (900..1_100).contains(&tenth.len()) && (4_800..5_200).contains(&half.len()),
        "{} {}",
        tenth.len(),
        half.len()
    );
    assert!(tenth.iter().all(|sequence| half.contains(sequence)));
    assert_eq!((kept("0.0", "").len(), kept("1.0", "").len()), (0, 10_000));
    let sessions = kept("0.1", "by = \"session\"");
    assert!(sessions.chunks(10).all(|ten| ten.iter().all(|sequence| sequence / 10 == ten[0] / 10)));
    // The choice must be the same for ever.
    assert_eq!(tenth[..5], FIRST_KEPT);
}

/// The first places that a tenth of `topic-0` holds.
const FIRST_KEPT: [u64; 5] = [4, 5, 18, 21, 32];
