//! Bodies that are signed piece by piece: each signature is of a piece and of the signature before it.

use ring::hmac;

use super::{sha256, verify};

/// What the next piece is signed with.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    key: hmac::Key,
    time: String,
    scope: String,
    last: String,
}

impl Chain {
    /// A chain that begins with the signature of the request's head.
    pub(super) fn new(key: hmac::Key, time: String, scope: String, last: String) -> Self {
        Self { key, time, scope, last }
    }

    /// Whether the next piece, of which the SHA-256 is given in hexadecimal, has that signature.
    pub fn takes_chunk(&mut self, hash: &str, signature: &str) -> bool {
        self.takes("AWS4-HMAC-SHA256-PAYLOAD", &format!("{}\n{hash}", sha256(b"")), signature)
    }

    /// Whether the trailing headers, each `name:value` and a line's end, have that signature.
    pub fn takes_trailer(&mut self, trailer: &str, signature: &str) -> bool {
        self.takes("AWS4-HMAC-SHA256-TRAILER", &sha256(trailer.as_bytes()), signature)
    }

    fn takes(&mut self, algorithm: &str, hashes: &str, signature: &str) -> bool {
        let text = format!("{algorithm}\n{}\n{}\n{}\n{hashes}", self.time, self.scope, self.last);
        let is_valid = verify(&self.key, &text, signature);
        signature.clone_into(&mut self.last);
        is_valid
    }
}

/// The example of S3's documentation, "Signature Calculations for the Authorization Header: Transferring Payload in
/// Multiple Chunks": what follows the head, and each chunk's length (all are of the letter a) and signature.
#[cfg(test)]
pub(crate) fn example() -> (Chain, [(usize, &'static str); 3]) {
    let secret = super::Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let chain = Chain::new(
        super::signing_key(&secret, ["20130524", "us-east-1", "s3"]),
        "20130524T000000Z".to_owned(),
        "20130524/us-east-1/s3/aws4_request".to_owned(),
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9".to_owned(),
    );
    let chunks = [
        (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1_024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ];
    (chain, chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3s_example_is_taken() {
        let (mut chain, chunks) = example();
        for (length, signature) in chunks {
            let hash = sha256(&vec![b'a'; length]);
            let mut other = chain.clone();
            assert!(!other.takes_chunk(&sha256(b"other"), signature), "{length}");
            assert!(chain.takes_chunk(&hash, signature), "{length}");
        }
    }
}
