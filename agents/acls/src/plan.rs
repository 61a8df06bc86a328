//! What is wanted of access control lists, held against what there is.

use std::collections::BTreeSet;

use lakewright_config::AclsConfig;
use lakewright_runtime::kafka::{Acl, CLUSTER, Known, Operation, Permission, ResourceType, principal};

/// What there is to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Wanted, and there.
    pub there: Vec<Acl>,
    /// Wanted, and not there.
    pub missing: Vec<Acl>,
    /// What allows the stack's users something that isn't wanted.
    pub surplus: Vec<Acl>,
    /// What denies a user something that is wanted: the entry, and what is wanted. A denial is somebody's decision, so that it
    /// is never removed here.
    pub denials: Vec<(Acl, Acl)>,
}

/// The administrator's entry: who may alter the cluster may see and change its access control lists.
pub fn administrator(config: &AclsConfig) -> Acl {
    Acl::allow(&config.administrator, Operation::Alter, ResourceType::Cluster, CLUSTER)
}

/// All entries that are wanted. Reading and writing bring with them that a topic is seen, and reading that a group is.
pub fn wanted(config: &AclsConfig) -> BTreeSet<Acl> {
    let mut wanted = BTreeSet::from([administrator(config)]);
    for (user, rights) in &config.users {
        let mut allow = |names: &[String], operation, resource| {
            wanted.extend(names.iter().map(|name| Acl::allow(user, operation, resource, name)));
        };
        allow(&rights.writes, Operation::Write, ResourceType::Topic);
        allow(&rights.reads, Operation::Read, ResourceType::Topic);
        allow(&rights.groups, Operation::Read, ResourceType::Group);
    }
    wanted
}

/// Compares.
pub fn plan(config: &AclsConfig, known: &Known) -> Plan {
    let wanted = wanted(config);
    let own: BTreeSet<String> = config.users.keys().map(|user| principal(user)).collect();
    let mut plan = Plan::default();
    for acl in &known.acls {
        if acl.permission == Permission::Deny {
            plan.denials.extend(wanted.iter().filter(|wanted| acl.denies(wanted)).map(|w| (acl.clone(), w.clone())));
        } else if !wanted.contains(acl) && own.contains(&acl.principal) {
            plan.surplus.push(acl.clone());
        }
    }
    (plan.there, plan.missing) = wanted.into_iter().partition(|wanted| known.acls.contains(wanted));
    plan
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lakewright_config::{AclUser, KafkaConnection};

    use super::*;

    fn config() -> AclsConfig {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let producer = AclUser { writes: names(&["facts"]), ..AclUser::default() };
        let stream = AclUser { reads: names(&["facts"]), groups: names(&["shop-stream"]), ..AclUser::default() };
        let gone = AclUser::default();
        AclsConfig {
            kafka: KafkaConnection::plaintext("127.0.0.1:9"),
            administrator: "shop-admin".to_owned(),
            users: BTreeMap::from([
                ("shop-producer".to_owned(), producer),
                ("shop-stream".to_owned(), stream),
                ("shop-shipper".to_owned(), gone),
            ]),
            prune: false,
            every_seconds: 600,
            watch: None,
        }
    }

    fn lines(acls: &[Acl]) -> Vec<String> {
        acls.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_user_gets_what_its_agent_does() {
        let plan = plan(&config(), &Known::default());
        let expected = [
            "User:shop-admin may Alter cluster kafka-cluster",
            "User:shop-producer may Write topic facts",
            "User:shop-stream may Read topic facts",
            "User:shop-stream may Read group shop-stream",
        ];
        assert_eq!(lines(&plan.missing), expected);
        assert_eq!((plan.there, plan.surplus, plan.denials), (vec![], vec![], vec![]));
    }

    #[test]
    fn only_what_the_stacks_users_are_allowed_is_surplus() {
        let old = |user: &str| Acl::allow(user, Operation::Read, ResourceType::Topic, "old");
        let read = Acl::allow("shop-stream", Operation::Read, ResourceType::Topic, "facts");
        let denied = Acl { principal: "User:*".to_owned(), permission: Permission::Deny, ..read.clone() };
        let elsewhere = Acl { permission: Permission::Deny, ..old("shop-stream") };
        let others = [old("shop-production-stream"), old("shop-admin"), old("*")];
        let acls = [old("shop-stream"), old("shop-shipper"), read.clone(), denied.clone(), elsewhere];
        let known = Known { acls: acls.into_iter().chain(others).collect(), others: 1 };
        let plan = plan(&config(), &known);
        assert_eq!(plan.surplus, [old("shop-stream"), old("shop-shipper")]);
        assert_eq!(plan.there, std::slice::from_ref(&read));
        assert_eq!(plan.denials, [(denied, read)]);
        assert_eq!(plan.missing.len(), 3);
    }
}
