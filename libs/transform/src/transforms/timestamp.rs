//! `timestamp`.

use std::borrow::Cow;

use lakewright_config::agents::shipper::transforms::Timestamp;

use super::{Apply, Paths, Verdict};
use crate::event::Event;
use crate::mistake::Mistake;
use crate::path::Path;
use crate::time::{Format, Zone, is_plain, rfc3339};
use crate::value::{Scalar, Value};

/// Reads the event's time.
#[derive(Debug)]
pub struct Timing {
    field: Path,
    into: Option<Path>,
    formats: Vec<Format>,
    zone: Zone,
}

impl Timing {
    pub fn new(settings: &Timestamp) -> Result<Self, Vec<Mistake>> {
        let mut paths = Paths::default();
        let field = paths.one("field", &settings.field);
        let into = settings.into.as_deref().and_then(|into| paths.one("into", into));
        let zone = Zone::parse(settings.timezone.as_deref()).map_err(|mistake| paths.push(mistake)).unwrap_or_default();
        let mut formats = Vec::new();
        for word in &settings.formats {
            match Format::parse(word) {
                Ok(format) => formats.push(format),
                Err(mistake) => paths.push(mistake.item(word)),
            }
        }
        if settings.formats.is_empty() {
            paths.push(Mistake::new("formats", "no format is tried", "name one, as `rfc3339`, or leave the line out"));
        }
        paths.finish(field.map(|field| Self { field, into, formats, zone }))
    }
}

impl Apply for Timing {
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String> {
        let arrived = event.arrived();
        let Some(value) = event.get(&self.field) else { return Ok(Verdict::Go) };
        let text = match value.scalar() {
            Some(Scalar::Null) => return Ok(Verdict::Go),
            Some(Scalar::Text(text) | Scalar::Number(text)) => text,
            _ => return Err(format!("`{}` is {}, no time", self.field, value.kind())),
        };
        let read = |format| Format::read(format, text.trim(), self.zone, arrived).map(|time| (time, format));
        let Some((time, format)) = self.formats.iter().find_map(read) else {
            let shown: String = text.chars().take(60).collect();
            return Err(format!("`{}` is no time as it is declared: {shown:?}", self.field));
        };
        // A pattern may read `Z` as any letter.
        if matches!(format, Format::Rfc3339 | Format::Iso) && is_plain(&text) {
            let written = self.into.as_ref().map(|into| (into, text.into_owned()));
            if let Some((into, written)) = written {
                event.set(into, Value::Text(Cow::Owned(written)))?;
            }
        } else {
            drop(text);
            event.set(self.into.as_ref().unwrap_or(&self.field), Value::Text(Cow::Owned(rfc3339(time))))?;
        }
        event.set_time(time);
        Ok(Verdict::Go)
    }

    fn reads(&self) -> Option<Vec<Path>> {
        Some(vec![self.field.clone()])
    }
}
