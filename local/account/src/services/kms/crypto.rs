//! Encryption with a key. It keeps secrets apart by key and context, as clients rely on; it guards nothing against
//! somebody who reads this account's folder, where the keys lie too.

use super::{KEYS, invalid_state, key, missing, validation};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A key that may be used for encryption.
fn usable(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    usable_for(state, request, "ENCRYPT_DECRYPT")
}

/// A key that may be used, and was made for such a use.
pub(super) fn usable_for(state: &State<'_>, request: &Request, usage: &str) -> Result<Value, AwsError> {
    let key = check(key(state, request, true)?)?;
    if key["KeyUsage"] == usage {
        return Ok(key);
    }
    let (arn, of) = (key.text("Arn").unwrap_or_default(), key.text("KeyUsage").unwrap_or_default());
    let message = format!("{arn} key usage is {of} which is not valid for {}.", request.operation);
    Err(AwsError::new("InvalidKeyUsageException", message))
}

fn check(key: Value) -> Result<Value, AwsError> {
    match key.text("KeyState") {
        Some("Enabled") => Ok(key),
        Some("PendingDeletion") => Err(invalid_state(&key, "pending deletion")),
        _ => Err(AwsError::new("DisabledException", format!("{} is disabled.", key.text("Arn").unwrap_or_default()))),
    }
}

pub(super) fn bytes(request: &Request, member: &str) -> Result<Vec<u8>, AwsError> {
    let text = request.input.need(member, missing)?;
    STANDARD.decode(text).map_err(|_| AwsError::new("SerializationException", format!("{member} is not Base64")))
}

/// The encryption context in one canonical text.
fn context(request: &Request) -> String {
    let mut pairs: Vec<String> = request
        .input
        .member("EncryptionContext")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.sort();
    pairs.join("\n")
}

/// `data` combined with a stream of bytes that only this key, context and nonce make.
fn mix(key: &Value, context: &str, nonce: &[u8], data: &[u8]) -> Vec<u8> {
    let material = key.text("Material").unwrap_or_default();
    let block = |index: usize| {
        let mut hasher = Sha256::new();
        hasher.update(material);
        hasher.update(context);
        hasher.update(nonce);
        hasher.update(index.to_be_bytes());
        hasher.finalize()
    };
    let chunks = data.chunks(32).enumerate();
    chunks
        .flat_map(|(index, chunk)| chunk.iter().zip(block(index)).map(|(byte, mask)| byte ^ mask).collect::<Vec<_>>())
        .collect()
}

fn tag(key: &Value, context: &str, nonce: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(key.text("Material").unwrap_or_default());
    hasher.update(b"tag");
    hasher.update(context);
    hasher.update(nonce);
    hasher.update(plain);
    hasher.finalize().to_vec()
}

/// Key id (36 bytes at most, with its length), nonce, check sum, cipher text.
fn seal(key: &Value, context: &str, plain: &[u8]) -> String {
    let nonce: [u8; 16] = rand::random();
    let id = key.text("KeyId").unwrap_or_default().as_bytes();
    let mut out = vec![id.len() as u8];
    out.extend_from_slice(id);
    out.extend_from_slice(&nonce);
    out.extend(tag(key, context, &nonce, plain));
    out.extend(mix(key, context, &nonce, plain));
    STANDARD.encode(out)
}

pub(super) fn encrypt(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let key = usable(state, request)?;
    let plain = bytes(request, "Plaintext")?;
    if plain.is_empty() || plain.len() > 4096 {
        return Err(validation("Value at 'plaintext' failed to satisfy constraint: between 1 and 4096 bytes"));
    }
    let sealed = seal(&key, &context(request), &plain);
    Ok(json!({ "CiphertextBlob": sealed, "KeyId": key["Arn"], "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }))
}

/// The id of the key that encrypted what a request brings.
pub(crate) fn key_of(input: &Value) -> Option<String> {
    let sealed = STANDARD.decode(input.text("CiphertextBlob")?).ok()?;
    let length = usize::from(*sealed.first()?);
    std::str::from_utf8(sealed.get(1..1 + length)?).ok().map(str::to_owned)
}

pub(super) fn decrypt(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let sealed = bytes(request, "CiphertextBlob")?;
    let invalid = || AwsError::new("InvalidCiphertextException", "the cipher text cannot be decrypted");
    let length = usize::from(*sealed.first().ok_or_else(invalid)?);
    let id = sealed.get(1..1 + length).and_then(|id| std::str::from_utf8(id).ok()).ok_or_else(invalid)?;
    let rest = sealed.get(1 + length..).filter(|rest| rest.len() >= 48).ok_or_else(invalid)?;
    let found = check(state.get(KEYS, id).cloned().ok_or_else(invalid)?)?;
    if request.input.member("KeyId").is_some() && key(state, request, true)?["KeyId"] != found["KeyId"] {
        return Err(AwsError::new(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        ));
    }
    let (nonce, rest) = rest.split_at(16);
    let (check, data) = rest.split_at(32);
    let context = context(request);
    let plain = mix(&found, &context, nonce, data);
    if tag(&found, &context, nonce, &plain) != check {
        return Err(invalid());
    }
    Ok(
        json!({ "Plaintext": STANDARD.encode(plain), "KeyId": found["Arn"], "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }),
    )
}

pub(super) fn data_key(state: &mut State<'_>, request: &Request, plain: bool) -> Result<Value, AwsError> {
    let key = usable(state, request)?;
    let length = match (request.input.text("KeySpec"), request.input.number("NumberOfBytes")) {
        (Some("AES_256"), None) => 32,
        (Some("AES_128"), None) => 16,
        (None, Some(length)) if (1..=1024).contains(&length) => length as usize,
        _ => return Err(validation("Please specify either number of bytes or key spec.")),
    };
    let bytes: Vec<u8> = (0..length).map(|_| rand::random()).collect();
    let mut out = json!({ "CiphertextBlob": seal(&key, &context(request), &bytes), "KeyId": key["Arn"] });
    if plain {
        out["Plaintext"] = json!(STANDARD.encode(&bytes));
    }
    Ok(out)
}
