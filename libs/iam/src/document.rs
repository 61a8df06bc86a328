//! Policy documents: their elements, read from JSON.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use serde_json::{Map, Value};

use crate::condition::Condition;
use crate::error::PolicyError;
use crate::members::{known, object, texts};

/// What a policy is attached to, which decides the elements that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Of a user or role; no principals.
    Identity,
    /// A permissions boundary; written like one of an identity.
    Boundary,
    /// Of a session; written like one of an identity.
    Session,
    /// Of a bucket, a key, a topic and so on; with principals.
    Resource,
    /// Of a role: who may become it; with principals and without resources.
    Trust,
}

impl Kind {
    /// What AWS calls such a policy in its refusals, after "no".
    pub fn words(self) -> &'static str {
        match self {
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Resource => "resource-based policy",
            Self::Trust => "role trust policy",
        }
    }
}

/// A policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it is attached to.
    pub kind: Kind,
    /// Whether variables are replaced: since version 2012-10-17.
    pub variables: bool,
    /// Its statements, in order.
    pub statements: Vec<Statement>,
}

/// What a statement does to what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever else allows.
    Deny,
}

/// An element and its opposite, such as `Action` and `NotAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element<T> {
    /// What is in it.
    In(T),
    /// Everything but what is in it.
    NotIn(T),
}

/// Who is meant. In no list: `"*"` alone, which is everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principals {
    /// Whether it is everybody: `"*"` or `{"AWS": "*"}`.
    pub everybody: bool,
    /// Accounts, roles, sessions and users: account numbers or ARNs.
    pub aws: Vec<String>,
    /// Services, such as `ec2.amazonaws.com`.
    pub services: Vec<String>,
    /// Providers of identities: ARNs or names.
    pub federated: Vec<String>,
    /// Canonical ids of S3.
    pub canonical: Vec<String>,
}

/// A statement of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its name.
    pub sid: Option<String>,
    /// What it does.
    pub effect: Effect,
    /// Whom it is about, in policies of resources.
    pub principals: Option<Element<Principals>>,
    /// Patterns of actions.
    pub actions: Element<Vec<String>>,
    /// Patterns of ARNs; none in a role's trust policy.
    pub resources: Option<Element<Vec<String>>>,
    /// What must hold of the request, all together.
    pub conditions: Vec<Condition>,
}

impl Document {
    /// Reads a policy; the error names the place of the first mistake.
    pub fn parse(kind: Kind, document: &Value) -> Result<Self, PolicyError> {
        let members = object("document", document)?;
        known("document", members, &["Version", "Id", "Statement"])?;
        let variables = match members.get("Version").map(|version| version.as_str()) {
            Some(Some("2012-10-17")) => true,
            None | Some(Some("2008-10-17")) => false,
            Some(_) => return Err(PolicyError::new("Version", "must be 2012-10-17 or 2008-10-17")),
        };
        let statements = match members.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err(PolicyError::new("Statement", "must be a list of statements")),
        };
        let statements = statements.into_iter().enumerate();
        let statements = statements.map(|(at, value)| statement(kind, &format!("Statement[{at}]"), value, resources));
        Ok(Self { kind, variables, statements: statements.collect::<Result<_, _>>()? })
    }

    /// Reads a policy from its text.
    pub fn from_text(kind: Kind, text: &str) -> Result<Self, PolicyError> {
        let value = serde_json::from_str(text).map_err(|error| PolicyError::new("document", error.to_string()))?;
        Self::parse(kind, &value)
    }
}

impl Statement {
    /// Reads a statement of a policy that is still to be written: a reference, `${kind.name.output}`, may stand for a whole
    /// resource. What the policy is attached to follows from the statement's elements.
    pub fn draft(value: &Value) -> Result<Self, PolicyError> {
        let has = |name: &str| value.get(name).is_some() || value.get(format!("Not{name}")).is_some();
        let kind = match (has("Principal"), has("Resource")) {
            (true, true) => Kind::Resource,
            (true, false) => Kind::Trust,
            (false, _) => Kind::Identity,
        };
        statement(kind, "Statement", value, drafted_resources)
    }
}

/// How an element's value is read, at its place.
type Read<T> = fn(&str, &Value) -> Result<T, PolicyError>;

fn statement(kind: Kind, place: &str, value: &Value, resources: Read<Vec<String>>) -> Result<Statement, PolicyError> {
    let members = object(place, value)?;
    known(
        place,
        members,
        &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"],
    )?;
    let at = |member: &str| format!("{place}.{member}");
    let effect = match members.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return Err(PolicyError::new(&at("Effect"), "must be Allow or Deny")),
    };
    let sid = match members.get("Sid") {
        Some(Value::String(sid)) => Some(sid.clone()),
        None => None,
        Some(_) => return Err(PolicyError::new(&at("Sid"), "must be text")),
    };
    let principals = either(place, members, "Principal", principals)?;
    let actions = either(place, members, "Action", actions)?;
    let actions = actions.ok_or_else(|| PolicyError::new(place, "has neither Action nor NotAction"))?;
    let resources = either(place, members, "Resource", resources)?;
    let of_resource = matches!(kind, Kind::Resource | Kind::Trust);
    if of_resource && principals.is_none() {
        return Err(PolicyError::new(place, "has no Principal, which a policy of a resource needs"));
    }
    if !of_resource && principals.is_some() {
        return Err(PolicyError::new(&at("Principal"), "stands in policies of resources only"));
    }
    if kind == Kind::Trust && resources.is_some() {
        return Err(PolicyError::new(&at("Resource"), "stands in no role's trust policy"));
    }
    if kind != Kind::Trust && resources.is_none() {
        return Err(PolicyError::new(place, "has neither Resource nor NotResource"));
    }
    let conditions = match members.get("Condition") {
        Some(conditions) => Condition::parse_all(&at("Condition"), conditions)?,
        None => Vec::new(),
    };
    Ok(Statement { sid, effect, principals, actions, resources, conditions })
}

/// An element or its opposite; both together are a mistake.
fn either<T>(
    place: &str,
    members: &Map<String, Value>,
    name: &str,
    read: Read<T>,
) -> Result<Option<Element<T>>, PolicyError> {
    let opposite = format!("Not{name}");
    match (members.get(name), members.get(&opposite)) {
        (None, None) => Ok(None),
        (Some(value), None) => Ok(Some(Element::In(read(&format!("{place}.{name}"), value)?))),
        (None, Some(value)) => Ok(Some(Element::NotIn(read(&format!("{place}.{opposite}"), value)?))),
        (Some(_), Some(_)) => Err(PolicyError::new(place, format!("has both {name} and {opposite}"))),
    }
}

fn actions(place: &str, value: &Value) -> Result<Vec<String>, PolicyError> {
    let actions = texts(place, value)?;
    match actions.iter().find(|action| *action != "*" && action.split_once(':').is_none_or(|(_, name)| name.is_empty()))
    {
        Some(action) => Err(PolicyError::new(place, format!("\"{action}\" is no action: write SERVICE:NAME or *"))),
        None => Ok(actions),
    }
}

fn resources(place: &str, value: &Value) -> Result<Vec<String>, PolicyError> {
    named_resources(place, value, &["arn:"])
}

fn drafted_resources(place: &str, value: &Value) -> Result<Vec<String>, PolicyError> {
    named_resources(place, value, &["arn:", "${"])
}

/// Resources that each begin in one of these ways, or are `*`.
fn named_resources(place: &str, value: &Value, begins: &[&str]) -> Result<Vec<String>, PolicyError> {
    let resources = texts(place, value)?;
    let fits = |resource: &str| resource == "*" || begins.iter().any(|begin| resource.starts_with(begin));
    match resources.iter().find(|resource| !fits(resource)) {
        Some(resource) => Err(PolicyError::new(place, format!("\"{resource}\" is neither an ARN nor *"))),
        None => Ok(resources),
    }
}

fn principals(place: &str, value: &Value) -> Result<Principals, PolicyError> {
    let mut principals = Principals::default();
    match value {
        Value::String(text) if text == "*" => principals.everybody = true,
        Value::Object(members) => {
            known(place, members, &["AWS", "Service", "Federated", "CanonicalUser"])?;
            for (name, value) in members {
                let named = texts(&format!("{place}.{name}"), value)?;
                match name.as_str() {
                    "AWS" => {
                        principals.everybody |= named.iter().any(|one| one == "*");
                        principals.aws.extend(named.into_iter().filter(|one| one != "*"));
                    }
                    "Service" => principals.services.extend(named),
                    "Federated" => principals.federated.extend(named),
                    _ => principals.canonical.extend(named),
                }
            }
        }
        _ => return Err(PolicyError::new(place, "must be \"*\" or an object of AWS, Service and Federated")),
    }
    Ok(principals)
}
