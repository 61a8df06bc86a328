//! What a search asks for.

use serde_json::Value;

use super::highlight::Highlight;
use super::sort::{self, Key};
use super::source::Sources;
use crate::answer::SearchError;
use crate::members::{Members, scalar};

/// The most hits that may be asked for, as Elasticsearch has it.
pub const WINDOW: u64 = 10_000;

/// A search.
#[derive(Debug)]
pub struct Request<'a> {
    /// What is looked for; none for everything.
    pub query: Option<&'a Value>,
    /// How many hits.
    pub size: usize,
    /// How many are left out before them.
    pub from: usize,
    /// Their order; none for that of scores.
    pub sort: Option<Vec<Key>>,
    /// The sort values of the last hit before them.
    pub after: Option<&'a Vec<Value>>,
    /// Aggregations.
    pub aggregations: Option<&'a Value>,
    /// What of the documents is shown.
    pub sources: Sources,
    /// What is highlighted.
    pub highlight: Option<Highlight>,
    /// Up to how many hits are counted; none for all.
    pub counted: Option<u64>,
    /// Whether hits that are sorted have scores too.
    pub scored: bool,
    /// Hits with smaller scores are none.
    pub least: Option<f32>,
    /// Whether hits say how often they were changed.
    pub version: bool,
    /// Whether hits say which change they are of.
    pub stamped: bool,
    /// The snapshot that is searched, by its id, and for how long it is kept then.
    pub pit: Option<(String, Option<String>)>,
}

impl<'a> Request<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// It has members that nobody knows, or with values that they can't have.
    pub fn read(body: &'a Value) -> Result<Self, SearchError> {
        let mut members = Members::of(body, "search")?;
        let size = members.whole("size")?.unwrap_or(10);
        let from = members.whole("from")?.unwrap_or(0);
        if size.saturating_add(from) > WINDOW {
            return Err(SearchError::illegal(format!(
                "Result window is too large, from + size must be less than or equal to: [{WINDOW}] but was [{}]",
                size.saturating_add(from)
            )));
        }
        let sort = members.take("sort").map(sort::read).transpose()?.filter(|keys| !keys.is_empty());
        let after = match members.take("search_after") {
            None => None,
            Some(Value::Array(values)) => Some(values),
            Some(_) => return Err(SearchError::parsing("[search_after] must be an array of values")),
        };
        if after.is_some() && from > 0 {
            return Err(SearchError::illegal("`from` parameter must be set to 0 when `search_after` is used"));
        }
        let counted = match members.take("track_total_hits") {
            None => Some(WINDOW),
            Some(Value::Bool(true)) => None,
            Some(Value::Bool(false)) => Some(0),
            Some(value) => {
                let number = scalar(value).and_then(|text| text.parse::<u64>().ok());
                Some(number.ok_or_else(|| SearchError::parsing("[track_total_hits] must be true, false or a number"))?)
            }
        };
        let pit = match members.take("pit") {
            None => None,
            Some(pit) => {
                let mut members = Members::of(pit, "pit")?;
                let id = members.text("id")?.ok_or_else(|| SearchError::parsing("[pit] requires [id]"))?;
                let keep = members.text("keep_alive")?;
                members.end()?;
                Some((id, keep))
            }
        };
        let aggregations = members.take("aggs");
        let found = Self {
            query: members.take("query"),
            size: size as usize,
            from: from as usize,
            sort,
            after,
            aggregations: aggregations.or_else(|| members.take("aggregations")),
            sources: Sources::read(members.take("_source"))?,
            highlight: members.take("highlight").map(Highlight::read).transpose()?,
            counted,
            scored: members.flag("track_scores")?.unwrap_or(false),
            version: members.flag("version")?.unwrap_or(false),
            stamped: members.flag("seq_no_primary_term")?.unwrap_or(false),
            least: members.number("min_score")?.map(|least| least as f32),
            pit,
        };
        // A search that takes too long ends anyway; explanations are not asked for by false.
        members.take("timeout");
        for off in ["explain", "profile"] {
            if members.flag(off)? == Some(true) {
                return Err(SearchError::parsing(format!("[search] query does not support [{off}]")));
            }
        }
        members.end()?;
        Ok(found)
    }
}
