//! Entries are the same however their bytes arrive, and nothing makes the parser panic or hold more than it may.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const LIMIT: usize = 300;

fn parse(text: &[u8], sizes: &[usize]) -> Result<Vec<Entry>, Malformed> {
    let (mut parser, mut entries, mut rest) = (Parser::new(LIMIT), Vec::new(), text);
    for size in sizes.iter().copied().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(size.clamp(1, rest.len()));
        parser.feed(now, &mut entries)?;
        rest = later;
    }
    Ok(entries)
}

/// A field in one of its two forms.
fn field(name: &str, value: &[u8]) -> Vec<u8> {
    if value.iter().all(|byte| *byte >= 0x20 || *byte == b'\t') && std::str::from_utf8(value).is_ok() {
        [name.as_bytes(), b"=", value, b"\n"].concat()
    } else {
        [name.as_bytes(), b"\n", &(value.len() as u64).to_le_bytes(), value, b"\n"].concat()
    }
}

#[test]
fn fields_of_both_forms_become_json() {
    let text = [
        &field("__CURSOR", b"s=a;i=1")[..],
        &field("__MONOTONIC_TIMESTAMP", b"5"),
        &field("MESSAGE", b"two\nlines=\xff\n\n"),
        &field("_SYSTEMD_UNIT", b"a=b.service"),
        &field("TAG", b"x"),
        &field("EMPTY", b""),
        &field("TAG", b"\n"),
        b"\n\n",
    ]
    .concat();
    let entries = parse(&text, &[1]).expect("entries");
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].text("__CURSOR"), Some("s=a;i=1"));
    let json = String::from_utf8(entries[0].json()).expect("text");
    let expected = r#"{"__CURSOR":"s=a;i=1","MESSAGE":"two\nlines=�\n\n","_SYSTEMD_UNIT":"a=b.service","TAG":["x","\n"],"EMPTY":""}"#;
    assert_eq!(json, expected);
}

#[test]
fn an_entry_holds_so_much_and_says_that_more_was_left_out() {
    let text = [
        &field("COREDUMP", &vec![0; 5000])[..],
        &field("MESSAGE", &[b'm'; 5000]),
        &field("__CURSOR", b"s=a;i=1"),
        b"\nMESSAGE=next\n\n",
    ]
    .concat();
    let entries = parse(&text, &[7]).expect("entries");
    assert_eq!((entries.len(), entries[0].text("__CURSOR"), entries[0].is_cut), (2, Some("s=a;i=1"), true));
    assert!(entries[0].bytes < 2 * LIMIT && entries[0].json().ends_with(br#""cut":true}"#));
    assert_eq!((entries[1].text("MESSAGE"), entries[1].is_cut), (Some("next"), false));
}

#[test]
fn what_is_no_export_is_refused() {
    let wrong_end = [b"NAME\n", &3_u64.to_le_bytes()[..], b"abcd\n"].concat();
    for text in [&b"lower=1\n"[..], b"=1\n", b"Hint: you are not in the group\n", &wrong_end] {
        assert!(parse(text, &[3]).is_err(), "{}", String::from_utf8_lossy(text));
    }
    assert!(parse(&[b'A'; 100], &[100]).expect("no end yet").is_empty());
    assert!(parse(&[&[b'A'; 100][..], b"\n"].concat(), &[100]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn entries_do_not_depend_on_how_bytes_arrive(
        entries in vec(vec(("[A-Z][A-Z0-9_]{0,10}", vec(any::<u8>(), 0..80)), 1..6), 0..6),
        sizes in vec(1..50_usize, 1..10),
    ) {
        let mut text = Vec::new();
        for entry in &entries {
            text.extend(entry.iter().flat_map(|(name, value)| field(name, value)));
            text.push(b'\n');
        }
        let found = parse(&text, &sizes).expect("entries");
        prop_assert_eq!(found.len(), entries.len());
        for (found, entry) in found.iter().zip(&entries) {
            let whole: usize = entry.iter().map(|(name, value)| name.len() + value.len()).sum();
            if whole < LIMIT {
                prop_assert_eq!(&found.fields, entry);
                prop_assert!(!found.is_cut);
            }
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&found.json()).is_ok());
        }
        prop_assert_eq!(found, parse(&text, &[usize::MAX]).expect("entries"));
    }

    #[test]
    fn nothing_makes_it_panic(text in vec(prop_oneof![Just(b'\n'), Just(b'='), Just(b'A'), Just(0), any::<u8>()], 0..400), sizes in vec(1..50_usize, 1..10)) {
        prop_assert_eq!(parse(&text, &sizes), parse(&text, &[usize::MAX]));
    }
}
