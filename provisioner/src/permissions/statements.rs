//! From what each action is allowed on to statements, and from statements to policies.

use std::collections::{BTreeMap, BTreeSet};

use lakewright_iam::Arn;
use serde_json::{Map, Value, json};

use super::conditions::{self, Conditions};

/// The characters that a managed policy holds, whitespace not counted.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const LONGEST: usize = 6144;

/// What each action is allowed on, under which conditions.
#[derive(Debug, Default)]
pub(super) struct Allowed(BTreeMap<String, BTreeMap<Conditions, BTreeSet<String>>>);

/// Actions that are allowed on the same, under the same conditions.
#[derive(Debug)]
struct Statement {
    actions: BTreeSet<String>,
    resources: BTreeSet<String>,
}

impl Statement {
    fn is_on_everything(&self) -> bool {
        self.resources.contains("*")
    }

    /// The services that it speaks of. Of two statements that share none no action of one takes a resource of the other.
    fn services(&self) -> BTreeSet<&str> {
        let of_actions = self.actions.iter().filter_map(|action| action.split(':').next());
        let of_resources = self.resources.iter().filter_map(|arn| Arn::parse(arn)).map(|arn| arn.service);
        of_actions.chain(of_resources).collect()
    }

    fn written(&self, conditions: &Conditions) -> Value {
        let mut statement = json!({"Effect": "Allow", "Action": self.actions, "Resource": self.resources});
        let conditions = conditions::written(conditions);
        if !conditions.is_null() {
            statement["Condition"] = conditions;
        }
        statement
    }
}

impl Allowed {
    /// Allows an action.
    pub(super) fn allow(&mut self, action: &str, conditions: &Conditions, resources: &BTreeSet<String>) {
        let of_action = self.0.entry(action.to_owned()).or_default();
        of_action.entry(conditions.clone()).or_default().extend(resources.iter().cloned());
    }

    /// All of it in as few statements as say no more.
    pub(super) fn statements(mut self) -> Vec<Value> {
        self.0.values_mut().for_each(lessen);
        let mut alike: BTreeMap<(Conditions, BTreeSet<String>, String), BTreeSet<String>> = BTreeMap::new();
        for (action, of_action) in self.0 {
            let service = action.split(':').next().unwrap_or_default().to_owned();
            for (conditions, resources) in of_action.into_iter().filter(|(_, resources)| !resources.is_empty()) {
                alike.entry((conditions, resources, service.clone())).or_default().insert(action.clone());
            }
        }
        let mut merged: BTreeMap<Conditions, Vec<Statement>> = BTreeMap::new();
        for ((conditions, resources, _), actions) in alike {
            let new = Statement { actions, resources };
            let fits = |other: &&mut Statement| {
                if new.is_on_everything() || other.is_on_everything() {
                    return new.is_on_everything() && other.is_on_everything();
                }
                new.services().is_disjoint(&other.services())
            };
            let statements = merged.entry(conditions).or_default();
            match statements.iter_mut().find(fits) {
                Some(other) => {
                    other.actions.extend(new.actions);
                    other.resources.extend(new.resources);
                }
                None => statements.push(new),
            }
        }
        let written = |(conditions, of): (Conditions, Vec<Statement>)| {
            of.iter().map(|statement| statement.written(&conditions)).collect::<Vec<_>>()
        };
        merged.into_iter().flat_map(written).collect()
    }
}

/// Takes away what is allowed already: by a wider pattern, or under fewer conditions.
fn lessen(of_action: &mut BTreeMap<Conditions, BTreeSet<String>>) {
    let all = of_action.clone();
    for (conditions, resources) in of_action {
        let wider = |resource: &String| {
            all.iter().any(|(others, patterns)| {
                let is_same = others == conditions;
                (is_same || are_fewer(others, conditions))
                    && patterns.iter().any(|pattern| covers(pattern, resource) && !(is_same && pattern == resource))
            })
        };
        resources.retain(|resource| !wider(resource));
    }
}

/// Whether whatever meets the one meets the other.
fn are_fewer(few: &Conditions, many: &Conditions) -> bool {
    few.len() <= many.len()
        && few != many
        && few.iter().all(|(operator, keys)| {
            let others = many.get(operator);
            keys.iter().all(|(key, values)| others.and_then(|others| others.get(key)) == Some(values))
        })
}

/// Whether a pattern takes all that another one takes. What is doubtful isn't taken.
pub(super) fn covers(pattern: &str, other: &str) -> bool {
    let (pattern, other): (Vec<char>, Vec<char>) = (pattern.chars().collect(), other.chars().collect());
    let (mut at, mut of) = (0, 0);
    let mut star = None;
    while of < other.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of));
                at += 1;
            }
            Some('?') if other[of] != '*' => (at, of) = (at + 1, of + 1),
            Some(letter) if *letter == other[of] => (at, of) = (at + 1, of + 1),
            _ => match star {
                Some((before, from)) => {
                    (at, of) = (before + 1, from + 1);
                    star = Some((before, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// The statements in as many policies as hold them.
pub(super) fn policies(statements: Vec<Value>) -> Vec<Value> {
    let empty = document(&[]).to_string().len();
    let mut policies: Vec<(usize, Vec<Value>)> = Vec::new();
    for statement in statements.into_iter().flat_map(|statement| parts(statement, LONGEST - empty)) {
        // And the comma.
        let length = length(&statement) + 1;
        match policies.iter_mut().find(|(used, _)| used + length <= LONGEST - empty) {
            Some((used, held)) => {
                *used += length;
                held.push(statement);
            }
            None => policies.push((length, vec![statement])),
        }
    }
    policies.iter().map(|(_, statements)| document(statements)).collect()
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// How many characters a statement has as a resource of a stack has it: with the values of its conditions in lists.
fn length(statement: &Value) -> usize {
    let operators = statement["Condition"].as_object().into_iter().flat_map(Map::values);
    let values = operators.filter_map(Value::as_object).flat_map(Map::values);
    statement.to_string().chars().count() + 2 * values.filter(|value| value.is_string()).count()
}

/// A statement in parts that are each no longer than that: each has some of the resources, or of the actions.
fn parts(statement: Value, longest: usize) -> Vec<Value> {
    if length(&statement) < longest {
        return vec![statement];
    }
    let most = |name: &&&str| statement[**name].as_array().map_or(0, Vec::len);
    let member = ["Resource", "Action"].iter().max_by_key(most).expect("there are two");
    let items = statement[*member].as_array().cloned().unwrap_or_default();
    if items.len() < 2 {
        return vec![statement];
    }
    let (first, second) = items.split_at(items.len() / 2);
    let with = |items: &[Value]| {
        let mut part = statement.clone();
        part[*member] = items.into();
        part
    };
    [with(first), with(second)].into_iter().flat_map(|part| parts(part, longest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn only(key: &str) -> Conditions {
        [("StringEquals".to_owned(), [(key.to_owned(), texts(&["shop"]))].into())].into()
    }

    #[test]
    fn a_wider_pattern_takes_the_narrower() {
        for (pattern, other, expected) in [
            ("a:*", "a:b", true),
            ("a:*", "a:b*c", true),
            ("a:*:c", "a:b:c", true),
            ("a:??", "a:bc", true),
            ("a:??", "a:b*", false),
            ("a:b", "a:*", false),
            ("a/b/*", "a/bc", false),
            ("*", "", true),
        ] {
            assert_eq!(covers(pattern, other), expected, "{pattern} {other}");
        }
    }

    #[test]
    fn what_is_allowed_already_isn_t_said_again() {
        let mut allowed = Allowed::default();
        let (none, owned) = (Conditions::new(), only("aws:ResourceTag/x"));
        allowed.allow("sqs:DeleteQueue", &none, &texts(&["arn:aws:sqs:::a-*", "arn:aws:sqs:::a-b"]));
        allowed.allow("sqs:DeleteQueue", &owned, &texts(&["arn:aws:sqs:::a-c", "arn:aws:sqs:::d"]));
        let statements = allowed.statements();
        assert_eq!(
            statements,
            [
                json!({"Effect": "Allow", "Action": ["sqs:DeleteQueue"], "Resource": ["arn:aws:sqs:::a-*"]}),
                json!({"Effect": "Allow", "Action": ["sqs:DeleteQueue"], "Resource": ["arn:aws:sqs:::d"],
                    "Condition": {"StringEquals": {"aws:ResourceTag/x": "shop"}}}),
            ]
        );
    }

    #[test]
    fn statements_are_joined_where_that_allows_no_more() {
        let mut allowed = Allowed::default();
        let none = Conditions::new();
        allowed.allow("sqs:DeleteQueue", &none, &texts(&["arn:aws:sqs:::a"]));
        allowed.allow("sns:DeleteTopic", &none, &texts(&["arn:aws:sns:::b"]));
        allowed.allow("sqs:SendMessage", &none, &texts(&["arn:aws:sqs:::c"]));
        allowed.allow("sqs:ListQueues", &none, &texts(&["*"]));
        let statements = allowed.statements();
        let joined: Vec<usize> =
            statements.iter().map(|statement| statement["Action"].as_array().map_or(0, Vec::len)).collect();
        assert_eq!(joined.iter().sum::<usize>(), 4);
        for statement in &statements {
            let actions = statement["Action"].to_string();
            let resources = statement["Resource"].to_string();
            assert!(!(actions.contains("SendMessage") && resources.contains("sqs:::a")), "{statement}");
            assert_eq!(actions.contains("ListQueues"), resources.contains("\"*\""), "{statement}");
        }
        assert_eq!(statements.len(), 3);
    }

    #[test]
    fn no_policy_is_longer_than_iam_takes() {
        let many: BTreeSet<String> =
            (0..400).map(|number| format!("arn:aws:sqs:eu-north-1:123:queue-{number}")).collect();
        let mut allowed = Allowed::default();
        allowed.allow("sqs:DeleteQueue", &Conditions::new(), &many);
        allowed.allow("sqs:ListQueues", &Conditions::new(), &texts(&["*"]));
        let policies = policies(allowed.statements());
        let lengths: Vec<usize> = policies.iter().map(|policy| policy.to_string().len()).collect();
        assert!(lengths.iter().all(|length| *length <= LONGEST), "{lengths:?}");
        let said = policies.iter().flat_map(|policy| policy["Statement"].as_array().cloned().unwrap_or_default());
        let resources: usize = said.map(|statement| statement["Resource"].as_array().map_or(0, Vec::len)).sum();
        assert_eq!(resources, 401);
    }

    #[test]
    fn policies_are_no_longer_as_resources_of_a_stack() {
        let mut allowed = Allowed::default();
        for number in 0..200 {
            let tag = ("aws:ResourceTag/number".to_owned(), texts(&[&number.to_string()]));
            let conditions = Conditions::from([("StringEquals".to_owned(), [tag].into())]);
            allowed.allow("sqs:DeleteQueue", &conditions, &texts(&[&format!("arn:aws:sqs:r:1:queue-{number}")]));
        }
        let kind = crate::kinds::named("managed_policy").expect("a kind");
        let policies = policies(allowed.statements());
        assert!(policies.len() > 2);
        for document in policies {
            let spec = kind.normalise(&json!({"name": "shop-ci-1", "document": document})).expect("a policy");
            assert!(spec["document"].to_string().len() <= LONGEST, "{}", spec["document"].to_string().len());
        }
    }
}
