//! What a client may do: its name and address, held against the access control lists.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use kafka_protocol::error::ResponseError;

use crate::Authorizer;
use crate::acl::{ANY, Acl, Action, CLUSTER, Operation, Pattern, Permission, ResourceType};
use crate::refusal::Refusal;

/// What a client may do, as it stood when its request came. Clones are the same.
#[derive(Clone, Debug)]
pub struct Rights(Option<Arc<Judge>>);

/// A denial with its sentence.
pub fn refusal(denied: ResponseError) -> Refusal {
    (denied, "the access control lists don't let the client do this".to_owned())
}

/// By what a client is judged that may not do everything.
#[derive(Debug)]
struct Judge {
    principal: String,
    host: String,
    everyone: bool,
    acls: Arc<Vec<Acl>>,
}

impl Rights {
    /// Those of who may do everything.
    pub fn everything() -> Self {
        Self(None)
    }

    /// Those of a user who connects from an address.
    pub fn of(authorizer: &Authorizer, user: &str, peer: IpAddr, acls: Arc<Vec<Acl>>) -> Self {
        let principal = format!("User:{user}");
        if authorizer.super_users.contains(&principal) {
            return Self::everything();
        }
        let everyone = authorizer.allow_everyone_if_no_acl_found;
        Self(Some(Arc::new(Judge { principal, host: peer.to_string(), everyone, acls })))
    }

    /// Whether the client may do something with a topic.
    pub fn topic(&self, operation: Operation, name: &str) -> Result<(), ResponseError> {
        self.ask(Action { operation, resource: ResourceType::Topic, name }, ResponseError::TopicAuthorizationFailed)
    }

    /// Whether the client may do something with a group.
    pub fn group(&self, operation: Operation, name: &str) -> Result<(), ResponseError> {
        self.ask(Action { operation, resource: ResourceType::Group, name }, ResponseError::GroupAuthorizationFailed)
    }

    /// Whether the client may do something with a transactional id.
    pub fn transactional_id(&self, operation: Operation, name: &str) -> Result<(), ResponseError> {
        let action = Action { operation, resource: ResourceType::TransactionalId, name };
        self.ask(action, ResponseError::TransactionalIdAuthorizationFailed)
    }

    /// Whether the client may do something with the cluster.
    pub fn cluster(&self, operation: Operation) -> Result<(), ResponseError> {
        let action = Action { operation, resource: ResourceType::Cluster, name: CLUSTER };
        self.ask(action, ResponseError::ClusterAuthorizationFailed)
    }

    /// Whether the client may do something; what it may not isn't worth a line in the log where it was only looked for.
    pub fn may(&self, operation: Operation, resource: ResourceType, name: &str) -> bool {
        self.0.as_ref().is_none_or(|judge| judge.allows(Action { operation, resource, name }))
    }

    /// Whether the client may make idempotent producers: as one that may do so everywhere, or that may write to any topic.
    pub fn idempotent_writes(&self) -> Result<(), ResponseError> {
        if self.may(Operation::IdempotentWrite, ResourceType::Cluster, CLUSTER) {
            return Ok(());
        }
        match &self.0 {
            Some(judge) if !judge.allows_some_topic(Operation::Write) => self.cluster(Operation::IdempotentWrite),
            _ => Ok(()),
        }
    }

    fn ask(&self, action: Action<'_>, otherwise: ResponseError) -> Result<(), ResponseError> {
        let Some(judge) = self.0.as_ref().filter(|judge| !judge.allows(action)) else { return Ok(()) };
        let (principal, host) = (judge.principal.as_str(), judge.host.as_str());
        let Action { operation, resource, name } = action;
        tracing::info!(principal, host, ?operation, ?resource, name, "access control lists deny a client something");
        Err(otherwise)
    }
}

impl Judge {
    /// What is denied is denied; what is allowed is allowed; else everybody may use what no entry covers, where the broker is
    /// told so.
    fn allows(&self, action: Action<'_>) -> bool {
        let (mut covered, mut allowed) = (false, false);
        for acl in self.acls.iter().filter(|acl| acl.covers(action.resource, action.name)) {
            covered = true;
            if acl.is_about(&self.principal, &self.host) && acl.is_of(action.operation) {
                match acl.permission {
                    Permission::Deny => return false,
                    Permission::Allow => allowed = true,
                }
            }
        }
        allowed || (!covered && self.everyone)
    }

    /// Whether there is a name, of a topic that needn't exist, with which the client may do something. As Kafka looks for
    /// one: an entry that allows it and isn't outdone by one that denies the same name or a beginning of it.
    fn allows_some_topic(&self, operation: Operation) -> bool {
        let nobodys = "hardcode";
        if self.allows(Action { operation, resource: ResourceType::Topic, name: nobodys }) {
            return true;
        }
        let own = self.acls.iter().filter(|acl| {
            acl.resource == ResourceType::Topic
                && acl.is_about(&self.principal, &self.host)
                && [operation, Operation::All].contains(&acl.operation)
        });
        let (denied, allowed): (Vec<&Acl>, Vec<&Acl>) = own.partition(|acl| acl.permission == Permission::Deny);
        let names = |pattern| -> BTreeSet<&str> {
            denied.iter().filter(|acl| acl.pattern == pattern).map(|acl| acl.name.as_str()).collect()
        };
        let (literal, prefixed) = (names(Pattern::Literal), names(Pattern::Prefixed));
        if literal.contains(ANY) {
            return false;
        }
        allowed.iter().any(|acl| {
            let is_every = acl.pattern == Pattern::Literal && acl.name == ANY;
            let is_denied = (acl.pattern == Pattern::Literal && literal.contains(acl.name.as_str()))
                || prefixed.iter().any(|beginning| acl.name.starts_with(beginning));
            is_every || !is_denied
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::EVERYBODY;
    use crate::acl::tests::allow;

    fn rights(user: &str, everyone: bool, acls: &[Acl]) -> Rights {
        let super_users = vec!["User:admin".to_owned()];
        let authorizer = Authorizer { super_users, allow_everyone_if_no_acl_found: everyone };
        Rights::of(&authorizer, user, IpAddr::from([10, 0, 0, 1]), Arc::new(acls.to_vec()))
    }

    fn deny(acl: Acl) -> Acl {
        Acl { permission: Permission::Deny, ..acl }
    }

    const TOPIC: ResourceType = ResourceType::Topic;
    const LITERAL: Pattern = Pattern::Literal;
    const PREFIXED: Pattern = Pattern::Prefixed;

    #[test]
    fn who_is_not_named_may_do_nothing_unless_everybody_may() {
        let acls = [allow(TOPIC, LITERAL, "sales", "a", Operation::Read)];
        for (user, everyone, topic, may) in [
            ("a", false, "sales", true),
            ("b", false, "sales", false),
            ("b", true, "sales", false),
            ("b", true, "other", true),
            ("b", false, "other", false),
            ("admin", false, "other", true),
        ] {
            let rights = rights(user, everyone, &acls);
            assert_eq!(rights.topic(Operation::Read, topic).is_ok(), may, "{user} {everyone} {topic}");
        }
        let refused = [
            rights("b", false, &acls).topic(Operation::Write, "sales"),
            rights("b", false, &acls).group(Operation::Read, "g"),
            rights("b", false, &acls).transactional_id(Operation::Write, "t"),
            rights("b", false, &acls).cluster(Operation::Alter),
            rights("b", false, &acls).idempotent_writes(),
        ];
        assert_eq!(refused.map(|refused| refused.expect_err("denied").code()), [29, 30, 53, 31, 31]);
    }

    #[test]
    fn denied_is_denied_and_what_is_allowed_implies_more() {
        use Operation::{All, AlterConfigs, Describe, DescribeConfigs, Read, Write};
        let sales = |operation| allow(TOPIC, LITERAL, "sales", "a", operation);
        let may = |acls: &[Acl], operation| rights("a", false, acls).topic(operation, "sales").is_ok();
        assert!(may(&[sales(Read)], Describe) && may(&[sales(Write)], Describe) && !may(&[sales(Describe)], Read));
        assert!(may(&[sales(AlterConfigs)], DescribeConfigs) && !may(&[sales(Read)], DescribeConfigs));
        assert!(may(&[sales(All)], Write) && !may(&[sales(All), deny(sales(Write))], Write));
        assert!(may(&[sales(All), deny(sales(Read))], Describe), "a denial implies nothing");
        let everybody = |acl: Acl| Acl { principal: EVERYBODY.to_owned(), ..acl };
        assert!(may(&[everybody(sales(Read))], Read));
        assert!(!may(&[sales(Read), deny(everybody(sales(Read)))], Read));
        let from = |host: &str| Acl { host: host.to_owned(), ..sales(Read) };
        assert!(may(&[from("10.0.0.1")], Read) && !may(&[from("10.0.0.2")], Read));
        assert!(
            may(&[sales(Read), deny(from("10.0.0.2"))], Read) && !may(&[sales(Read), deny(from("10.0.0.1"))], Read)
        );
    }

    #[test]
    fn names_are_literal_prefixed_or_all() {
        let may = |pattern, name: &str, topic: &str| {
            let acl = allow(TOPIC, pattern, name, "a", Operation::Read);
            rights("a", false, &[acl]).topic(Operation::Read, topic).is_ok()
        };
        assert!(may(PREFIXED, "sal", "sales") && may(PREFIXED, "sales", "sales") && !may(PREFIXED, "sales", "sal"));
        assert!(may(LITERAL, "*", "sales") && !may(PREFIXED, "*", "sales") && !may(LITERAL, "sal", "sales"));
    }

    #[test]
    fn who_may_write_anywhere_may_write_idempotently() {
        let write = |pattern, name| allow(TOPIC, pattern, name, "a", Operation::Write);
        let may = |acls: &[Acl]| rights("a", false, acls).idempotent_writes().is_ok();
        assert!(!may(&[]) && !may(&[allow(TOPIC, LITERAL, "sales", "a", Operation::Read)]));
        assert!(may(&[write(LITERAL, "sales")]) && may(&[write(PREFIXED, "sal")]) && may(&[write(LITERAL, "*")]));
        assert!(!may(&[write(LITERAL, "sales"), deny(write(LITERAL, "sales"))]));
        assert!(!may(&[write(LITERAL, "sales"), deny(write(PREFIXED, "sa"))]));
        assert!(may(&[write(LITERAL, "sales"), deny(write(PREFIXED, "b"))]));
        assert!(!may(&[write(LITERAL, "sales"), deny(write(LITERAL, "*"))]));
        assert!(may(&[allow(ResourceType::Cluster, LITERAL, CLUSTER, "a", Operation::IdempotentWrite)]));
        assert!(rights("a", true, &[]).idempotent_writes().is_ok());
    }
}
