//! A source on this host between a folder and a pipe.

use lakewright_config::agents;
use lakewright_config::agents::shipper;
use lakewright_config::agents::shipper::sources::{FilesConfig, Framing, Origin};
use lakewright_runtime::Agent;

use super::*;
use crate::metrics::Metrics;

fn declared(folder: &Path, framing: Framing) -> Declaration {
    let files = FilesConfig {
        paths: vec![format!("{}/*.log*", folder.display())],
        exclude: Vec::new(),
        framing,
        quiet_ms: 100,
    };
    Declaration {
        from: Origin::Files(files),
        time_field: "timestamp".to_owned(),
        max_record: 1_000_000,
        fields: std::collections::BTreeMap::new(),
        keep_days: None,
    }
}

fn open_as(folder: &Path, declared: &Declaration, agent: &Agent) -> LocalSource {
    let interval = Duration::from_millis(10);
    let reading = Reading { bytes: 1 << 16, interval, room: 4096, weight: 2 };
    let metrics = Metrics::new(agent).local_pipe("index", "app");
    LocalSource::open(("app", declared), "index", folder, reading, metrics).expect("open")
}

fn open(folder: &Path) -> LocalSource {
    let agent = Agent::detached(agents::Agent::Shipper, folder.to_owned());
    open_as(folder, &declared(folder, Framing::Lines), &agent)
}

/// Takes records until there are so many.
async fn take(source: &mut LocalSource, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(source.next().await.expect("a batch").events);
    }
    events
}

#[tokio::test]
async fn records_come_with_lasting_places_and_again_until_they_are_settled() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("x.log"), "{\"timestamp\":\"2026-03-01T10:00:00Z\"}\nplain\nthird\n")
        .expect("write");
    let mut source = open(folder.path());
    let first = take(&mut source, 3).await;
    let stream = Arc::clone(&first[0].place.stream);
    assert!(stream.members.contains("\"log_source\":\"app\"") && stream.folder.starts_with("app/file-"), "{stream:?}");
    assert_eq!(first.iter().map(|event| event.place.sequence).collect::<Vec<_>>(), [0, 37, 43]);
    source.settle(&[(Arc::clone(&stream), first[1].next)], false).await.expect("settle");
    drop(source);
    // Another process, which knows the checkpoint alone.
    let mut source = open(folder.path());
    let again = take(&mut source, 1).await;
    assert_eq!((again.len(), &again[0].place.stream.id, again[0].place.sequence), (1, &stream.id, 43));
    assert_eq!(again[0].body, first[2].body);
}

#[tokio::test]
async fn a_future_that_is_dropped_loses_nothing_and_room_bounds_what_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let text: String = (0..100_000).map(|number| format!("{number:020}\n")).collect();
    std::fs::write(folder.path().join("x.log"), text).expect("write");
    let mut source = open(folder.path());
    let (mut held, mut sequences, mut stuck) = (Vec::new(), Vec::new(), 0);
    while sequences.len() < 100_000 {
        tokio::select! {
            biased;
            batch = source.next() => {
                let batch = batch.expect("a batch");
                sequences.extend(batch.events.iter().map(|event| event.place.sequence));
                held.push(batch);
            }
            () = tokio::time::sleep(Duration::from_millis(50)), if !held.is_empty() => {
                // No room is left, or reading is slow: what was read first is taken.
                stuck += 1;
                held.remove(0);
            }
        }
    }
    assert!(stuck > 0, "all was read into a room that is smaller");
    assert!(sequences.iter().copied().eq((0..100_000).map(|number| number * 21)));
}

#[tokio::test]
async fn a_stack_trace_is_one_record_and_one_that_is_too_long_comes_in_pieces() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = "2026-03-01T10:00:00Z ERROR x\n\tat a\n\n\tat b";
    let long = format!("2026-03-01T10:00:01Z {}", "y".repeat(10_000));
    std::fs::write(folder.path().join("x.log"), format!("{trace}\n{long}\n2026-03-01T10:00:02Z z\n")).expect("write");
    let framing = Framing::Begins(r"^\d{4}-\d\d-\d\dT".to_owned());
    let declared = Declaration { max_record: 4096, ..declared(folder.path(), framing) };
    let agent = Agent::detached(agents::Agent::Shipper, folder.path().to_owned());
    let mut source = open_as(folder.path(), &declared, &agent);
    let events = take(&mut source, 5).await;
    let message = |event: &Event| -> String {
        let body: serde_json::Value = serde_json::from_slice(event.body.as_deref().expect("a body")).expect("JSON");
        body["message"].as_str().expect("a text").to_owned()
    };
    assert_eq!((message(&events[0]), message(&events[4])), (trace.to_owned(), "2026-03-01T10:00:02Z z".to_owned()));
    assert_eq!(events[0].time_ms, Some(1_772_359_200_000));
    let pieces: Vec<u8> = events[1..4].iter().flat_map(|event| event.body.clone().expect("a body")).collect();
    assert_eq!(String::from_utf8(pieces).expect("text"), long);
    assert!(
        events[1..4].iter().all(|event| matches!(&event.fate, Fate::Piece(reason) if reason.contains("max_record")))
    );
}

#[tokio::test]
async fn lag_and_what_cannot_be_read_are_reported_by_source() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("x.log"), "one\ntwo\npart").expect("write");
    // What can't be opened though it is there: no right is needed to make one.
    std::os::unix::fs::symlink(folder.path().join("y.log"), folder.path().join("y.log")).expect("a circle");
    let agent = Agent::detached(agents::Agent::Shipper, folder.path().to_owned());
    let mut source = open_as(folder.path(), &declared(folder.path(), Framing::Lines), &agent);
    take(&mut source, 2).await;
    let value = |metric: &agents::Metric| {
        let readings = agent.metrics.readings();
        let found = readings.iter().find(|r| r.metric == metric && r.name().contains("source=\"app\""));
        found.map(|reading| reading.value)
    };
    assert_eq!(value(&shipper::SOURCE_RECORDS), Some(2.0));
    assert_eq!((value(&shipper::SOURCE_LAG), value(&shipper::PIPE_LAG)), (Some(4.0), Some(1.0)));
    assert_eq!(value(&shipper::SOURCE_UNREADABLE), Some(1.0));
    assert!(agent.health.last_error().is_some_and(|error| error.contains("y.log")), "{:?}", agent.health.last_error());
    std::fs::remove_file(folder.path().join("y.log")).expect("removed");
    let mut file = std::fs::OpenOptions::new().append(true).open(folder.path().join("x.log")).expect("open");
    std::io::Write::write_all(&mut file, b" of three\n").expect("write");
    take(&mut source, 1).await;
    while value(&shipper::SOURCE_UNREADABLE) != Some(0.0) || value(&shipper::SOURCE_LAG) != Some(0.0) {
        // Nothing comes any more, but it looks.
        let looked = tokio::time::timeout(Duration::from_millis(100), source.next()).await;
        assert!(looked.is_err(), "a record that nobody wrote");
    }
    assert_eq!((agent.health.last_error(), value(&shipper::SOURCE_BEHIND)), (None, Some(0.0)));
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    let folder = Path::new("/var/log");
    let of = |change: fn(&mut FilesConfig)| {
        let mut declared = declared(folder, Framing::Lines);
        if let Origin::Files(files) = &mut declared.from {
            change(files);
        }
        check(&declared).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(of(|_| ()), Ok(()));
    let mistakes: [(fn(&mut FilesConfig), &str); 4] = [
        (|files| files.paths = vec!["app.log".to_owned()], "absolute"),
        (|files| files.paths.clear(), "no file"),
        (|files| files.exclude = vec!["/var/log/[".to_owned()], "no pattern"),
        (|files| files.framing = Framing::Begins("(".to_owned()), "regular expression"),
    ];
    for (mistake, part) in mistakes {
        let error = of(mistake).expect_err(part);
        assert!(error.contains(part), "{error}");
    }
    let short = Declaration { max_record: 100, ..declared(folder, Framing::Lines) };
    assert!(check(&short).is_err_and(|error| error.to_string().contains("4096")));
}
