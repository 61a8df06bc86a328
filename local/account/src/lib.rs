//! An AWS account on loopback: the wire protocols of the services that Lakewright uses, strict and durable.

pub mod account;
mod answers;
pub mod clock;
mod control;
mod credentials;
mod data;
pub mod engine;
pub mod error;
pub mod events;
pub mod faults;
pub mod fields;
pub mod ids;
mod listen;
pub mod pages;
pub mod protocol;
pub mod request;
mod server;
pub mod services;
pub mod state;
pub mod store;
mod visibility;

pub use clock::Delays;
pub use engine::{Caller, Engine, NoEngine, QueryResult};
pub use events::{Event, EventLog, Phase};
pub use faults::{FaultBoard, Faults};

use account::Account;
use anyhow::Context;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What an account is started with.
pub struct Config {
    /// The folder of its data; made when missing.
    pub data: PathBuf,
    /// The port on 127.0.0.1; 0 for a free one.
    pub port: u16,
    /// `HOST:PORT` of the Kafka that stands behind MSK clusters.
    pub kafka: Option<String>,
    /// Runs Athena's SQL and EMR Serverless's jobs.
    pub engine: Arc<dyn Engine>,
    /// Whether states take time.
    pub delays: Delays,
    /// Which requests go wrong, and how.
    pub faults: Faults,
    /// The file that a line about each request is appended to.
    pub events: Option<PathBuf>,
}

impl Config {
    /// An account on a free port that keeps its data in this folder, without Kafka, engine, delays and faults.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            port: 0,
            kafka: None,
            engine: Arc::new(NoEngine),
            delays: Delays::None,
            faults: Faults::default(),
            events: None,
        }
    }
}

/// A running account.
pub struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
    account: Arc<Account>,
    faults: FaultBoard,
    events: EventLog,
    _lock: std::fs::File,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its fault rules, to replace and to read while it runs.
    pub fn faults(&self) -> &FaultBoard {
        &self.faults
    }

    /// Its log of requests.
    pub fn events(&self) -> &EventLog {
        &self.events
    }

    /// Stops listening, lets the requests in hand finish for at most two seconds and writes everything out.
    pub async fn shutdown(self) {
        self.stop.cancel();
        let abort = self.server.abort_handle();
        if tokio::time::timeout(Duration::from_secs(2), self.server).await.is_err() {
            abort.abort();
        }
        sync(&self.account);
    }
}

/// Starts an account; it answers when this returns.
pub async fn serve(config: Config) -> anyhow::Result<Running> {
    let lock = data::open(&config.data)?;
    let store = store::Store::open(&config.data.join("state"))
        .with_context(|| format!("read the account's state in {}", config.data.display()))?;
    let events = EventLog::open(config.events.as_deref()).with_context(|| match &config.events {
        Some(path) => format!("open {} for events", path.display()),
        None => "make the log of events".to_owned(),
    })?;
    let listener = TcpListener::bind(("127.0.0.1", config.port)).await.with_context(|| {
        format!("listen on 127.0.0.1:{} for the account; is the port in use? 0 takes a free one", config.port)
    })?;
    let address = listener.local_addr()?;
    let account = Arc::new(Account {
        store: Mutex::new(store),
        delays: config.delays,
        engine: config.engine,
        kafka: config.kafka,
        data: config.data,
        endpoint: format!("http://{address}"),
    });
    let faults = FaultBoard::default();
    faults.set(config.faults);
    let stop = CancellationToken::new();
    let syncing = account.clone();
    let sync_stop = stop.clone();
    tokio::spawn(async move {
        while tokio::time::timeout(Duration::from_secs(1), sync_stop.cancelled()).await.is_err() {
            let account = syncing.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || sync(&account)).await {
                tracing::error!(%error, "cannot sync the journal");
            }
        }
    });
    let server = server::Server::new(account.clone(), faults.clone(), events.clone(), stop.clone());
    let server = tokio::spawn(listen::listen(listener, Arc::new(server), stop.clone()));
    Ok(Running { address, stop, server, account, faults, events, _lock: lock })
}

/// Syncs the journal outside the lock that requests wait for.
fn sync(account: &Account) {
    let journal = account.store.lock().unsynced();
    if let Some(Err(error)) = journal.map(|file| file.and_then(|file| file.sync_data())) {
        tracing::error!(%error, "cannot sync the journal");
    }
}
