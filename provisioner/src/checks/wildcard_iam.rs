//! A role that may do everything of a service on everything.

use serde_json::Value;

use super::{Around, Rule, typed};
use crate::kinds::role::Spec;

/// How the ARNs of AWS's own policies that allow nearly everything end.
const WIDE: [&str; 3] = ["AdministratorAccess", "PowerUserAccess", "IAMFullAccess"];

pub(super) const RULE: Rule = Rule {
    name: "wildcard-iam",
    kind: "role",
    reason: "whoever gets the role gets everything that it names",
    fix: "name the actions and the resources that are needed",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(role: &Spec, _: &Around<'_>) -> Vec<String> {
    let mut found: Vec<String> = role.policies.iter().flat_map(|(name, policy)| wildcards(name, policy)).collect();
    let wide = role.attached_policies.iter().filter(|arn| WIDE.iter().any(|name| arn.ends_with(name)));
    found.extend(wide.map(|arn| format!("{arn} is attached")));
    found
}

/// What the statements of a policy allow on everything that is all of a service, or all there is.
fn wildcards(name: &str, policy: &Value) -> Vec<String> {
    let statements = policy["Statement"].as_array().into_iter().flatten();
    let allows = statements.filter(|statement| statement["Effect"] == "Allow" && statement["Condition"].is_null());
    let everywhere = allows.filter(|statement| words(&statement["Resource"]).contains(&"*"));
    let wide = everywhere.map(|statement| {
        let mut actions = words(&statement["Action"]);
        actions.retain(|action| *action == "*" || action.ends_with(":*"));
        actions
    });
    let wide = wide.filter(|actions| !actions.is_empty());
    wide.map(|actions| format!("its policy {name} allows {} on everything", actions.join(", "))).collect()
}

/// The texts of a text or a list.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
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
        let role = json!({
            "policies": {
                "wide": policy(statement("s3:*", "*")),
                "narrow": policy(statement("s3:GetObject", "*")),
                "own": policy(statement("s3:*", "arn:aws:s3:::mine/*")),
                "conditional": policy(conditional),
            },
            "attached_policies": [
                "arn:aws:iam::aws:policy/PowerUserAccess",
                "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
            ],
        });
        let expected =
            ["its policy wide allows s3:* on everything", "arn:aws:iam::aws:policy/PowerUserAccess is attached"];
        assert_eq!(texts(&RULE, role), expected);
    }
}
