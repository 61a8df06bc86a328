//! `geo_point`.

use std::borrow::Cow;

use lakewright_config::agents::shipper::transforms::{GeoPoint, Order};

use super::{Apply, Paths, Verdict};
use crate::event::Event;
use crate::mistake::Mistake;
use crate::path::Path;
use crate::value::{Object, Scalar, Value};

/// Makes a point of coordinates.
#[derive(Debug)]
pub struct Locating {
    from: From,
    into: Path,
    keep: bool,
}

#[derive(Debug)]
enum From {
    Two { latitude: Path, longitude: Path },
    One { field: Path, order: Order },
}

impl Locating {
    pub fn new(settings: &GeoPoint) -> Result<Self, Vec<Mistake>> {
        let mut paths = Paths::default();
        let into = paths.one("into", &settings.into);
        let mut path = |setting, text: &Option<String>| {
            text.as_deref().map(|text: &str| paths.one(setting, text)).unwrap_or_default()
        };
        let latitude = path("latitude", &settings.latitude);
        let longitude = path("longitude", &settings.longitude);
        let field = path("field", &settings.field);
        let from = match (&settings.latitude, &settings.longitude, &settings.field) {
            (Some(_), Some(_), None) => {
                latitude.zip(longitude).map(|(latitude, longitude)| From::Two { latitude, longitude })
            }
            (None, None, Some(_)) => field.map(|field| From::One { field, order: settings.order }),
            _ => {
                let fix = "name `latitude` and `longitude`, or `field` alone where one member holds both";
                let setting = if settings.field.is_some() { "field" } else { "latitude" };
                paths.push(Mistake::new(setting, "it isn't said where the coordinates stand", fix));
                None
            }
        };
        let made = from.zip(into).map(|(from, into)| Self { from, into, keep: settings.keep });
        paths.finish(made)
    }

    /// The coordinates; nothing where one is missing.
    fn read(&self, event: &mut Event<'_>) -> Result<Option<(f64, f64)>, String> {
        match &self.from {
            From::Two { latitude, longitude } => {
                let read =
                    |event: &mut Event<'_>, path: &Path| event.get(path).map(|value| number(value, path)).transpose();
                let (lat, lon) = (read(event, latitude)?, read(event, longitude)?);
                Ok(lat.flatten().zip(lon.flatten()))
            }
            From::One { field, order } => {
                let Some(value) = event.get(field) else { return Ok(None) };
                let pair = both(value, field)?;
                Ok(pair.map(|(one, other)| if *order == Order::LatLon { (one, other) } else { (other, one) }))
            }
        }
    }
}

/// The number that a member is; none of null and of an empty text.
fn number(value: &Value<'_>, path: &Path) -> Result<Option<f64>, String> {
    match value.scalar() {
        Some(Scalar::Null) => Ok(None),
        Some(Scalar::Text(text)) if text.trim().is_empty() => Ok(None),
        Some(scalar) if scalar.number().is_some() => Ok(scalar.number()),
        _ => Err(format!("`{path}` is {}, no coordinate", value.kind())),
    }
}

/// The two numbers of a text or an array.
fn both(value: &mut Value<'_>, path: &Path) -> Result<Option<(f64, f64)>, String> {
    let wrong = format!("`{path}` doesn't hold two coordinates, as `59.33,18.06` or `[59.33, 18.06]`");
    if let Some(scalar) = value.scalar() {
        return match &scalar {
            Scalar::Null => Ok(None),
            Scalar::Text(text) if text.trim().is_empty() => Ok(None),
            Scalar::Text(text) => {
                let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
                let pair = text.split_once(',').and_then(|(one, other)| number(one).zip(number(other)));
                pair.map(Some).ok_or(wrong)
            }
            _ => Err(wrong),
        };
    }
    let Some(items) = value.array_mut() else { return Err(wrong) };
    let item = |index: usize| items.get(index).and_then(Value::scalar).and_then(|scalar| scalar.number());
    item(0).zip(item(1)).map(Some).ok_or(wrong)
}

impl Apply for Locating {
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String> {
        let Some((lat, lon)) = self.read(event)? else { return Ok(Verdict::Go) };
        if !(-90.0..=90.0).contains(&lat) {
            return Err(format!("a latitude of {lat}: it lies between -90 and 90"));
        }
        if !(-180.0..=180.0).contains(&lon) {
            return Err(format!("a longitude of {lon}: it lies between -180 and 180"));
        }
        let mut point = Object::with_capacity(2);
        point.insert(Cow::Borrowed("lat"), Value::Float(lat));
        point.insert(Cow::Borrowed("lon"), Value::Float(lon));
        event.set(&self.into, Value::Object(point))?;
        // What the point took the place of is gone already.
        for path in self.reads().into_iter().flatten().filter(|path| !self.keep && !path.overlaps(&self.into)) {
            event.take(&path);
        }
        Ok(Verdict::Go)
    }

    fn reads(&self) -> Option<Vec<Path>> {
        Some(match &self.from {
            From::Two { latitude, longitude } => vec![latitude.clone(), longitude.clone()],
            From::One { field, .. } => vec![field.clone()],
        })
    }
}
