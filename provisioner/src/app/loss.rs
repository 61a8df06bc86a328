//! What may lose data, as the command line names it, and the refusal of a plan that loses more.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Result, bail};

use crate::plan::{AllowDataLoss, Plan};
use crate::resource::Address;

/// What may lose data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Everything.
    All,
    /// One resource.
    Of(Address),
}

impl std::str::FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::Of) }
    }
}

/// An error that lists what would lose data and isn't allowed to.
pub fn refuse_loss(plan: &Plan, losses: &[Loss]) -> Result<()> {
    let addresses: BTreeSet<_> = losses
        .iter()
        .filter_map(|loss| if let Loss::Of(address) = loss { Some(address.clone()) } else { None })
        .collect();
    let allowed = AllowDataLoss { all: losses.contains(&Loss::All), addresses };
    let refused = plan.refused(&allowed);
    if refused.is_empty() {
        return Ok(());
    }
    let mut list = String::new();
    for step in &refused {
        let _ = write!(list, "\n  {} {}: {}", step.action.word(), step.address, step.loses.join("; "));
    }
    bail!(
        "this loses data, and nothing was changed:{list}\nallow it with --allow-data-loss ADDRESS for each, or with \
         --allow-data-loss all"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_addresses_or_all() {
        assert_eq!("all".parse(), Ok(Loss::All));
        assert_eq!("bucket.raw".parse(), Ok(Loss::Of(Address::new("bucket", "raw"))));
        assert!("everything".parse::<Loss>().expect_err("no address").contains("no address"));
    }
}
