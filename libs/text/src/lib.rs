//! What a text says that people wrote, as a review or a message: its language, whether it praises or complains, what it is about, and what
//! it names. By rules and by lists that libraries carry: no model is loaded, and nothing is asked of anybody.
//!
//! Of a text the first [`LOOKED_AT`] bytes are looked at.

mod entities;
mod keyphrases;
mod language;
mod sentiment;

pub use entities::{Entities, Entity, NameMistake};
pub use keyphrases::keyphrases;
pub use language::language;
pub use sentiment::{Mood, Sentiment, sentiment};

use lakewright_features as _;

/// How many bytes of a text are looked at: what takes longer than in proportion stays short.
pub const LOOKED_AT: usize = 4_096;

/// The part of a text that is looked at.
fn looked_at(text: &str) -> &str {
    &text[..text.floor_char_boundary(LOOKED_AT)]
}
