//! Access control lists: what one says, which of them a filter names, and how the protocol numbers the parts.

use kafka_protocol::error::ResponseError;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// The principal of an access control list that is everybody.
pub const EVERYBODY: &str = "User:*";
/// The name of a resource that is every resource, and the host that is every host.
pub const ANY: &str = "*";
/// The name of the only cluster resource.
pub const CLUSTER: &str = "kafka-cluster";
/// The number of "any" in all parts of a filter.
const ANY_CODE: i8 = 1;
/// The number of the patterns of a filter that touch a name.
const MATCH_CODE: i8 = 2;

/// Declares an enumeration whose variants have numbers in the protocol.
macro_rules! numbered {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
        pub enum $name { $($(#[$what])* $variant = $code,)* }

        impl $name {
            /// The one with this number.
            pub fn of(code: i8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its number.
            pub fn code(self) -> i8 {
                self as i8
            }
        }
    };
}

numbered! {
    /// A type of resource.
    ResourceType {
        /// A topic.
        Topic = 2,
        /// A consumer group.
        Group = 3,
        /// The cluster.
        Cluster = 4,
        /// A transactional id.
        TransactionalId = 5,
        /// A delegation token; there are none here.
        DelegationToken = 6,
        /// A user, as the owner of delegation tokens.
        User = 7,
    }
}

numbered! {
    /// How the name of an access control list is meant.
    Pattern {
        /// As it stands; `*` is every name.
        Literal = 3,
        /// As the beginning of names.
        Prefixed = 4,
    }
}

numbered! {
    /// What a client wants to do.
    Operation {
        /// Everything.
        All = 2,
        /// Read.
        Read = 3,
        /// Write.
        Write = 4,
        /// Create.
        Create = 5,
        /// Delete.
        Delete = 6,
        /// Alter.
        Alter = 7,
        /// See that it is there.
        Describe = 8,
        /// What brokers ask of each other.
        ClusterAction = 9,
        /// See its configuration.
        DescribeConfigs = 10,
        /// Change its configuration.
        AlterConfigs = 11,
        /// Write idempotently.
        IdempotentWrite = 12,
        /// Create delegation tokens.
        CreateTokens = 13,
        /// See delegation tokens.
        DescribeTokens = 14,
        /// Take part in a commit of two phases.
        TwoPhaseCommit = 15,
    }
}

numbered! {
    /// Whether it is allowed.
    Permission {
        /// It isn't, whatever else is allowed.
        Deny = 2,
        /// It is.
        Allow = 3,
    }
}

impl Operation {
    /// Whether who may do this may do the other one too.
    fn implies(self, other: Self) -> bool {
        match other {
            Self::Describe => matches!(self, Self::Read | Self::Write | Self::Delete | Self::Alter),
            Self::DescribeConfigs => self == Self::AlterConfigs,
            _ => false,
        }
    }
}

/// An entry of the access control lists.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Acl {
    /// The type of resource.
    pub resource: ResourceType,
    /// The name, as the pattern means it.
    pub name: String,
    /// How the name is meant.
    pub pattern: Pattern,
    /// Whom it is about, `User:NAME` or `User:*`.
    pub principal: String,
    /// Where the client connects from, an address or `*`.
    pub host: String,
    /// What it is about.
    pub operation: Operation,
    /// Whether that is allowed.
    pub permission: Permission,
}

/// What a client asks to do.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// What.
    pub operation: Operation,
    /// With which type of resource.
    pub resource: ResourceType,
    /// With which one.
    pub name: &'a str,
}

impl Acl {
    /// Whether a resource is among those that this entry is about.
    pub fn covers(&self, resource: ResourceType, name: &str) -> bool {
        self.resource == resource
            && match self.pattern {
                Pattern::Literal => self.name == name || self.name == ANY,
                Pattern::Prefixed => name.starts_with(&self.name),
            }
    }

    /// Whether a client is among those that this entry is about.
    pub fn is_about(&self, principal: &str, host: &str) -> bool {
        (self.principal == principal || self.principal == EVERYBODY) && (self.host == host || self.host == ANY)
    }

    /// Whether an operation is among those that this entry is about. What is allowed brings with it what it implies; what
    /// is denied doesn't.
    pub fn is_of(&self, operation: Operation) -> bool {
        self.operation == Operation::All
            || self.operation == operation
            || (self.permission == Permission::Allow && self.operation.implies(operation))
    }

    /// Refuses an entry that is none.
    pub fn check(&self) -> Result<(), Refusal> {
        let text = if self.name.is_empty() {
            "the name of the resource is empty".to_owned()
        } else if self.resource == ResourceType::Cluster && self.name != CLUSTER {
            format!("the only cluster resource is called {CLUSTER}, not {:?}", self.name)
        } else if !self.principal.contains(':') {
            format!("the principal {:?} is none: write User:NAME", self.principal)
        } else {
            return Ok(());
        };
        Err((ResponseError::InvalidRequest, text))
    }
}

/// The names that a filter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patterns {
    /// Those of entries that have the very name, whatever their pattern.
    Any,
    /// Those of entries that cover a resource of that name.
    Match,
    /// Those of entries with that name and pattern.
    Only(Pattern),
}

/// A filter as the protocol writes it.
#[derive(Clone, Debug)]
pub struct Written {
    /// The number of the type of resource.
    pub resource: i8,
    /// The name; none: every name.
    pub name: Option<String>,
    /// The number of the pattern.
    pub pattern: i8,
    /// The principal; none: every one.
    pub principal: Option<String>,
    /// The host; none: every one.
    pub host: Option<String>,
    /// The number of the operation.
    pub operation: i8,
    /// The number of the permission.
    pub permission: i8,
}

/// Names entries; what is none in it is no condition.
#[derive(Clone, Debug)]
pub struct Filter {
    resource: Option<ResourceType>,
    name: Option<String>,
    patterns: Patterns,
    principal: Option<String>,
    host: Option<String>,
    operation: Option<Operation>,
    permission: Option<Permission>,
}

impl Filter {
    /// Reads a filter; a number that nobody knows makes it an error.
    pub fn read(written: Written) -> Result<Self, Refusal> {
        let patterns = match written.pattern {
            ANY_CODE => Some(Patterns::Any),
            MATCH_CODE => Some(Patterns::Match),
            code => Pattern::of(code).map(Patterns::Only),
        };
        Ok(Self {
            resource: part(written.resource, ResourceType::of, "resource type")?,
            name: written.name,
            patterns: patterns.ok_or_else(|| unknown("pattern type", written.pattern))?,
            principal: written.principal,
            host: written.host,
            operation: part(written.operation, Operation::of, "operation")?,
            permission: part(written.permission, Permission::of, "permission type")?,
        })
    }

    /// Whether it names an entry.
    pub fn matches(&self, acl: &Acl) -> bool {
        let same = |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|wanted| wanted == text);
        self.resource.is_none_or(|resource| resource == acl.resource)
            && match self.patterns {
                Patterns::Any => same(&self.name, &acl.name),
                Patterns::Match => self.name.as_deref().is_none_or(|name| acl.covers(acl.resource, name)),
                Patterns::Only(pattern) => acl.pattern == pattern && same(&self.name, &acl.name),
            }
            && same(&self.principal, &acl.principal)
            && same(&self.host, &acl.host)
            && self.operation.is_none_or(|operation| operation == acl.operation)
            && self.permission.is_none_or(|permission| permission == acl.permission)
    }
}

fn part<T>(code: i8, of: fn(i8) -> Option<T>, what: &str) -> Result<Option<T>, Refusal> {
    match code {
        ANY_CODE => Ok(None),
        code => of(code).map(Some).ok_or_else(|| unknown(what, code)),
    }
}

/// The refusal of a number that nobody knows.
pub fn unknown(what: &str, code: i8) -> Refusal {
    (ResponseError::InvalidRequest, format!("there is no {what} with the number {code}"))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An entry that allows a user something everywhere.
    pub fn allow(resource: ResourceType, pattern: Pattern, name: &str, user: &str, operation: Operation) -> Acl {
        let (name, principal) = (name.to_owned(), format!("User:{user}"));
        let permission = Permission::Allow;
        Acl { resource, name, pattern, principal, host: ANY.to_owned(), operation, permission }
    }

    fn everything() -> Written {
        Written {
            resource: ANY_CODE,
            name: None,
            pattern: ANY_CODE,
            principal: None,
            host: None,
            operation: ANY_CODE,
            permission: ANY_CODE,
        }
    }

    #[test]
    fn filters_name_what_they_say() {
        use Operation::Read;
        use ResourceType::{Group, Topic};
        let all = [
            allow(Topic, Pattern::Literal, "sales", "a", Read),
            allow(Topic, Pattern::Prefixed, "sal", "a", Read),
            allow(Topic, Pattern::Literal, "*", "b", Operation::All),
            allow(Group, Pattern::Literal, "sales", "b", Read),
        ];
        let found = |written: Written| {
            let filter = Filter::read(written).expect("a filter");
            all.iter().enumerate().filter(|(_, acl)| filter.matches(acl)).map(|(at, _)| at).collect::<Vec<_>>()
        };
        let topic = Written { resource: Topic.code(), ..everything() };
        let named = |pattern, name: &str| Written { pattern, name: Some(name.to_owned()), ..topic.clone() };
        assert_eq!(found(everything()), [0, 1, 2, 3]);
        assert_eq!(found(topic.clone()), [0, 1, 2]);
        assert_eq!(found(named(ANY_CODE, "sales")), [0]);
        assert_eq!(found(named(MATCH_CODE, "sales")), [0, 1, 2]);
        assert_eq!(found(named(MATCH_CODE, "salt")), [1, 2]);
        assert_eq!(found(named(4, "sal")), [1]);
        assert_eq!(found(named(3, "sal")), [0; 0]);
        assert_eq!(found(Written { principal: Some("User:b".to_owned()), ..everything() }), [2, 3]);
        assert_eq!(found(Written { operation: 2, ..everything() }), [2], "all is an operation of its own here");
        assert_eq!(found(Written { permission: 2, ..everything() }), [0; 0]);
        assert_eq!(found(Written { host: Some("10.0.0.1".to_owned()), ..everything() }), [0; 0]);
        for wrong in [
            Written { resource: 0, ..everything() },
            Written { pattern: 9, ..everything() },
            Written { operation: 99, ..everything() },
            Written { permission: 0, ..everything() },
        ] {
            assert_eq!(Filter::read(wrong).expect_err("no such number").0, ResponseError::InvalidRequest);
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let right = allow(ResourceType::Cluster, Pattern::Literal, CLUSTER, "a", Operation::Alter);
        assert_eq!(right.check(), Ok(()));
        for wrong in [
            Acl { name: "another".to_owned(), ..right.clone() },
            Acl { name: String::new(), resource: ResourceType::Topic, ..right.clone() },
            Acl { principal: "a".to_owned(), ..right.clone() },
        ] {
            assert_eq!(wrong.check().expect_err("none").0, ResponseError::InvalidRequest, "{wrong:?}");
        }
    }
}
