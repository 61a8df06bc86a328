//! The parts of a line, and how each is said.

use std::fmt;

use super::calendar::Span;
use super::places::COUNTRIES;

/// What a known value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// What somebody does.
    Action,
    /// The program by which it is done.
    Browser,
    /// Where somebody is.
    City,
    /// The same, by country.
    Country,
    /// Who makes a product.
    Brand,
    /// What a product belongs to.
    Category,
    /// A product, by its name or some words of it.
    Product,
}

impl Field {
    /// What people call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Browser => "browser",
            Self::City | Self::Country => "place",
            Self::Brand => "brand",
            Self::Category => "category",
            Self::Product => "product",
        }
    }

    /// Its name among fields.
    pub fn name(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Country => "country",
            other => other.word(),
        }
    }
}

/// What a part means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// A value that is known. Of a product several spellings may be looked for, the one that the index has first.
    Known {
        /// What it is.
        field: Field,
        /// As the index has it.
        values: Vec<String>,
    },
    /// When it was.
    Time(Span),
    /// Words side by side.
    Phrase(String),
    /// `field:value`.
    Exact {
        /// The member of the index.
        member: String,
        /// Its value.
        value: String,
        /// Whether its words stand side by side.
        whole: bool,
    },
    /// Words that may stand anywhere, with slips.
    Text(String),
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it means.
    pub meaning: Meaning,
    /// As it was typed.
    pub typed: String,
    /// Whether what it means is left out.
    pub excluded: bool,
    /// Words of it that were taken for slips.
    pub corrections: Vec<String>,
}

impl Part {
    /// The name of what it is, as programs read it.
    pub fn kind(&self) -> &'static str {
        match &self.meaning {
            Meaning::Known { field, .. } => field.name(),
            Meaning::Time(_) => "time",
            Meaning::Phrase(_) => "phrase",
            Meaning::Exact { .. } => "field",
            Meaning::Text(_) => "words",
        }
    }

    /// What is looked for, as people read it.
    pub fn value(&self) -> String {
        match &self.meaning {
            Meaning::Known { values, .. } => values.first().cloned().unwrap_or_default(),
            Meaning::Time(span) => span.to_string(),
            Meaning::Phrase(text) => format!("\"{text}\""),
            Meaning::Exact { member, value, .. } => format!("{member}:{value}"),
            Meaning::Text(words) => words.clone(),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.excluded {
            formatter.write_str("not ")?;
        }
        for slip in &self.corrections {
            write!(formatter, "{slip} → ")?;
        }
        let value = self.value();
        let same = value.to_lowercase() == self.typed.to_lowercase();
        match &self.meaning {
            // What is no name is said as it was typed.
            Meaning::Known { field: Field::Product | Field::Category, .. } if same => {
                write!(formatter, "{} ({})", self.typed, self.kind())
            }
            Meaning::Known { field: Field::Country, .. } => {
                let names = COUNTRIES.iter().find(|(code, _)| *code == value).and_then(|(_, names)| names.first());
                write!(formatter, "{} (place)", names.copied().unwrap_or(&value))
            }
            Meaning::Known { field, .. } => write!(formatter, "{value} ({})", field.word()),
            Meaning::Time(_) | Meaning::Phrase(_) => formatter.write_str(&value),
            Meaning::Exact { .. } => write!(formatter, "{value} (as it is)"),
            Meaning::Text(_) => write!(formatter, "{value} (words)"),
        }
    }
}
