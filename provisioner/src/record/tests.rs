//! Records that hold, and those that don't.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::*;

/// A key as KMS has one: its signatures are DER, its public half is an `SubjectPublicKeyInfo`.
struct Kms(EcdsaKeyPair);

impl Kms {
    fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random);
        Self(key.expect("a key"))
    }

    fn public(&self) -> PublicKey {
        let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").expect("hexadecimal");
        PublicKey::read(&[&head[..], self.0.public_key().as_ref()].concat()).expect("a public key")
    }

    fn sign(&self, text: &str) -> Signature {
        let der = self.0.sign(&SystemRandom::new(), text.as_bytes()).expect("a signature");
        Signature::from_der(der.as_ref()).expect("DER")
    }
}

fn scope() -> Scope {
    Scope { stack: "shop".to_owned(), account: "123456789012".to_owned(), region: "eu-north-1".to_owned() }
}

fn vpc() -> Address {
    Address::new("vpc", "main")
}

fn record(kms: &Kms, id: &str) -> Record {
    let signature = kms.sign(&Record::text(&scope(), &vpc(), id, "2:AAbbbb", 17));
    Record { serial: 17, signature, hashes: "AAbbbb".to_owned() }
}

#[test]
fn a_record_holds_for_what_it_was_signed_for_and_nothing_else() {
    let kms = Kms::new();
    let key = kms.public();
    let signed = record(&kms, "vpc-1");
    let read: Record = signed.to_string().parse().expect("a record");
    assert_eq!(read, signed);
    assert!(read.is_of(&scope(), &vpc(), "vpc-1", &key));

    assert!(!read.is_of(&scope(), &vpc(), "vpc-2", &key), "copied to another thing");
    assert!(!read.is_of(&scope(), &Address::new("vpc", "other"), "vpc-1", &key), "under another address");
    for elsewhere in [
        Scope { stack: "shop-production".to_owned(), ..scope() },
        Scope { account: "210987654321".to_owned(), ..scope() },
        Scope { region: "eu-west-1".to_owned(), ..scope() },
    ] {
        assert!(!read.is_of(&elsewhere, &vpc(), "vpc-1", &key), "{elsewhere:?}");
    }
    assert!(!read.is_of(&scope(), &vpc(), "vpc-1", &Kms::new().public()), "another key");
    let forged = [Record { serial: 18, ..read.clone() }, Record { hashes: "AAcccc".to_owned(), ..read }];
    assert!(forged.iter().all(|forged| !forged.is_of(&scope(), &vpc(), "vpc-1", &key)));
}

#[test]
fn what_is_no_record_is_none() {
    let whole = record(&Kms::new(), "vpc-1").to_string();
    assert!(whole.parse::<Record>().is_ok());
    let short = whole.replacen("2:17:", "2:17:A", 1);
    for text in ["", "1:aaaa", "2:AAbbbb", "2:x:y:z", &whole[1..], &short, &format!("{whole}:more")] {
        assert!(text.parse::<Record>().is_err(), "{text}");
    }
}

#[test]
fn parts_of_a_record_cant_be_moved_between_each_other() {
    let text = |id: &str, hashes: &str| Record::text(&scope(), &vpc(), id, hashes, 1);
    assert_ne!(text("a\",\"b", "c"), text("a", "b\",\"c"));
    assert_ne!(text("a\nb", "c"), text("a", "b\nc"));
}

#[test]
fn signatures_are_read_from_der_with_and_without_leading_zeros() {
    // Numbers of fewer than 32 bytes, and such as would be negative without a zero before them.
    let der = |r: &[u8], s: &[u8]| {
        let body = [&[2, r.len() as u8][..], r, &[2, s.len() as u8], s].concat();
        [&[0x30, body.len() as u8][..], &body].concat()
    };
    let read = Signature::from_der(&der(&[0, 0x80, 1], &[7])).expect("a signature");
    let mut expected = [0; 64];
    (expected[30], expected[31], expected[63]) = (0x80, 1, 7);
    assert_eq!(read.bytes(), expected);
    assert_eq!(read.to_string().parse(), Ok(read.clone()));
    assert_eq!(read.to_string().len(), 86);
    let long = [1; 33];
    for wrong in [vec![], vec![0x30], der(&long, &[1]), [der(&[1], &[1]), vec![0]].concat(), vec![0x30, 3, 2, 9, 1]] {
        assert_eq!(Signature::from_der(&wrong), None, "{wrong:?}");
    }
    // As many as it takes for some numbers to be short.
    let kms = Kms::new();
    for text in (0..300).map(|text| text.to_string()) {
        assert!(kms.public().verifies(&text, &kms.sign(&text)), "{text}");
    }
}

#[test]
fn the_order_of_a_documents_members_means_nothing() {
    let (one, other) = (json!({"a": {"x": 1, "y": [2]}, "b": 3}), json!({"b": 3, "a": {"y": [2], "x": 1}}));
    assert_eq!(document_text(&one), document_text(&other));
    assert_ne!(document_text(&one), document_text(&json!({"a": {"x": 1, "y": [3]}, "b": 3})));
}

#[test]
fn the_record_of_every_kind_fits_into_a_tag() {
    // CodeBuild takes a character less than all others.
    const LONGEST: usize = 255;
    let signature = Kms::new().sign("any");
    for kind in crate::kinds::all() {
        let hashes = crate::kind::applied::hashes(kind.fields(), &json!({}));
        let hashes = hashes.strip_prefix(FORMAT).expect("the format").to_owned();
        let record = Record { serial: 99_999_999_999, signature: signature.clone(), hashes }.to_string();
        assert!(record.len() <= LONGEST, "{}: {}", kind.name(), record.len());
        // With as many tags as a stack file gives, into two.
        let tags = (0..crate::kind::MOST_TAGS).map(|number| (number.to_string(), String::new())).collect();
        let with_tags = crate::kind::applied::with_tags(record.clone(), &tags);
        assert!(crate::kind::applied::written(&with_tags).iter().all(|(_, part)| part.len() <= LONGEST));
        let given = crate::kind::applied::with_tags(FORMAT.to_owned(), &tags);
        assert!(given.len() <= LONGEST, "what volumes say of their launch: {}", given.len());
        // Letters, digits and what every service takes in a tag.
        assert!(record.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_".contains(&byte)), "{record}");
    }
}
