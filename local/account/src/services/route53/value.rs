//! The values of records, checked by their types.

use super::domain::Domain;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The types whose values are understood.
pub(super) const CHECKED: [&str; 11] = ["A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SPF", "SRV", "TXT"];

/// Refuses a value that a record of the type can't have; the error is Route 53's word for it.
pub(super) fn check(kind: &str, value: &str) -> Result<(), String> {
    let problem = |problem: &str| Err(format!("FATAL problem: {problem} encountered with '{value}'"));
    let fields: Vec<&str> = value.split_ascii_whitespace().collect();
    match kind {
        "A" if value.parse::<Ipv4Addr>().is_err() => {
            problem("ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)")
        }
        "AAAA" if value.parse::<Ipv6Addr>().is_err() => {
            problem("AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)")
        }
        "A" | "AAAA" => Ok(()),
        "CNAME" | "NS" | "PTR" => domain(value),
        "MX" => match fields[..] {
            [priority, host] if number::<u16>(priority) => domain(host),
            _ => problem("MXRRDATAIllegal (Value should be a priority and a domain name)"),
        },
        "SRV" => match fields[..] {
            [priority, weight, port, host] if [priority, weight, port].into_iter().all(number::<u16>) => domain(host),
            _ => problem("SRVRRDATAIllegal (Value should be a priority, a weight, a port and a domain name)"),
        },
        "SOA" => match fields[..] {
            [host, mail, ref times @ ..] if times.len() == 5 && times.iter().all(|time| number::<u32>(time)) => {
                domain(host).and_then(|()| domain(mail))
            }
            _ => problem("SOARRDATAIllegal (Value should be two domain names and five numbers)"),
        },
        "CAA" => {
            let mut parts = value.splitn(3, ' ');
            let flags = parts.next().is_some_and(number::<u8>);
            let tag =
                parts.next().is_some_and(|tag| !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            match parts.next() {
                Some(text) if flags && tag => strings(text).or_else(problem),
                _ => problem("CAARRDATAIllegal (Value should be flags, a tag and a value in quotation marks)"),
            }
        }
        _ => strings(value).or_else(problem),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// A name in a value; a lone dot says that there is none.
fn domain(text: &str) -> Result<(), String> {
    if text == "." { Ok(()) } else { Domain::parse(text).map(|_| ()) }
}

/// Strings in quotation marks, with blanks between them, each of at most 255 bytes.
fn strings(text: &str) -> Result<(), &'static str> {
    const UNQUOTED: &str = "InvalidCharacterString (Value should be enclosed in quotation marks)";
    let mut rest = text.trim_ascii().as_bytes();
    if rest.is_empty() {
        return Err(UNQUOTED);
    }
    while !rest.is_empty() {
        let [b'"', inner @ ..] = rest else { return Err(UNQUOTED) };
        rest = inner;
        let mut length = 0;
        loop {
            rest = match rest {
                [b'"', tail @ ..] => {
                    rest = tail;
                    break;
                }
                [b'\\', b'0'..=b'3', b'0'..=b'7', b'0'..=b'7', tail @ ..] => tail,
                [b'\\', b'"' | b'\\', tail @ ..] => tail,
                [] => return Err(UNQUOTED),
                [b' '..=b'~', tail @ ..] => tail,
                _ => return Err("UnsupportedCharacter (Value contains unsupported characters)"),
            };
            length += 1;
        }
        if length > 255 {
            return Err("CharacterStringTooLong (Value is too long)");
        }
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if blanks == 0 && !rest.is_empty() {
            return Err(UNQUOTED);
        }
        rest = &rest[blanks..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged_by_their_types() {
        let long = format!("\"{}\"", "x".repeat(255));
        for (kind, value) in [
            ("A", "10.0.0.1"),
            ("AAAA", "2001:db8::1"),
            ("CNAME", "broker.example.com"),
            ("CNAME", "*.example.com."),
            ("MX", "10 mail.example.com"),
            ("SRV", "1 10 9092 broker.example.com."),
            ("SRV", "0 0 0 ."),
            ("SOA", "ns.x. mail.x. 1 7200 900 1209600 86400"),
            ("CAA", "0 issue \"ca.example.com\""),
            ("TXT", "\"one\" \"t\\\"wo\\\\\" \"\\344\""),
            ("TXT", "\"\""),
            ("TXT", &long),
            ("SPF", "\"v=spf1 -all\""),
        ] {
            assert_eq!(check(kind, value), Ok(()), "{kind} {value}");
        }
        for (kind, value, problem) in [
            ("A", "10.0.0.256", "ARRDATAIllegalIPv4Address"),
            ("A", "::1", "ARRDATAIllegalIPv4Address"),
            ("A", " 10.0.0.1", "ARRDATAIllegalIPv4Address"),
            ("AAAA", "10.0.0.1", "AAAARRDATAIllegalIPv6Address"),
            ("CNAME", "a..b", "DomainLabelEmpty"),
            ("CNAME", "a b", "UnsupportedCharacter"),
            ("MX", "mail.example.com", "MXRRDATAIllegal"),
            ("SRV", "1 10 broker.example.com", "SRVRRDATAIllegal"),
            ("SRV", "1 10 65536 broker.example.com", "SRVRRDATAIllegal"),
            ("SRV", "1 10 9092 a..b", "DomainLabelEmpty"),
            ("SOA", "ns.x. mail.x. 1 2 3", "SOARRDATAIllegal"),
            ("CAA", "0 issue ca.example.com", "InvalidCharacterString"),
            ("CAA", "256 issue \"ca.example.com\"", "CAARRDATAIllegal"),
            ("TXT", "plain", "InvalidCharacterString"),
            ("TXT", "", "InvalidCharacterString"),
            ("TXT", "\"open", "InvalidCharacterString"),
            ("TXT", "\"one\"\"two\"", "InvalidCharacterString"),
            ("TXT", "\"one\" two", "InvalidCharacterString"),
            ("TXT", "\"ä\"", "UnsupportedCharacter"),
            ("TXT", &long.replace("\"x", "\"xx"), "CharacterStringTooLong"),
        ] {
            let said = check(kind, value).unwrap_err();
            assert!(said.contains(problem), "{kind} {value}: {said}");
        }
    }
}
