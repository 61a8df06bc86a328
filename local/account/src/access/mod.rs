//! Whether a caller may do one thing with one resource: the policies of both are found among the documents, and `lakewright-iam`
//! answers.

mod acting;
mod ask;
mod caller;
mod decide;
mod managed;
mod policies;
pub(crate) mod refuse;
pub(crate) mod resource_policy;
mod works;

pub(crate) use acting::{Acting, lets_launch, lets_log};
pub(crate) use ask::Ask;
pub(crate) use caller::{Caller, managed_text};
pub(crate) use decide::decide;
pub(crate) use works::{owner_of, trusted, works};

use crate::state::GLOBAL;
use crate::store::Scope;

/// Where what has no region stands.
pub(crate) fn global(account: &str) -> Scope {
    Scope::new(account, GLOBAL)
}
