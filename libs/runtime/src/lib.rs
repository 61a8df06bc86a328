//! What every agent runs on: configuration, shutdown, logging, metrics, the admin endpoint and Kafka clients.
//!
//! An agent's main function is: [`program::main`], [`config::load`], [`Agent::start`], the agent's own
//! `run(agent, config)` that returns when `agent.shutdown` is cancelled and nothing is half done.

pub mod admin;
pub mod config;
pub mod credentials;
pub mod health;
pub mod histogram;
pub mod kafka;
pub mod logging;
pub mod metrics;
pub mod program;
pub mod shutdown;
pub mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
pub use health::{Health, Latch};
pub use histogram::Histogram;
use lakewright_config::agents;
pub use tokio_util::sync::CancellationToken;

pub use crate::metrics::{Counter, Gauge, Metrics, Reading};

/// How an agent process is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the admin endpoint listens.
    pub admin: SocketAddr,
    /// Whether the end of standard input ends the agent, so that it never outlives the process that started it.
    pub until_stdin_closes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { admin: SocketAddr::from(([127, 0, 0, 1], 0)), until_stdin_closes: false }
    }
}

/// A running agent: what its parts share. Clones are the same agent.
#[derive(Debug, Clone)]
pub struct Agent {
    /// `producer`, `stream`, …
    pub name: String,
    /// Where it keeps what must outlive it: `STATE_DIRECTORY`, else the current directory.
    pub state_dir: PathBuf,
    /// Where its log files go: `LOGS_DIRECTORY`, else the current directory.
    pub logs_dir: PathBuf,
    /// What names this agent in its consumer group, as long as its host is the same one: `LAKEWRIGHT_INSTANCE`. Without it the
    /// group takes each start for another member.
    pub instance: Option<String>,
    /// Its counters and gauges.
    pub metrics: Metrics,
    /// Whether it is ready and alive, and its last error.
    pub health: Arc<Health>,
    /// Cancelled when the agent shall finish what is in hand and return.
    pub shutdown: CancellationToken,
    /// The address of its admin endpoint.
    pub admin: SocketAddr,
}

impl Agent {
    /// Starts what an agent shares: signal handling and the admin endpoint, whose address is written to
    /// `admin.address` in the state directory.
    ///
    /// # Errors
    /// The state directory can't be made, the admin address is in use, the instance's name is none.
    pub async fn start(agent: agents::Agent, options: &Options) -> anyhow::Result<Self> {
        let name = agent.word();
        let state_dir = directory("STATE_DIRECTORY")?;
        let logs_dir = directory("LOGS_DIRECTORY")?;
        let instance = instance(std::env::var(INSTANCE).ok())?;
        let metrics = Metrics::default();
        let health = Arc::new(Health::default());
        let admin = admin::serve(options.admin, name, metrics.clone(), Arc::clone(&health)).await?;
        admin::publish(&state_dir, admin)?;
        let shutdown = shutdown::token(options.until_stdin_closes)?;
        tracing::info!(agent = name, version = env!("CARGO_PKG_VERSION"), %admin, "agent started");
        Ok(Self { name: name.to_owned(), state_dir, logs_dir, instance, metrics, health, shutdown, admin })
    }

    /// An agent without signals and admin endpoint, for tests and tools.
    pub fn detached(agent: agents::Agent, state_dir: PathBuf) -> Self {
        Self {
            name: agent.word().to_owned(),
            logs_dir: state_dir.clone(),
            state_dir,
            instance: None,
            metrics: Metrics::default(),
            health: Arc::new(Health::default()),
            shutdown: CancellationToken::new(),
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }
}

/// The directory that systemd names in a variable (the first, when it names several), made if it is missing.
///
/// # Errors
/// It can't be made.
pub fn directory(variable: &str) -> anyhow::Result<PathBuf> {
    let value = std::env::var(variable).unwrap_or_default();
    let path = match value.split(':').next() {
        Some(first) if !first.is_empty() => PathBuf::from(first),
        _ => PathBuf::from("."),
    };
    std::fs::create_dir_all(&path).with_context(|| format!("make the directory {} ({variable})", path.display()))?;
    Ok(path)
}

/// The variable that names an agent in its consumer group.
const INSTANCE: &str = "LAKEWRIGHT_INSTANCE";

/// The name in the variable, if it is one that Kafka takes for a member's.
fn instance(named: Option<String>) -> anyhow::Result<Option<String>> {
    let Some(name) = named.filter(|name| !name.is_empty()) else { return Ok(None) };
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    anyhow::ensure!(
        is_plain && name.len() <= 249 && name != "." && name != "..",
        "{INSTANCE} is `{}`, which Kafka takes for no member's name: write at most 249 letters, digits, `-`, `_` and `.`, \
         another one for each agent of the group",
        name.escape_default()
    );
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_a_name_that_kafka_takes() {
        let of = |name: &str| instance(Some(name.to_owned()));
        assert_eq!(instance(None).expect("none"), None);
        assert_eq!(of("").expect("none"), None);
        assert_eq!(of("ip-10-0-1-7.ec2.internal-0a").expect("a name").as_deref(), Some("ip-10-0-1-7.ec2.internal-0a"));
        for bad in ["a b", "..", "ä", &"x".repeat(250)] {
            let error = of(bad).expect_err("no name").to_string();
            assert!(error.contains("LAKEWRIGHT_INSTANCE") && error.contains("at most 249 letters"), "{error}");
        }
    }
}
