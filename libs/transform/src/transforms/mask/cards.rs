//! Numbers of payment cards: by an issuer's prefix at a length that the issuer uses, and by the check digit. A check digit alone
//! fits one number in ten: of 13 digits, one millisecond in ten.

use std::ops::Range;

/// The most and the least digits.
const MOST: usize = 19;
const LEAST: usize = 13;

/// Adds the places of card numbers: 13 to 19 digits, in one group or in groups of 3 to 7 with a space or dash between them.
pub fn find(text: &str, spans: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    // Most texts have fewer digits, and counting them takes next to no time.
    if bytes.len() < LEAST || digits(bytes) < LEAST {
        return;
    }
    let mut at = 0;
    let mut groups: Vec<Range<usize>> = Vec::new();
    while let Some(next) = bytes[at..].iter().position(u8::is_ascii_digit) {
        groups.clear();
        at += next;
        loop {
            let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            groups.push(at..at + length);
            at += length;
            let goes_on =
                matches!(bytes.get(at), Some(b' ' | b'-')) && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
            if !goes_on {
                break;
            }
            at += 1;
        }
        in_groups(bytes, &groups, spans);
    }
}

/// How many digits there are: counted in bytes that can't overflow, so that many are compared at once.
fn digits(bytes: &[u8]) -> usize {
    let of =
        |part: &[u8]| part.iter().fold(0_u8, |count, byte| count.wrapping_add(u8::from(byte.wrapping_sub(b'0') < 10)));
    bytes.chunks(128).map(|part| usize::from(of(part))).sum()
}

/// Adds the card numbers of groups that stand behind each other, the longest from each on.
fn in_groups(bytes: &[u8], groups: &[Range<usize>], spans: &mut Vec<Range<usize>>) {
    let mut first = 0;
    while first < groups.len() {
        let (mut count, mut found) = (0, None);
        for (index, group) in groups.iter().enumerate().skip(first) {
            count += group.len();
            let is_group = (3..=7).contains(&group.len()) && (3..=7).contains(&groups[first].len());
            if count > MOST || (index > first && !is_group) {
                break;
            }
            let place = groups[first].start..group.end;
            if count >= LEAST && stands_alone(bytes, &place) && is_card(bytes, &place) {
                found = Some((index, place));
            }
        }
        first = match found {
            Some((last, place)) => {
                spans.push(place);
                last + 1
            }
            None => first + 1,
        };
    }
}

/// Whether no letter, and no decimal fraction, goes on before or behind it.
fn stands_alone(bytes: &[u8], place: &Range<usize>) -> bool {
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let before = place.start.checked_sub(1).map(|at| bytes[at]);
    let behind = bytes.get(place.end).copied();
    let is_fraction = before == Some(b'.') && digit(place.start.checked_sub(2));
    let has_fraction = behind == Some(b'.') && digit(Some(place.end + 1));
    let letter = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphabetic());
    !is_fraction && !has_fraction && !letter(before) && !letter(behind)
}

fn is_card(bytes: &[u8], place: &Range<usize>) -> bool {
    let mut digits = [0_u8; MOST];
    let mut count = 0;
    for byte in bytes[place.clone()].iter().filter(|byte| byte.is_ascii_digit()) {
        digits[count] = byte - b'0';
        count += 1;
    }
    let digits = &digits[..count];
    is_issued(digits) && is_checked(digits)
}

/// Whether an issuer uses that prefix at that length.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = |length: usize| digits[..length].iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let length = digits.len();
    match (prefix(2), prefix(3), prefix(4)) {
        // Visa.
        (40..=49, ..) => matches!(length, 13 | 16 | 19),
        // American Express.
        (34 | 37, ..) => length == 15,
        // Diners Club.
        (36 | 38 | 39, ..) | (_, 300..=305, _) => (14..=19).contains(&length),
        // JCB.
        (_, _, 3528..=3589) => (16..=19).contains(&length),
        // Mastercard.
        (51..=55, ..) | (_, _, 2221..=2720) => length == 16,
        // Maestro.
        (_, _, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761 | 6762 | 6763) => true,
        // Discover and UnionPay.
        (62 | 65, ..) | (_, 644..=649, _) | (_, _, 6011) => (16..=19).contains(&length),
        _ => false,
    }
}

/// The check digit by Luhn's formula.
fn is_checked(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, u32::from(*digit) * 2) {
            (0, double) => double / 2,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}
