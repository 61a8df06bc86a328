//! Who asks.

use crate::arn::Arn;
use crate::document::Principals;
use crate::keys::Keys;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The root user of an account.
    Root {
        /// The partition, such as `aws`.
        partition: String,
        /// The account, 12 digits.
        account: String,
    },
    /// A user.
    User {
        /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
        arn: String,
    },
    /// A session of a role.
    Session {
        /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
        role: String,
        /// The session's name: an instance's id for the hosts of a role.
        name: String,
    },
    /// A service of AWS, such as `ec2.amazonaws.com`.
    Service(String),
    /// Somebody whom a provider of identities vouches for.
    Federated {
        /// The provider's ARN or name.
        provider: String,
    },
    /// Nobody: an unsigned request.
    Anonymous,
}

/// How much a policy's principals give a caller, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// The account alone: its own policies decide.
    Account,
    /// The role of the session: boundary and session policies still bound it.
    Role,
    /// The caller itself.
    Directly,
}

impl Principal {
    /// A session of a role.
    pub fn session(role: &str, name: &str) -> Self {
        Self::Session { role: role.to_owned(), name: name.to_owned() }
    }

    /// The root user of an account of the partition `aws`.
    pub fn root(account: &str) -> Self {
        Self::Root { partition: "aws".to_owned(), account: account.to_owned() }
    }

    /// The account, of those who have one.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Root { account, .. } => Some(account),
            Self::User { arn } | Self::Session { role: arn, .. } => Arn::parse(arn).map(|arn| arn.account),
            Self::Service(_) | Self::Federated { .. } | Self::Anonymous => None,
        }
    }

    /// The ARN by which AWS names the caller: that of the session, which holds no path, for a role.
    pub fn arn(&self) -> String {
        match self {
            Self::Root { partition, account } => format!("arn:{partition}:iam::{account}:root"),
            Self::User { arn } => arn.clone(),
            Self::Session { role, name } => {
                let (partition, account) = Arn::parse(role).map_or(("aws", ""), |role| (role.partition, role.account));
                let short = role.rsplit('/').next().unwrap_or_default();
                format!("arn:{partition}:sts::{account}:assumed-role/{short}/{name}")
            }
            Self::Service(name) => name.clone(),
            Self::Federated { provider } => provider.clone(),
            Self::Anonymous => "anonymous".to_owned(),
        }
    }

    /// The keys that every request of the caller brings.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>
    pub fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        let kind = match self {
            Self::Root { .. } => "Account",
            Self::User { .. } => "User",
            Self::Session { .. } => "AssumedRole",
            Self::Service(name) => {
                keys.set("aws:PrincipalIsAWSService", "true");
                keys.set("aws:PrincipalServiceName", name);
                return keys;
            }
            Self::Federated { provider } => {
                keys.set("aws:FederatedProvider", provider);
                return keys;
            }
            Self::Anonymous => {
                keys.set("aws:PrincipalType", "Anonymous");
                return keys;
            }
        };
        keys.set("aws:PrincipalType", kind);
        keys.set("aws:PrincipalIsAWSService", "false");
        keys.set("aws:PrincipalAccount", self.account().unwrap_or_default());
        match self {
            Self::Session { role, .. } => keys.set("aws:PrincipalArn", role),
            _ => keys.set("aws:PrincipalArn", self.arn()),
        }
        if let Self::User { arn } = self {
            keys.set("aws:username", arn.rsplit('/').next().unwrap_or_default());
        }
        keys
    }

    /// How principals of a policy name the caller; nothing when they don't.
    pub(crate) fn named_in(&self, principals: &Principals) -> Option<Named> {
        if principals.everybody {
            return Some(Named::Directly);
        }
        match self {
            Self::Service(name) => principals.services.contains(name).then_some(Named::Directly),
            Self::Federated { provider } => principals.federated.contains(provider).then_some(Named::Directly),
            Self::Anonymous => None,
            Self::Root { .. } | Self::User { .. } | Self::Session { .. } => {
                principals.aws.iter().filter_map(|one| self.named_by(one)).max()
            }
        }
    }

    fn named_by(&self, named: &str) -> Option<Named> {
        let account = self.account()?;
        let is_root = Arn::parse(named)
            .is_some_and(|arn| arn.service == "iam" && arn.account == account && arn.resource == "root");
        if named == account || is_root {
            return Some(if matches!(self, Self::Root { .. }) { Named::Directly } else { Named::Account });
        }
        match self {
            Self::Session { role, .. } if named == role => Some(Named::Role),
            _ if named == self.arn() => Some(Named::Directly),
            _ => None,
        }
    }

    /// Whether principals name the caller in each way that AWS checks one after the other: account, role, session.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html>
    pub(crate) fn fully_named_in(&self, principals: &Principals) -> bool {
        if principals.everybody {
            return true;
        }
        let named = |wanted: Named| principals.aws.iter().any(|one| self.named_by(one) == Some(wanted));
        match self {
            Self::Session { .. } => named(Named::Account) && named(Named::Role) && named(Named::Directly),
            Self::User { .. } => named(Named::Account) && named(Named::Directly),
            _ => self.named_in(principals).is_some(),
        }
    }
}
