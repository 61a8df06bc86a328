use super::*;

fn order(into: Destination) -> Order {
    let config = serde_json::json!({
        "kafka": { "bootstrap": "b:9092", "security": { "protocol": "plaintext" } }, "group": "g", "topics": ["es_events"],
        "search": { "url": "http://127.0.0.1:9200" }, "index": "user-actions", "time_field": "event_time",
        "backup_bucket": "shop-backup", "backup_prefix": "events", "bulk_bytes": 1, "bulk_interval_ms": 1,
    });
    let config = serde_json::from_value(config).expect("a configuration");
    Order { config, from_ms: None, to_ms: None, only: Vec::new(), into, dry_run: false }
}

#[test]
fn a_day_is_restored_whole_and_a_time_is_a_bound() {
    let (day, time) = (moment("2026-03-01").expect("a day"), moment("2026-03-01T08:00:00+01:00").expect("a time"));
    assert_eq!((day.begin(), day.end()), (1_772_323_200_000, 1_772_409_600_000));
    assert_eq!((time.begin(), time.end()), (1_772_348_400_000, 1_772_348_400_000));
    for wrong in ["yesterday", "2026-13-01", "2026-03-01 08:00", ""] {
        assert!(moment(wrong).expect_err("no time").contains("2026-03-01T08:00:00Z"), "{wrong}");
    }
}

#[test]
fn a_destination_is_one_that_takes_records() {
    assert_eq!(destination("index"), Ok(Destination::Index(None)));
    assert_eq!(destination("index:trial-2"), Ok(Destination::Index(Some("trial-2".to_owned()))));
    assert_eq!(destination("topic:a.b"), Ok(Destination::Topic("a.b".to_owned())));
    for (wrong, why) in [
        ("index:Trial", "small letters"),
        ("index:-a", "small letters"),
        ("index:", "small letters"),
        ("topic:a b", "names of topics"),
        ("topic:", "names of topics"),
        ("topics:a", "`index:NAME`"),
        ("", "`index:NAME`"),
    ] {
        assert!(destination(wrong).expect_err("none").contains(why), "{wrong}");
    }
}

#[test]
fn what_is_done_is_said_before_and_after() {
    let mut of_index = order(Destination::Index(None));
    assert_eq!(what(&of_index), "s3://shop-backup/events into the indices user-actions-*");
    of_index.from_ms = Some(1_772_323_200_000);
    of_index.only = vec!["nginx".to_owned()];
    assert_eq!(
        what(&of_index),
        "s3://shop-backup/events of nginx from 2026-03-01 00:00:00 UTC into the indices user-actions-*"
    );
    let done = Restored { records: 8, objects: 1, new: 3, there: 3, rejected: 2, refused: 1 };
    assert_eq!(
        shown(&done, &of_index),
        "8 records read, from 1 object of the backup: 3 new, 3 there already, 1 left out by transforms, 1 in no index; \
         2 of them are in user-actions*-rejected, among the dead letters.\n"
    );
    assert_eq!((came_to(&done), came_to(&Restored { refused: 0, ..done })), (Outcome::Blocked, Outcome::Done));
    let one = Restored { records: 1, objects: 2, new: 1, rejected: 1, ..Restored::default() };
    assert_eq!(
        shown(&one, &order(Destination::Index(Some("trial".to_owned())))),
        "1 record read, from 2 objects of the backup: 1 new; 1 of them is in trial*-rejected, among the dead letters.\n"
    );
    let all = Restored { rejected: 0, ..one };
    assert_eq!(shown(&all, &of_index), "1 record read, from 2 objects of the backup: 1 new.\n");
    let topic = Order { dry_run: true, ..order(Destination::Topic("t".to_owned())) };
    assert_eq!(shown(&done, &topic), "8 records would be restored, from 1 object of the backup.\n");
    let topic = Order { dry_run: false, ..topic };
    assert_eq!(shown(&done, &topic), "8 records sent to the topic t, from 1 object of the backup.\n");
}

#[test]
fn who_gets_nothing_is_told_what_there_is() {
    let config = order(Destination::Index(None)).config;
    let topics = ["es_events".to_owned(), "iceberg_events".to_owned()];
    let said = |refusal| explained(refusal, &config, &topics).to_string();
    let names = || vec!["es_events".to_owned(), "nginx".to_owned()];
    let unknown = said(Refusal::Unknown { name: "ngin".to_owned(), names: names() });
    assert_eq!(unknown, "the backup has nothing of `ngin`: did you mean `nginx`?");
    let unknown = said(Refusal::Unknown { name: "other".to_owned(), names: names() });
    assert!(unknown.ends_with("the topics and sources in it are `es_events`, `nginx`"), "{unknown}");
    let topic = said(Refusal::NoTopic { name: "es_event".to_owned() });
    assert!(topic.starts_with("Kafka has no topic `es_event`: did you mean `es_events`?"), "{topic}");
    let topic = said(Refusal::NoTopic { name: "zebra".to_owned() });
    assert!(topic.ends_with("topics are `es_events`, `iceberg_events`. Another one has to be made first"), "{topic}");
    let empty = said(Refusal::Empty { place: "s3://shop-backup/events".to_owned() });
    assert!(empty.contains("is empty: its first object is written 300 s after"), "{empty}");
    let nothing = said(Refusal::Nothing { days: Some(("2026-03-01".to_owned(), "2026-03-04".to_owned())) });
    assert!(nothing.contains("from 2026-03-01 to 2026-03-04: choose others"), "{nothing}");
}
