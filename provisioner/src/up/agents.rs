//! The agents of the stack's hosts as child processes: started, watched, started again, stopped.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lakewright_aws::Aws;
use lakewright_config::Security;
use lakewright_config::agents::Agent;
use lakewright_platform::{Backoff, private};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::child::Process;
use super::logs::read_here;
use super::pace::{commit_soon, maintain_soon};
use super::parts::{DataFolder, Endpoints, Needs, SecuredKafka, tail};
use super::samples::Samples;
use super::status::Board;
use crate::app::{Child, RunFile};
use crate::names;
use crate::stack::host_name_mistake;

/// How long an agent may take to finish what is in hand.
const GRACE: Duration = Duration::from_secs(60);
/// The longest pause before a first restart, doubled up to the longest of all.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// An agent that ran so long starts again at once.
const STABLE: Duration = Duration::from_secs(60);
/// An agent on a host, with the configuration that was published for it.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The host.
    pub host: String,
    /// The agent.
    pub agent: Agent,
    /// Its configuration.
    pub config: Value,
    /// Where its configuration is on this machine.
    pub file: PathBuf,
    /// Its state directory.
    pub state: PathBuf,
    /// Whether it would commit less often by the stack file.
    pub slow: bool,
    /// Whether it maintains its tables, and would keep more of them by the stack file.
    pub keeps_less: bool,
    /// Its sources that this machine has no stand-in for.
    pub left_out: Vec<String>,
}

impl Placed {
    /// What people call it, `stream on data`.
    pub fn name(&self) -> String {
        format!("{} on {}", self.agent, self.host)
    }
}

/// The agents whose configurations stand in the artifacts bucket, written to the data folder. Tables that are this machine's are kept
/// small: their snapshots for so long.
pub async fn published(aws: &Aws, bucket: &str, data: &DataFolder, keep: Option<Duration>) -> Result<Vec<Placed>> {
    let context = || format!("read the hosts' configurations from s3://{bucket}/hosts/");
    let mut placed = Vec::new();
    for listed in aws.objects().list(bucket, "hosts/").await.with_context(context)? {
        let Some((host, agent)) = placed_by(&listed.key) else { continue };
        let object = aws.objects().get(bucket, &listed.key, None).await.with_context(context)?;
        let mut config = serde_json::from_slice(&object.body).with_context(|| format!("read {}", listed.key))?;
        let slow = agent == Agent::Stream && commit_soon(&mut config);
        let keeps_less = match keep {
            Some(keep) if agent == Agent::Stream => maintain_soon(&mut config, keep)?,
            _ => false,
        };
        let left_out = match agent {
            Agent::Shipper => read_here(&mut config, &data.path, host)?,
            _ => Vec::new(),
        };
        let state = data.path.join("hosts").join(host).join(agent.word());
        std::fs::create_dir_all(&state).with_context(|| format!("make the folder {}", state.display()))?;
        let path = state.join("config.json");
        let text = serde_json::to_vec_pretty(&config).context("write a configuration")?;
        private::write(&path, &text)?;
        placed.push(Placed { host: host.to_owned(), agent, config, file: path, state, slow, keeps_less, left_out });
    }
    Ok(placed)
}

/// Host and agent of a configuration's key, `hosts/HOST/AGENT.json`. The bucket may be somebody else's, and both become
/// folders: what isn't named by the rules isn't one.
fn placed_by(key: &str) -> Option<(&str, Agent)> {
    let parts: Vec<&str> = key.split('/').collect();
    let ["hosts", host, file] = parts[..] else { return None };
    let agent = file.strip_suffix(".json")?.parse().ok()?;
    host_name_mistake(host).is_none().then_some((host, agent))
}

/// How an agent's connections to Kafka are protected, if it has any.
fn security(config: &Value) -> Option<Security> {
    serde_json::from_value(config["kafka"]["security"].clone()).ok()
}

/// The hosts of a stack in the account on this machine.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// The stack's name.
    pub stack: String,
    /// The account, 12 digits.
    pub account: String,
}

/// What agents are started with besides their configuration.
pub struct Surroundings {
    /// The data folder.
    pub data: Arc<DataFolder>,
    /// The agents' program.
    pub agent: PathBuf,
    /// Where the parts listen.
    pub endpoints: Endpoints,
    /// What the stack needs of the local parts.
    pub needs: Needs,
    /// The Kafka in clear that agents use instead of the one that they are configured for.
    pub kafka: Option<String>,
    /// The one that asks of them what the configured one would, if there is one.
    pub secured: Option<SecuredKafka>,
    /// The region.
    pub region: String,
    /// Whether the account is the one on this machine, with the data folder's secret key.
    pub local_account: bool,
    /// Whose hosts' roles the agents work as, where the account judges their calls.
    pub as_hosts: Option<Hosts>,
    /// What other commands read, kept up to date with the processes.
    pub run: Mutex<RunFile>,
    /// What the view shows.
    pub board: Arc<Board>,
}

impl Surroundings {
    /// The command that runs an agent.
    pub fn command(&self, placed: &Placed) -> Result<Command> {
        self.command_of(placed, placed.agent.word())
    }

    /// A command of the agents' program by an agent's configuration, run as that agent is.
    pub fn command_of(&self, placed: &Placed, word: &str) -> Result<Command> {
        let mut command = Command::new(&self.agent);
        command
            .arg(word)
            .arg("--config")
            .arg(&placed.file)
            .env("STATE_DIRECTORY", &placed.state)
            .env("LOGS_DIRECTORY", placed.state.join("logs"))
            .env("LAKEWRIGHT_INSTANCE", &placed.host)
            .env("AWS_REGION", &self.region)
            .env("AWS_ENDPOINT_URL", &self.endpoints.account);
        // The one names an index to which the shipper logs in by its secret, the other one in the stack's place.
        let (named, unnamed) = match self.needs.logins {
            Some(_) => ("LAKEWRIGHT_SEARCH_LOGIN_PLAINTEXT", "LAKEWRIGHT_SEARCH_URL"),
            None => ("LAKEWRIGHT_SEARCH_URL", "LAKEWRIGHT_SEARCH_LOGIN_PLAINTEXT"),
        };
        command.env(named, &self.endpoints.search).env_remove(unnamed);
        self.name_registry(&mut command);
        if let Some(kafka) = &self.kafka {
            command.env("LAKEWRIGHT_KAFKA_PLAINTEXT", kafka);
        }
        let security = security(&placed.config);
        let secured = self.secured.as_ref().zip(security.as_ref());
        match secured.and_then(|(kafka, security)| Some((kafka.of(security)?, &kafka.authority))) {
            Some((kafka, authority)) => {
                command.env("LAKEWRIGHT_KAFKA_TLS", kafka).env("LAKEWRIGHT_KAFKA_CA", authority);
            }
            None => {
                command.env_remove("LAKEWRIGHT_KAFKA_TLS").env_remove("LAKEWRIGHT_KAFKA_CA");
            }
        }
        if let Some(hosts) = self.as_hosts.as_ref().filter(|_| self.local_account) {
            self.work_as(&mut command, hosts, placed);
        } else if self.local_account {
            self.work_for_the_account(&mut command);
        }
        std::fs::create_dir_all(placed.state.join("logs"))
            .with_context(|| format!("make the log folder of {}", placed.name()))?;
        Ok(command)
    }

    /// A command of the agents' program that is no host's, with the rights of whoever the account on this machine belongs to.
    pub fn as_account(&self) -> Command {
        let mut command = Command::new(&self.agent);
        command.env("AWS_REGION", &self.region).env("AWS_ENDPOINT_URL", &self.endpoints.account);
        command.env_remove("LAKEWRIGHT_KAFKA_SASL_PLAINTEXT");
        self.name_registry(&mut command);
        if let Some(kafka) = &self.kafka {
            command.env("LAKEWRIGHT_KAFKA_PLAINTEXT", kafka);
        }
        if self.local_account {
            self.work_for_the_account(&mut command);
        }
        command
    }

    /// Says where the schema registry is that stands in for those of others.
    fn name_registry(&self, command: &mut Command) {
        match &self.endpoints.registry {
            Some(url) => command.env("LAKEWRIGHT_REGISTRY_PLAINTEXT", url),
            None => command.env_remove("LAKEWRIGHT_REGISTRY_PLAINTEXT"),
        };
    }

    fn work_for_the_account(&self, command: &mut Command) {
        command
            .env("AWS_ACCESS_KEY_ID", &self.run.lock().number)
            .env("AWS_SECRET_ACCESS_KEY", self.data.secret.exposed())
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("AWS_PROFILE");
    }

    /// Lets an agent get the credentials of its host's role from the account, as containers get theirs, and nothing more.
    fn work_as(&self, command: &mut Command, hosts: &Hosts, placed: &Placed) {
        let Hosts { stack, account } = hosts;
        let query = if placed.host == names::STREAM_JOB {
            format!("account={account}&region={}&job={}", self.region, names::stream_run(stack))
        } else {
            let profile = names::of_part(stack, &placed.host);
            format!("account={account}&profile={profile}&instance={}-on-this-machine", placed.host)
        };
        let token = self.data.secret.derived(&format!("credentials?{query}"));
        command
            .env(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                format!("{}/_lakewright/credentials?{query}", self.endpoints.account),
            )
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", format!("Bearer {}", token.exposed()))
            // Nothing that comes before them.
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
            command.env_remove(name);
        }
    }

    /// Tells other commands, and the next `up`, about the processes.
    pub fn note(&self, record: Child) {
        let mut run = self.run.lock();
        run.children.retain(|known| known.name != record.name);
        run.children.push(record);
        if let Err(error) = run.write(&self.data.path) {
            self.board.event(format!("{error:#}"));
        }
    }
}

/// A watched process.
pub struct Supervised {
    /// Which agent it is; none for sample messages.
    pub agent: Option<Agent>,
    name: String,
    stop: CancellationToken,
    task: JoinHandle<Result<()>>,
}

impl Supervised {
    /// Starts an agent and starts it again whenever it ends.
    pub fn start(surroundings: &Arc<Surroundings>, placed: Placed) -> Self {
        let (agent, name) = (placed.agent, placed.name());
        let command = move |surroundings: &Surroundings| {
            // The address of a process that has gone would answer for another one.
            let _ = std::fs::remove_file(placed.state.join("admin.address"));
            surroundings.command(&placed)
        };
        Self::of(surroundings, Some(agent), name, command)
    }

    /// The same with sample messages.
    pub fn samples(surroundings: &Arc<Surroundings>, samples: Samples) -> Self {
        let name = samples.name();
        Self::of(surroundings, None, name, move |surroundings| Ok(samples.command(surroundings)))
    }

    fn of(
        surroundings: &Arc<Surroundings>,
        agent: Option<Agent>,
        name: String,
        command: impl Fn(&Surroundings) -> Result<Command> + Send + Sync + 'static,
    ) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(supervise(Arc::clone(surroundings), name.clone(), command, stop.clone()));
        Self { agent, name, stop, task }
    }

    /// Asks it to end cleanly and waits.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.task.await.with_context(|| format!("stop {}", self.name))?
    }
}

async fn supervise(
    surroundings: Arc<Surroundings>,
    name: String,
    command: impl Fn(&Surroundings) -> Result<Command>,
    stop: CancellationToken,
) -> Result<()> {
    let log = surroundings.data.log(&name);
    let mut backoff = Backoff::new(PAUSE, LONGEST_PAUSE);
    loop {
        let started = Instant::now();
        let begun = command(&surroundings)
            .and_then(|mut command| Process::start(&name, command.arg("--until-stdin-closes"), &log, Stdio::null()));
        match begun {
            Ok(mut process) => {
                surroundings.note(process.record.clone());
                let ended = tokio::select! {
                    ended = process.ended() => ended,
                    () = stop.cancelled() => return process.stop(GRACE).await,
                };
                if started.elapsed() > STABLE {
                    backoff.reset();
                }
                surroundings.board.restarted(&name, format!("{name} ended with {ended}: {}", tail(&log, 1)));
            }
            // A full disk or too many processes pass; an agent that is not there must be seen.
            Err(error) => surroundings.board.restarted(&name, format!("{name} can't be started: {error:#}")),
        }
        if !backoff.wait(&stop).await {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_hosts_and_agents_become_folders() {
        assert_eq!(placed_by("hosts/app-2/stream.json"), Some(("app-2", Agent::Stream)));
        for key in [
            "hosts/../...json",
            "hosts/../stream.json",
            "hosts/app/...json",
            "hosts/app/../stream.json",
            "hosts//stream.json",
            "hosts/app/stream",
            "hosts/app/stream.json/x",
            "hosts/app/sh.json",
            "hosts/a b/stream.json",
            "hosts/APP/stream.json",
            "hosts/app\0/stream.json",
            "other/app/stream.json",
        ] {
            assert_eq!(placed_by(key), None, "{key}");
        }
    }
}
