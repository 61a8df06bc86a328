//! The checksums that clients send and S3 keeps.

use super::call::Call;
use super::errors;
use crate::error::AwsError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Which checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    #[serde(rename = "CRC32")]
    Crc32,
    #[serde(rename = "CRC32C")]
    Crc32c,
    #[serde(rename = "CRC64NVME")]
    Crc64,
    #[serde(rename = "SHA256")]
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 4] = [Self::Crc32, Self::Crc32c, Self::Crc64, Self::Sha256];

    /// The name in headers' values.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64 => "CRC64NVME",
            Self::Sha256 => "SHA256",
        }
    }

    /// The algorithm of that name.
    pub fn named(name: &str) -> Result<Self, AwsError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| errors::because("InvalidRequest", format!("the checksum algorithm {name} is not supported")))
    }

    /// The header that carries the checksum.
    pub fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }

    /// The XML element that carries the checksum.
    pub fn element(self) -> String {
        format!("Checksum{}", self.name())
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64 => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha256 => None,
        }
    }

    fn encode(self, crc: u64) -> String {
        match self {
            Self::Crc64 => STANDARD.encode(crc.to_be_bytes()),
            _ => STANDARD.encode((crc as u32).to_be_bytes()),
        }
    }
}

/// A checksum as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Checksum {
    pub algorithm: Algorithm,
    /// Base64; with `-PARTS` when it is made of the parts' checksums.
    pub value: String,
}

impl Checksum {
    /// `COMPOSITE` or `FULL_OBJECT`.
    pub fn kind(&self) -> &'static str {
        if self.value.contains('-') { "COMPOSITE" } else { "FULL_OBJECT" }
    }
}

/// A checksum being computed.
pub(super) enum Hasher {
    Crc(Algorithm, Box<crc_fast::Digest>),
    Sha256(Sha256),
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm.crc() {
            Some(crc) => Self::Crc(algorithm, Box::new(crc_fast::Digest::new(crc))),
            None => Self::Sha256(Sha256::new()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    pub fn finish(self) -> Checksum {
        match self {
            Self::Crc(algorithm, digest) => Checksum { algorithm, value: algorithm.encode(digest.finalize()) },
            Self::Sha256(digest) => {
                Checksum { algorithm: Algorithm::Sha256, value: STANDARD.encode(digest.finalize()) }
            }
        }
    }
}

/// The checksum that the request announces, in a header or as a trailer; its value when it stands in a header.
pub(super) fn announced(call: &Call) -> Result<Option<(Algorithm, Option<String>)>, AwsError> {
    for algorithm in Algorithm::ALL {
        if let Some(value) = call.header(&algorithm.header()) {
            return Ok(Some((algorithm, Some(value.to_owned()))));
        }
    }
    let trailer = call.header("x-amz-trailer").unwrap_or_default().to_ascii_lowercase();
    if let Some(name) = trailer.split(',').find_map(|name| name.trim().strip_prefix("x-amz-checksum-")) {
        return Ok(Some((Algorithm::named(name)?, None)));
    }
    match call.header("x-amz-sdk-checksum-algorithm").or_else(|| call.header("x-amz-checksum-algorithm")) {
        Some(name) => Ok(Some((Algorithm::named(name)?, None))),
        None => Ok(None),
    }
}

/// The checksum of an object of several parts: of the whole when `whole`, else of the parts' checksums.
pub(super) fn of_parts(algorithm: Algorithm, parts: &[(Checksum, u64)], whole: bool) -> Option<Checksum> {
    let raw = |checksum: &Checksum| STANDARD.decode(&checksum.value).ok();
    if let (true, Some(crc)) = (whole, algorithm.crc()) {
        let mut total = None;
        for (checksum, size) in parts {
            let value = raw(checksum)?.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            total = Some(total.map_or(value, |before| crc_fast::checksum_combine(crc, before, value, *size)));
        }
        return Some(Checksum { algorithm, value: algorithm.encode(total?) });
    }
    let mut hasher = Hasher::new(algorithm);
    for (checksum, _) in parts {
        hasher.update(&raw(checksum)?);
    }
    let checksum = hasher.finish();
    Some(Checksum { algorithm, value: format!("{}-{}", checksum.value, parts.len()) })
}
