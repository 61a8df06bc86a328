//! IPv4 blocks: parsing, canonical form, containment, overlap, addresses.

use std::fmt;
use std::net::Ipv4Addr;

/// An IPv4 block in canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cidr {
    base: u32,
    length: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/16`; bits beyond the prefix are dropped, as EC2 does.
    pub fn parse(text: &str) -> Option<Cidr> {
        let (address, length) = text.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let length: u8 = length.parse().ok().filter(|length| *length <= 32)?;
        Some(Cidr { base: u32::from(address) & mask(length), length })
    }

    /// Returns the prefix length.
    pub fn length(self) -> u8 {
        self.length
    }

    /// Returns how many addresses the block has.
    pub fn size(self) -> u64 {
        1 << (32 - self.length)
    }

    /// Says whether `other` lies within this block.
    pub fn contains(self, other: Cidr) -> bool {
        other.length >= self.length && other.base & mask(self.length) == self.base
    }

    /// Says whether the two blocks share an address.
    pub fn overlaps(self, other: Cidr) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Returns the addresses that instances can have: all but the first four and the last.
    pub fn usable(self) -> impl Iterator<Item = Ipv4Addr> {
        let last = u64::from(self.base) + self.size() - 1;
        (u64::from(self.base) + 4..last).map(|address| Ipv4Addr::from(address as u32))
    }
}

fn mask(length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", Ipv4Addr::from(self.base), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::Cidr;

    #[test]
    fn blocks_are_canonical_and_compare() {
        let vpc = Cidr::parse("10.0.3.7/16").unwrap();
        assert_eq!(vpc.to_string(), "10.0.0.0/16");
        let subnet = Cidr::parse("10.0.1.0/24").unwrap();
        assert!(vpc.contains(subnet) && !subnet.contains(vpc));
        assert!(subnet.overlaps(Cidr::parse("10.0.1.128/25").unwrap()));
        assert!(!subnet.overlaps(Cidr::parse("10.0.2.0/24").unwrap()));
        assert_eq!(subnet.usable().count(), 251);
        assert!(Cidr::parse("0.0.0.0/0").unwrap().contains(vpc));
        assert!(Cidr::parse("10.0.0.0/33").is_none() && Cidr::parse("10.0.0/8").is_none());
    }
}
