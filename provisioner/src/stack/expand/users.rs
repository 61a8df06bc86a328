//! The users by whose names and passwords agents log in to Kafka: one for each agent, or one that all share.

use std::collections::BTreeSet;

use lakewright_config::agents::{Agent, Need};

use super::policy::Statements;
use super::{Expansion, key_arn};
use crate::kinds::{scram_association, secret};
use crate::resource::Address;
use crate::stack::kafka::Kafka;

/// How many days the secret of an agent's own user can be restored when it was deleted.
const RECOVERY_DAYS: u32 = 7;

impl Expansion<'_> {
    /// The stack's agents that work with Kafka.
    pub(super) fn kafka_agents(&self) -> impl Iterator<Item = Agent> {
        let file = self.file;
        Agent::needing(Need::Kafka).filter(move |agent| file.has(*agent))
    }

    /// Makes a user with a password of its own for each agent, where none is shared.
    pub(super) fn agents_users(&mut self, kafka: &Kafka) {
        if !kafka.has_own_users() {
            return;
        }
        let agents: Vec<Agent> = self.kafka_agents().collect();
        for agent in agents {
            let spec = secret::Spec {
                name: self.secret(agent.word()).into(),
                description: format!("the Kafka user of the agent {}", agent.word()),
                username: self.named(agent.word()),
                key: Some(key_arn(self.users_key(kafka)).into()),
                recovery_days: RECOVERY_DAYS,
                rotate_after_days: kafka.rotate_after.as_ref().map(|age| age.in_days() as u32),
            };
            self.add(Address::new("secret", agent.word()), &spec, &kafka.span, vec![]);
        }
    }

    /// Lets the users log in: the agents' own, and one that they share or shared.
    pub(super) fn associate_users(&mut self, kafka: &Kafka) {
        let own: Vec<&str> =
            if kafka.has_own_users() { self.kafka_agents().map(Agent::word).collect() } else { Vec::new() };
        let written = kafka.secret.iter().chain(&kafka.former_secret).map(|at| at.value.as_str());
        let arns = own.into_iter().chain(written).map(|name| Address::new("secret", name).output("arn").into());
        let spec = scram_association::Spec { cluster: Self::cluster_arn(kafka).into(), secrets: arns.collect() };
        if !spec.secrets.is_empty() {
            self.add(association(), &spec, &kafka.span, vec![]);
        }
    }

    /// The name of the secret whose user an agent logs in as.
    pub(super) fn secret_of(&self, kafka: &Kafka, agent: Agent) -> Option<String> {
        let shared = kafka.secret.as_ref().map(|secret| secret.value.as_str());
        shared.or_else(|| kafka.has_own_users().then(|| agent.word())).map(|name| self.secret(name))
    }

    /// Lets an agent read whose user it is. What all shared is read until the file says so no longer: an agent that starts
    /// before its new configuration has come reads that.
    pub(super) fn read_user(&self, statements: &mut Statements, kafka: &Kafka, agent: Agent) {
        let own = kafka.has_own_users().then(|| (agent.word(), Some(self.users_key(kafka))));
        let key_of = |name: &str| self.file.secrets.get(name).map(|section| self.secret_key(&section.value));
        let written = kafka.secret.iter().chain(&kafka.former_secret);
        let written = written.map(|at| (at.value.as_str(), key_of(&at.value)));
        let secrets: Vec<(&str, Option<&str>)> = own.into_iter().chain(written).collect();
        if secrets.is_empty() {
            return;
        }
        let arns: Vec<String> = secrets.iter().map(|(name, _)| Address::new("secret", *name).output("arn")).collect();
        statements.allow("KafkaUser", &["secretsmanager:GetSecretValue"], &arns);
        let keys: BTreeSet<&str> = secrets.iter().filter_map(|(_, key)| *key).collect();
        for (index, key) in keys.into_iter().enumerate() {
            let sid = if index == 0 { "KafkaUserKey" } else { "KafkaFormerUserKey" };
            self.by_key(statements, sid, (&["kms:Decrypt"], key), "secretsmanager");
        }
    }

    /// What an agent's configuration waits for: whoever it says to log in as may do so first.
    pub(super) fn after_users(&mut self) {
        let users = association();
        let is_there = self.resources.iter().any(|resource| resource.address == users);
        if let Some(object) = self.resources.last_mut().filter(|_| is_there) {
            object.after.insert(users);
        }
    }
}

/// The association of the stack's users with its cluster.
fn association() -> Address {
    Address::new("scram_association", "main")
}
