//! `lakewright-agent`: the agents in one program, as hosts run them.

mod cli;
mod maintain;
mod memory;
mod records;
mod restore;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use lakewright_acls::Mode;
use lakewright_aws::{Aws, Options as AwsOptions};
use lakewright_config::agents::{self, AgentConfig};
use lakewright_config::restoring::Destination;
use lakewright_config::{
    AclsConfig, BatchConfig, KafkaConnection, ProducerConfig, ShipperConfig, StreamConfig, WatchConfig,
};
use lakewright_runtime::{Agent, Options, config, directory, kafka, program, shutdown, watch};
use lakewright_shipper::Wanted;
use serde::de::DeserializeOwned;

use crate::cli::{Command, Run};

/// How long the last report may take.
const LAST_REPORT: Duration = Duration::from_secs(5);

/// glibc's allocator keeps what a large query freed: this one gives it back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = cli::Cli::parse().command;
    match command {
        Command::Stream(_) => memory::give_back_after(memory::STREAM),
        Command::Shipper(_) => memory::give_back_after(memory::SHIPPER),
        _ => {}
    }
    program::main(|| run(command))
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Producer(run) => {
            let config: ProducerConfig = load(&run, lakewright_producer::check)?;
            let agent = start::<ProducerConfig>(&run).await?;
            watched(agent, config.watch.clone(), async |agent| lakewright_producer::run(agent, config).await).await
        }
        Command::Stream(run) => {
            let config: StreamConfig = load(&run, lakewright_stream::check)?;
            let agent = start::<StreamConfig>(&run).await?;
            watched(agent, config.watch.clone(), async |agent| lakewright_stream::run(agent, config).await).await
        }
        Command::Shipper(run) => {
            let config: ShipperConfig = load(&run, lakewright_shipper::check)?;
            let agent = start::<ShipperConfig>(&run).await?;
            watched(agent, config.watch.clone(), async |agent| lakewright_shipper::run(agent, config).await).await
        }
        Command::Batch { run, once } => {
            let config: BatchConfig = load(&run, lakewright_batch::check)?;
            let agent = start::<BatchConfig>(&run).await?;
            if once {
                lakewright_batch::run_once(agent, config).await
            } else {
                watched(agent, config.watch.clone(), async |agent| lakewright_batch::run(agent, config).await).await
            }
        }
        Command::Maintain { table, config: path, dry_run } => {
            let run = Run { config: path, admin: Options::default().admin, until_stdin_closes: false };
            Box::pin(maintain::run(load(&run, lakewright_stream::check)?, table, dry_run)).await
        }
        Command::Acls { run, once, dry_run, verify, prune, timeout } => {
            let config: AclsConfig = load(&run, lakewright_acls::check)?;
            let patience = Duration::from_secs(timeout);
            let mode = match (once, dry_run, verify) {
                (true, ..) => Mode::Set,
                (_, true, _) => Mode::DryRun,
                (.., true) => Mode::Verify,
                _ => {
                    let config = AclsConfig { prune: config.prune || prune, ..config };
                    let agent = start::<AclsConfig>(&run).await?;
                    let watch = config.watch.clone();
                    return watched(agent, watch, async |agent| lakewright_acls::keep(agent, config, patience).await)
                        .await;
                }
            };
            let options = lakewright_acls::Options { mode, prune: config.prune || prune, patience };
            let clients = lakewright_acls::Clients::connect(&config).await?;
            lakewright_acls::run(&config, &options, &clients, &mut std::io::stdout()).await
        }
        Command::MaintainTable => Box::pin(maintain::one()).await,
        Command::Records { config: path } => {
            let run = Run { config: path, admin: Options::default().admin, until_stdin_closes: false };
            Box::pin(records::run(load(&run, lakewright_stream::check)?)).await
        }
        Command::RestoreOrder => Box::pin(restore::ordered()).await,
        Command::Restore { config: path, from, to, into_topic, into_index } => {
            let run = Run { config: path, admin: Options::default().admin, until_stdin_closes: false };
            let config: ShipperConfig = load(&run, lakewright_shipper::check)?;
            let into = into_topic.map_or(Destination::Index(into_index), Destination::Topic);
            let wanted = Wanted { from, to, ..Wanted::all(into) };
            print(&restore::run(&config, &wanted).await?)
        }
        Command::BackedUp { config: path } => {
            let run = Run { config: path, admin: Options::default().admin, until_stdin_closes: false };
            let config: ShipperConfig = load(&run, lakewright_shipper::check)?;
            let aws = Aws::connect(AwsOptions::default()).await?;
            print(&lakewright_shipper::held(&config, &aws).await?)
        }
        Command::Logged { config: path } => {
            let run = Run { config: path, admin: Options::default().admin, until_stdin_closes: false };
            let config: ShipperConfig = load(&run, lakewright_shipper::check)?;
            let aws = Aws::connect(AwsOptions::default()).await?;
            print(&lakewright_shipper::logged(&directory("STATE_DIRECTORY")?, &config, &aws).await?)
        }
        Command::Samples { config: path, topic, rate, seed, until_stdin_closes } => {
            let run = Run { config: path, admin: Options::default().admin, until_stdin_closes };
            let config: StreamConfig = load(&run, lakewright_stream::check)?;
            let options = lakewright_samples::Options { topics: topic, rate, seed };
            lakewright_samples::run(&config, &options, shutdown::token(until_stdin_closes)?).await
        }
        Command::Check { name, config: path } => {
            let run = Run { config: path, admin: Options::default().admin, until_stdin_closes: false };
            match name {
                agents::Agent::Producer => drop(load(&run, lakewright_producer::check)?),
                agents::Agent::Stream => drop(load(&run, lakewright_stream::check)?),
                agents::Agent::Shipper => drop(load(&run, lakewright_shipper::check)?),
                agents::Agent::Batch => drop(load(&run, lakewright_batch::check)?),
                agents::Agent::Acls => drop(load(&run, lakewright_acls::check)?),
            }
            Ok(())
        }
        Command::Ledger { bootstrap, topic, without_value, timeout } => {
            let client = kafka::client_config(&KafkaConnection::plaintext(bootstrap)).await?;
            let rows = kafka::ledger(&client, &topic, &without_value, Duration::from_secs(timeout)).await?;
            let text = serde_json::to_string(&rows).context("write the ledger as JSON")?;
            writeln!(std::io::stdout().lock(), "{text}").context("write to standard output")
        }
    }
}

/// Prints a value as a line of JSON.
fn print(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string(value).context("write it as JSON")?;
    writeln!(std::io::stdout().lock(), "{text}").context("write to standard output")
}

/// The configuration, read and checked.
fn load<T: DeserializeOwned>(run: &Run, check: impl FnOnce(&T) -> Result<()>) -> Result<T> {
    let value = config::load(&run.config)?;
    check(&value).with_context(|| format!("the configuration {} is wrong", run.config.display()))?;
    Ok(value)
}

/// Starts the agent whose configuration it is.
async fn start<C: AgentConfig>(run: &Run) -> Result<Agent> {
    Agent::start(C::AGENT, &Options { admin: run.admin, until_stdin_closes: run.until_stdin_closes }).await
}

/// Runs an agent that reports how it is doing, if its configuration says where.
async fn watched(agent: Agent, watch: Option<WatchConfig>, run: impl AsyncFnOnce(Agent) -> Result<()>) -> Result<()> {
    let Some(watch) = watch else { return run(agent).await };
    let reports = watch::start(&agent, watch);
    let shutdown = agent.shutdown.clone();
    let result = run(agent).await;
    // An agent that fails says so in its last report.
    shutdown.cancel();
    _ = tokio::time::timeout(LAST_REPORT, reports).await;
    result
}
