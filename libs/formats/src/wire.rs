//! What stands before the data in a message: which schema wrote it.

use std::borrow::Cow;
use std::fmt;
use std::io::Read as _;

use flate2::read::ZlibDecoder;
use uuid::Uuid;

use crate::reject::Reject;

/// A schema's id in its registry. What an id stands for never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaId {
    /// Of a registry of Confluent's kind.
    Confluent(u32),
    /// A schema version of AWS Glue.
    Glue(Uuid),
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confluent(id) => write!(f, "schema {id}"),
            Self::Glue(id) => write!(f, "schema version {id}"),
        }
    }
}

/// The most that a compressed message may become, in bytes.
const MAX_INFLATED: u64 = 64 << 20;

/// The largest id that a registry of Confluent's kind gives: its ids are signed numbers of 32 bits.
const LARGEST_ID: u32 = i32::MAX.unsigned_abs();

/// Takes Confluent's header off: a zero byte and the id as four bytes, big-endian.
///
/// # Errors
/// The header is another, or the id is one that no registry gives.
pub fn confluent(message: &[u8]) -> Result<(SchemaId, &[u8]), Reject> {
    match message {
        [0, a, b, c, d, data @ ..] => match u32::from_be_bytes([*a, *b, *c, *d]) {
            id @ ..=LARGEST_ID => Ok((SchemaId::Confluent(id), data)),
            id => Err(Reject::header(format!(
                "{id} is no schema's id, of which the largest is {LARGEST_ID}: was the message written by a serializer of a schema registry?"
            ))),
        },
        [0, ..] => Err(Reject::header(format!(
            "{} bytes are too few for a schema's id: five stand before the data",
            message.len()
        ))),
        _ => Err(Reject::header(format!(
            "the message begins with {}, not with the byte 0 of Confluent's wire format: was it written by a serializer of a schema registry?",
            first(message)
        ))),
    }
}

/// The record's header in which Confluent's serializers put a schema's GUID when they are set so; nothing stands before the data then.
pub const SCHEMA_HEADER: &str = "__value_schema_id";

/// Why a record with a [`SCHEMA_HEADER`] isn't read: its data has no header of its own, and what stands there isn't an id.
pub fn named_beside() -> Reject {
    Reject::header(format!(
        "the record's header `{SCHEMA_HEADER}` names its schema, which isn't read; let the producer write the id before the data, \
         as its serializer does without `value.schema.id.serializer`"
    ))
}

/// Takes AWS Glue's header off: the version 3, how the data is compressed (0 not, 5 by zlib), the schema version's UUID.
///
/// # Errors
/// The header is another, or the data isn't compressed as it says, or is longer than 64 MiB.
pub fn glue(message: &[u8]) -> Result<(SchemaId, Cow<'_, [u8]>), Reject> {
    let [3, compression, rest @ ..] = message else {
        return Err(Reject::header(format!(
            "the message begins with {}, not with the bytes 3 and 0 or 5 of Glue's wire format: was it written by a serializer of Glue's schema registry?",
            first(message)
        )));
    };
    let Some((id, data)) = rest.split_first_chunk::<16>() else {
        return Err(Reject::header(format!(
            "{} bytes are too few for a schema version: 18 stand before the data",
            message.len()
        )));
    };
    let data = match compression {
        0 => Cow::Borrowed(data),
        5 => Cow::Owned(inflated(data)?),
        other => return Err(Reject::header(format!("the compression {other} of Glue's wire format is unknown"))),
    };
    Ok((SchemaId::Glue(Uuid::from_bytes(*id)), data))
}

fn inflated(data: &[u8]) -> Result<Vec<u8>, Reject> {
    let mut out = Vec::new();
    let mut decoder = ZlibDecoder::new(data).take(MAX_INFLATED + 1);
    decoder.read_to_end(&mut out).map_err(|error| Reject::header(format!("the data isn't zlib's: {error}")))?;
    if out.len() as u64 > MAX_INFLATED {
        return Err(Reject::unsupported("the message is longer than 64 MiB without its compression"));
    }
    Ok(out)
}

fn first(message: &[u8]) -> String {
    message.first().map_or_else(|| "nothing".to_owned(), |byte| format!("the byte {byte}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn headers_are_taken_off() {
        let (id, data) = confluent(&[0, 0, 1, 2, 3, 7, 8]).expect("a header");
        assert_eq!((id, data), (SchemaId::Confluent(66_051), &[7, 8][..]));
        let largest = (SchemaId::Confluent(2_147_483_647), &[][..]);
        assert_eq!(confluent(&[0, 0x7f, 0xff, 0xff, 0xff]), Ok(largest));
        let uuid = Uuid::from_u128(0xb7b4_a7f0_9c96_4e4a_a687_fb5d_e9ef_0c63);
        let plain = [&[3, 0], &uuid.as_bytes()[..], &[7, 8]].concat();
        assert_eq!(glue(&plain).expect("a header"), (SchemaId::Glue(uuid), Cow::Borrowed(&[7, 8][..])));
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&[7; 1000]).expect("written");
        let packed = [&[3, 5], &uuid.as_bytes()[..], &encoder.finish().expect("compressed")].concat();
        assert_eq!(glue(&packed).expect("a header").1, vec![7; 1000]);
        assert!(glue(&packed[..packed.len() - 5]).expect_err("cut off").to_string().contains("isn't zlib's"));
    }

    #[test]
    fn other_headers_are_refused() {
        for (message, reason) in [
            (&b""[..], "begins with nothing"),
            (b"{\"a\":1}", "begins with the byte 123"),
            (&[0, 0, 0, 1], "4 bytes are too few"),
            (&[0, 0x80, 0, 0, 0, 1], "2147483648 is no schema's id"),
            (&[0, 0xff, 0xff, 0xff, 0xff, 1], "4294967295 is no schema's id"),
        ] {
            assert!(confluent(message).expect_err("refused").to_string().contains(reason), "{reason}");
        }
        for (message, reason) in [
            (&[0, 0, 0, 0, 1, 2][..], "begins with the byte 0"),
            (&[3], "begins with the byte 3"),
            (&[3, 0, 1], "3 bytes are too few"),
            (&[&[3, 9][..], &[0; 16]].concat(), "compression 9"),
        ] {
            assert!(glue(message).expect_err("refused").to_string().contains(reason), "{reason}");
        }
    }

    #[test]
    fn a_small_message_does_not_become_a_large_one() {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..65 {
            encoder.write_all(&vec![0; 1 << 20]).expect("written");
        }
        let packed = [&[3, 5][..], &[0; 16], &encoder.finish().expect("compressed")].concat();
        assert!(packed.len() < 1 << 20);
        assert!(glue(&packed).expect_err("too long").to_string().contains("longer than 64 MiB"));
    }
}
