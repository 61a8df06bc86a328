//! The public half of a stack's key.

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::Signature;

/// What stands before the point in a public key as KMS gives it: RFC 5480's `SubjectPublicKeyInfo` of a point on P-256.
const PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The bytes of an uncompressed point: 4, then both coordinates.
const POINT: usize = 65;

/// The public half of a key on P-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; POINT]);

impl PublicKey {
    /// The key in what `GetPublicKey` answers; none if it is one of another kind.
    pub fn read(info: &[u8]) -> Option<Self> {
        info.strip_prefix(&PREFIX)?.try_into().ok().map(Self)
    }

    /// Whether the other half signed the text.
    pub fn verifies(&self, text: &str, signature: &Signature) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.0);
        key.verify(text.as_bytes(), signature.bytes()).is_ok()
    }
}
