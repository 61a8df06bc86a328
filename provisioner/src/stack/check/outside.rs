//! Checks of what the stack file names of its account: the boundary of roles, and the bucket of the leases.

use super::Checker;
use crate::kind::fits;
use crate::kinds::bucket;
use crate::kinds::role::PolicyArn;
use crate::names;
use crate::stack::diagnostics::Diagnostic;

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
        if let Some(state) = section.state_bucket.as_ref().filter(|state| state.sound)
            && let Some(mistake) = bucket::name::mistake(state)
        {
            let title = format!("the bucket of the leases can't be named `{}`", state.value);
            self.push(Diagnostic::new(state.span.clone(), title, mistake).help("choose another name: S3 refuses it"));
        }
    }
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
