use super::*;

fn near() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

fn read(format: &str, text: &str, zone: Option<&str>) -> Option<String> {
    let (format, zone) = (Format::parse(format).expect(format), Zone::parse(zone).expect("a zone"));
    format.read(text, zone, near()).map(rfc3339)
}

#[test]
fn times_of_the_usual_forms() {
    for (format, text, time) in [
        ("rfc3339", "2026-01-02T15:04:05Z", "2026-01-02T15:04:05Z"),
        ("rfc3339", "2026-01-02T15:04:05.123456789+02:00", "2026-01-02T13:04:05.123456789Z"),
        ("iso", "2026-01-02 15:04:05,123", "2026-01-02T15:04:05.123Z"),
        ("iso", "2026-01-02T15:04:05.5", "2026-01-02T15:04:05.500Z"),
        ("iso", "2026-01-02T15:04", "2026-01-02T15:04:00Z"),
        ("iso", "2026/01/02 15:04:05", "2026-01-02T15:04:05Z"),
        ("iso", "2026-01-02 15:04:05 +0100", "2026-01-02T14:04:05Z"),
        ("iso", "2026-01-02 15:04:05 UTC", "2026-01-02T15:04:05Z"),
        ("iso", "2026-01-02T15:04:05+01", "2026-01-02T14:04:05Z"),
        ("iso", "2026-01-02T15:04:05.1234567891234Z", "2026-01-02T15:04:05.123456789Z"),
        ("epoch_s", "1767366245", "2026-01-02T15:04:05Z"),
        ("epoch_s", "1350414944.123456", "2012-10-16T19:15:44.123456Z"),
        ("epoch_s", "1.350414944123456E9", "2012-10-16T19:15:44.123456Z"),
        ("epoch_s", "-1.5", "1969-12-31T23:59:58.500Z"),
        ("epoch_ms", "1767366245123", "2026-01-02T15:04:05.123Z"),
        ("epoch_us", "1767366245123456", "2026-01-02T15:04:05.123456Z"),
        ("epoch_ns", "1767366245123456789", "2026-01-02T15:04:05.123456789Z"),
        ("http", "02/Jan/2026:15:04:05 +0100", "2026-01-02T14:04:05Z"),
        ("http", "2/jan/2026:15:04:05.250 -0500", "2026-01-02T20:04:05.250Z"),
        ("syslog", "Feb  9 15:04:05", "2026-02-09T15:04:05Z"),
        ("syslog", "Feb 09 2024 15:04:05.5", "2024-02-09T15:04:05.500Z"),
        ("rfc2822", "Fri, 02 Jan 2026 15:04:05 +0100", "2026-01-02T14:04:05Z"),
        ("%d.%m.%Y %H:%M:%S", "02.01.2026 15:04:05", "2026-01-02T15:04:05Z"),
        ("%Y-%m-%d %H:%M:%S%.f %z", "2026-01-02 15:04:05.25 +0100", "2026-01-02T14:04:05.250Z"),
        ("%d/%m/%Y", "02/01/2026", "2026-01-02T00:00:00Z"),
    ] {
        assert_eq!(read(format, text, None).as_deref(), Some(time), "{format}: {text}");
    }
}

#[test]
fn what_is_no_time() {
    for (format, text) in [
        ("rfc3339", "yesterday"),
        ("rfc3339", "2026-02-30T00:00:00Z"),
        ("rfc3339", "2026-01-02T15:04:05,123Z"),
        ("rfc3339", "2026-01-02T15:04:0a.123Z"),
        ("rfc3339", "2026-01-02T15:04:05.12xZ"),
        ("iso", "2026-01-02"),
        ("iso", "2026-01-02T15:04:05Zx"),
        ("iso", "2026-13-02T15:04:05"),
        ("iso", "2026-01-02T25:04:05"),
        ("iso", "２026-01-02T15:04:05"),
        ("epoch_s", ""),
        ("epoch_s", "."),
        ("epoch_s", "12a"),
        ("epoch_s", "99999999999999"),
        ("epoch_s", "NaN"),
        ("epoch_s", "1e300"),
        ("epoch_ms", "99999999999999999999"),
        ("http", "02/Foo/2026:15:04:05 +0100"),
        ("http", "02/Jan/2026:15:04:05"),
        ("syslog", "Feb 30 15:04:05"),
        ("syslog", "Åäö 30 15:04:05"),
    ] {
        assert_eq!(read(format, text, None), None, "{format}: {text}");
    }
}

#[test]
fn a_time_without_a_zone_is_of_the_declared_one() {
    for (text, time) in [
        ("2026-01-02 15:04:05", "2026-01-02T14:04:05Z"),
        ("2026-07-02 15:04:05", "2026-07-02T13:04:05Z"),
        // The clock leaps from 2 to 3: what it never shows is by the clock before.
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),
        // It shows this hour twice: the first one.
        ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),
    ] {
        assert_eq!(read("iso", text, Some("Europe/Stockholm")).as_deref(), Some(time), "{text}");
    }
    // Iran has had no summer time since 2022.
    assert_eq!(read("iso", "2023-06-10 12:00:00", Some("Asia/Tehran")).as_deref(), Some("2023-06-10T08:30:00Z"));
    assert_eq!(read("iso", "2026-01-02 15:04:05", Some("-05:30")).as_deref(), Some("2026-01-02T20:34:05Z"));
}

#[test]
fn the_year_that_a_time_lacks_is_the_nearest() {
    let read = |text: &str, near: &str| {
        let near = near.parse().expect("a time");
        Format::Syslog.read(text, Zone::default(), near).map(rfc3339).unwrap_or_default()
    };
    assert_eq!(read("Dec 31 23:59:59", "2026-01-01T00:00:01Z"), "2025-12-31T23:59:59Z");
    assert_eq!(read("Jan  1 00:00:00", "2025-12-31T23:59:59Z"), "2026-01-01T00:00:00Z");
    assert_eq!(read("Jun 15 10:00:00", "2026-03-01T00:00:00Z"), "2026-06-15T10:00:00Z");
    assert_eq!(read("Feb 29 10:00:00", "2025-03-01T00:00:00Z"), "2024-02-29T10:00:00Z");
}

#[test]
fn zones_and_formats_that_there_are_not_say_what_is_meant() {
    for (zone, fix) in [
        ("europe/stockholm", "`Europe/Stockholm`"),
        ("Stockholm", "`Europe/Stockholm`"),
        ("utc", "`UTC`"),
        ("CEST", "IANA"),
    ] {
        let mistake = Zone::parse(Some(zone)).expect_err(zone);
        assert!(mistake.fix.contains(fix), "{mistake}");
    }
    for (format, fix) in [
        ("yyyy-MM-dd HH:mm:ss", "%Y-%m-%d"),
        ("unix", "epoch_s"),
        ("%Y-%m-%d %Q", "%%"),
        ("%H:%M", "year, month and day"),
        ("100%", "%%"),
    ] {
        let mistake = Format::parse(format).expect_err(format);
        assert!(mistake.fix.contains(fix), "{mistake}");
    }
}
