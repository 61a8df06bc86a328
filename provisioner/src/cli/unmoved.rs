//! Whether what was agreed to is still what a plan does.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::app::desired::all_kinds;
use crate::app::{Snapshot, StackState};
use crate::plan::{FileError, Options, Plan, moved_since, to_delete, unlike};
use crate::resource::{Address, Live};

/// An error that names what moved since the plan was agreed to.
pub fn unmoved(before: &[Live], snapshot: &Snapshot) -> Result<()> {
    let (own, own_now) = (own(before), own(&snapshot.live));
    let mut moved = moved_since(all_kinds(), &own, &own_now, &snapshot.options.unread);
    // What others claim may come and go, but for what is to be deleted.
    let named = |all: &[Live]| -> BTreeSet<(Address, String)> {
        let named = to_delete(all, &snapshot.options);
        named.into_iter().map(|live| (live.address.clone(), live.id.clone())).collect()
    };
    let (before, now) = (named(before), named(&snapshot.live));
    moved.extend(
        before.symmetric_difference(&now).map(|(address, id)| format!("{address} ({id}) is claimed since, or no more")),
    );
    if moved.is_empty() { Ok(()) } else { Err(FileError::Moved(moved).into()) }
}

/// An error that names the steps of a plan that aren't those of the plan that was agreed to, which was made from `before` for these
/// options: what keeps a step back may be over by now, although nothing moved. What others claim may keep back what it does.
pub fn as_agreed(
    state: &StackState,
    (before, options): (&[Live], &Options),
    snapshot: &Snapshot,
    plan: &Plan,
) -> Result<()> {
    let mut agreed = own(before);
    agreed.extend(snapshot.live.iter().filter(|live| live.whose.claim().is_some()).cloned());
    let unlike = unlike(&state.plan(&agreed, options)?, plan);
    if unlike.is_empty() { Ok(()) } else { Err(FileError::Otherwise(unlike).into()) }
}

fn own(all: &[Live]) -> Vec<Live> {
    all.iter().filter(|live| live.whose.claim().is_none()).cloned().collect()
}
