//! What AWS answered that it doesn't make.

use lakewright_aws::Error;

use crate::plan::Kinds;
use crate::resource::Address;

/// Whether an error says that the thing wasn't made: it is the answer of the call that makes it, which every kind names first.
/// What fails later, or isn't answered, may exist.
pub(super) fn is_refused(kinds: Kinds<'_>, address: &Address, error: &anyhow::Error) -> bool {
    let makes = kinds.get(&address.kind).and_then(|kind| kind.facts().actions.first()?.split_once(':'));
    let is_no = |error: &Error| {
        let by_it = makes.is_some_and(|(_, operation)| operation == error.operation && !operation.starts_with("Get"));
        by_it && !error.lost && !error.is_already_exists()
    };
    let mut answers = error.chain().filter_map(|cause| cause.downcast_ref::<Error>()).peekable();
    answers.peek().is_some() && answers.all(is_no)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_of_the_call_that_makes_a_thing_says_that_it_isn_t_there() {
        let vpc = Address::new("vpc", "main");
        let error = |operation: &str, code: &str| Error::answered("ec2", operation, code, "", 400, "");
        let is_refused = |error: anyhow::Error| is_refused(Kinds(crate::kinds::all()), &vpc, &error.context("create"));
        assert!(is_refused(error("CreateVpc", "VpcLimitExceeded").into()));
        assert!(!is_refused(error("ModifyVpcAttribute", "UnauthorizedOperation").into()), "it exists by then");
        assert!(!is_refused(Error { lost: true, ..error("CreateVpc", "RequestTimeout") }.into()));
        assert!(!is_refused(anyhow::anyhow!("it isn't available after five minutes")));
        for kind in crate::kinds::all() {
            let first = kind.facts().actions.first().map_or("", |action| action.rsplit(':').next().unwrap_or_default());
            let makes = ["Allocate", "Associate", "BatchAssociate", "Create", "Modify", "Put", "Register", "Start"];
            let is_write = makes.iter().any(|verb| first.starts_with(verb)) || first.contains("Change");
            assert!(is_write || ["object", "release"].contains(&kind.name()), "{}: {first}", kind.name());
        }
    }
}
