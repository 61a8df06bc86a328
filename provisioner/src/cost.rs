//! What AWS bills for a stack: quantities in a month, which a table of prices turns into money.

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
    /// It can't be told, with the reason.
    Unknown(&'static str),
}

/// A quantity at a price.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    /// The price's name in the table, `ec2.m7i.large.hour`, `nat_gateway.hour`, `ebs.gp3.gib_month`.
    pub price: String,
    /// How many of the price's unit a month.
    pub quantity: f64,
}

/// Hours in a month, as AWS's own estimates count.
pub const HOURS: f64 = 730.0;
