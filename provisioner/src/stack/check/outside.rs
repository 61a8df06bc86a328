//! Checks of what the stack file names of its account: the boundary of roles, and the bucket of the leases.

use lakewright_iam::partition;

use super::Checker;
use crate::kind::fits;
use crate::kinds::bucket;
use crate::kinds::role::PolicyArn;
use crate::names;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::{Stack, StackSection};

impl Checker<'_> {
    pub(super) fn outside(&mut self) {
        let section = &self.file.stack;
        if let Some(boundary) = section.permissions_boundary.as_ref().filter(|boundary| boundary.sound)
            && !is_policy(boundary)
        {
            let title = format!("`{}` is no managed policy", boundary.value);
            self.push(
                Diagnostic::new(boundary.span.clone(), title, "no policy")
                    .help("write one of the stack's account, \"policy/shop-boundary\", or its ARN"),
            );
        }
        if let Some(boundary) = section.permissions_boundary.as_ref().filter(|boundary| boundary.sound)
            && boundary.contains(&format!("policy{}", names::identities(&section.name)))
        {
            let title = "the boundary can't stand under the path of what the stack makes";
            self.push(
                Diagnostic::new(boundary.span.clone(), title, "the stack's own path")
                    .help("make it under another one: whoever applies the stack must not own it"),
            );
        }
        if let Some(account) = section.only_account()
            && let Some(mistake) = boundary_of_other(section, account)
        {
            self.push(mistake);
        }
        let region = section.region.as_ref().filter(|region| region.sound);
        let boundary = section.permissions_boundary.as_ref().filter(|boundary| boundary.sound && is_policy(boundary));
        if let (Some(boundary), Some(region)) = (boundary.filter(|one| one.starts_with("arn:")), region)
            && names::partition_of(boundary) != partition(region)
        {
            let own = names::partition_of(boundary);
            let title = format!("the region {} is of the partition {}", region.value, partition(region));
            let mut mistake = Diagnostic::new(boundary.span.clone(), title, format!("a policy of the partition {own}"));
            mistake.also.push((region.span.clone(), "another partition".to_owned()));
            self.push(mistake.help("name a policy of the region's partition: IAM takes no other"));
        }
        if let Some(state) = section.state_bucket.as_ref().filter(|state| state.sound)
            && let Some(mistake) = bucket::name::mistake(state)
        {
            let title = format!("the bucket of the leases can't be named `{}`", state.value);
            self.push(Diagnostic::new(state.span.clone(), title, mistake).help("choose another name: S3 refuses it"));
        }
    }
}

/// The mistake of a boundary that is a policy of another account than the stack's; AWS's own belong to every one.
fn boundary_of_other(section: &StackSection, account: &str) -> Option<Diagnostic> {
    let boundary = section.permissions_boundary.as_ref().filter(|boundary| boundary.sound && is_policy(boundary))?;
    let owner = names::account_of(boundary).filter(|owner| *owner != account)?;
    let title = format!("the stack belongs to the account {account}, and the policy that bounds its roles to {owner}");
    let mistake = Diagnostic::new(boundary.span.clone(), title, format!("a policy of {owner}"));
    let (_, policy) = boundary.split_once(":policy/")?;
    Some(mistake.help(format!(
        "IAM bounds roles by policies of their own account alone: write \"policy/{policy}\", one of the stack's account"
    )))
}

/// The same of a stack in the account that it turned out to be applied to.
pub fn foreign_boundary(stack: &Stack, account: &str) -> Option<Diagnostic> {
    boundary_of_other(&stack.file.stack, account)
}

/// Whether a text is the ARN of a policy, or what such an ARN ends with.
fn is_policy(text: &str) -> bool {
    let whole = if text.starts_with("arn:") { text.to_owned() } else { format!("arn:aws:iam::000000000000:{text}") };
    // In a policy of those who apply it stars would stand for more than one.
    fits(PolicyArn::PATTERN, &whole) && !whole.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_one_policy() {
        for (text, expected) in [
            ("policy/shop-boundary", true),
            ("policy/teams/data/shop", true),
            ("arn:aws:iam::123456789012:policy/shop", true),
            ("arn:aws:iam::aws:policy/PowerUserAccess", true),
            ("shop-boundary", false),
            ("policy/*", false),
            ("role/shop", false),
            ("arn:aws:iam::123456789012:role/shop", false),
        ] {
            assert_eq!(is_policy(text), expected, "{text}");
        }
    }
}
