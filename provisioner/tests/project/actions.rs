//! The actions that kinds say they take, against AWS's service authorization reference.

use lakewright::{kinds, permissions};
use lakewright_iam::reference;

#[test]
fn aws_has_every_action_that_a_kind_takes() {
    let mut strange = Vec::new();
    for kind in kinds::all() {
        for said in kind.actions() {
            let (service, operation) = said.split_once(':').expect("a service and what is done with it");
            let action = permissions::action(service, operation);
            if reference::action(&action).is_none_or(|known| known.name != action) {
                strange.push(format!("{}: {said} is {action}", kind.name()));
            }
        }
    }
    assert!(strange.is_empty(), "no action of AWS's, or not in the reference's facts: {strange:#?}");
}
