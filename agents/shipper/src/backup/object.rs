//! Objects while they fill: lines, compressed frame by frame.

use std::time::Instant;

use anyhow::{Context as _, Result};
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use crate::source::Place;

/// How many bytes of lines make up a frame. Frames behind each other are one stream to every reader of zstd, and a stream that is open costs
/// no compressor of its own.
pub const FRAME: usize = 512 << 10;
/// zstd's level: logs shrink to about a tenth.
const LEVEL: i32 = 1;

/// An object that is being filled.
#[derive(Debug)]
pub struct Open {
    /// The place of its first record.
    pub first: u64,
    /// The position after its last record.
    pub next: u64,
    /// The day of its first record, `YYYY-MM-DD`.
    pub day: String,
    /// Lines that aren't compressed yet.
    pub lines: Vec<u8>,
    /// Whole frames.
    pub packed: Vec<u8>,
    /// When its first record came.
    pub began: Instant,
    /// How many bytes of lines the frames hold.
    framed: u64,
}

impl Open {
    /// An object without a record, of which the first one stands there.
    pub fn new(place: &Place, day: String) -> Self {
        let (first, next) = (place.sequence, place.sequence);
        Self { first, next, day, lines: Vec::new(), packed: Vec::new(), began: Instant::now(), framed: 0 }
    }

    /// How many bytes of lines it has.
    pub fn bytes(&self) -> u64 {
        self.framed + self.lines.len() as u64
    }

    /// How many bytes it holds in memory.
    pub fn held(&self) -> usize {
        self.lines.len() + self.packed.len()
    }
}

/// Compresses frames.
pub struct Packer {
    compressor: Compressor<'static>,
    frame: Vec<u8>,
}

impl Packer {
    /// A compressor.
    ///
    /// # Errors
    /// It can't be made.
    pub fn new() -> Result<Self> {
        let mut compressor = Compressor::new(LEVEL).context("make a compressor")?;
        compressor.set_parameter(CParameter::ChecksumFlag(true)).context("make a compressor")?;
        Ok(Self { compressor, frame: Vec::new() })
    }

    /// Compresses an object's lines to a frame.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn pack(&mut self, open: &mut Open) -> Result<()> {
        if open.lines.is_empty() {
            return Ok(());
        }
        self.frame.clear();
        self.frame.reserve(compress_bound(open.lines.len()));
        self.compressor.compress_to_buffer(&open.lines, &mut self.frame).context("compress the backup")?;
        open.packed.extend_from_slice(&self.frame);
        self.frame.shrink_to(FRAME * 2);
        open.framed += open.lines.len() as u64;
        open.lines.clear();
        // One long record mustn't make the buffer large for good.
        open.lines.shrink_to(FRAME * 2);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::source::testing::{event, stream};

    #[test]
    fn frames_behind_each_other_are_read_as_one_text() {
        let place = event(&stream(), 7, b"").place;
        let (mut open, mut packer) = (Open::new(&place, "2026-01-01".to_owned()), Packer::new().expect("a compressor"));
        let mut expected = Vec::new();
        for number in 0..3 {
            let lines = format!("{{\"n\":{number}}}\n").repeat(1000);
            open.lines.extend_from_slice(lines.as_bytes());
            expected.extend_from_slice(lines.as_bytes());
            packer.pack(&mut open).expect("packed");
            packer.pack(&mut open).expect("nothing to do");
        }
        let mut text = Vec::new();
        zstd::stream::read::Decoder::new(&open.packed[..]).expect("zstd").read_to_end(&mut text).expect("whole");
        assert_eq!((text.len() as u64, open.held()), (open.bytes(), open.packed.len()));
        assert!(text == expected && open.packed.len() < 1000);
    }
}
