//! `lakewright-local`: what a stack needs of AWS, on this machine.

mod cli;
mod ports;
mod sql;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use lakewright_account::Faults;
use lakewright_runtime::program;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::cli::{Command, Common, Conduct};
use crate::ports::Ports;
use crate::sql::LocalEngine;

/// Where the parts listen, as the line on standard output says it.
#[derive(Debug, Default, Serialize)]
struct Endpoints {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
}

/// glibc's allocator keeps what a large query freed: this one gives it back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    program::main(|| run(cli::Cli::parse().command))
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Serve { common, account_port, kafka_port, search_port, kafka, search, conduct } => {
            let stop = stop(&common)?;
            let mut ports = Ports::open(&common.data)?;
            let log = match kafka {
                Some(_) => None,
                None => Some(start_kafka(&common.data, ports.choose("kafka", kafka_port)).await?),
            };
            let bootstrap = kafka.or_else(|| log.as_ref().map(|log| log.address().to_string()));
            let index = match search {
                Some(_) => None,
                None => Some(start_search(&common.data, ports.choose("search", search_port)).await?),
            };
            let account =
                start_account(&common.data, ports.choose("account", account_port), bootstrap.clone(), conduct).await?;
            let url = search.or_else(|| index.as_ref().map(|index| format!("http://{}", index.address())));
            ports.save([
                ("kafka", log.as_ref().map(|log| log.address().port())),
                ("search", index.as_ref().map(|index| index.address().port())),
                ("account", Some(account.address().port())),
            ])?;
            announce(&Endpoints {
                account: Some(format!("http://{}", account.address())),
                kafka: bootstrap,
                search: url,
            })?;
            stop.cancelled().await;
            account.shutdown().await;
            if let Some(index) = index {
                index.shutdown().await;
            }
            if let Some(log) = log {
                log.shutdown().await;
            }
        }
        Command::Account { common, port, kafka, conduct } => {
            let stop = stop(&common)?;
            let account = start_account(&common.data, port, kafka, conduct).await?;
            announce(&Endpoints { account: Some(format!("http://{}", account.address())), ..Endpoints::default() })?;
            stop.cancelled().await;
            account.shutdown().await;
        }
        Command::Kafka { common, port } => {
            let stop = stop(&common)?;
            let log = start_kafka(&common.data, port).await?;
            announce(&Endpoints { kafka: Some(log.address().to_string()), ..Endpoints::default() })?;
            stop.cancelled().await;
            log.shutdown().await;
        }
        Command::Search { common, port } => {
            let stop = stop(&common)?;
            let index = start_search(&common.data, port).await?;
            announce(&Endpoints { search: Some(format!("http://{}", index.address())), ..Endpoints::default() })?;
            stop.cancelled().await;
            index.shutdown().await;
        }
    }
    Ok(())
}

fn stop(common: &Common) -> Result<CancellationToken> {
    lakewright_runtime::shutdown::token(common.until_stdin_closes)
}

async fn start_kafka(data: &Path, port: u16) -> Result<lakewright_kafka::Running> {
    let config = lakewright_kafka::Config { port, ..lakewright_kafka::Config::new(data.join("kafka")) };
    lakewright_kafka::serve(config).await.context("start the Kafka log")
}

async fn start_search(data: &Path, port: u16) -> Result<lakewright_search::Running> {
    lakewright_search::serve(lakewright_search::Config { data: data.join("search"), port })
        .await
        .context("start the search index")
}

async fn start_account(
    data: &Path,
    port: u16,
    kafka: Option<String>,
    conduct: Conduct,
) -> Result<lakewright_account::Running> {
    let engine = Arc::new(LocalEngine::default());
    let faults = match &conduct.faults {
        Some(path) => read_faults(path)?,
        None => Faults::default(),
    };
    let running = lakewright_account::serve(lakewright_account::Config {
        data: data.join("account"),
        port,
        kafka,
        engine: Arc::clone(&engine) as Arc<dyn lakewright_account::Engine>,
        delays: conduct.delays,
        faults,
        events: conduct.events,
    })
    .await
    .context("start the account")?;
    engine.connect(format!("http://{}", running.address()));
    Ok(running)
}

fn read_faults(path: &Path) -> Result<Faults> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the fault rules in {}", path.display()))?;
    Faults::parse(&text).with_context(|| format!("read the fault rules in {}", path.display()))
}

/// Tells whoever started this that everything listens, and where.
fn announce(endpoints: &Endpoints) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, endpoints).context("write the endpoints")?;
    writeln!(out).and_then(|()| out.flush()).context("write to standard output")
}
