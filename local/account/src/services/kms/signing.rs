//! Keys that sign: real ECDSA, so that whoever verifies outside of the account gets what AWS would have signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::crypto::{bytes, usable_for};
use super::{key, missing, validation};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::State;

/// The specification of the keys that sign here.
pub(super) const SPEC: &str = "ECC_NIST_P256";
/// What they are used for.
pub(super) const USAGE: &str = "SIGN_VERIFY";
/// The one algorithm of such keys.
pub(super) const ALGORITHM: &str = "ECDSA_SHA_256";
/// The longest message that KMS hashes itself, in bytes.
const LONGEST: usize = 4096;
/// What stands before the point in a public key as KMS gives it: RFC 5480's `SubjectPublicKeyInfo` of a point on P-256.
const PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// New key material, Base64 of the secret number.
pub(super) fn material() -> String {
    loop {
        let secret: [u8; 32] = rand::random();
        // Of 2^32 numbers one is none of the curve's.
        if SigningKey::from_slice(&secret).is_ok() {
            return STANDARD.encode(secret);
        }
    }
}

fn secret(key: &Value) -> Result<SigningKey, AwsError> {
    let secret = STANDARD.decode(key.text("Material").unwrap_or_default()).map_err(AwsError::internal)?;
    SigningKey::from_slice(&secret).map_err(AwsError::internal)
}

/// The key, the digest and the name of the algorithm of a request to sign or to verify.
fn asked(state: &State<'_>, request: &Request) -> Result<(Value, Vec<u8>), AwsError> {
    let key = usable_for(state, request, USAGE)?;
    let algorithm = request.input.need("SigningAlgorithm", missing)?;
    if algorithm != ALGORITHM {
        let arn = key.text("Arn").unwrap_or_default();
        let message = format!("Algorithm {algorithm} and key spec {SPEC} are incompatible with key '{arn}'.");
        return Err(AwsError::new("InvalidKeyUsageException", message));
    }
    let message = bytes(request, "Message")?;
    if message.is_empty() || message.len() > LONGEST {
        return Err(validation("Value at 'message' failed to satisfy constraint: between 1 and 4096 bytes"));
    }
    match request.input.text("MessageType").unwrap_or("RAW") {
        "RAW" => Ok((key, Sha256::digest(message).to_vec())),
        "DIGEST" if message.len() == 32 => Ok((key, message)),
        "DIGEST" => Err(validation(format!("Digest is invalid length for algorithm {ALGORITHM}."))),
        other => {
            Err(validation(format!("Value '{other}' at 'messageType' failed to satisfy constraint: RAW or DIGEST")))
        }
    }
}

pub(super) fn sign(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (key, digest) = asked(state, request)?;
    let signature: Signature = secret(&key)?.sign_prehash(&digest).map_err(AwsError::internal)?;
    let signature = STANDARD.encode(signature.to_der().as_bytes());
    Ok(json!({ "KeyId": key["Arn"], "Signature": signature, "SigningAlgorithm": ALGORITHM }))
}

pub(super) fn verify(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (key, digest) = asked(state, request)?;
    let signature = Signature::from_der(&bytes(request, "Signature")?);
    let verifies = signature.is_ok_and(|signature| {
        let public = secret(&key).map(|secret| *secret.verifying_key());
        public.is_ok_and(|public| public.verify_prehash(&digest, &signature).is_ok())
    });
    if !verifies {
        return Err(AwsError::new("KMSInvalidSignatureException", "the signature doesn't verify"));
    }
    Ok(json!({ "KeyId": key["Arn"], "SignatureValid": true, "SigningAlgorithm": ALGORITHM }))
}

pub(super) fn public_key(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let found = key(state, request, true)?;
    if found["KeyUsage"] != USAGE {
        let message = format!("{} is symmetric and has no public key.", found.text("Arn").unwrap_or_default());
        return Err(AwsError::new("UnsupportedOperationException", message));
    }
    let key = usable_for(state, request, USAGE)?;
    let point = secret(&key)?.verifying_key().to_encoded_point(false);
    let public = STANDARD.encode([&PREFIX[..], point.as_bytes()].concat());
    Ok(json!({
        "KeyId": key["Arn"], "PublicKey": public, "CustomerMasterKeySpec": SPEC, "KeySpec": SPEC, "KeyUsage": USAGE,
        "SigningAlgorithms": [ALGORITHM],
    }))
}
