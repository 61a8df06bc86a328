//! What AWS bills for a resource: quantities in a month, by the names of their prices.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::resource::Address;

/// What AWS bills for a resource in a month of 730 hours.
#[derive(Debug, Clone, PartialEq)]
pub enum Cost {
    /// Nothing, whatever it is used for.
    Free,
    /// What it costs by being there, and in a sentence what its use costs on top.
    Billed {
        /// What is billed for being there; empty for what is billed by use alone.
        charges: Vec<Charge>,
        /// What is billed by use and not known beforehand, `requests and the bytes stored`; empty for nothing.
        by_use: &'static str,
    },
    /// It isn't known, with the reason.
    Unknown(&'static str),
}

impl Cost {
    /// What is billed by use alone.
    pub fn by_use(by_use: &'static str) -> Self {
        Self::Billed { charges: Vec::new(), by_use }
    }
}

/// What AWS bills for every resource of a kind, whatever its spec says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Billing {
    /// Nothing, whatever it is used for.
    Free,
    /// Its use alone, as [`Cost::Billed`] has it.
    ByUse(&'static str),
    /// So many of a price's unit a month for being there, and what its use costs on top; empty for nothing.
    Monthly(&'static str, f64, &'static str),
    /// What follows from its spec.
    BySpec,
}

impl From<Billing> for Cost {
    fn from(billing: Billing) -> Self {
        match billing {
            Billing::Free => Self::Free,
            Billing::ByUse(by_use) => Self::by_use(by_use),
            Billing::Monthly(price, quantity, by_use) => {
                Self::Billed { charges: vec![Charge::new(price, quantity)], by_use }
            }
            Billing::BySpec => Self::Unknown("its kind doesn't say it: this is a bug in lakewright"),
        }
    }
}

/// A quantity at a price.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    /// The price's name in the table, `ec2.m7i.large.hour`, `nat_gateway.hour`, `ebs.gp3.gib_month`; its last part is the unit.
    pub price: String,
    /// How many of the price's unit a month.
    pub quantity: f64,
}

impl Charge {
    /// So many of a price's unit a month.
    pub fn new(price: impl Into<String>, quantity: impl Into<f64>) -> Self {
        Self { price: price.into(), quantity: quantity.into() }
    }

    /// So many of something all month, at a price for an hour.
    pub fn hours(price: impl Into<String>, count: impl Into<f64>) -> Self {
        Self::new(price, count.into() * HOURS)
    }
}

/// Hours in a month, as AWS's own estimates count.
pub const HOURS: f64 = 730.0;

/// The other resources of a stack: what one costs may follow from what it refers to.
#[derive(Debug, Default)]
pub struct Others<'a> {
    specs: BTreeMap<&'a Address, &'a Value>,
    /// What AWS calls them: kind, identifier or output.
    names: BTreeMap<(&'a str, &'a str), &'a Address>,
}

impl<'a> Others<'a> {
    /// Resources with these specs, and what AWS calls those that exist: a kind and an identifier or output.
    pub fn new(specs: BTreeMap<&'a Address, &'a Value>, names: BTreeMap<(&'a str, &'a str), &'a Address>) -> Self {
        Self { specs, names }
    }

    /// The addresses of all resources.
    pub fn addresses(&self) -> impl Iterator<Item = &'a Address> {
        self.specs.keys().copied()
    }

    /// The spec of the resource at an address.
    pub fn at(&self, address: &Address) -> Option<&'a Value> {
        self.specs.get(address).copied()
    }

    /// The resources of a kind with their specs.
    pub fn named(&self, kind: &str) -> impl Iterator<Item = (&'a Address, &'a Value)> {
        self.specs.iter().filter(move |(address, _)| address.kind == kind).map(|(address, spec)| (*address, *spec))
    }

    /// The specs of all resources of a kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &'a Value> {
        self.specs.iter().filter(move |(address, _)| address.kind == kind).map(|(_, spec)| *spec)
    }

    /// The spec of the resource of that kind that a text means: a reference such as `${launch_template.app.id}`, or what
    /// AWS calls one that exists.
    pub fn spec(&self, kind: &str, text: &str) -> Option<&'a Value> {
        let referred = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let referred =
            referred.and_then(|inside| inside.rsplit_once('.')).and_then(|(address, _)| address.parse().ok());
        match referred {
            Some(address) => self.specs.get(&address as &Address).copied(),
            None => self.specs.get(self.names.get(&(kind, text))?).copied(),
        }
    }
}
