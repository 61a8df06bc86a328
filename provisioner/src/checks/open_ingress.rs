//! A security group that lets the whole internet in, or a large part of it, be it by many rules together.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Around, Rule, typed};
use crate::kinds::security_group::{self, Spec};

pub(super) const RULE: Rule = Rule {
    name: "open-ingress",
    kinds: &["security_group"],
    reason: "scanners find it within minutes",
    fix: "name the ranges or groups that may come in; reach hosts by Session Manager",
    breaks: |spec, around| typed(breaks, spec, around),
};

/// From how many public addresses on a group is open: those of a /8 of IPv4, of a /16 of IPv6.
const MANY: [u128; 2] = [1 << 24, 1 << 112];
/// The ranges of IPv4 that aren't the internet: first address and length of the prefix.
const PRIVATE: [([u8; 4], u32); 7] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([224, 0, 0, 0], 3),
];
/// The range of IPv6 that is the internet.
const PUBLIC: Range = Range { six: true, first: 0x2000 << 112, last: (0x4000 << 112) - 1 };

/// Addresses of one family, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    six: bool,
    first: u128,
    last: u128,
}

fn breaks(group: &Spec, _: &Around<'_>) -> Vec<String> {
    // What goes through by the same ports, and at last by any: halves may differ in what they let through.
    let mut by_ports: BTreeMap<String, Vec<&security_group::Rule>> = BTreeMap::new();
    for rule in &group.ingress {
        by_ports.entry(rule.ports()).or_default().push(rule);
    }
    let mut found: Vec<String> =
        by_ports.iter().filter_map(|(ports, rules)| Some(format!("{} may come in by {ports}", open(rules)?))).collect();
    if found.is_empty() {
        let all: Vec<&security_group::Rule> = group.ingress.iter().collect();
        found.extend(open(&all).map(|who| format!("{who} may come in by one rule or another")));
    }
    found
}

/// What of the internet the rules let in together, when that is much.
fn open(rules: &[&security_group::Rule]) -> Option<String> {
    let written = |six: bool| {
        let ranges = rules.iter().filter_map(|rule| Some((rule.cidr.as_deref()?, range(rule.cidr.as_deref()?)?)));
        ranges.filter(move |(_, range)| range.six == six).collect::<Vec<_>>()
    };
    for (six, many) in [false, true].into_iter().zip(MANY) {
        let written = written(six);
        let let_in = public(written.iter().map(|(_, range)| *range).collect());
        if size(&let_in) < many {
            continue;
        }
        let last = if six { u128::MAX } else { u128::from(u32::MAX) };
        if size(&let_in) == size(&public(vec![Range { six, first: 0, last }])) {
            return Some("the whole internet".to_owned());
        }
        let names: Vec<&str> = written.iter().map(|(name, _)| *name).collect();
        return Some(format!("a large part of the internet ({})", names.join(", ")));
    }
    None
}

/// The addresses that a range of a rule means; none of one that isn't known yet.
fn range(cidr: &str) -> Option<Range> {
    let (ip, bits) = cidr.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    Some(match ip.parse().ok()? {
        IpAddr::V4(ip) => of_four(ip, bits)?,
        IpAddr::V6(ip) => {
            let rest = 128u32.checked_sub(bits)?;
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            let first = Ipv6Addr::to_bits(ip) & mask;
            Range { six: true, first, last: first | !mask }
        }
    })
}

fn of_four(ip: Ipv4Addr, bits: u32) -> Option<Range> {
    let rest = 32u32.checked_sub(bits)?;
    let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
    let first = ip.to_bits() & mask;
    Some(Range { six: false, first: u128::from(first), last: u128::from(first | !mask) })
}

/// What of ranges of one family is the internet, each address once.
fn public(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.first <= last.last => last.last = last.last.max(range.last),
            _ => merged.push(range),
        }
    }
    let private = || PRIVATE.into_iter().filter_map(|(ip, bits)| of_four(Ipv4Addr::from(ip), bits));
    let of_internet = |range: Range| {
        if range.six {
            let (first, last) = (range.first.max(PUBLIC.first), range.last.min(PUBLIC.last));
            return if first <= last { vec![Range { first, last, ..range }] } else { Vec::new() };
        }
        let without_all = |left: Vec<Range>, hole| left.into_iter().flat_map(|one| without(one, hole)).collect();
        private().fold(vec![range], without_all)
    };
    merged.into_iter().flat_map(of_internet).collect()
}

/// A range without those of another.
fn without(range: Range, hole: Range) -> Vec<Range> {
    if hole.last < range.first || range.last < hole.first {
        return vec![range];
    }
    let before = (range.first < hole.first).then(|| Range { last: hole.first - 1, ..range });
    let after = (hole.last < range.last).then(|| Range { first: hole.last + 1, ..range });
    before.into_iter().chain(after).collect()
}

/// How many addresses there are, all of them together.
fn size(ranges: &[Range]) -> u128 {
    ranges.iter().map(|range| (range.last - range.first).saturating_add(1)).fold(0, u128::saturating_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::checks::tests::texts;

    fn found(rules: Value) -> Vec<String> {
        texts(&RULE, json!({"ingress": rules}))
    }

    #[test]
    fn not_everybody_may_come_in() {
        let ingress = json!([
            {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "0.0.0.0/0"},
            {"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr": "10.0.0.0/8"},
            {"protocol": "udp", "from_port": 1, "to_port": 9, "cidr": "::/0"},
            {"protocol": "all", "cidr": "0.0.0.0/0"},
            {"protocol": "icmp", "cidr": "0.0.0.0/0"},
            {"protocol": "47", "cidr": "0.0.0.0/0"},
        ]);
        let by = ["every icmp message", "every protocol", "protocol 47", "tcp port 22", "udp ports 1 to 9"];
        assert_eq!(found(ingress), by.map(|by| format!("the whole internet may come in by {by}")));
    }

    #[test]
    fn halves_are_one_whole() {
        let all = |cidrs: &[&str]| found(cidrs.iter().map(|cidr| json!({"protocol": "all", "cidr": cidr})).collect());
        let whole = ["the whole internet may come in by every protocol"];
        assert_eq!(all(&["0.0.0.0/1", "128.0.0.0/1"]), whole);
        assert_eq!(all(&["::/1", "8000::/1"]), whole);
        assert_eq!(all(&["2000::/3"]), whole);
        let large = |names: &str| vec![format!("a large part of the internet ({names}) may come in by every protocol")];
        assert_eq!(all(&["0.0.0.0/1"]), large("0.0.0.0/1"));
        assert_eq!(all(&["52.0.0.0/8"]), large("52.0.0.0/8"));
        assert_eq!(all(&["52.128.0.0/9", "9.0.0.0/9"]), large("52.128.0.0/9, 9.0.0.0/9"), "wherever its parts are");
        assert_eq!(all(&["2a05::/16"]), large("2a05::/16"));
        for closed in [
            &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"][..],
            &["52.0.0.0/9"],
            &["52.0.0.0/9", "52.64.0.0/10"],
            &["203.0.113.7/32", "2001:db8::/32"],
            &["fc00::/7", "fe80::/10"],
            &["224.0.0.0/3"],
            &[],
        ] {
            assert_eq!(all(closed), [""; 0], "{closed:?}");
        }
    }

    #[test]
    fn what_differs_in_ports_is_added_up_too() {
        let rule = |port: u16, cidr: &str| json!({"from_port": port, "cidr": cidr});
        assert_eq!(
            found(json!([rule(22, "52.0.0.0/9"), rule(23, "52.128.0.0/9")])),
            ["a large part of the internet (52.0.0.0/9, 52.128.0.0/9) may come in by one rule or another"]
        );
        assert_eq!(found(json!([rule(22, "52.0.0.0/9"), rule(23, "52.0.0.0/9")])), [""; 0]);
        let group = json!([{"protocol": "all", "group": "self"}, {"protocol": "all", "prefix_list": "pl-1"}]);
        assert_eq!(found(group), [""; 0]);
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_found(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
            // The whole, some parts of which are cut into halves.
            let mut parts = vec![(0u32, 0u32)];
            for cut in cuts {
                let (first, bits) = parts.swap_remove(cut.index(parts.len()));
                if bits < 20 {
                    parts.push((first | (1 << (31 - bits)), bits + 1));
                    parts.push((first, bits + 1));
                } else {
                    parts.push((first, bits));
                }
            }
            let ranges = parts.iter().filter_map(|(first, bits)| of_four(Ipv4Addr::from_bits(*first), *bits)).collect();
            let whole = Range { six: false, first: 0, last: u128::from(u32::MAX) };
            prop_assert_eq!(size(&public(ranges)), size(&public(vec![whole])));
        }
    }
}
