//! SCRAM as a server speaks it: RFC 5802, with SHA-256 (RFC 7677) and with SHA-512, as Kafka has both.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use ring::rand::SecureRandom as _;
use ring::{digest, hmac, pbkdf2, rand};

/// How often a password is hashed: the least that Kafka takes, and what its tools and MSK set unless told otherwise.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("it isn't 0");
const SALT: usize = 18;
const NONCE: usize = 24;

/// The hash of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Hash {
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    fn of(self, bytes: &[u8]) -> digest::Digest {
        digest::digest(self.hmac().digest_algorithm(), bytes)
    }

    fn signed(self, key: &[u8], text: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(self.hmac(), key), text)
    }
}

/// What a server keeps of a password.
pub struct Keys {
    salt: Vec<u8>,
    stored: digest::Digest,
    server: hmac::Tag,
}

impl Keys {
    /// Those of a password, by a salt and a number of iterations.
    fn of(hash: Hash, password: &str, salt: Vec<u8>) -> Self {
        let mut salted = vec![0; hash.hmac().digest_algorithm().output_len()];
        pbkdf2::derive(hash.pbkdf2(), ITERATIONS, &salt, password.as_bytes(), &mut salted);
        let stored = hash.of(hash.signed(&salted, b"Client Key").as_ref());
        Self { stored, server: hash.signed(&salted, b"Server Key"), salt }
    }
}

/// The keys of those who have logged in, for they take milliseconds to make.
#[derive(Default)]
pub struct Keyring(Mutex<HashMap<(Hash, String), (digest::Digest, Arc<Keys>)>>);

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}

impl Keyring {
    /// The keys of a user who has this password now. Takes milliseconds where the password is new.
    pub fn keys(&self, hash: Hash, user: &str, password: &str) -> Arc<Keys> {
        let known = digest::digest(&digest::SHA256, password.as_bytes());
        let place = (hash, user.to_owned());
        if let Some((of, keys)) = self.0.lock().get(&place)
            && of.as_ref() == known.as_ref()
        {
            return keys.clone();
        }
        let keys = Arc::new(Keys::of(hash, password, random(SALT)));
        self.0.lock().insert(place, (known, keys.clone()));
        keys
    }

    /// Forgets a user who may log in no longer.
    pub fn forget(&self, user: &str) {
        self.0.lock().retain(|(_, known), _| known != user);
    }
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// A client's first message, `n,[a=AUTHZID],n=USER,r=NONCE[,EXTENSIONS]`.
#[derive(Debug, PartialEq, Eq)]
pub struct First {
    /// The user.
    pub user: String,
    /// Whom the user wants to act as; empty: nobody else.
    pub acting_as: String,
    header: String,
    bare: String,
    nonce: String,
}

impl First {
    /// Reads the message; none if it isn't one. Channel bindings aren't offered, so that none may be asked for.
    pub fn read(message: &[u8]) -> Option<Self> {
        let message = std::str::from_utf8(message).ok()?;
        let rest = message.strip_prefix("n,")?;
        let (acting_as, bare) = rest.split_once(',')?;
        let acting_as = match acting_as {
            "" => String::new(),
            some => name(some.strip_prefix("a=")?)?,
        };
        let header = message[..message.len() - bare.len()].to_owned();
        let mut parts = bare.split(',');
        let user = name(parts.next()?.strip_prefix("n=")?)?;
        let nonce = parts.next()?.strip_prefix("r=").filter(|nonce| !nonce.is_empty())?.to_owned();
        Some(Self { user, acting_as, header, bare: bare.to_owned(), nonce })
    }
}

/// A name as it is meant: commas and equals signs are written as `=2C` and `=3D`.
fn name(written: &str) -> Option<String> {
    let mut name = String::with_capacity(written.len());
    let mut parts = written.split('=');
    name.push_str(parts.next()?);
    for part in parts {
        let (sign, rest) = part.split_at_checked(2)?;
        name.push(match sign {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        name.push_str(rest);
    }
    Some(name).filter(|name| !name.is_empty())
}

/// An exchange that waits for the client's proof.
pub struct Exchange {
    hash: Hash,
    first: First,
    keys: Arc<Keys>,
    challenge: String,
    nonce: String,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({})", self.first.user)
    }
}

impl Exchange {
    /// Begins one; [`Exchange::challenge`] is what the client has to answer.
    pub fn begin(hash: Hash, first: First, keys: Arc<Keys>) -> Self {
        let own = STANDARD.encode(random(NONCE));
        Self::with_nonce(hash, first, keys, &own)
    }

    fn with_nonce(hash: Hash, first: First, keys: Arc<Keys>, own: &str) -> Self {
        let nonce = format!("{}{own}", first.nonce);
        let challenge = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(&keys.salt));
        Self { hash, first, keys, challenge, nonce }
    }

    /// The server's first message.
    pub fn challenge(&self) -> &str {
        &self.challenge
    }

    /// The user and the server's last message, if the client's, `c=…,r=…[,EXTENSIONS],p=PROOF`, proves that it knows the
    /// password.
    pub fn finish(self, message: &[u8]) -> Option<(String, String)> {
        let message = std::str::from_utf8(message).ok()?;
        let (unproved, proof) = message.rsplit_once(",p=")?;
        let proof = STANDARD.decode(proof).ok()?;
        let mut parts = unproved.split(',');
        let bound = STANDARD.decode(parts.next()?.strip_prefix("c=")?).ok()?;
        let nonce = parts.next()?.strip_prefix("r=")?;
        if bound != self.first.header.as_bytes() || nonce != self.nonce {
            return None;
        }
        let text = format!("{},{},{unproved}", self.first.bare, self.challenge);
        let signature = self.hash.signed(self.keys.stored.as_ref(), text.as_bytes());
        if proof.len() != signature.as_ref().len() {
            return None;
        }
        let key: Vec<u8> = proof.iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        // What is compared are hashes of what the client sent: the time that it takes says nothing about the key.
        if self.hash.of(&key).as_ref() != self.keys.stored.as_ref() {
            return None;
        }
        let own = self.hash.signed(self.keys.server.as_ref(), text.as_bytes());
        Some((self.first.user, format!("v={}", STANDARD.encode(own))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_exchange_of_the_rfc_comes_out() {
        let first = First::read(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = Arc::new(Keys::of(Hash::Sha256, "pencil", salt));
        let begin = |first| Exchange::with_nonce(Hash::Sha256, first, keys.clone(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        let exchange = begin(first);
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(exchange.challenge(), challenge);
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let (user, answer) = exchange.finish(last.as_bytes()).expect("the password is right");
        assert_eq!((user.as_str(), answer.as_str()), ("user", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        let wrong = [
            last.replace("p=d", "p=e"),
            last.replace("c=biws", "c=eSws"),
            last.replace("$k0", "$k1"),
            last.replace("p=dHzb", "p="),
            last.replace(",p=", ",q="),
            String::new(),
        ];
        for wrong in wrong {
            let first = First::read(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
            assert_eq!(begin(first).finish(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn first_messages_are_read_as_they_are_meant() {
        let first = First::read(b"n,a=other,n=a=2Cb=3Dc,r=xyz,tokenauth=false").unwrap();
        assert_eq!((first.user.as_str(), first.acting_as.as_str(), first.nonce.as_str()), ("a,b=c", "other", "xyz"));
        assert_eq!((first.header.as_str(), first.bare.as_str()), ("n,a=other,", "n=a=2Cb=3Dc,r=xyz,tokenauth=false"));
        for none in [
            "",
            "n,,",
            "y,,n=u,r=x",
            "p=tls-unique,,n=u,r=x",
            "n,,n=u",
            "n,,n=u,r=",
            "n,,n=,r=x",
            "n,,n=a=2,r=x",
            "n,,m=must,n=u,r=x",
            "n,b=x,n=u,r=x",
        ] {
            assert_eq!(First::read(none.as_bytes()), None, "{none:?}");
        }
        assert_eq!(First::read(&[0xff]), None);
    }

    #[test]
    fn keys_are_made_anew_when_the_password_changes() {
        let ring = Keyring::default();
        let first = ring.keys(Hash::Sha512, "shop", "one");
        assert!(Arc::ptr_eq(&first, &ring.keys(Hash::Sha512, "shop", "one")));
        let second = ring.keys(Hash::Sha512, "shop", "two");
        assert!(first.stored.as_ref() != second.stored.as_ref());
        ring.forget("shop");
        assert!(!Arc::ptr_eq(&second, &ring.keys(Hash::Sha512, "shop", "two")), "another salt");
    }
}
