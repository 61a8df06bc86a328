//! Records are the same however a file's bytes arrive.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::settings::LEAST_RECORD;

const LONGEST: usize = LEAST_RECORD;

/// The records of bytes that arrive in parts of the sizes.
fn frames(framing: &Framing, text: &[u8], sizes: &[usize]) -> (Vec<Frame>, Framer) {
    let mut framer = Framer::new(framing.clone(), LONGEST, 0);
    let (mut frames, mut at) = (Vec::new(), 0);
    for size in sizes.iter().copied().cycle() {
        if at == text.len() {
            break;
        }
        let size = size.clamp(1, text.len() - at);
        framer.room(size + 3)[..size].copy_from_slice(&text[at..at + size]);
        framer.filled(size + 3, size);
        at += size;
        framer.take(&mut frames);
    }
    assert_eq!(framer.end(), text.len() as u64);
    (frames, framer)
}

fn texts(framing: &Framing, text: &[u8]) -> Vec<String> {
    let (mut frames, mut framer) = frames(framing, text, &[usize::MAX]);
    framer.finish(false, &mut frames);
    frames.iter().map(|frame| String::from_utf8_lossy(&frame.bytes).into_owned()).collect()
}

#[test]
fn lines_are_records_and_a_part_of_one_is_none() {
    let (frames, framer) = frames(&Framing::Lines, b"one\r\n\ntwo \n\xff\xfe\nhal", &[usize::MAX]);
    let found: Vec<(u64, u64, &[u8])> =
        frames.iter().map(|frame| (frame.start, frame.next, &frame.bytes[..])).collect();
    assert_eq!(found, [(0, 5, &b"one"[..]), (6, 11, b"two "), (11, 14, b"\xff\xfe")]);
    assert_eq!((framer.open_at(), framer.held(), framer.has_part()), (14, 3, true));
}

#[test]
fn traces_stay_with_their_lines() {
    let text = b"2026 a\n2026 b\nE: x\n\tat 1\n\nCaused by: y\n2026 c\n";
    let dated = Framing::begins(r"^\d{4} ").expect("a pattern");
    assert_eq!(texts(&dated, text), ["2026 a", "2026 b\nE: x\n\tat 1\n\nCaused by: y", "2026 c"]);
    let text = b"a\nb: E\n\tat 1\r\n  at 2\n\nc\n";
    assert_eq!(texts(&Framing::Indented, text), ["a", "b: E\n\tat 1\r\n  at 2\n", "c"]);
    // What comes before the first beginning is a record of its own.
    assert_eq!(texts(&dated, b"\tat 0\n\tat 1\n2026 a\n"), ["\tat 0\n\tat 1", "2026 a"]);
}

#[test]
fn the_last_record_of_several_lines_waits_for_the_next_or_for_quiet() {
    let (mut frames, mut framer) = frames(&Framing::Indented, b"a\n b\nc\n d\n", &[4]);
    assert_eq!(frames.len(), 1);
    assert_eq!((framer.open_at(), framer.has_part(), framer.has_open()), (5, false, true));
    framer.finish(false, &mut frames);
    assert_eq!((&frames[1].bytes[..], frames[1].next), (&b"c\n d"[..], 10));
    assert!(!framer.has_open() && framer.held() == 0);
}

#[test]
fn a_part_of_a_line_ends_only_when_it_counts_as_a_whole() {
    let (mut frames, mut framer) = frames(&Framing::Lines, b"one\nhal", &[3]);
    framer.finish(false, &mut frames);
    assert_eq!(frames.len(), 1);
    framer.finish(true, &mut frames);
    assert_eq!((&frames[1].bytes[..], frames[1].start, frames[1].next), (&b"hal"[..], 4, 7));
}

#[test]
fn pages_of_nul_bytes_separate_and_are_left_out() {
    let mut text = b"one\ntwo, cut off".to_vec();
    text.extend([0; 5000]);
    text.extend_from_slice(b"three\nfo\0ur\n");
    text.extend([0; 16]);
    let (frames, framer) = frames(&Framing::Lines, &text, &[100]);
    let found: Vec<&[u8]> = frames.iter().map(|frame| &frame.bytes[..]).collect();
    assert_eq!(found, [&b"one"[..], b"two, cut off", b"three", b"fo\0ur"]);
    assert_eq!((framer.nuls, framer.held()), (5016, 0));
    assert_eq!((frames[1].next, frames[2].start), (16, 5016));
}

#[test]
fn a_line_of_50_mb_comes_in_pieces_and_little_is_held() {
    let mut framer = Framer::new(Framing::Lines, 1 << 20, 7);
    let (mut frames, mut most) = (Vec::new(), 0);
    let chunk = vec![b'x'; 100_000];
    for _ in 0..500 {
        framer.room(chunk.len()).copy_from_slice(&chunk);
        framer.filled(chunk.len(), chunk.len());
        framer.take(&mut frames);
        most = most.max(framer.held());
    }
    framer.room(5).copy_from_slice(b"\r\nab\n");
    framer.take(&mut frames);
    assert!(most <= (1 << 20) + 1 && framer.held() == 0, "{most}");
    let (last, pieces) = frames.split_last().expect("records");
    assert_eq!((&last.bytes[..], last.piece), (&b"ab"[..], None));
    assert_eq!(pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>(), 50_000_000);
    for (number, piece) in pieces.iter().enumerate() {
        let last = number + 1 == pieces.len();
        assert_eq!(piece.piece, Some(Piece { of: 7, number: number as u32, last }));
        assert_eq!(piece.bytes.len() == 1 << 20, !last);
    }
}

#[test]
fn a_long_record_of_lines_is_cut_between_them() {
    let line = format!("\t{}\n", "y".repeat(1000));
    let text = format!("begin\n{}next\n", line.repeat(10));
    let (frames, _) = frames(&Framing::Indented, text.as_bytes(), &[77]);
    assert!(frames.iter().all(|frame| frame.bytes.len() <= LONGEST && !frame.bytes.ends_with(b"\n")));
    assert!(frames[1..].iter().all(|frame| frame.bytes.starts_with(b"\tyyy")));
    let joined: Vec<&[u8]> = frames.iter().map(|frame| &frame.bytes[..]).collect();
    assert_eq!(joined.join(&b'\n'), text.trim_end().strip_suffix("\nnext").expect("the rest").as_bytes());
    let pieces: Vec<_> = frames.iter().map(|frame| frame.piece.expect("a piece")).collect();
    assert!(pieces.iter().all(|piece| piece.of == 0) && pieces.last().is_some_and(|piece| piece.last));
}

#[test]
fn a_record_as_long_as_one_may_be_ends_with_a_line_break_of_two() {
    let mut text = vec![b'x'; LONGEST];
    text.extend_from_slice(b"\r\n");
    let (mut frames, mut framer) = frames(&Framing::Indented, &text, &[usize::MAX]);
    framer.finish(false, &mut frames);
    assert_eq!(
        frames.iter().map(|frame| (frame.bytes.len(), frame.piece.is_some())).collect::<Vec<_>>(),
        [(LONGEST, false)]
    );
}

/// Bytes as files hold them, with all that ends or joins records.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => vec(prop_oneof![Just(b'a'), Just(b' '), Just(b'2'), Just(0), Just(b'\r'), Just(0xff)], 0..30),
        4 => Just(b"\n".to_vec()),
        2 => Just(b"\n\t".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => (1..40_usize).prop_map(|count| vec![0; count]),
        1 => (LONGEST - 4..LONGEST + 4).prop_map(|count| vec![b'x'; count]),
        1 => (1..3 * LONGEST).prop_map(|count| vec![b' '; count]),
        1 => (900..1100_usize).prop_map(|count| vec![b'z'; count]),
    ];
    vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_do_not_depend_on_how_bytes_arrive(
        text in anything(), sizes in vec(1..3000_usize, 1..20), kind in 0..3_usize,
    ) {
        let framing = [Framing::Lines, Framing::Indented, Framing::begins("^2|^x").expect("a pattern")][kind].clone();
        let (whole, at_once) = frames(&framing, &text, &[usize::MAX]);
        let (parts, in_parts) = frames(&framing, &text, &sizes);
        prop_assert_eq!(&whole, &parts);
        prop_assert_eq!(at_once.open_at(), in_parts.open_at());
        prop_assert_eq!(at_once.nuls, in_parts.nuls);
        for pair in whole.windows(2) {
            prop_assert!(pair[0].start < pair[0].next || pair[0].piece.is_some());
            prop_assert!(pair[0].next <= pair[1].start);
        }
        prop_assert!(whole.iter().all(|frame| frame.bytes.len() <= LONGEST));
        prop_assert!(in_parts.held() <= LONGEST + 8 + 1024 + NULS);
    }

    #[test]
    fn reading_may_begin_at_the_end_of_any_record(text in anything(), kind in 0..2_usize, at in 0..1000_usize) {
        let framing = [Framing::Lines, Framing::Indented][kind].clone();
        let (whole, _) = frames(&framing, &text, &[usize::MAX]);
        let ends: Vec<_> = whole.iter().filter(|frame| frame.piece.is_none_or(|piece| piece.last)).collect();
        let from = if ends.is_empty() { 0 } else { ends[at % ends.len()].next };
        let mut framer = Framer::new(framing, LONGEST, from);
        let rest = &text[from as usize..];
        framer.room(rest.len()).copy_from_slice(rest);
        let mut again = Vec::new();
        framer.take(&mut again);
        let expected: Vec<_> = whole.iter().filter(|frame| frame.start >= from).cloned().collect();
        prop_assert_eq!(again, expected);
    }
}
