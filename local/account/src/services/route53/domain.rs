//! Domain names as Route 53 keeps them.

use std::fmt;

/// A domain name: lower case, with a dot at its end, and `\ooo` for all but letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Domain {
    labels: Vec<String>,
}

impl Domain {
    /// Reads a name, with or without a dot at its end; the error is Route 53's word for what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let problem = |name: &str| Err(format!("FATAL problem: {name} encountered with '{text}'"));
        let mut labels = Vec::new();
        let mut label = Vec::new();
        let mut total = 0;
        let mut rest = text.strip_suffix('.').filter(|rest| !rest.ends_with('\\')).unwrap_or(text).as_bytes();
        loop {
            let byte = match rest {
                [] | [b'.', ..] => {
                    if label.is_empty() {
                        return problem("DomainLabelEmpty (Domain label is empty)");
                    }
                    if label.len() > 63 {
                        return problem("DomainLabelTooLong (Domain label is too long)");
                    }
                    total += label.len() + 1;
                    labels.push(label.iter().map(|byte| shown(*byte)).collect());
                    label.clear();
                    let [_, tail @ ..] = rest else { break };
                    rest = tail;
                    continue;
                }
                [b'\\', one @ b'0'..=b'3', two @ b'0'..=b'7', three @ b'0'..=b'7', tail @ ..] => {
                    rest = tail;
                    (one - b'0') * 64 + (two - b'0') * 8 + (three - b'0')
                }
                [b'\\', escaped @ 0x21..=0x7e, tail @ ..] if !escaped.is_ascii_digit() => {
                    rest = tail;
                    *escaped
                }
                [byte @ 0x21..=0x7e, tail @ ..] if *byte != b'\\' => {
                    rest = tail;
                    *byte
                }
                _ => return problem("UnsupportedCharacter (Value contains unsupported characters)"),
            };
            label.push(byte);
        }
        if total > 255 {
            return problem("DomainNameTooLong (Domain name is too long)");
        }
        Ok(Self { labels })
    }

    /// Whether this is a name of that zone, or the zone's own.
    pub fn within(&self, zone: &Self) -> bool {
        self.labels.ends_with(&zone.labels)
    }

    /// What names are ordered by: the labels in reverse, with a dot at the end.
    pub fn key(&self) -> String {
        self.labels.iter().rev().map(|label| format!("{label}.")).collect()
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.labels.iter().try_for_each(|label| write!(out, "{label}."))
    }
}

fn shown(byte: u8) -> String {
    match byte.to_ascii_lowercase() {
        plain @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') => char::from(plain).to_string(),
        other => format!("\\{other:03o}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_one_way() {
        for (given, kept) in [
            ("Shop.Internal", "shop.internal."),
            ("shop.internal.", "shop.internal."),
            ("*.shop.internal", "\\052.shop.internal."),
            ("\\052.shop.internal", "\\052.shop.internal."),
            ("a\\.b.x", "a\\056b.x."),
            ("a\\.", "a\\056."),
            ("_kafka._tcp.x", "_kafka._tcp.x."),
            ("0/25.x", "0\\05725.x."),
            ("\\101.x", "a.x."),
            ("ex\\344mple.x", "ex\\344mple.x."),
        ] {
            assert_eq!(Domain::parse(given).unwrap().to_string(), kept, "{given}");
        }
        let label = "l".repeat(63);
        assert!(Domain::parse(&label).is_ok());
        assert!(Domain::parse(&[label.as_str(); 4].join(".")).is_err());
        for wrong in ["", ".", "a..b", ".a", "a b", "ä.x", "a\\", "a\\9", &format!("{label}l.x")] {
            assert!(Domain::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_ordered_by_their_labels_in_reverse() {
        let domain = |text: &str| Domain::parse(text).unwrap();
        let mut names = ["a.x.y", "x.y", "b.a.x.y", "a-b.x.y", "*.x.y", "y"].map(|text| domain(text).key());
        names.sort();
        assert_eq!(names, ["y.", "y.x.", "y.x.\\052.", "y.x.a-b.", "y.x.a.", "y.x.a.b."]);
        assert!(domain("a.x.y").within(&domain("X.y.")) && domain("x.y").within(&domain("x.y")));
        assert!(!domain("ax.y").within(&domain("x.y")) && !domain("y").within(&domain("x.y")));
    }
}
