//! Records from log files and from the systemd journal, each with its place, and checkpoints that move only when records are taken.
//!
//! Nothing here waits for anything but the disk: a caller polls, hands records on, says what was taken, and saves. A record's place
//! follows from the file or the journal alone, so that what is read twice has the same place twice.

mod carrier;
mod content;
mod durable;
mod files;
mod fingerprint;
mod frame;
mod identify;
pub mod journal;
mod notice;
mod record;
mod scan;
mod settings;
mod stream;
mod turn;

pub use files::Files;
pub use notice::{Counts, Notice};
pub use record::{Moment, Piece, Record};
pub use settings::{Framing, LEAST_RECORD, Settings, pattern};
