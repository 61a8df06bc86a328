//! The agent that keeps the access control lists of the agents' Kafka users.

use std::collections::BTreeMap;

use lakewright_config::agents::acls::TAG;
use lakewright_config::agents::{Agent, AgentConfig as _};
use lakewright_config::{AclUser, AclsConfig, reports};
use serde_json::{Value, json};

use super::alarms::Reports;
use super::{AgentExpansion, expansion_of, used_topics};
use crate::kinds::alarm::{Comparison, MissingData};
use crate::resource::Address;
use crate::stack::decode::At;
use crate::stack::expand::Expansion;
use crate::stack::expand::policy::{Access, Statements};
use crate::stack::expand::watched::Watched;
use crate::stack::watch::Alarms;

/// What of the expansion is the agent's own.
pub(super) struct Acls;

const AGENT: Agent = AclsConfig::AGENT;

impl Acls {
    /// What the user of an agent may do.
    fn user_of(expansion: &Expansion<'_>, agent: Agent) -> AclUser {
        let topics = used_topics(agent, expansion.file);
        let topics = topics.into_iter().map(|topic| expansion.topic(topic)).collect();
        let (writes, reads) = match expansion_of(agent).access() {
            Access::Read => (Vec::new(), topics),
            Access::Append | Access::Write => (topics, Vec::new()),
        };
        let groups = expansion_of(agent).groups(expansion);
        let kafka = expansion.file.kafka.as_ref().filter(|_| Self::is_beside(expansion, agent));
        let secret = kafka.and_then(|kafka| expansion.secret_of(kafka, agent));
        AclUser { writes, reads, groups, secret }
    }

    /// Whether every host with this agent runs the other one as well, so that its role reads that one's secret anyway. The
    /// rights of other users are only read: no host gets passwords for the sake of trying them.
    fn is_beside(expansion: &Expansion<'_>, other: Agent) -> bool {
        let runs = |agents: &[At<Agent>], wanted| agents.iter().any(|at| at.value == wanted);
        let mut own = expansion.file.hosts.iter().filter(|host| runs(&host.value.agents, AGENT));
        own.all(|host| runs(&host.value.agents, other))
    }
}

impl AgentExpansion for Acls {
    fn config(&self, expansion: &Expansion<'_>) -> serde_json::Result<Value> {
        let section = &expansion.file.agents.acls;
        let agents = expansion.kafka_agents().filter(|agent| *agent != AGENT);
        let mut users: BTreeMap<String, AclUser> =
            agents.map(|agent| (expansion.named(agent.word()), Self::user_of(expansion, agent))).collect();
        let names = |names: &[At<String>]| names.iter().map(|name| expansion.topic(name)).collect();
        users.extend(section.users.iter().map(|user| {
            let rights = &user.value;
            let groups = rights.groups.iter().map(|group| group.value.clone()).collect();
            let user_rights =
                AclUser { writes: names(&rights.writes), reads: names(&rights.reads), groups, secret: None };
            (user.name.clone(), user_rights)
        }));
        serde_json::to_value(AclsConfig {
            kafka: expansion.connection(AGENT),
            administrator: expansion.named(AGENT.word()),
            users,
            prune: section.prune.value,
            every_seconds: section.verify_every.0 / 1000,
            watch: expansion.watch(AGENT),
        })
    }

    fn rights(&self, expansion: &Expansion<'_>, statements: &mut Statements) {
        expansion.log_in(statements, AGENT, Access::Read);
        // By that tag a plan knows that the lists are verified.
        let secret = Address::new("secret", AGENT.word()).output("arn");
        let condition = json!({ "ForAllValues:StringEquals": { "aws:TagKeys": [TAG] } });
        statements.allow_if("SayVerified", &["secretsmanager:TagResource"], &[secret], &condition);
    }
    fn alarms(&self, expansion: &Expansion<'_>, _section: &Alarms, reports: &Reports<'_>) -> Vec<Watched> {
        let age = (3 * expansion.file.agents.acls.verify_every.0).max(15 * 60_000);
        let unverified = Watched::on(
            "acls-unverified".to_owned(),
            &reports.row,
            "seconds since the lists were verified",
            format!(
                "The access control lists of the agents' Kafka users haven't been verified for {} minutes: an entry is missing or \
                 denies what an agent does, or the cluster doesn't answer. Which one stands in the agent's log; {}.",
                age / 60_000,
                reports.logs
            ),
            reports.metric(&reports::FRESHNESS_SECONDS, "Minimum", 60),
        );
        vec![unverified.when(Comparison::Above, (age / 1000) as f64, 3).missing(MissingData::Missing)]
    }
}
