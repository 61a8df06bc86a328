//! Places on the earth, as documents and queries write them.

use serde_json::Value;

/// The earth's mean radius in metres, as Lucene has it.
const RADIUS: f64 = 6_371_008.771_4;

/// A place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
}

impl Place {
    /// If it is on the earth.
    pub fn new(lat: f64, lon: f64) -> Option<Self> {
        (lat.abs() <= 90.0 && lon.abs() <= 180.0).then_some(Self { lat, lon })
    }

    /// `{"lat": 59.3, "lon": 18}`, `"59.3,18"`, `[18, 59.3]` or `POINT (18 59.3)`.
    pub fn of(value: &Value) -> Option<Self> {
        let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        match value {
            Value::Object(members) => {
                Self::new(members.get("lat").and_then(number)?, members.get("lon").and_then(number)?)
            }
            Value::String(text) => {
                if let Some(point) = text.trim().strip_prefix("POINT") {
                    let inner = point.trim().strip_prefix('(')?.strip_suffix(')')?;
                    let mut numbers = inner.split_whitespace().map(str::parse::<f64>);
                    let (lon, lat) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
                    return if numbers.next().is_none() { Self::new(lat, lon) } else { None };
                }
                let (lat, lon) = text.split_once(',')?;
                Self::new(lat.trim().parse().ok()?, lon.trim().parse().ok()?)
            }
            Value::Array(values) => match values.as_slice() {
                [lon, lat] => Self::new(lat.as_f64()?, lon.as_f64()?),
                _ => None,
            },
            _ => None,
        }
    }

    /// All places of a document's value: one or some in an array; none where one of them isn't a place.
    pub fn all(value: &Value) -> Option<Vec<Self>> {
        if let Some(one) = Self::of(value) {
            return Some(vec![one]);
        }
        let values = value.as_array()?;
        values.iter().map(Self::of).collect::<Option<Vec<_>>>().filter(|places| !places.is_empty())
    }

    /// How far another one is, in metres, along a great circle.
    pub fn distance(self, other: Self) -> f64 {
        let (from, to) = (self.lat.to_radians(), other.lat.to_radians());
        let (up, across) = ((to - from) / 2.0, (other.lon - self.lon).to_radians() / 2.0);
        let chord = up.sin().powi(2) + from.cos() * to.cos() * across.sin().powi(2);
        2.0 * RADIUS * chord.sqrt().min(1.0).asin()
    }
}

/// A distance in metres: `12km`, `3mi`, `500`.
pub fn metres(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 16] = [
        ("nauticalmiles", 1852.0),
        ("kilometers", 1000.0),
        ("centimeters", 0.01),
        ("millimeters", 0.001),
        ("meters", 1.0),
        ("miles", 1609.344),
        ("yards", 0.9144),
        ("inch", 0.0254),
        ("feet", 0.3048),
        ("NM", 1852.0),
        ("km", 1000.0),
        ("cm", 0.01),
        ("mm", 0.001),
        ("mi", 1609.344),
        ("yd", 0.9144),
        ("ft", 0.3048),
    ];
    let text = text.trim();
    let unit = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, factor) = unit
        .or_else(|| Some((text.strip_suffix("in")?, 0.0254)))
        .or_else(|| Some((text.strip_suffix('m')?, 1.0)))
        .unwrap_or((text, 1.0));
    let number: f64 = number.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_written_in_four_ways() {
        let stockholm = Place { lat: 59.3, lon: 18.0 };
        for value in
            [json!({"lat": 59.3, "lon": "18.0"}), json!("59.3, 18"), json!([18, 59.3]), json!("POINT (18 59.3)")]
        {
            assert_eq!(Place::of(&value), Some(stockholm), "{value}");
            assert_eq!(Place::all(&json!([value, [18, 59.3]])).map(|all| all.len()), Some(2), "{value}");
        }
        for value in [
            json!({"lat": 91, "lon": 0}),
            json!("59.3"),
            json!([18]),
            json!("POINT (18)"),
            json!(5),
            json!([]),
            json!(null),
        ] {
            assert_eq!(Place::all(&value), None, "{value}");
        }
    }

    #[test]
    fn distances_are_metres() {
        let (stockholm, seoul) = (Place { lat: 59.33, lon: 18.07 }, Place { lat: 37.57, lon: 126.98 });
        assert!((stockholm.distance(seoul) - 7_440_000.0).abs() < 40_000.0, "{}", stockholm.distance(seoul));
        assert!(stockholm.distance(stockholm) < 1e-6);
        for (text, wanted) in
            [("12km", 12_000.0), ("1mi", 1609.344), ("500", 500.0), ("3 m", 3.0), ("2nauticalmiles", 3704.0)]
        {
            assert!((metres(text).expect(text) - wanted).abs() < 1e-6, "{text}");
        }
        for text in ["far", "-1km", "NaN", "km", ""] {
            assert_eq!(metres(text), None, "{text}");
        }
    }
}
