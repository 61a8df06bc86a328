//! Formats of messages: from the bytes of a Kafka record to JSON text that says the same exactly.
//!
//! The text is canonical, so that one reader of JSON serves all formats:
//!
//! | value | text |
//! |---|---|
//! | int, long | all digits |
//! | float, double | the shortest text that reads back as the same double; NaN and infinities are refused |
//! | decimal | a number with as many decimal places as its scale; up to 38 of them |
//! | date | `"YYYY-MM-DD"`, years 0 to 9999 |
//! | time | `"HH:MM:SS.ffffff"` |
//! | timestamp | `"YYYY-MM-DDTHH:MM:SS.ffffffZ"`, without `Z` for local timestamps; nine digits for nanoseconds |
//! | uuid | 8-4-4-4-12 lower-case digits |
//! | bytes, fixed | Base64 |
//! | record, map | an object, members in the writer's order |
//! | union | the value of its branch alone: it doesn't say which branch that is |
//!
//! A union of branches whose texts look the same, as of `bytes` and `string`, or of two records, therefore can't be distinguished
//! by its reader; `float` is written as the double that it is, not as the shortest text of a float.
//!
//! A value that has no text (NaN, a duration, a date beyond the years) makes a message unreadable where it is [`Taken`]. Elsewhere it
//! stands as what it is in the bytes: `"NaN"`, `"Infinity"`, `"-Infinity"`, a time's number, Base64 of a decimal or a duration.

mod calendar;
mod compat;
mod cursor;
mod debezium;
mod decimal;
mod decoder;
pub mod json;
mod members;
pub mod registry;
mod reject;
mod schema;
mod taken;
mod text;
mod transcode;
pub mod wire;

pub use compat::{Mismatch, MismatchKind, mismatches};
pub use debezium::{MEMBERS, Skipped};
pub use decoder::{Decoded, Decoder, Failure, Wire};
pub use members::{Member, NoMembers};
pub use reject::{Cause, Reject};
pub use schema::Schema;
pub use taken::Taken;
pub use transcode::{MAX_DEPTH, transcode};
pub use wire::SchemaId;
