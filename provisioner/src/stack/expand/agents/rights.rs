//! The roles of hosts: what their agents may do, and what they do themselves.

use std::collections::BTreeMap;

use lakewright_config::agents::Agent;

use super::{expansion_of, used_topics};
use crate::kinds::role;
use crate::resource::Address;
use crate::stack::decode::Entry;
use crate::stack::expand::policy::{Access, Statements, own};
use crate::stack::expand::roles::trust;
use crate::stack::expand::{ARTIFACTS, Expansion};
use crate::stack::hosts::Host;
use crate::stack::kafka::{Authentication, Kafka};

impl Expansion<'_> {
    /// The role of a group of hosts.
    pub(in crate::stack::expand) fn host_role(&mut self, host: &Entry<Host>) {
        let mut policies = BTreeMap::new();
        let mut statements = Statements::default();
        if !host.value.agents.is_empty() {
            let folders = [format!("hosts/{}", host.name), "releases".into()];
            self.objects(&mut statements, "Artifacts", Access::Read, ARTIFACTS, &folders);
        }
        self.attach_volumes(&mut statements, host);
        self.write_own_name(&mut statements, host);
        self.serve_search(&mut statements, host);
        self.open_sessions(&mut statements, host);
        if !statements.0.is_empty() {
            policies.insert("host".to_owned(), statements.policy());
        }
        if !host.value.statements.is_empty() {
            policies.insert("own".to_owned(), own(&host.value.statements));
        }
        for agent in &host.value.agents {
            let mut statements = Statements::default();
            expansion_of(agent.value).rights(self, &mut statements);
            self.write_logs(&mut statements, agent.word());
            policies.insert(agent.word().to_owned(), statements.policy());
        }
        let description = format!("the hosts {} of {}", host.name, self.stack.name());
        let spec = role::Spec { policies, ..self.role(&host.name, description, trust("ec2.amazonaws.com")) };
        self.add(Address::new("role", host.name.as_str()), &spec, &host.span, vec![]);
    }

    /// What a Kafka client needs to log in, and under IAM to read and write its topics.
    pub(in crate::stack::expand) fn log_in(&self, statements: &mut Statements, agent: Agent, access: Access) {
        let Some(kafka) = &self.file.kafka else { return };
        if kafka.ways()[0] == Authentication::Iam {
            self.use_topics(statements, kafka, agent, access);
            return;
        }
        self.read_user(statements, kafka, agent);
    }

    fn use_topics(&self, statements: &mut Statements, kafka: &Kafka, agent: Agent, access: Access) {
        let writes = access == Access::Write;
        let cluster: &[&str] = if writes {
            &["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"]
        } else {
            &["kafka-cluster:Connect"]
        };
        statements.allow("Kafka", cluster, &[self.kafka_arn(kafka, "")]);
        let mut actions = vec!["kafka-cluster:DescribeTopic"];
        actions.push(if writes { "kafka-cluster:WriteData" } else { "kafka-cluster:ReadData" });
        // Agents make the topics that nobody else can; Spark's job doesn't.
        if kafka.is_serverless() && !(agent == Agent::Stream && self.file.streams_on_spark()) {
            actions.extend([
                "kafka-cluster:CreateTopic",
                "kafka-cluster:AlterTopic",
                "kafka-cluster:DescribeTopicDynamicConfiguration",
                "kafka-cluster:AlterTopicDynamicConfiguration",
            ]);
        }
        let topics = used_topics(agent, self.file);
        let topics: Vec<String> =
            topics.iter().map(|topic| self.kafka_arn(kafka, &format!("topic/{}", self.topic(topic)))).collect();
        statements.allow("KafkaTopics", &actions, &topics);
        let groups = expansion_of(agent).groups(self);
        if !groups.is_empty() {
            let actions = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"];
            let groups: Vec<String> =
                groups.iter().map(|group| self.kafka_arn(kafka, &format!("group/{group}"))).collect();
            statements.allow("KafkaGroup", &actions, &groups);
        }
    }
}
