//! The table of prices: what a unit costs in a region, where that was read, and when.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// The region of prices that are the same everywhere.
const EVERYWHERE: &str = "*";

/// The prices that come with the program.
const BUILT_IN: [&str; 4] = [
    include_str!("../../prices/everywhere.toml"),
    include_str!("../../prices/us-east-1.toml"),
    include_str!("../../prices/eu-north-1.toml"),
    include_str!("../../prices/eu-west-1.toml"),
];

/// A price in USD for one of its unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// The price.
    pub usd: f64,
    /// Where it was read: a page, or words for what is none.
    pub source: String,
    /// The day on which it was read.
    pub read: String,
    /// Whether it was compared with the source on that day; else it is from memory.
    pub checked: bool,
}

/// Prices by region and name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prices(BTreeMap<(String, String), Price>);

/// The file's form: groups of prices that were read at one place.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    prices: Vec<Group>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    region: String,
    source: String,
    read: String,
    checked: bool,
    usd: BTreeMap<String, f64>,
}

impl Prices {
    /// The prices that come with the program.
    pub fn built_in() -> Self {
        let mut prices = Self::default();
        for text in BUILT_IN {
            prices.put(Self::read(text).expect("the program's own prices are read by a test"));
        }
        prices
    }

    /// The prices in a text.
    pub fn read(text: &str) -> Result<Self> {
        let document: Document = toml::from_str(text).context("read the prices")?;
        let mut prices = Self::default();
        for group in document.prices {
            for (name, usd) in group.usd {
                let price =
                    Price { usd, source: group.source.clone(), read: group.read.clone(), checked: group.checked };
                prices.0.insert((group.region.clone(), name), price);
            }
        }
        Ok(prices)
    }

    /// The prices as a text.
    pub fn text(&self) -> Result<String> {
        let mut groups: BTreeMap<(&str, &str, &str, bool), BTreeMap<String, f64>> = BTreeMap::new();
        for ((region, name), price) in &self.0 {
            let key = (region.as_str(), price.source.as_str(), price.read.as_str(), price.checked);
            groups.entry(key).or_default().insert(name.clone(), price.usd);
        }
        let group = |((region, source, read, checked), usd): ((&str, &str, &str, bool), BTreeMap<String, f64>)| Group {
            region: region.to_owned(),
            source: source.to_owned(),
            read: read.to_owned(),
            checked,
            usd,
        };
        let document = Document { prices: groups.into_iter().map(group).collect() };
        toml::to_string(&document).context("write the prices")
    }

    /// Puts those prices over these.
    pub fn put(&mut self, newer: Self) {
        self.0.extend(newer.0);
    }

    /// Puts a price of a region.
    pub fn insert(&mut self, region: &str, name: &str, price: Price) {
        self.0.insert((region.to_owned(), name.to_owned()), price);
    }

    /// The price of that name in a region.
    pub fn get(&self, region: &str, name: &str) -> Option<&Price> {
        let of = |region: &str| self.0.get(&(region.to_owned(), name.to_owned()));
        of(region).or_else(|| of(EVERYWHERE))
    }

    /// The names of the prices of a region, and of those that are the same everywhere.
    pub fn names(&self, region: &str) -> impl Iterator<Item = &str> {
        let of_region = move |place: &str| place == region || place == EVERYWHERE;
        self.0.keys().filter(move |(place, _)| of_region(place)).map(|(_, name)| name.as_str())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_own_prices_are_sound() {
        let prices = Prices::built_in();
        assert!(prices.len() > 100, "{}", prices.len());
        for ((region, name), price) in &prices.0 {
            assert!(price.usd > 0.0 && price.usd < 100.0, "{region} {name}: {price:?}");
            let unit = name.rsplit_once('.').map(|(_, unit)| unit);
            assert!(
                matches!(unit, Some("hour" | "month" | "gib_month" | "iops_month" | "mibps_month")),
                "{region} {name} has no known unit"
            );
            assert!(!price.checked || price.source.starts_with("https://"), "{region} {name}: {price:?}");
            assert!(chrono::NaiveDate::parse_from_str(&price.read, "%Y-%m-%d").is_ok(), "{region} {name}: {price:?}");
        }
        assert_eq!(prices.get("eu-north-1", "kms.key.month").map(|price| price.usd), Some(1.0));
        assert_eq!(prices.get("mars-1", "nat_gateway.hour"), None);
    }

    #[test]
    fn prices_are_written_as_they_are_read() {
        let prices = Prices::built_in();
        assert_eq!(Prices::read(&prices.text().expect("a text")).expect("prices"), prices);
        let mut newer = prices.clone();
        let price = Price { usd: 2.0, source: "x".into(), read: "2026-01-01".into(), checked: true };
        newer.insert("eu-north-1", "kms.key.month", price);
        let mut both = prices;
        both.put(newer);
        assert_eq!(both.get("eu-north-1", "kms.key.month").map(|price| price.usd), Some(2.0));
        assert_eq!(both.get("us-east-1", "kms.key.month").map(|price| price.usd), Some(1.0));
    }
}
