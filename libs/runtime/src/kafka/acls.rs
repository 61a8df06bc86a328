//! Access control lists of a cluster: read, made, deleted, and what they let a user do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use super::client::Access;
use super::ledger::reach;
use super::{native, native_acls};

/// How long Kafka may take for each request.
const REQUEST: Duration = Duration::from_secs(15);
/// The name of the only cluster resource.
pub const CLUSTER: &str = "kafka-cluster";
/// Every host, and as a literal name every resource.
const ANY: &str = "*";
/// The principal that is everybody.
const EVERYBODY: &str = "User:*";

/// A type of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceType {
    /// The cluster.
    Cluster,
    /// A topic.
    Topic,
    /// A consumer group.
    Group,
    /// A transactional id.
    TransactionalId,
}

/// How the name of an entry is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// As it stands; `*` is every name.
    Literal,
    /// As the beginning of names.
    Prefixed,
}

/// What somebody does with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "Kafka's own names")]
pub enum Operation {
    All,
    Read,
    Write,
    Create,
    Delete,
    Alter,
    Describe,
    ClusterAction,
    DescribeConfigs,
    AlterConfigs,
    IdempotentWrite,
}

/// Whether that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// It isn't, whatever else is allowed.
    Deny,
    /// It is.
    Allow,
}

/// An entry of the access control lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acl {
    /// Whom it is about, `User:NAME`.
    pub principal: String,
    /// The type of resource.
    pub resource: ResourceType,
    /// The resource's name, as the pattern means it.
    pub name: String,
    /// How the name is meant.
    pub pattern: Pattern,
    /// What it is about.
    pub operation: Operation,
    /// Whether that is allowed.
    pub permission: Permission,
    /// Where the client connects from, an address or `*`.
    pub host: String,
}

impl Acl {
    /// Lets a user do something with the resource of that very name, wherever it connects from.
    pub fn allow(user: &str, operation: Operation, resource: ResourceType, name: &str) -> Self {
        Self {
            principal: principal(user),
            resource,
            name: name.to_owned(),
            pattern: Pattern::Literal,
            operation,
            permission: Permission::Allow,
            host: ANY.to_owned(),
        }
    }

    /// Whether it is about a resource.
    pub fn covers(&self, resource: ResourceType, name: &str) -> bool {
        self.resource == resource
            && match self.pattern {
                Pattern::Literal => self.name == name || self.name == ANY,
                Pattern::Prefixed => name.starts_with(&self.name),
            }
    }

    /// Whether it keeps somebody from what another entry allows, from one host at least.
    pub fn denies(&self, allowed: &Self) -> bool {
        self.permission == Permission::Deny
            && [allowed.principal.as_str(), EVERYBODY].contains(&self.principal.as_str())
            // Whoever may not describe a topic doesn't find its partitions.
            && [Operation::All, Operation::Describe, allowed.operation].contains(&self.operation)
            && self.covers(allowed.resource, &allowed.name)
    }
}

/// A user as access control lists name it.
pub fn principal(user: &str) -> String {
    format!("User:{user}")
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Topic => "topic",
            Self::Group => "group",
            Self::TransactionalId => "transactional id",
        })
    }
}

/// `User:shop-stream may Read topic facts`, with the host where that isn't every one.
impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { principal, resource, name, operation, host, .. } = self;
        let may = if self.permission == Permission::Allow { "may" } else { "may not" };
        let end = if self.pattern == Pattern::Prefixed { "*" } else { "" };
        write!(f, "{principal} {may} {operation:?} {resource} {}{end}", name.escape_debug())?;
        if host == ANY { Ok(()) } else { write!(f, " from {}", host.escape_debug()) }
    }
}

/// What a cluster has of entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Those that are known here, sorted.
    pub acls: Vec<Acl>,
    /// How many others there are: of delegation tokens, or of what later versions of Kafka have.
    pub others: usize,
}

/// Why access control lists weren't read or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclError {
    /// Kafka's code, or that of its client.
    pub code: RDKafkaErrorCode,
    /// What was said.
    pub message: String,
}

impl AclError {
    /// Whether it may go well the next time, because nobody refused it.
    pub fn is_retryable(&self) -> bool {
        use RDKafkaErrorCode::{
            Authentication, ClusterAuthorizationFailed, InvalidArgument, InvalidRequest, SecurityDisabled,
            UnsupportedFeature, UnsupportedVersion,
        };
        let refused = [
            Authentication,
            ClusterAuthorizationFailed,
            InvalidArgument,
            InvalidRequest,
            SecurityDisabled,
            UnsupportedFeature,
            UnsupportedVersion,
        ];
        !refused.contains(&self.code)
    }
}

impl fmt::Display for AclError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AclError {}

/// A client for a cluster's access control lists.
#[derive(Clone)]
pub struct Acls(Arc<AdminClient<DefaultClientContext>>);

impl fmt::Debug for Acls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acls")
    }
}

impl Acls {
    /// Connects to the cluster.
    ///
    /// # Errors
    /// It doesn't answer, or doesn't let the client in.
    pub async fn connect(access: &Access) -> anyhow::Result<Self> {
        // An admin client doesn't know why it doesn't get through.
        reach(access, REQUEST).await.context("reach the Kafka cluster")?;
        let admin: AdminClient<DefaultClientContext> =
            access.create().context("make a Kafka client for access control lists")?;
        if let Some(tokens) = access.tokens() {
            native::set_token(admin.inner().native_client(), &tokens.token().await?)?;
        }
        Ok(Self(Arc::new(admin)))
    }

    /// All entries.
    ///
    /// # Errors
    /// The cluster doesn't answer, or doesn't let the client see them.
    pub async fn describe(&self) -> Result<Known, AclError> {
        self.blocking(|admin, _| native_acls::describe(admin.inner().native_client(), REQUEST), Vec::new()).await
    }

    /// Makes entries; one that is there already is as good as a new one. The answers are in their order.
    ///
    /// # Errors
    /// The cluster doesn't answer: some may have been made. Refusals stand in the answers.
    pub async fn create(&self, acls: Vec<Acl>) -> Result<Vec<Result<(), AclError>>, AclError> {
        self.blocking(|admin, acls| native_acls::create(admin.inner().native_client(), acls, REQUEST), acls).await
    }

    /// Deletes entries; one that is gone already is as good as one that is deleted. The answers are in their order.
    ///
    /// # Errors
    /// As [`Acls::create`].
    pub async fn delete(&self, acls: Vec<Acl>) -> Result<Vec<Result<(), AclError>>, AclError> {
        self.blocking(|admin, acls| native_acls::delete(admin.inner().native_client(), acls, REQUEST), acls).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        request: impl FnOnce(&AdminClient<DefaultClientContext>, &[Acl]) -> Result<T, AclError> + Send + 'static,
        acls: Vec<Acl>,
    ) -> Result<T, AclError> {
        let admin = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || request(&admin, &acls)).await {
            Ok(result) => result,
            Err(_) => {
                Err(AclError { code: RDKafkaErrorCode::Fail, message: "a Kafka request was cut short".to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_written_as_people_read_them() {
        let read = Acl::allow("shop-stream", Operation::Read, ResourceType::Topic, "facts");
        assert_eq!(read.to_string(), "User:shop-stream may Read topic facts");
        let denied = Acl { permission: Permission::Deny, pattern: Pattern::Prefixed, host: "10.0.0.1".into(), ..read };
        assert_eq!(denied.to_string(), "User:shop-stream may not Read topic facts* from 10.0.0.1");
        let strange = Acl::allow("a", Operation::All, ResourceType::TransactionalId, "x\u{1b}[31m");
        assert_eq!(strange.to_string(), "User:a may All transactional id x\\u{1b}[31m");
    }

    #[test]
    fn a_denial_is_found_whatever_names_it_has() {
        use Operation::{All, Read, Write};
        use Pattern::{Literal, Prefixed};
        let read = Acl::allow("a", Read, ResourceType::Topic, "facts");
        let deny = |principal: &str, operation, pattern, name: &str| Acl {
            principal: principal.to_owned(),
            operation,
            pattern,
            name: name.to_owned(),
            permission: Permission::Deny,
            ..read.clone()
        };
        assert!(deny("User:a", Read, Literal, "facts").denies(&read));
        assert!(deny("User:*", All, Prefixed, "fa").denies(&read));
        assert!(deny("User:*", Read, Literal, "*").denies(&read));
        assert!(!deny("User:b", Read, Literal, "facts").denies(&read));
        assert!(!deny("User:a", Write, Literal, "facts").denies(&read));
        assert!(!deny("User:a", Read, Literal, "fact").denies(&read));
        assert!(!read.denies(&read));
    }
}
