//! Where agents' work is done: on hosts, and the stream agent's on Spark where the file says so.

use super::agents::Engine;
use super::hosts::Agent;
use super::sections::File;

impl File {
    /// Whether the stream agent's work is done by Spark.
    pub fn streams_on_spark(&self) -> bool {
        self.agents.stream.engine.value == Engine::Spark
    }

    /// Whether an agent's work is done in the stack: on a host, or the stream agent's by Spark.
    pub fn has(&self, agent: Agent) -> bool {
        let on_hosts = self.hosts.iter().flat_map(|host| &host.value.agents).any(|at| at.value == agent);
        on_hosts || (agent == Agent::Stream && self.streams_on_spark())
    }
}
