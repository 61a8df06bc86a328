//! A secret that programs hand on and nobody reads.

use std::fmt;
use std::sync::Arc;

use ring::hmac;

/// A secret key or a session token. It is neither shown nor serialised, and compared only in constant time.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// A secret of that text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Its text, for what must have it.
    pub fn exposed(&self) -> &str {
        &self.0
    }

    /// A secret that follows from this one and a purpose, and shows nothing of it: HMAC-SHA256 in hexadecimal.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        let bytes = hmac::sign(&key, purpose.as_bytes());
        let text: String = bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self::new(&text)
    }

    /// Whether it is that text; the time says nothing of how much of it is right.
    pub fn is(&self, text: &str) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"compare");
        hmac::verify(&key, text.as_bytes(), hmac::sign(&key, self.0.as_bytes()).as_ref()).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_compared_and_not_shown() {
        let secret = Secret::new("word");
        assert!(secret.is("word") && !secret.is("wore") && !secret.is("") && !secret.is("word "));
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn a_secret_for_a_purpose_is_good_for_no_other() {
        let (one, other) = (Secret::new("word").derived("a"), Secret::new("word").derived("b"));
        assert!(one.is(Secret::new("word").derived("a").exposed()) && !one.is(other.exposed()));
        assert_eq!(one.exposed().len(), 64);
    }
}
