//! A function's code: a zip, held against what Lambda takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::invalid;
use crate::error::AwsError;
use crate::fields::Fields;

/// The most bytes of a zip that comes with the call.
const LARGEST: usize = 50 << 20;
/// The end record of a zip, and its length without a comment.
const END: &[u8] = b"PK\x05\x06";
const END_LENGTH: usize = 22;

/// What is kept of a function's code.
#[derive(Debug, Clone)]
pub(super) struct Code {
    /// SHA-256 in base64.
    pub(super) sha256: String,
    /// The zip's length.
    pub(super) size: usize,
}

/// Reads the zip in a member `ZipFile`.
pub(super) fn read(input: &Value) -> Result<Code, AwsError> {
    for place in ["S3Bucket", "S3Key", "ImageUri"] {
        if input.member(place).is_some() {
            return Err(AwsError::new(
                "NotImplemented",
                format!("the local account takes code by ZipFile, not by {place}"),
            )
            .status(501));
        }
    }
    let text = input.text("ZipFile").ok_or_else(|| invalid("Please provide a source for function code."))?;
    let zip = STANDARD
        .decode(text)
        .map_err(|error| AwsError::new("SerializationException", format!("ZipFile is no base64: {error}")))?;
    if zip.len() > LARGEST {
        let message = format!("Request must be smaller than {LARGEST} bytes for the CreateFunction operation");
        return Err(AwsError::new("RequestEntityTooLargeException", message).status(413));
    }
    if entries(&zip).is_none_or(|entries| entries == 0) {
        return Err(invalid("Could not unzip uploaded file. Please check your file, then try to upload again."));
    }
    Ok(Code { sha256: STANDARD.encode(Sha256::digest(&zip)), size: zip.len() })
}

/// How many entries the zip's directory has; none if the directory isn't where the end record says.
fn entries(zip: &[u8]) -> Option<usize> {
    let last = zip.len().checked_sub(END_LENGTH)?;
    // A comment of at most 65,535 bytes may follow.
    let start = (last.saturating_sub(0xFFFF)..=last).rev().find(|at| zip[*at..].starts_with(END))?;
    let number = |at: usize, width: usize| -> Option<usize> {
        let bytes = zip.get(start + at..start + at + width)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    let (count, size, offset) = (number(10, 2)?, number(12, 4)?, number(16, 4)?);
    let mut at = offset;
    for _ in 0..count {
        if !zip.get(at..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let length = |within: usize| {
            Some(usize::from(u16::from_le_bytes(zip.get(at + within..at + within + 2)?.try_into().ok()?)))
        };
        at += 46 + length(28)? + length(30)? + length(32)?;
    }
    (at == offset + size && at <= start).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_zip_is_refused() {
        assert_eq!(entries(b""), None);
        assert_eq!(entries(b"def handler(): pass"), None);
        let empty = [END, &[0; 18][..]].concat();
        assert_eq!(entries(&empty), Some(0));
        let mut lies = empty.clone();
        lies[10] = 1;
        assert_eq!(entries(&lies), None);
    }
}
