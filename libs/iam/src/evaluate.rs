//! Whether policies allow a request.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html>

use std::sync::Arc;

use crate::arn::Arn;
use crate::document::{Document, Effect, Element, Kind, Principals, Statement};
use crate::keys::Keys;
use crate::pattern::{Pattern, Style, covers_action};
use crate::principal::{Named, Principal};

/// One question.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub principal: Principal,
    /// What for, such as `ec2:CreateVpc`.
    pub action: String,
    /// On what: an ARN, or `*` for an action that takes no resource.
    pub resource: String,
    /// The account that the resource belongs to, 12 digits.
    pub owner: String,
    /// The condition keys, with those of the principal.
    pub keys: Keys,
}

impl Request {
    /// A request with the keys that its principal brings, on a resource of the account in its ARN, or else of the
    /// principal's own.
    pub fn new(principal: Principal, action: &str, resource: &str) -> Self {
        // AWS's own policies stand in the account `aws`, which is everybody's.
        let owner = Arn::parse(resource).and_then(|arn| arn.owner());
        let owner = owner.or(principal.account()).unwrap_or_default().to_owned();
        let keys = principal.keys();
        Self { principal, action: action.to_owned(), resource: resource.to_owned(), owner, keys }
    }

    /// The same with a condition key of one value.
    #[must_use]
    pub fn key(mut self, key: &str, value: &str) -> Self {
        self.keys.set(key, value);
        self
    }

    /// The same with a condition key of several values.
    #[must_use]
    pub fn keys(mut self, key: &str, values: &[&str]) -> Self {
        self.keys.set_all(key, values.iter().map(|value| (*value).to_owned()));
        self
    }

    /// The same on a resource of another account, where its ARN names none (S3).
    #[must_use]
    pub fn owned_by(mut self, account: &str) -> Self {
        account.clone_into(&mut self.owner);
        self
    }
}

/// A document with the name by which people find it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Such as `role shop-app, inline policy own`.
    pub name: String,
    /// What it says; shared, because one policy is asked many questions.
    pub document: Arc<Document>,
}

impl Policy {
    /// A document with a name.
    pub fn new(name: impl Into<String>, document: impl Into<Arc<Document>>) -> Self {
        Self { name: name.into(), document: document.into() }
    }
}

/// What the policy of a resource is worth in its own account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResourceRule {
    /// Either side allows: buckets, topics, secrets, and everything without a policy.
    #[default]
    Adds,
    /// Nobody gets in without it: keys, and becoming a role. It lets an account's own policies decide by naming the account.
    /// <https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>
    Decides,
}

/// The policies that a request meets.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Those of the caller.
    pub identity: Vec<Policy>,
    /// The caller's boundary.
    pub boundary: Option<Policy>,
    /// Those that the session was made with.
    pub session: Option<Vec<Policy>>,
    /// The resource's.
    pub resource: Option<Policy>,
    /// What the resource's is worth.
    pub rule: ResourceRule,
}

/// The statement that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What its policy is attached to.
    pub kind: Kind,
    /// The policy's name.
    pub policy: String,
    /// The statement's name.
    pub sid: Option<String>,
    /// The statement's place in the policy, from 0.
    pub statement: usize,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allowed by a statement; by none for an account's root user.
    Allowed(Option<Source>),
    /// Denied by a statement.
    ExplicitlyDenied(Source),
    /// Allowed by no statement of a policy of this kind.
    NotAllowed(Kind),
}

impl Decision {
    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

impl Policies {
    /// Those of an identity alone.
    pub fn of_identity(policies: impl IntoIterator<Item = Policy>) -> Self {
        Self { identity: policies.into_iter().collect(), ..Self::default() }
    }

    /// The answer to a request.
    ///
    /// An explicit deny of any policy wins. Within an account the resource's policy adds to the caller's, or decides
    /// alone; across accounts both must allow. A boundary and a session's policies bound what the caller's policies allow,
    /// and what a resource's policy allows to its role; not what that allows to the session itself or to everybody.
    pub fn evaluate(&self, request: &Request) -> Decision {
        if let Some(source) = self.all().find_map(|policy| self.denial(policy, request)) {
            return Decision::ExplicitlyDenied(source);
        }
        let grant = self.resource.as_ref().and_then(|policy| grant(policy, request));
        let kind = self.resource.as_ref().map_or(Kind::Resource, |policy| policy.document.kind);
        let own = request.principal.account().is_some_and(|account| account == request.owner);
        let without_identity = request.principal.account().is_none();
        match grant {
            Some((source, _)) if without_identity => Decision::Allowed(Some(source)),
            None if without_identity => Decision::NotAllowed(kind),
            Some((source, Named::Directly)) if own => Decision::Allowed(Some(source)),
            Some((source, Named::Role)) if own => match self.bounds(request) {
                Some(lacking) => Decision::NotAllowed(lacking),
                None => Decision::Allowed(Some(source)),
            },
            None if !own || self.rule == ResourceRule::Decides => Decision::NotAllowed(kind),
            _ => self.identity(request),
        }
    }

    /// What the caller's own side answers.
    fn identity(&self, request: &Request) -> Decision {
        if matches!(request.principal, Principal::Root { .. }) {
            return Decision::Allowed(None);
        }
        let Some(source) = self.identity.iter().find_map(|policy| allowance(policy, request)) else {
            return Decision::NotAllowed(Kind::Identity);
        };
        match self.bounds(request) {
            Some(lacking) => Decision::NotAllowed(lacking),
            None => Decision::Allowed(Some(source)),
        }
    }

    /// The kind of bound that doesn't allow the request.
    fn bounds(&self, request: &Request) -> Option<Kind> {
        if self.boundary.as_ref().is_some_and(|boundary| allowance(boundary, request).is_none()) {
            return Some(Kind::Boundary);
        }
        let session = self.session.as_ref()?;
        session.iter().all(|policy| allowance(policy, request).is_none()).then_some(Kind::Session)
    }

    fn all(&self) -> impl Iterator<Item = &Policy> {
        let session = self.session.iter().flatten();
        self.identity.iter().chain(&self.boundary).chain(session).chain(&self.resource)
    }

    fn denial(&self, policy: &Policy, request: &Request) -> Option<Source> {
        let denies = |statement: &Statement| {
            statement.effect == Effect::Deny
                && applies(&policy.document, statement, request)
                && match &statement.principals {
                    None => true,
                    Some(Element::In(principals)) => request.principal.named_in(principals).is_some(),
                    // A caller with a boundary is denied by NotPrincipal whomever it names.
                    Some(Element::NotIn(principals)) => {
                        self.boundary.is_some() || !request.principal.fully_named_in(principals)
                    }
                }
        };
        let at = policy.document.statements.iter().position(denies)?;
        Some(source(policy, at))
    }
}

/// The statement of a policy without principals that allows a request.
fn allowance(policy: &Policy, request: &Request) -> Option<Source> {
    let allows =
        |statement: &Statement| statement.effect == Effect::Allow && applies(&policy.document, statement, request);
    Some(source(policy, policy.document.statements.iter().position(allows)?))
}

/// The statement of a resource's policy that allows a request, and how it names the caller: the strongest of all.
fn grant(policy: &Policy, request: &Request) -> Option<(Source, Named)> {
    let named = |principals: &Element<Principals>| match principals {
        Element::In(principals) => request.principal.named_in(principals),
        Element::NotIn(principals) => request.principal.named_in(principals).is_none().then_some(Named::Directly),
    };
    let statements = policy.document.statements.iter().enumerate();
    let granting = statements
        .filter(|(_, statement)| statement.effect == Effect::Allow && applies(&policy.document, statement, request));
    let granting = granting.filter_map(|(at, statement)| Some((at, named(statement.principals.as_ref()?)?)));
    granting.max_by_key(|(at, named)| (*named, std::cmp::Reverse(*at))).map(|(at, named)| (source(policy, at), named))
}

/// Whether a statement is about the action, the resource and the conditions of a request.
fn applies(document: &Document, statement: &Statement, request: &Request) -> bool {
    let action = |patterns: &Vec<String>| patterns.iter().any(|pattern| covers_action(pattern, &request.action));
    let acts = match &statement.actions {
        Element::In(patterns) => action(patterns),
        Element::NotIn(patterns) => !action(patterns),
    };
    let resource = |patterns: &Vec<String>| patterns.iter().any(|pattern| covers_resource(document, pattern, request));
    acts && match &statement.resources {
        None => true,
        Some(Element::In(patterns)) => resource(patterns),
        Some(Element::NotIn(patterns)) => !resource(patterns),
    } && statement.conditions.iter().all(|condition| condition.holds(&request.keys, document.variables))
}

fn covers_resource(document: &Document, pattern: &str, request: &Request) -> bool {
    if pattern == "*" || pattern == request.resource {
        return true;
    }
    // Most patterns are names of other things.
    let fixed = pattern.split(['*', '?', '$']).next().unwrap_or_default();
    if fixed.len() == pattern.len() || !request.resource.starts_with(fixed) {
        return false;
    }
    let pattern = if document.variables {
        Pattern::resolved(pattern, Style::Arn, &request.keys)
    } else {
        Some(Pattern::plain(pattern, Style::Arn))
    };
    pattern.is_some_and(|pattern| pattern.matches(&request.resource))
}

fn source(policy: &Policy, at: usize) -> Source {
    let document = &policy.document;
    let sid = document.statements.get(at).and_then(|statement| statement.sid.clone());
    Source { kind: document.kind, policy: policy.name.clone(), sid, statement: at }
}
