//! The policy that bounds what a stack's roles may be made to do, whoever writes their own policies.
//!
//! It is made outside the stack, by somebody who may make any role. The roles that apply the stack aren't among those that it bounds:
//! they may do more, and are made by the same somebody.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use lakewright_iam::reference::{self, Action};
use lakewright_iam::{Arn, Document, Effect, Element, Kind};
use serde_json::{Value, json};

use super::conditions::Conditions;
use super::statements::{self, Allowed, covers};
use super::{Deployer, Purpose};
use crate::kind::When;
use crate::kinds;
use crate::names;
use crate::reference::{Reference, resolve};
use crate::resource::Address;

/// The services whose things are known by identifiers alone, and are distinguished from others' by their tags.
const BY_TAG: &[&str] = &["emr-serverless", "kms"];

/// What a boundary keeps from a role that needs it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lack {
    /// The role.
    pub role: Address,
    /// The action.
    pub action: String,
    /// On what.
    pub resource: String,
}

/// What a role of the stack may do.
struct Need {
    role: Address,
    /// The boundary that its spec names.
    boundary: Option<String>,
    actions: Vec<String>,
    /// References are resolved as far as names say.
    resources: Vec<String>,
    condition: Value,
}

impl Deployer<'_> {
    /// A policy that bounds the stack's roles: what they need, on all that is the stack's. None where it would be longer than one
    /// policy is.
    pub fn bounds(&self) -> Option<Value> {
        let mut allowed = Allowed::default();
        for need in self.needs() {
            for (action, resource) in pairs(&need) {
                let (resource, conditions) = self.widened(action, resource, &need.condition);
                allowed.allow(action, &conditions, &BTreeSet::from([resource]));
            }
        }
        let mut exact = allowed.statements();
        if exact.is_empty() {
            // A policy has a statement, also where no role needs anything.
            exact.push(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
        }
        let one = |statements: Vec<Value>| {
            let mut all = statements::policies(statements);
            (all.len() == 1).then(|| all.remove(0))
        };
        one(exact.clone()).or_else(|| one(exact.into_iter().map(shortened).collect()))
    }

    /// The boundaries that the stack's roles are within.
    pub fn boundaries(&self) -> BTreeSet<String> {
        self.needs().into_iter().filter_map(|need| need.boundary).collect()
    }

    /// What a boundary keeps from the roles that are within it, as far as it follows without their conditions.
    pub fn lacking(&self, arn: &str, says: &Value) -> Result<Vec<Lack>> {
        let document = Document::parse(Kind::Boundary, says).with_context(|| format!("read the policy {arn}"))?;
        let mut lacks = BTreeSet::new();
        for need in self.needs().into_iter().filter(|need| need.boundary.as_deref() == Some(arn)) {
            let missing = pairs(&need).filter(|(action, resource)| !lets(&document, action, resource));
            let lack = |(action, resource): (&str, &str)| Lack {
                role: need.role.clone(),
                action: action.to_owned(),
                resource: resource.to_owned(),
            };
            lacks.extend(missing.map(lack));
        }
        Ok(lacks.into_iter().collect())
    }

    /// What the stack's roles may do, but those that apply it.
    fn needs(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        for resource in &self.desired.resources {
            let field = kinds::named(&resource.address.kind).and_then(|kind| kind.facts().own_policies);
            let Some(field) = field.filter(|_| !names::DEPLOYERS.contains(&resource.address.name.as_str())) else {
                continue;
            };
            let policies = resource.spec[field].as_object().into_iter().flat_map(|policies| policies.values());
            let statements = policies.flat_map(|policy| policy["Statement"].as_array().into_iter().flatten());
            for statement in statements.filter(|statement| statement["Effect"] == "Allow") {
                let lookup = |reference: &Reference| self.called(reference);
                let resolved = resolve(&statement["Resource"], &lookup);
                needs.push(Need {
                    role: resource.address.clone(),
                    boundary: resource.spec["permissions_boundary"].as_str().map(str::to_owned),
                    actions: texts(&statement["Action"]),
                    resources: texts(&resolved),
                    condition: resolve(&statement["Condition"], &lookup),
                });
            }
        }
        needs
    }

    /// What a boundary allows of an action: on all of the stack's that is of the same sort.
    fn widened(&self, action: &str, resource: &str, condition: &Value) -> (String, Conditions) {
        let service = action.split(':').next().unwrap_or_default();
        let wide = wide(resource);
        let conditions = |when: &[When]| self.conditions(when, Purpose::Apply).unwrap_or_default();
        let own = self.arn("logs:{region}:{account}:log-group:/lakewright/{stack}/*");
        if covers(&own, &wide) {
            return (own, Conditions::new());
        }
        let content = self.named(&["content"]);
        if content.iter().any(|content| covers(content, &wide) || content.strip_suffix("/*") == Some(&wide)) {
            return (wide, conditions(&[When::OfAccount]));
        }
        let is_by_tag = condition.to_string().contains(&format!("aws:ResourceTag/{}", crate::kind::STACK));
        // Runs that agents start carry no tags.
        let is_tagged = BY_TAG.contains(&service) && wide.ends_with('*') && !resource.contains("/jobruns/");
        if is_by_tag || is_tagged {
            return (wide, conditions(&[When::Owned]));
        }
        (wide, read(condition))
    }
}

/// Each action on each resource.
fn pairs(need: &Need) -> impl Iterator<Item = (&str, &str)> {
    need.actions.iter().flat_map(|action| need.resources.iter().map(|resource| (action.as_str(), resource.as_str())))
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The ARN with all that stands beside it: the whole bucket, all topics and groups of a cluster, all tables of a database.
fn wide(arn: &str) -> String {
    let Some(parsed) = Arn::parse(arn) else { return arn.to_owned() };
    let segments: Vec<&str> = parsed.resource.split('/').collect();
    let resource = match (parsed.service, &segments[..]) {
        ("s3", [bucket, _, ..]) => format!("{bucket}/*"),
        ("kafka", [kind, cluster, _, _, ..]) => format!("{kind}/{cluster}/*"),
        ("glue", ["table", database, ..]) => format!("table/{database}/*"),
        ("emr-serverless", ["", kind, _, ..]) => format!("/{kind}/*"),
        _ => return arn.to_owned(),
    };
    Arn { resource: &resource, ..parsed }.to_string()
}

/// A condition of a policy as it stands.
fn read(condition: &Value) -> Conditions {
    let keys = |keys: &Value| {
        let keys = keys.as_object().into_iter().flatten();
        keys.map(|(key, values)| (key.clone(), texts(values).into_iter().collect())).collect()
    };
    let operators = condition.as_object().into_iter().flatten();
    operators.map(|(operator, of)| (operator.clone(), keys(of))).collect()
}

/// The statement with patterns for actions that begin with the same words, where AWS's reference has no other action that a pattern
/// would take too.
fn shortened(mut statement: Value) -> Value {
    let actions = texts(&statement["Action"]);
    let mut short: BTreeSet<String> = BTreeSet::new();
    for action in &actions {
        if short.iter().any(|pattern| covers(pattern, action)) {
            continue;
        }
        let pattern = begins(action).into_iter().find(|pattern| stands_for(pattern, &actions));
        short.insert(pattern.unwrap_or_else(|| action.clone()));
    }
    // A pattern may stand for what came before it, too.
    let is_covered = |one: &String| short.iter().any(|other| other != one && covers(other, one));
    let short: Vec<&String> = short.iter().filter(|one| !is_covered(one)).collect();
    statement["Action"] = json!(short);
    statement
}

/// The patterns of actions whose names begin with the same words, the widest first.
fn begins(action: &str) -> Vec<String> {
    let (service, name) = action.split_once(':').unwrap_or_default();
    let words = name.char_indices().skip(1).filter(|(_, letter)| letter.is_uppercase());
    words.map(|(at, _)| format!("{service}:{}*", &name[..at])).collect()
}

/// Whether a pattern takes several of these actions and, as far as is known, no others.
fn stands_for(pattern: &str, actions: &[String]) -> bool {
    let is_named = |action: &Action| actions.contains(&action.name);
    actions.iter().filter(|action| covers(pattern, action)).count() > 1 && reference::covered_by(pattern).all(is_named)
}

/// Whether a boundary may let a role do so: a statement allows it under some condition, and none denies it under all.
fn lets(boundary: &Document, action: &str, resource: &str) -> bool {
    let action = action.to_lowercase();
    let named = |element: &Element<Vec<String>>, of: &dyn Fn(&str) -> bool| match element {
        Element::In(patterns) => patterns.iter().any(|pattern| of(pattern)),
        Element::NotIn(patterns) => !patterns.iter().any(|pattern| of(pattern)),
    };
    let mut is_allowed = false;
    for statement in &boundary.statements {
        let allows = matches!(statement.effect, Effect::Allow);
        let fits = |pattern: &str, of: &str| if allows { meets(pattern, of) } else { covers(pattern, of) };
        let of_action = named(&statement.actions, &|pattern| fits(&pattern.to_lowercase(), &action));
        let of_resource = statement.resources.as_ref().is_none_or(|all| named(all, &|pattern| fits(pattern, resource)));
        if !of_action || !of_resource {
            continue;
        }
        if allows {
            is_allowed = true;
        } else if statement.conditions.is_empty() {
            return false;
        }
    }
    is_allowed
}

/// Whether there is a text that both patterns take.
fn meets(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Which of the other's beginnings meet the one's beginning so far.
    let mut row: Vec<bool> = vec![false; other.len() + 1];
    row[0] = true;
    for at in 0..other.len() {
        row[at + 1] = row[at] && other[at] == '*';
    }
    for letter in &one {
        let before = row.clone();
        row[0] = before[0] && *letter == '*';
        for at in 0..other.len() {
            let same = *letter == other[at] || *letter == '?' || other[at] == '?';
            row[at + 1] = match (*letter, other[at]) {
                ('*', _) | (_, '*') => before[at + 1] || row[at],
                _ => before[at] && same,
            };
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_meet_where_one_text_fits_both() {
        for (one, other, expected) in [
            ("s3:*", "s3:GetObject", true),
            ("s3:Get*", "s3:*Object", true),
            ("s3:Put*", "s3:Get*", false),
            ("arn:aws:s3:::a/*", "arn:aws:s3:::a/b/*", true),
            ("arn:aws:s3:::a/*", "arn:aws:s3:::b/*", false),
            ("a*c", "ab*", true),
            ("a?c", "abc", true),
            ("a?c", "a*d", false),
            ("*", "", true),
            ("a", "", false),
        ] {
            assert_eq!(meets(one, other), expected, "{one} {other}");
            assert_eq!(meets(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn a_boundary_lets_what_it_allows_and_doesn_t_deny() {
        let boundary = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::shop-raw/*"]},
            {"Effect": "Allow", "NotAction": ["iam:*", "s3:*"], "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        ]});
        let document = Document::parse(Kind::Boundary, &boundary).expect("a policy");
        for (action, resource, expected) in [
            ("s3:GetObject", "arn:aws:s3:::shop-raw/hosts/*", true),
            ("s3:GetObject", "arn:aws:s3:::other/*", false),
            ("s3:PutObject", "arn:aws:s3:::shop-raw/x", true),
            ("s3:DeleteObject", "arn:aws:s3:::shop-raw/x", false),
            ("logs:PutLogEvents", "arn:aws:logs:eu-north-1:1:log-group:a", true),
            ("iam:PassRole", "arn:aws:iam::1:role/x", false),
        ] {
            assert_eq!(lets(&document, action, resource), expected, "{action} {resource}");
        }
    }

    #[test]
    fn actions_are_written_short_without_opening_more() {
        let short = |actions: &[&str]| texts(&shortened(json!({"Action": actions}))["Action"]);
        let writes = ["kafka-cluster:ReadData", "kafka-cluster:WriteData", "kafka-cluster:WriteDataIdempotently"];
        assert_eq!(short(&writes), ["kafka-cluster:ReadData", "kafka-cluster:Write*"]);
        for exact in [
            // GetTableVersion, PutObjectAcl and GetSecretValue are others.
            &["glue:GetTable", "glue:GetTables"],
            &["s3:PutObject", "s3:PutObjectTagging"],
            &["secretsmanager:GetRandomPassword", "secretsmanager:GetResourcePolicy"],
        ] {
            assert_eq!(short(exact), exact);
        }
    }

    #[test]
    fn a_boundary_takes_what_stands_beside() {
        for (arn, expected) in [
            ("arn:aws:s3:::shop-raw-1/raw/users/*", "arn:aws:s3:::shop-raw-1/*"),
            ("arn:aws:s3:::shop-raw-1", "arn:aws:s3:::shop-raw-1"),
            ("arn:aws:kafka:eu-north-1:1:topic/shop/*/events", "arn:aws:kafka:eu-north-1:1:topic/shop/*"),
            ("arn:aws:kafka:eu-north-1:1:cluster/shop/*", "arn:aws:kafka:eu-north-1:1:cluster/shop/*"),
            ("arn:aws:glue:eu-north-1:1:table/shop_raw/users", "arn:aws:glue:eu-north-1:1:table/shop_raw/*"),
            ("*", "*"),
        ] {
            assert_eq!(wide(arn), expected);
        }
    }
}
