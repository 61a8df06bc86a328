//! What a plan may destroy for good, and what it must not.

use std::collections::BTreeSet;

use super::{Plan, Step};
use crate::resource::Address;

/// What may lose data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowDataLoss {
    /// Whether everything may.
    pub all: bool,
    /// Single addresses that may.
    pub addresses: BTreeSet<Address>,
}

impl AllowDataLoss {
    /// Whether the resource may lose data.
    pub fn covers(&self, address: &Address) -> bool {
        self.all || self.addresses.contains(address)
    }
}

impl Plan {
    /// The steps that lose data and are not allowed to.
    pub fn refused<'a>(&'a self, allowed: &AllowDataLoss) -> Vec<&'a Step> {
        self.steps.iter().filter(|step| !step.loses.is_empty() && !allowed.covers(&step.address)).collect()
    }
}
