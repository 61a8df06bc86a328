//! Identifiers in AWS's own forms.

use rand::Rng;

/// `vpc-0123456789abcdef0`: a prefix and 17 hexadecimal digits.
pub fn resource(prefix: &str) -> String {
    let digits: u64 = rand::rng().random();
    format!("{prefix}-0{digits:016x}")
}

/// `AROA` and 17 capital letters and digits, the form of IAM's unique ids and access keys.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}{}", letters(17, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
}

/// A random UUID in text.
pub fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// `length` random characters out of `alphabet`.
pub fn letters(length: usize, alphabet: &[u8]) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
}
