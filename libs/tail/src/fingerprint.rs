//! What distinguishes contents: digests of a file's head and of the bytes before a position.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How many bytes of a file make its head at most.
pub const HEAD: usize = 4096;
/// How many bytes before a position make its mark at most.
const MARK: usize = 256;

/// The first 16 bytes of a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of parts, one after the other.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize()[..16]);
        Self(digest)
    }

    /// 32 hexadecimal digits.
    pub fn text(self) -> String {
        hex::encode(self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut digest = [0; 16];
        hex::decode_to_slice(&text, &mut digest).map_err(serde::de::Error::custom)?;
        Ok(Self(digest))
    }
}

/// The head of a file as far as it was read: it grows with the file up to [`HEAD`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many bytes it is made of.
    pub length: usize,
    digest: Digest,
}

impl Head {
    /// Of a file's first bytes; those beyond [`HEAD`] don't count.
    pub fn of(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(HEAD)];
        Self { length: bytes.len(), digest: Digest::of(&[bytes]) }
    }

    /// Whether a file that begins with the bytes has this head; false when they are fewer than the head has.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.length && Self::of(&bytes[..self.length]).digest == self.digest
    }

    /// Whether it can't grow any more.
    pub fn is_full(&self) -> bool {
        self.length == HEAD
    }
}

/// The bytes before a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The position.
    pub end: u64,
    /// How many bytes before it are meant.
    pub length: usize,
    digest: Digest,
}

impl Mark {
    /// Of bytes that end at a position; the last of them count.
    pub fn of(end: u64, before: &[u8]) -> Self {
        let before = &before[before.len().saturating_sub(MARK)..];
        Self { end, length: before.len(), digest: Digest::of(&[before]) }
    }

    /// Where its bytes begin.
    pub fn start(&self) -> u64 {
        self.end - self.length as u64
    }

    /// Whether its bytes are these.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.length && Digest::of(&[bytes]) == self.digest
    }
}

/// What of a file's head names its contents: the first line or the first KiB of it. `None` while the line is not whole: a
/// name that was made of a part would change.
pub fn first_line(head: &[u8]) -> Option<&[u8]> {
    const LONGEST: usize = 1024;
    match memchr::memchr(b'\n', &head[..head.len().min(LONGEST)]) {
        Some(end) => Some(&head[..=end]),
        None => head.get(..LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_fits_what_begins_with_it_and_nothing_shorter() {
        let head = Head::of(b"one\ntwo\n");
        assert!(head.fits(b"one\ntwo\n") && head.fits(b"one\ntwo\nthree\n"));
        assert!(!head.fits(b"one\n") && !head.fits(b"one\ntwO\nthree\n"));
        let long = vec![b'x'; 2 * HEAD];
        assert!(Head::of(&long).is_full() && Head::of(&long).fits(&long[..HEAD]));
        assert!(!head.is_full());
    }

    #[test]
    fn a_mark_is_of_the_last_bytes() {
        let mark = Mark::of(1_000, &[b'x'; 700]);
        assert_eq!((mark.start(), mark.length), (744, 256));
        assert!(mark.fits(&[b'x'; 256]) && !mark.fits(&[b'y'; 256]) && !mark.fits(&[b'x'; 255]));
    }

    #[test]
    fn contents_are_named_by_a_line_that_is_whole() {
        assert_eq!(first_line(b"one\ntwo"), Some(&b"one\n"[..]));
        assert_eq!(first_line(b"half a li"), None);
        assert_eq!(first_line(&[b'x'; 1023]), None);
        assert_eq!(first_line(&[b'x'; 3000]).map(<[u8]>::len), Some(1024));
    }

    #[test]
    fn digests_are_read_back() {
        let head = Head::of(b"one\n");
        let text = serde_json::to_string(&head).expect("JSON");
        assert_eq!(serde_json::from_str::<Head>(&text).expect("a head"), head);
        assert!(serde_json::from_str::<Head>(&text.replace("\"digest\":\"", "\"digest\":\"x")).is_err());
    }
}
