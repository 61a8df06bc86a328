//! Signatures: two numbers of 32 bytes, written as 86 characters that any tag may hold.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The bytes of one of the two numbers of a signature on P-256.
const NUMBER: usize = 32;
/// ASN.1's tags of a sequence and of an integer.
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// A signature on P-256: the numbers r and s, one behind the other.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature([u8; 2 * NUMBER]);

impl Signature {
    /// The bytes of r and s.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The signature that KMS answers, in DER: a sequence of two integers (RFC 3279, section 2.2.3). None if it is none.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (numbers, rest) = member(der, SEQUENCE)?;
        let (r, numbers) = member(numbers, INTEGER)?;
        let (s, after) = member(numbers, INTEGER)?;
        if !rest.is_empty() || !after.is_empty() {
            return None;
        }
        let mut bytes = [0; 2 * NUMBER];
        for (number, half) in [r, s].into_iter().zip(bytes.chunks_exact_mut(NUMBER)) {
            // An integer has a leading zero where its first bit would be a sign.
            let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
            let number = &number[start..];
            let at = NUMBER.checked_sub(number.len())?;
            half[at..].copy_from_slice(number);
        }
        Some(Self(bytes))
    }
}

/// The content of the first member, which has that tag, and what follows it. Lengths here take one byte.
fn member(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (head, rest) = der.split_at_checked(2)?;
    (head[0] == tag && head[1] < 0x80).then(|| rest.split_at_checked(usize::from(head[1])))?
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ())?;
        Ok(Self(bytes.try_into().map_err(|_| ())?))
    }
}
