//! Texts and the times that they are.

use super::*;

fn read(format: Option<&str>, zone: &str, up: bool, text: &str) -> Option<String> {
    let now = DateTime::parse_from_rfc3339("2026-11-28T10:20:30.400Z").expect("a time").to_utc();
    let zone = Zone::parse(zone).expect("a zone");
    let nanos = Reading { format, zone, now, up }.nanos(text)?;
    Some(DateTime::from_timestamp_nanos(nanos).format("%Y-%m-%dT%H:%M:%S%.3f").to_string())
}

#[test]
fn documents_have_no_arithmetic() {
    for (text, wanted) in [
        ("2026-11-28T10:00:00.0005Z", Some(1_795_860_000_000_000_000)),
        ("1795860000000", Some(1_795_860_000_000_000_000)),
        ("now", None),
        ("2026-01-01||+1d", None),
    ] {
        assert_eq!(Reading::stored(text), wanted, "{text}");
    }
    assert!(Zone::parse("+€a").is_none());
}

#[test]
fn texts_are_the_times_that_elasticsearch_takes_them_for() {
    for (format, zone, up, text, wanted) in [
        (None, "Z", false, "2026", "2026-01-01T00:00:00.000"),
        (None, "Z", true, "2026-02", "2026-02-01T23:59:59.999"),
        (None, "Z", true, "2026-11-28", "2026-11-28T23:59:59.999"),
        (None, "Z", false, "2026-11-28T10:20:30.5+01:00", "2026-11-28T09:20:30.500"),
        (None, "+01:00", false, "2026-11-28", "2026-11-27T23:00:00.000"),
        (None, "Europe/Stockholm", false, "2026-07-01", "2026-06-30T22:00:00.000"),
        (None, "Z", false, "1795860000000", "2026-11-28T10:00:00.000"),
        (Some("epoch_second"), "Z", false, "1795860000", "2026-11-28T10:00:00.000"),
        (Some("dd/MM/yyyy||yyyy"), "Z", false, "28/11/2026", "2026-11-28T00:00:00.000"),
        (Some("dd/MM/yyyy||yyyy"), "Z", true, "2026", "2026-01-01T23:59:59.999"),
        (Some("yyyy-MM-dd'T'HH:mmXXX"), "Z", false, "2026-11-28T10:00+02:00", "2026-11-28T08:00:00.000"),
        (None, "Z", false, "now", "2026-11-28T10:20:30.400"),
        (None, "Z", false, "now-1d/d", "2026-11-27T00:00:00.000"),
        (None, "Z", true, "now/M", "2026-11-30T23:59:59.999"),
        (None, "Z", false, "now/w", "2026-11-23T00:00:00.000"),
        (None, "Z", false, "2026-01-31||+1M", "2026-02-28T00:00:00.000"),
        (None, "Z", false, "now-2h-30m", "2026-11-28T07:50:30.400"),
    ] {
        assert_eq!(read(format, zone, up, text).as_deref(), Some(wanted), "{text} {format:?} {zone} {up}");
    }
    for (format, text) in [
        (None, "yesterday"),
        (None, "2026-13"),
        (None, "2026-02-30"),
        (None, "now-1x"),
        (None, "26-01-01"),
        (None, "2026-01-01T10:00:00.0000000001Z"),
        (Some("dd/MM/yyyy"), "2026-11-28"),
        (Some("yyyy QQ"), "2026 01"),
        (None, "10000-01-01"),
        (None, ""),
        (None, "2026-01-01T10:00:00+€a"),
        (Some("yyyyyy-MM-dd"), "262142-12-31"),
        (None, "8210266876799999||/d"),
        (None, "now+99999y"),
    ] {
        assert_eq!(read(format, "Z", false, text), None, "{text}");
    }
}
