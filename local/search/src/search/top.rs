//! The first hits by several keys, and how many there are.

use std::cmp::Ordering;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, TermOrdHit};
use tantivy::{DocAddress, DocId, Score, SegmentOrdinal, SegmentReader};

use super::sort::{Key, Of, Sorted};
use super::stored::{Stored, millis};
use crate::field::FieldType;
use crate::place::Place;

/// A hit with the values of its keys.
pub type Hit = (Vec<Sorted>, Score, DocAddress);

/// What is found.
#[derive(Debug, Default)]
pub struct Found {
    /// The first hits in their order.
    pub hits: Vec<Hit>,
    /// How many there are.
    pub total: u64,
    /// The highest score.
    pub highest: Option<Score>,
}

/// The first so many hits, of those that come after one.
pub struct Top<'a> {
    /// The keys, each with the column of its field and its type, if an index has it.
    pub keys: Vec<(&'a Key, Option<(String, FieldType)>)>,
    /// How many.
    pub limit: usize,
    /// The values of the hit that stands before them, and where it stands, if others with its values are to come.
    pub after: Option<(Vec<Sorted>, Option<DocAddress>)>,
    /// Whether scores are of use.
    pub scored: bool,
    /// Hits with smaller scores are none.
    pub least: Option<f32>,
}

impl Collector for Top<'_> {
    type Fruit = Found;
    type Child = Segment;

    fn for_segment(&self, ordinal: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<Segment> {
        let mut columns = Vec::with_capacity(self.keys.len());
        for (key, field) in &self.keys {
            let values = match (&key.of, field) {
                (Of::Score, _) => Values::Score,
                (Of::Place, _) => Values::Place,
                (Of::Field(_), None) => Values::None,
                (Of::Distance(..), None) => Values::Far,
                (Of::Distance(_, places, unit), Some((path, _))) => Values::distances(segment, path, (places, *unit))?,
                (Of::Field(_), Some((path, kind))) => {
                    Stored::open(segment, path, *kind)?.map_or(Values::None, Values::Stored)
                }
            };
            columns.push((values, (*key).clone()));
        }
        let after = self.after.as_ref().map(|(values, place)| {
            let bounds = columns.iter().zip(values).map(|((column, _), value)| column.bound(value)).collect();
            // Of hits with the same values, those of later segments come later.
            let rest = match place {
                None => Rest::None,
                Some(place) => match place.segment_ord.cmp(&ordinal) {
                    Ordering::Less => Rest::All,
                    Ordering::Equal => Rest::From(place.doc_id),
                    Ordering::Greater => Rest::None,
                },
            };
            (bounds, rest)
        });
        Ok(Segment {
            ordinal,
            columns,
            after,
            limit: self.limit,
            least: self.least,
            hits: Vec::new(),
            values: Vec::new(),
            total: 0,
            highest: None,
            scored: self.scored,
        })
    }

    fn requires_scoring(&self) -> bool {
        self.scored || self.least.is_some()
    }

    fn merge_fruits(&self, fruits: Vec<Found>) -> tantivy::Result<Found> {
        let mut all = Found::default();
        for found in fruits {
            all.total += found.total;
            all.highest = match (all.highest, found.highest) {
                (Some(one), Some(other)) => Some(f32::max(one, other)),
                (one, other) => one.or(other),
            };
            all.hits.extend(found.hits);
        }
        all.hits.sort_by(|(one, _, here), (other, _, there)| {
            let mut orders =
                self.keys.iter().zip(one.iter().zip(other)).map(|((key, _), (one, other))| key.order(one, other));
            orders.find(|order| *order != Ordering::Equal).unwrap_or_else(|| here.cmp(there))
        });
        all.hits.truncate(self.limit);
        Ok(all)
    }
}

/// The values of a key in a segment.
enum Values {
    None,
    Score,
    Place,
    Stored(Stored),
    /// Degrees north and east, the places that count, and the unit in metres.
    Distance(Column<f64>, Column<f64>, Vec<Place>, f64),
    /// No document has a place.
    Far,
}

/// A value as the segment has it: texts are numbered in their order, two apart.
#[derive(Debug, Clone, Copy)]
enum Raw {
    Missing,
    Whole(i64),
    Number(f64),
}

impl Values {
    fn distances(segment: &SegmentReader, path: &str, (places, unit): (&[Place], f64)) -> tantivy::Result<Self> {
        let column = |part: &str| segment.fast_fields().column_opt::<f64>(&format!("{path}.{part}"));
        Ok(match column("lat")?.zip(column("lon")?) {
            Some((lat, lon)) => Self::Distance(lat, lon, places.to_vec(), unit),
            None => Self::Far,
        })
    }

    fn raw(&self, document: DocId, (score, ordinal): (Score, SegmentOrdinal), largest: bool) -> Raw {
        let whole = |values: &mut dyn Iterator<Item = i64>| {
            let found = if largest { values.max() } else { values.min() };
            found.map_or(Raw::Missing, Raw::Whole)
        };
        match self {
            Self::None => Raw::Missing,
            Self::Far => Raw::Number(f64::INFINITY),
            Self::Distance(lat, lon, places, unit) => {
                let own = lat.values_for_doc(document).zip(lon.values_for_doc(document));
                let distances =
                    own.flat_map(|(lat, lon)| places.iter().map(move |place| place.distance(Place { lat, lon })));
                let better = |one: f64, other: f64| if (other > one) == largest { other } else { one };
                Raw::Number(distances.reduce(better).map_or(f64::INFINITY, |distance| distance / unit))
            }
            Self::Score => Raw::Number(f64::from(score)),
            Self::Place => Raw::Whole(place(DocAddress::new(ordinal, document))),
            Self::Stored(Stored::Whole(column)) => whole(&mut column.values_for_doc(document)),
            Self::Stored(Stored::Number(column)) => {
                let better = |one: f64, other: f64| if (other > one) == largest { other } else { one };
                column.values_for_doc(document).reduce(better).map_or(Raw::Missing, Raw::Number)
            }
            Self::Stored(Stored::Boolean(column)) => whole(&mut column.values_for_doc(document).map(i64::from)),
            Self::Stored(Stored::Time(column)) => whole(&mut column.values_for_doc(document).map(millis)),
            Self::Stored(Stored::Text(column)) => {
                whole(&mut column.term_ords(document).map(|number| number as i64 * 2))
            }
        }
    }

    fn bound(&self, value: &Sorted) -> Raw {
        match (self, value) {
            (Self::Stored(Stored::Text(column)), Sorted::Text(text)) => {
                match column.dictionary().term_ord_or_next(text.as_bytes()) {
                    Ok(TermOrdHit::Exact(number)) => Raw::Whole(number as i64 * 2),
                    Ok(TermOrdHit::Next(number)) => Raw::Whole((number as i64).saturating_mul(2) - 1),
                    Err(_) => Raw::Missing,
                }
            }
            (_, Sorted::Whole(number)) => Raw::Whole(*number),
            (_, Sorted::Number(number)) => Raw::Number(*number),
            // Nothing in this segment has a text: what is missing stands where it stands.
            (_, Sorted::Text(_)) => Raw::Whole(0),
            (_, Sorted::Missing) => Raw::Missing,
        }
    }

    fn sorted(&self, raw: Raw) -> Sorted {
        match (self, raw) {
            (_, Raw::Missing) => Sorted::Missing,
            (Self::Stored(Stored::Text(column)), Raw::Whole(number)) => {
                let mut text = String::new();
                match column.ord_to_str((number / 2) as u64, &mut text) {
                    Ok(true) => Sorted::Text(text),
                    _ => Sorted::Missing,
                }
            }
            (_, Raw::Whole(number)) => Sorted::Whole(number),
            (_, Raw::Number(number)) => Sorted::Number(number),
        }
    }
}

/// Where a hit stands, as one number.
pub fn place(address: DocAddress) -> i64 {
    i64::from(address.segment_ord) << 32 | i64::from(address.doc_id)
}

/// Which of the hits with the same values as the one before come after it.
#[derive(Debug, Clone, Copy)]
enum Rest {
    None,
    All,
    From(DocId),
}

/// The hits of a segment.
pub struct Segment {
    ordinal: SegmentOrdinal,
    columns: Vec<(Values, Key)>,
    after: Option<(Vec<Raw>, Rest)>,
    limit: usize,
    least: Option<f32>,
    hits: Vec<(Vec<Raw>, Score, DocId)>,
    /// The values of the hit at hand.
    values: Vec<Raw>,
    total: u64,
    highest: Option<Score>,
    scored: bool,
}

fn order(columns: &[(Values, Key)], one: &[Raw], other: &[Raw]) -> Ordering {
    let of = |key: &Key, one: Raw, other: Raw| {
        let values = match (one, other) {
            (Raw::Missing, Raw::Missing) => return Ordering::Equal,
            (Raw::Missing, _) => return if key.missing_first { Ordering::Less } else { Ordering::Greater },
            (_, Raw::Missing) => return if key.missing_first { Ordering::Greater } else { Ordering::Less },
            (Raw::Whole(one), Raw::Whole(other)) => one.cmp(&other),
            (Raw::Number(one), Raw::Number(other)) => one.total_cmp(&other),
            (Raw::Whole(one), Raw::Number(other)) => (one as f64).total_cmp(&other),
            (Raw::Number(one), Raw::Whole(other)) => one.total_cmp(&(other as f64)),
        };
        if key.down { values.reverse() } else { values }
    };
    let mut orders = columns.iter().zip(one.iter().zip(other)).map(|((_, key), (one, other))| of(key, *one, *other));
    orders.find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
}

impl Segment {
    /// Keeps the first ones.
    fn prune(&mut self) {
        let columns = &self.columns;
        self.hits.sort_by(|(one, _, here), (other, _, there)| order(columns, one, other).then(here.cmp(there)));
        self.hits.truncate(self.limit);
    }
}

impl SegmentCollector for Segment {
    type Fruit = Found;

    fn collect(&mut self, document: DocId, score: Score) {
        if self.least.is_some_and(|least| score < least) {
            return;
        }
        self.total += 1;
        if self.scored && self.highest.is_none_or(|highest| score > highest) {
            self.highest = Some(score);
        }
        if self.limit == 0 {
            return;
        }
        self.values.clear();
        let ordinal = self.ordinal;
        self.values
            .extend(self.columns.iter().map(|(values, key)| values.raw(document, (score, ordinal), key.largest)));
        if let Some((bounds, rest)) = &self.after {
            let comes = match order(&self.columns, &self.values, bounds) {
                Ordering::Less => false,
                Ordering::Greater => true,
                Ordering::Equal => match rest {
                    Rest::None => false,
                    Rest::All => true,
                    Rest::From(before) => document > *before,
                },
            };
            if !comes {
                return;
            }
        }
        self.hits.push((self.values.clone(), score, document));
        if self.hits.len() >= self.limit * 2 + 1024 {
            self.prune();
        }
    }

    fn harvest(mut self) -> Found {
        self.prune();
        let Self { columns, ordinal, .. } = &self;
        let hit = |(values, score, document): &(Vec<Raw>, Score, DocId)| {
            let values = columns.iter().zip(values).map(|((column, _), value)| column.sorted(*value)).collect();
            (values, *score, DocAddress::new(*ordinal, *document))
        };
        Found { hits: self.hits.iter().map(hit).collect(), total: self.total, highest: self.highest }
    }
}
