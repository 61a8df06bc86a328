//! Roles that nothing bounds.

use super::{Around, Rule, said, typed};
use crate::kinds::role::{Role, Spec};
use crate::names;

pub(super) const RULE: Rule = Rule {
    name: "role-without-boundary",
    kinds: &["role"],
    reason: "whoever applies the stack writes the policies of its roles: without a boundary they make a role that may do anything, \
             and act as it",
    fix: "name a policy that somebody else makes, `permissions_boundary = \"policy/…\"` in `[stack]`; `lakewright permissions \
          --boundary` prints one",
    breaks: |spec, around| typed(breaks, spec, around),
};

/// Said once for a stack, of the role whose name comes first.
fn breaks(_: &Spec, around: &Around<'_>) -> Vec<String> {
    let is_bounded = |name: &str, role: &Spec| {
        // Who applies the stack makes the others, and isn't made by itself.
        role.permissions_boundary.is_some() || names::DEPLOYERS.contains(&name)
    };
    let all = around.of(&Role).filter(|(address, role)| !is_bounded(&address.name, role));
    let open: Vec<&str> = all.map(|(address, _)| address.name.as_str()).collect();
    let is_first = open.iter().min() == Some(&around.address.name.as_str());
    let others = match open.len() {
        0 | 1 => String::new(),
        2 => " and another one".to_owned(),
        many => format!(" and {} others", many - 1),
    };
    let verb = if open.len() > 1 { "have" } else { "has" };
    said(is_first, format!("it{others} {verb} no boundary"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_role_has_a_boundary() {
        assert_eq!(texts(&RULE, json!({})), ["it has no boundary"]);
        assert_eq!(texts(&RULE, json!({"permissions_boundary": "arn:aws:iam::123456789012:policy/b"})), [""; 0]);
    }
}
