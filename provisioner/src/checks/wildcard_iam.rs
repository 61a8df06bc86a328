//! A role that may do everything of a service on everything.

use lakewright_iam::Condition;
use serde_json::Value;

use super::{Around, Rule, of_policies, typed};
use crate::kinds::role::Spec;
use crate::kinds::statement::readable;

/// How the ARNs of AWS's own policies that allow nearly everything end.
const WIDE: [&str; 3] = ["AdministratorAccess", "PowerUserAccess", "IAMFullAccess"];

pub(super) const RULE: Rule = Rule {
    name: "wildcard-iam",
    kinds: &["role", "managed_policy"],
    reason: "whoever gets the role gets everything that it names",
    fix: "name the actions and the resources that are needed",
    breaks: |spec, around| {
        let mut found = of_policies(wildcards, spec, around);
        if around.address.kind == "role" {
            found.extend(typed(attached, spec, around));
        }
        found
    },
};

fn attached(role: &Spec, _: &Around<'_>) -> Vec<String> {
    let wide = role.attached_policies.iter().filter(|arn| WIDE.iter().any(|name| arn.ends_with(name)));
    wide.map(|arn| format!("{arn} is attached")).collect()
}

/// What the statements of a policy allow on everything that is all of a service, or all there is. A condition that
/// everybody fulfils is none.
fn wildcards(name: &str, policy: &Value) -> Vec<String> {
    let everywhere = readable(policy).filter(|statement| {
        let on_everything =
            statement.resources.names.iter().any(|resource| resource == "*") && !statement.resources.but;
        statement.allows && on_everything && !statement.conditions.iter().any(Condition::narrows)
    });
    let wide = everywhere.map(|statement| {
        let mut actions = if statement.actions.but { Vec::new() } else { statement.actions.names };
        actions.retain(|action| action == "*" || action.ends_with(":*"));
        actions
    });
    let wide = wide.filter(|actions| !actions.is_empty());
    wide.map(|actions| format!("{name} allows {} on everything", actions.join(", "))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_role_may_do_what_it_needs_only() {
        let statement =
            |action: &str, resource: &str| json!({"Effect": "Allow", "Action": [action], "Resource": resource});
        let policy = |statement: Value| json!({"Statement": [statement]});
        let mut conditional = statement("s3:*", "*");
        conditional["Condition"] = json!({"StringEquals": {"aws:PrincipalTag/team": "shop"}});
        let mut trivial = statement("sqs:*", "*");
        trivial["Condition"] = json!({"Bool": {"aws:SecureTransport": "true"}, "StringLike": {"aws:UserAgent": "*"}});
        let role = json!({
            "policies": {
                "wide": policy(statement("s3:*", "*")),
                "narrow": policy(statement("s3:GetObject", "*")),
                "own": policy(statement("s3:*", "arn:aws:s3:::mine/*")),
                "conditional": policy(conditional),
                "trivial": policy(trivial),
            },
            "attached_policies": [
                "arn:aws:iam::aws:policy/PowerUserAccess",
                "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
            ],
        });
        let expected = [
            "its policy trivial allows sqs:* on everything",
            "its policy wide allows s3:* on everything",
            "arn:aws:iam::aws:policy/PowerUserAccess is attached",
        ];
        assert_eq!(texts(&RULE, role), expected);
    }
}
