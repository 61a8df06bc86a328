//! The transforms of the shipper: a closed list of what can be done to a record between its source and its sink.
//!
//! They are deterministic: what becomes of a record follows from the record, its place and its time alone, so that one that is read
//! twice is transformed alike. No input makes them panic, loop or take more than a small multiple of its size in time and memory:
//! expressions are linear and bounded in size, texts are parsed up to [`MAX_TEXT`], objects are looked into one level at a time.
//! Values that nobody looks into go on as the JSON text that they were.

mod condition;
mod event;
mod json;
mod list;
mod mistake;
mod outcome;
mod path;
mod pattern;
mod time;
mod transforms;
mod value;

pub use condition::Condition;
pub use event::{ERRORS, Event, Failure, MESSAGE, Place};
pub use list::{Transforms, mistakes};
pub use mistake::Mistake;
pub use outcome::{Dropped, Outcome};
pub use path::Path;
pub use pattern::MAX_TEXT;
pub use value::{Object, Scalar, Value};
