//! Queries for places: a box, or around one.

use serde_json::Value;
use tantivy::columnar::Column;
use tantivy::query::doc_predicate_query::{DocPredicateQuery, FunctionPredicate};
use tantivy::query::{ConstScoreQuery, EmptyQuery};
use tantivy::{DocId, SegmentReader};

use super::{Parsed, Parser, boosted};
use crate::answer::SearchError;
use crate::document::FIELDS;
use crate::field::FieldType;
use crate::members::{Members, scalar};
use crate::place::{Place, metres};

impl Parser<'_> {
    pub(super) fn geo_bounding_box(&self, body: &Value) -> Parsed {
        let kind = "geo_bounding_box";
        let mut members = Members::of(body, kind)?;
        let (boost, unmapped) = (members.boost()?, members.flag("ignore_unmapped")?.unwrap_or(false));
        strictly(&mut members)?;
        members.take("type");
        let (field, corners) = members.only()?;
        let corner = |members: &mut Members<'_>, name: &str| -> Result<Option<Place>, SearchError> {
            let Some(value) = members.take(name) else { return Ok(None) };
            Place::of(value)
                .map(Some)
                .ok_or_else(|| SearchError::parsing(format!("[{kind}] [{name}] is no place: {value}")))
        };
        let mut members = Members::of(corners, kind)?;
        let (top_left, bottom_right) = (corner(&mut members, "top_left")?, corner(&mut members, "bottom_right")?);
        let (top_right, bottom_left) = (corner(&mut members, "top_right")?, corner(&mut members, "bottom_left")?);
        let mut sides = [None; 4];
        for (side, name) in sides.iter_mut().zip(["top", "bottom", "left", "right"]) {
            *side = members.number(name)?;
        }
        members.end()?;
        let side = |own: Option<f64>, of: Option<f64>, name: &str| {
            own.or(of).ok_or_else(|| SearchError::parsing(format!("failed to parse [{kind}] query: no [{name}]")))
        };
        let lat = |place: Option<Place>| place.map(|place| place.lat);
        let lon = |place: Option<Place>| place.map(|place| place.lon);
        let top = side(sides[0], lat(top_left.or(top_right)), "top")?;
        let bottom = side(sides[1], lat(bottom_right.or(bottom_left)), "bottom")?;
        let left = side(sides[2], lon(top_left.or(bottom_left)), "left")?;
        let right = side(sides[3], lon(bottom_right.or(top_right)), "right")?;
        if top < bottom {
            return Err(SearchError::illegal(format!("top is below bottom corner: {top} vs. {bottom}")));
        }
        let inside = move |place: Place| {
            let across = if left <= right {
                (left..=right).contains(&place.lon)
            } else {
                // Across the date line.
                place.lon >= left || place.lon <= right
            };
            across && (bottom..=top).contains(&place.lat)
        };
        Ok(boosted(self.places(field, unmapped, kind, inside)?, boost))
    }

    pub(super) fn geo_distance(&self, body: &Value) -> Parsed {
        let kind = "geo_distance";
        let mut members = Members::of(body, kind)?;
        let (boost, unmapped) = (members.boost()?, members.flag("ignore_unmapped")?.unwrap_or(false));
        strictly(&mut members)?;
        // An arc is more exact than a plane, and fast enough.
        members.take("distance_type");
        let unit = members.text("unit")?.unwrap_or_default();
        let distance = members.take("distance").and_then(scalar);
        let distance =
            distance.ok_or_else(|| SearchError::parsing("geo_distance requires 'distance' to be specified"))?;
        let is_bare = distance.parse::<f64>().is_ok();
        let within = metres(&if is_bare { format!("{distance}{unit}") } else { distance.clone() });
        let within = within.ok_or_else(|| SearchError::illegal(format!("failed to parse distance [{distance}]")))?;
        let (field, centre) = members.only()?;
        let centre = Place::of(centre);
        let centre = centre.ok_or_else(|| SearchError::parsing(format!("[{kind}] [{field}] is no place")))?;
        Ok(boosted(self.places(field, unmapped, kind, move |place| centre.distance(place) <= within)?, boost))
    }

    /// Documents of which one of the places fits.
    fn places(
        &self,
        field: &str,
        unmapped: bool,
        kind: &str,
        fits: impl Fn(Place) -> bool + Clone + Send + Sync + 'static,
    ) -> Parsed {
        match self.mappings.field(self.indices, field) {
            Some(FieldType::GeoPoint) => {}
            None if unmapped => return Ok(Box::new(EmptyQuery)),
            None => return Err(SearchError::shard(format!("failed to find geo field [{field}]"))),
            Some(_) => {
                return Err(SearchError::shard(format!(
                    "Field [{field}] is not of type geo_point, as [{kind}] needs it"
                )));
            }
        }
        let (lat, lon) = (format!("{FIELDS}.{field}.lat"), format!("{FIELDS}.{field}.lon"));
        let of_segment = move |segment: &SegmentReader| {
            let column = |name: &str| segment.fast_fields().column_opt::<f64>(name);
            let columns: Option<(Column<f64>, Column<f64>)> = column(&lat)?.zip(column(&lon)?);
            let fits = fits.clone();
            Ok(move |document: DocId| {
                columns.as_ref().is_some_and(|(lat, lon)| {
                    let mut places = lat.values_for_doc(document).zip(lon.values_for_doc(document));
                    places.any(|(lat, lon)| fits(Place { lat, lon }))
                })
            })
        };
        let query: DocPredicateQuery = FunctionPredicate::from(of_segment).into();
        Ok(Box::new(ConstScoreQuery::new(Box::new(query), 1.0)))
    }
}

/// Places are always judged strictly.
fn strictly(members: &mut Members<'_>) -> Result<(), SearchError> {
    match members.text("validation_method")?.as_deref() {
        None | Some("STRICT" | "strict") => Ok(()),
        Some(other) => Err(SearchError::illegal(format!("[validation_method] [{other}] isn't known here, STRICT is"))),
    }
}
