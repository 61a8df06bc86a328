//! Signatures of version 4, as AWS checks them: that a request was signed by the secret of its access key, not long ago.

mod canonical;
mod chunks;
mod refusal;

use http::HeaderMap;
use http::request::Parts;
use ring::hmac;
use sha2::{Digest as _, Sha256};

use crate::protocol::query;
pub(crate) use chunks::Chain;
#[cfg(test)]
pub(crate) use chunks::example;
pub use lakewright_platform::secret::Secret;
pub(crate) use refusal::Refusal;

/// The one algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the clocks of client and account may be apart, in milliseconds.
const SKEW: i64 = 15 * 60 * 1000;
/// The longest time that a presigned URL may be good for, in seconds.
const LONGEST: i64 = 7 * 24 * 3600;
const HASH: &str = "x-amz-content-sha256";

/// What a request says of its signature.
#[derive(Debug)]
struct Claim {
    /// `DATE/REGION/SERVICE/aws4_request`.
    scope: String,
    /// `YYYYMMDDTHHMMSSZ`.
    time: String,
    /// The names of the signed headers, in order.
    headers: Vec<String>,
    /// In hexadecimal.
    signature: String,
    /// The session token.
    token: Option<String>,
    /// For how many seconds a presigned URL is good.
    expires: Option<i64>,
}

/// The body that a signature is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload<'a> {
    /// S3's, known by what the headers announce; it is held against that when it is received.
    Announced,
    /// Another service's, all of it.
    Read(&'a [u8]),
}

/// What an access key is signed with.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Its secret.
    pub secret: Secret,
    /// The session token and the end of temporary credentials, in milliseconds since the epoch.
    pub session: Option<(Secret, i64)>,
}

/// Checks that `head` and its body were signed with the key, at a time near `now`. What comes back goes on with the chunks
/// of a body that is signed piece by piece.
///
/// # Errors
/// Why the signature isn't valid.
pub(crate) fn check(head: &Parts, payload: Payload<'_>, key: &Key, now: i64) -> Result<Option<Chain>, Refusal> {
    let query = head.uri.query().unwrap_or_default();
    let claim = claim(&head.headers, query)?;
    in_time(&claim, now)?;
    session(&claim, key, now)?;
    let hash = hash(head, payload, claim.expires.is_some())?;
    let parts: Vec<&str> = claim.scope.split('/').collect();
    let [date, region, service, "aws4_request"] = parts[..] else {
        return Err(Refusal::Malformed(format!("`{}` is no credential scope", claim.scope)));
    };
    if !claim.time.starts_with(date) || !claim.headers.iter().any(|name| name == "host") {
        return Err(Refusal::Malformed("the date and the host must be signed".to_owned()));
    }
    let signing = signing_key(&key.secret, [date, region, service]);
    let is_s3 = matches!(payload, Payload::Announced);
    for path in canonical::paths(head.uri.path(), is_s3) {
        let text = to_sign(head, &claim, &path, &hash);
        if verify(&signing, &text, &claim.signature) {
            let in_chunks = hash.starts_with("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
            return Ok(in_chunks.then(|| Chain::new(signing, claim.time, claim.scope, claim.signature)));
        }
    }
    Err(Refusal::Mismatch)
}

/// What a signature is made of: the request in canonical form, its path as the client wrote it, under the time and the scope.
fn to_sign(head: &Parts, claim: &Claim, path: &str, hash: &str) -> String {
    let headers = canonical::headers(&head.headers, &claim.headers);
    let parameters = canonical::query(head.uri.query().unwrap_or_default());
    let signed = claim.headers.join(";");
    let request = format!("{}\n{path}\n{parameters}\n{headers}\n{signed}\n{hash}", head.method);
    format!("{ALGORITHM}\n{}\n{}\n{}", claim.time, claim.scope, sha256(request.as_bytes()))
}

/// Refuses what was signed long ago or will be, and a presigned URL whose time is over; by whom it was signed is not looked at.
///
/// # Errors
/// It isn't signed, or at another time.
pub(crate) fn in_its_time(head: &Parts, now: i64) -> Result<(), Refusal> {
    in_time(&claim(&head.headers, head.uri.query().unwrap_or_default())?, now)
}

/// What the `Authorization` header says, or the query of a presigned URL.
fn claim(headers: &HeaderMap, raw_query: &str) -> Result<Claim, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let malformed = |what: &str| Refusal::Malformed(format!("the signature has no {what}"));
    if let Some(header) = text("authorization") {
        let (algorithm, members) = header.split_once(' ').ok_or_else(|| malformed("algorithm"))?;
        if algorithm != ALGORITHM {
            return Err(Refusal::Malformed(format!("`{algorithm}` is not supported, only {ALGORITHM} is")));
        }
        let member = |name: &str| {
            let mut all = members.split(',').map(str::trim);
            all.find_map(|member| member.strip_prefix(name)?.strip_prefix('=')).ok_or_else(|| malformed(name))
        };
        return Ok(Claim {
            scope: scope(member("Credential")?)?,
            time: text("x-amz-date").ok_or_else(|| malformed("X-Amz-Date"))?,
            headers: names(member("SignedHeaders")?),
            signature: member("Signature")?.to_owned(),
            token: text("x-amz-security-token"),
            expires: None,
        });
    }
    let pairs = query::pairs(raw_query);
    let parameter = |name: &str| pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
    let need = |name: &str| parameter(name).ok_or_else(|| malformed(name));
    if need("X-Amz-Algorithm")? != ALGORITHM {
        return Err(Refusal::Malformed(format!("only {ALGORITHM} is supported")));
    }
    let expires = need("X-Amz-Expires")?.parse().ok().filter(|seconds| (0..=LONGEST).contains(seconds));
    Ok(Claim {
        scope: scope(&need("X-Amz-Credential")?)?,
        time: need("X-Amz-Date")?,
        headers: names(&need("X-Amz-SignedHeaders")?),
        signature: need("X-Amz-Signature")?,
        token: parameter("X-Amz-Security-Token"),
        expires: Some(expires.ok_or_else(|| malformed("X-Amz-Expires of at most a week"))?),
    })
}

/// What stands behind the access key of a credential.
fn scope(credential: &str) -> Result<String, Refusal> {
    let behind = credential.split_once('/').map(|(_, scope)| scope.to_owned());
    behind.ok_or_else(|| Refusal::Malformed("the credential has no scope".to_owned()))
}

fn names(signed: &str) -> Vec<String> {
    signed.split(';').map(str::to_ascii_lowercase).collect()
}

/// Refuses what was signed long ago or will be, and a presigned URL whose time is over.
fn in_time(claim: &Claim, now: i64) -> Result<(), Refusal> {
    let signed = chrono::NaiveDateTime::parse_from_str(&claim.time, "%Y%m%dT%H%M%SZ");
    let signed = signed.map_err(|_| Refusal::Malformed(format!("`{}` is no date of a signature", claim.time)))?;
    let signed = signed.and_utc().timestamp_millis();
    match claim.expires {
        Some(seconds) if now > signed + seconds * 1000 => Err(Refusal::Expired),
        Some(_) if signed > now + SKEW => Err(Refusal::Skewed),
        None if (signed - now).abs() > SKEW => Err(Refusal::Skewed),
        _ => Ok(()),
    }
}

/// Refuses temporary credentials without their token, or after their end, and a token where there is none.
fn session(claim: &Claim, key: &Key, now: i64) -> Result<(), Refusal> {
    match (&key.session, &claim.token) {
        (Some((_, ends)), _) if *ends <= now => Err(Refusal::SessionOver),
        (Some((token, _)), Some(given)) if token.is(given) => Ok(()),
        (None, None) => Ok(()),
        _ => Err(Refusal::Token),
    }
}

/// What the canonical request says of the body.
fn hash(head: &Parts, payload: Payload<'_>, is_presigned: bool) -> Result<String, Refusal> {
    let announced = head.headers.get(HASH).and_then(|value| value.to_str().ok());
    match (payload, announced) {
        (Payload::Announced, Some(announced)) => Ok(announced.to_owned()),
        (Payload::Announced, None) if is_presigned => Ok("UNSIGNED-PAYLOAD".to_owned()),
        (Payload::Announced, None) => Err(Refusal::Malformed(format!("the header {HASH} is missing"))),
        (Payload::Read(_), Some(announced @ "UNSIGNED-PAYLOAD")) => Ok(announced.to_owned()),
        (Payload::Read(body), announced) => {
            let own = sha256(body);
            if announced.is_some_and(|announced| announced != own) { Err(Refusal::Mismatch) } else { Ok(own) }
        }
    }
}

/// The key that a day's signatures for a region and a service are made with.
fn signing_key(secret: &Secret, scope: [&str; 3]) -> hmac::Key {
    let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", secret.exposed()).as_bytes());
    scope
        .into_iter()
        .chain(["aws4_request"])
        .fold(first, |key, part| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()))
}

/// Whether a signature in hexadecimal is the key's of a text; the time says nothing of how much of it is right.
fn verify(key: &hmac::Key, text: &str, signature: &str) -> bool {
    hex::decode(signature).is_ok_and(|signature| hmac::verify(key, text.as_bytes(), &signature).is_ok())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::made;
