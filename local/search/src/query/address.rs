//! Addresses: alone, in blocks and between bounds.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::{Parsed, Parser};
use crate::answer::SearchError;

/// An address as a number, in which those of four bytes stand where IPv6 has them.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped().to_bits(),
        IpAddr::V6(six) => six.to_bits(),
    }
}

/// The addresses of a block, `10.0.0.0/8`, or one alone.
///
/// # Errors
/// It is none.
pub(super) fn block(text: &str) -> Result<RangeInclusive<u128>, SearchError> {
    let wrong = || SearchError::shard(format!("failed to create query: '{text}' is not an IP string literal."));
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => bits,
        Some(length) => length.parse::<u32>().ok().filter(|length| *length <= bits).ok_or_else(wrong)?,
    };
    let free = 1_u128.checked_shl(bits - length).map_or(u128::MAX, |free| free - 1);
    let first = number(address) & !free;
    Ok(first..=first | free)
}

impl Parser<'_> {
    /// Documents with an address in there.
    pub(super) fn addresses(&self, field: &str, within: RangeInclusive<u128>) -> Parsed {
        let fits = |text: &str| text.parse().is_ok_and(|address: IpAddr| within.contains(&number(address)));
        self.texts(field, "", fits, "")
    }
}

/// The addresses from one on, or after it, to another, or before it.
///
/// # Errors
/// A bound is none.
pub(super) fn between(
    (lower, upper): (&Option<(String, bool)>, &Option<(String, bool)>),
) -> Result<Option<RangeInclusive<u128>>, SearchError> {
    let first = match lower {
        None => Some(0),
        Some((text, true)) => Some(*block(text)?.start()),
        Some((text, false)) => block(text)?.end().checked_add(1),
    };
    let last = match upper {
        None => Some(u128::MAX),
        Some((text, true)) => Some(*block(text)?.end()),
        Some((text, false)) => block(text)?.start().checked_sub(1),
    };
    Ok(first.zip(last).map(|(first, last)| first..=last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_numbers() {
        let holds =
            |text: &str, address: &str| block(text).expect(text).contains(&number(address.parse().expect(address)));
        for (text, address, wanted) in [
            ("10.1.2.3", "10.1.2.3", true),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("::1", "0:0:0:0:0:0:0:1", true),
            ("2001:db8::/32", "2001:db8:1::5", true),
            ("0.0.0.0/0", "255.1.1.1", true),
            ("::/0", "10.0.0.1", true),
        ] {
            assert_eq!(holds(text, address), wanted, "{text} {address}");
        }
        for wrong in ["", "10.0.0", "10.0.0.0/33", "a"] {
            assert_eq!(block(wrong).expect_err("refused").status, 400, "{wrong}");
        }
        let side = |text: &str, with| Some((text.to_owned(), with));
        let found = between((&side("10.0.0.9", false), &side("10.0.0.11", false))).expect("bounds").expect("some");
        assert_eq!(found.count(), 1);
    }
}
