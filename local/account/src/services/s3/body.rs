//! Request bodies: plain or `aws-chunked`, read into memory or onto disk, checked against what the client announced.

use super::blobs::{self, Blob};
use super::call::Call;
use super::checksums::{self, Algorithm, Checksum, Hasher};
use super::errors;
use crate::bodies::{self, Fault};
use crate::error::AwsError;
use crate::signature::{Chain, Refusal};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt;

/// The longest XML or JSON document.
pub(super) const MAX_SMALL: usize = 4 << 20;
/// The longest body of one request.
const MAX_OBJECT: u64 = 5 << 30;

/// The state of `aws-chunked` decoding.
enum Place {
    Size,
    Data(usize),
    AfterData,
    Trailers,
    End,
}

/// What the chunks of a body are signed with, and the one in hand.
struct Signed {
    chain: Chain,
    hasher: Sha256,
    given: String,
    /// Whether the trailing headers were signed too.
    sealed: bool,
}

impl Signed {
    /// Judges the chunk that is complete.
    fn chunk(&mut self) -> Result<(), AwsError> {
        let hash = hex::encode(self.hasher.finalize_reset());
        let is_valid = self.chain.takes_chunk(&hash, &self.given);
        if is_valid { Ok(()) } else { Err(Refusal::Mismatch.error(None)) }
    }

    /// Judges the trailing headers.
    fn trailers(&mut self, trailers: &[(String, String)], given: &str) -> Result<(), AwsError> {
        let text: String = trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        self.sealed = self.chain.takes_trailer(&text, given);
        if self.sealed { Ok(()) } else { Err(Refusal::Mismatch.error(None)) }
    }
}

/// Takes the framing off an `aws-chunked` body.
struct Chunked {
    waiting: BytesMut,
    place: Place,
    trailers: Vec<(String, String)>,
    signed: Option<Signed>,
}

impl Chunked {
    fn new(chain: Option<Chain>) -> Self {
        let signed = chain.map(|chain| Signed { chain, hasher: Sha256::new(), given: String::new(), sealed: false });
        Self { waiting: BytesMut::new(), place: Place::Size, trailers: Vec::new(), signed }
    }

    /// Takes bytes in and returns what they hold of the object.
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<Bytes>, AwsError> {
        let broken = || errors::because("InvalidRequest", "the chunks of the body are malformed");
        self.waiting.extend_from_slice(bytes);
        let mut data = Vec::new();
        loop {
            match self.place {
                Place::Data(left) => {
                    if self.waiting.is_empty() {
                        return Ok(data);
                    }
                    let taken = self.waiting.split_to(left.min(self.waiting.len())).freeze();
                    if let Some(signed) = &mut self.signed {
                        signed.hasher.update(&taken);
                        if taken.len() == left {
                            signed.chunk()?;
                        }
                    }
                    self.place = if taken.len() == left { Place::AfterData } else { Place::Data(left - taken.len()) };
                    data.push(taken);
                }
                Place::AfterData => {
                    if self.waiting.len() < 2 {
                        return Ok(data);
                    }
                    if &self.waiting[..2] != b"\r\n" {
                        return Err(broken());
                    }
                    self.waiting.advance(2);
                    self.place = Place::Size;
                }
                Place::End => return Ok(data),
                Place::Size | Place::Trailers => {
                    let Some(end) = self.waiting.windows(2).position(|pair| pair == b"\r\n") else {
                        return if self.waiting.len() > 16_384 { Err(broken()) } else { Ok(data) };
                    };
                    let line = self.waiting.split_to(end);
                    self.waiting.advance(2);
                    let line = std::str::from_utf8(&line).map_err(|_| broken())?.to_owned();
                    if matches!(self.place, Place::Size) {
                        let (size, more) = line.split_once(';').unwrap_or((line.as_str(), ""));
                        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| broken())?;
                        if let Some(signed) = &mut self.signed {
                            more.trim()
                                .strip_prefix("chunk-signature=")
                                .ok_or_else(broken)?
                                .clone_into(&mut signed.given);
                            if size == 0 {
                                signed.chunk()?;
                            }
                        }
                        self.place = if size == 0 { Place::Trailers } else { Place::Data(size) };
                    } else if line.is_empty() {
                        self.place = Place::End;
                    } else if let (Some(signed), Some(given)) =
                        (&mut self.signed, line.strip_prefix("x-amz-trailer-signature:"))
                    {
                        signed.trailers(&self.trailers, given.trim())?;
                    } else if let Some((name, value)) = line.split_once(':') {
                        self.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                    }
                }
            }
        }
    }

    /// Whether the last chunk came, and the signature of trailing headers where chunks are signed. Clients may leave out
    /// the empty line after it.
    fn complete(&self) -> bool {
        let is_signed = self.signed.as_ref().is_none_or(|signed| signed.sealed || self.trailers.is_empty());
        matches!(self.place, Place::Trailers | Place::End) && is_signed
    }
}

/// What came with a body, and the checks on it.
struct Checks {
    md5: Md5,
    sha256: Option<(Sha256, String)>,
    hasher: Hasher,
    announced: Option<(Algorithm, Option<String>)>,
    size: u64,
}

impl Checks {
    fn new(call: &Call) -> Result<Self, AwsError> {
        let announced = checksums::announced(call)?;
        let algorithm = announced.as_ref().map_or(Algorithm::Crc64, |(algorithm, _)| *algorithm);
        let sha256 = call.header("x-amz-content-sha256").filter(|value| value.len() == 64);
        Ok(Self {
            md5: Md5::new(),
            sha256: sha256.map(|value| (Sha256::new(), value.to_ascii_lowercase())),
            hasher: Hasher::new(algorithm),
            announced,
            size: 0,
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.md5.update(bytes);
        self.hasher.update(bytes);
        if let Some((hasher, _)) = &mut self.sha256 {
            hasher.update(bytes);
        }
    }

    fn finish(self, call: &Call, trailers: &[(String, String)]) -> Result<(String, Checksum), AwsError> {
        let md5: [u8; 16] = self.md5.finalize().into();
        if let Some(given) = call.header("content-md5") {
            let given = STANDARD.decode(given).ok().filter(|bytes| bytes.len() == 16);
            if given.ok_or_else(|| errors::error("InvalidDigest"))? != md5 {
                return Err(errors::error("BadDigest"));
            }
        }
        if let Some((hasher, given)) = self.sha256
            && hex::encode(hasher.finalize()) != given
        {
            return Err(errors::error("XAmzContentSHA256Mismatch"));
        }
        let checksum = self.hasher.finish();
        if let Some((algorithm, value)) = self.announced {
            let name = algorithm.header();
            let value =
                value.or_else(|| trailers.iter().find(|(given, _)| *given == name).map(|(_, text)| text.clone()));
            if value.is_some_and(|value| value != checksum.value) {
                return Err(errors::because(
                    "BadDigest",
                    format!("the {} you sent does not match what was received", algorithm.name()),
                ));
            }
        }
        Ok((hex::encode(md5), checksum))
    }
}

/// An object's bytes, received and checked.
pub(super) struct Received {
    pub blob: Blob,
    /// MD5 in hexadecimal.
    pub md5: String,
    pub checksum: Checksum,
}

fn chunked(call: &Call) -> bool {
    call.header("content-encoding").is_some_and(|encoding| encoding.contains("aws-chunked"))
        || call.header("x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-"))
}

/// Receives a body into a file.
pub(super) async fn to_disk(call: &Call, body: Body) -> Result<Received, AwsError> {
    let file = blobs::name();
    let path = blobs::place(&call.account, &file).map_err(|error| errors::disk(&error))?;
    match receive(call, body, &path).await {
        Ok((size, md5, checksum)) => Ok(Received { blob: Blob { file, size }, md5, checksum }),
        Err(error) => {
            blobs::discard(&call.account, &[Blob { file, size: 0 }]);
            Err(error)
        }
    }
}

async fn receive(call: &Call, body: Body, path: &std::path::Path) -> Result<(u64, String, Checksum), AwsError> {
    let expected = match call.header("x-amz-decoded-content-length").filter(|_| chunked(call)) {
        Some(text) => text.parse::<u64>().ok(),
        None if chunked(call) => None,
        None => call.header("content-length").and_then(|text| text.parse().ok()),
    };
    if expected.is_none() && call.header("transfer-encoding").is_none() && call.header("content-length").is_none() {
        return Err(errors::error("MissingContentLength"));
    }
    if expected.is_some_and(|size| size > MAX_OBJECT) {
        return Err(errors::error("EntityTooLarge"));
    }
    let disk = |error: std::io::Error| errors::disk(&error);
    let file = tokio::fs::File::create(path).await.map_err(disk)?;
    let mut out = tokio::io::BufWriter::with_capacity(1 << 20, file);
    let mut checks = Checks::new(call)?;
    let mut frames = chunked(call).then(|| Chunked::new(call.chain.clone()));
    let mut stream = body.into_data_stream();
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.map_err(|_| errors::error("IncompleteBody"))?;
        match &mut frames {
            None => {
                checks.update(&bytes);
                out.write_all(&bytes).await.map_err(disk)?;
            }
            Some(frames) => {
                for bytes in frames.push(&bytes)? {
                    checks.update(&bytes);
                    out.write_all(&bytes).await.map_err(disk)?;
                }
            }
        }
    }
    if expected.is_some_and(|size| size != checks.size) || frames.as_ref().is_some_and(|frames| !frames.complete()) {
        return Err(errors::error("IncompleteBody"));
    }
    out.flush().await.map_err(disk)?;
    let file = out.into_inner().into_std().await;
    let (account, path) = (call.account.clone(), path.to_owned());
    let durable = move || account.disk.sync(&file).and_then(|()| blobs::settle(&account, &path));
    tokio::task::spawn_blocking(durable).await.map_err(AwsError::internal)?.map_err(disk)?;
    let size = checks.size;
    let trailers = frames.map(|frames| frames.trailers).unwrap_or_default();
    let (md5, checksum) = checks.finish(call, &trailers)?;
    Ok((size, md5, checksum))
}

/// Receives a document into memory.
pub(super) async fn small(call: &Call, body: Body) -> Result<Bytes, AwsError> {
    let bytes = bodies::whole(body, MAX_SMALL).await.map_err(|fault| match &fault {
        Fault::TooLong(_) => errors::because("MaxMessageLengthExceeded", fault.to_string()),
        Fault::Broken(_) => errors::because("IncompleteBody", fault.to_string()),
    })?;
    let mut checks = Checks::new(call)?;
    if !chunked(call) {
        checks.update(&bytes);
        checks.finish(call, &[])?;
        return Ok(bytes);
    }
    let mut frames = Chunked::new(call.chain.clone());
    let mut out = BytesMut::new();
    for part in frames.push(&bytes)? {
        checks.update(&part);
        out.extend_from_slice(&part);
    }
    if !frames.complete() {
        return Err(errors::error("IncompleteBody"));
    }
    checks.finish(call, &frames.trailers)?;
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_may_be_cut_anywhere() {
        let body = b"5;chunk-signature=ab\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
        for cut in 0..body.len() {
            let mut frames = Chunked::new(None);
            let mut out = frames.push(&body[..cut]).unwrap();
            out.extend(frames.push(&body[cut..]).unwrap());
            assert_eq!(out.concat(), b"hello world");
            assert!(frames.complete());
            assert_eq!(frames.trailers, [("x-amz-checksum-crc32".to_owned(), "DUoRhQ==".to_owned())]);
        }
    }

    #[test]
    fn signed_chunks_are_held_against_their_signatures() {
        let (chain, chunks) = crate::signature::example();
        let body: Vec<u8> = chunks
            .iter()
            .flat_map(|(length, signature)| {
                let data = "a".repeat(*length);
                format!("{length:x};chunk-signature={signature}\r\n{data}\r\n").into_bytes()
            })
            .collect();
        for cut in [0, 10, 100, 65_700, body.len()] {
            let mut frames = Chunked::new(Some(chain.clone()));
            let mut size: usize = frames.push(&body[..cut]).unwrap().iter().map(Bytes::len).sum();
            size += frames.push(&body[cut..]).unwrap().iter().map(Bytes::len).sum::<usize>();
            assert_eq!((size, frames.complete()), (66_560, true), "{cut}");
        }
        for (at, what) in [(200, "a byte"), (70_000.min(body.len() - 20), "a signature")] {
            let mut other = body.clone();
            other[at] ^= 1;
            assert!(Chunked::new(Some(chain.clone())).push(&other).is_err(), "{what} is another");
        }
        let bare = b"5\r\nhello\r\n0\r\n\r\n";
        assert!(Chunked::new(Some(chain)).push(bare).is_err(), "no signature");
    }
}
