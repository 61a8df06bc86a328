//! `sample`.

use std::io::Cursor;

use lakewright_config::agents::shipper::transforms::{Sample, Share};

use super::{Apply, Paths, Verdict};
use crate::event::Event;
use crate::mistake::Mistake;
use crate::outcome::Dropped;
use crate::path::Path;

/// Part of every hash, so that other uses of the same hash don't choose the same events.
const SEED: u32 = 0x6c61_6b65;

/// Keeps a share of the events. What a share keeps, every larger share keeps as well.
#[derive(Debug)]
pub struct Sampling {
    keep: Share,
    by: Option<Path>,
}

impl Sampling {
    pub fn new(settings: &Sample) -> Result<Self, Vec<Mistake>> {
        let mut paths = Paths::default();
        let by = settings.by.as_deref().map(|by| paths.one("by", by));
        let made = Self { keep: settings.keep, by: by.clone().flatten() };
        paths.finish(Some(made).filter(|_| by != Some(None)))
    }
}

/// A number below a million, evenly spread over what it is made of. It must never change: of a member, another one would
/// part events that belong together.
fn millionth(bytes: &[u8]) -> u32 {
    // Reading from memory can't fail.
    let hash = murmur3::murmur3_x64_128(&mut Cursor::new(bytes), SEED).unwrap_or_default();
    let part = (hash as u64) >> 32;
    ((part * u64::from(Share::ONE)) >> 32) as u32
}

impl Apply for Sampling {
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String> {
        let hashed = |value: &mut crate::value::Value<'_>| Some(millionth(value.scalar()?.text()?.as_bytes()));
        let of_member = self.by.as_ref().and_then(|by| event.get(by)).and_then(hashed);
        let number = of_member.unwrap_or_else(|| {
            let place = event.place();
            let mut bytes = Vec::with_capacity(place.stream.len() + 8);
            bytes.extend_from_slice(place.stream.as_bytes());
            bytes.extend_from_slice(&place.sequence.to_be_bytes());
            millionth(&bytes)
        });
        Ok(if number < self.keep.millionths() { Verdict::Go } else { Verdict::Drop(Dropped::Sample) })
    }

    fn reads(&self) -> Option<Vec<Path>> {
        Some(self.by.iter().cloned().collect())
    }
}
