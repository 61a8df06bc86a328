//! An AWS account on loopback: the wire protocols of the services that Lakewright uses, strict and durable.

mod access;
pub mod account;
mod answers;
mod bodies;
pub mod clock;
mod control;
mod credentials;
mod data;
mod disk;
mod enforce;
pub mod engine;
pub mod error;
pub mod events;
pub mod faults;
pub mod fields;
mod host_credentials;
pub mod ids;
mod logins;
pub mod pages;
pub mod protocol;
pub mod request;
mod server;
pub mod services;
mod signature;
pub mod state;
pub mod store;
mod visibility;

pub use clock::Delays;
pub use engine::{Caller, Engine, NoEngine, QueryResult, Temporary};
pub use events::{Event, EventLog, Phase};
pub use faults::{FaultBoard, Faults};
pub use logins::Logins;
pub use signature::Secret;

use account::Account;
use anyhow::Context;
use axum::body::Body;
use hyper::service::service_fn;
use lakewright_platform::listen::{self, Limits, Patient};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How many connections are taken at the same time: a plan, the agents and a person's own clients have about a hundred each.
const CONNECTIONS: usize = 512;
/// How long a query may run unless it is said otherwise, as Athena has it.
pub const QUERY_TIME: Duration = Duration::from_mins(30);

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
    /// What access keys are signed with, also those of twelve digits; without one, signatures aren't checked. Temporary
    /// credentials have secrets of their own.
    pub secret: Option<Secret>,
    /// How long a query may run.
    pub query_time: Duration,
    /// For how long older versions of objects are kept at most where a bucket's lifecycle lets them go at all; without it, for
    /// ever.
    pub older_versions: Option<Duration>,
    /// Whether each call is judged by IAM's policies.
    pub enforce: bool,
    /// How many connections are taken at the same time.
    pub connections: usize,
}

impl Config {
    /// An account on a free port that keeps its data in this folder, without Kafka, engine, delays, faults and secret.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            port: 0,
            kafka: None,
            engine: Arc::new(NoEngine),
            delays: Delays::None,
            faults: Faults::default(),
            events: None,
            secret: None,
            query_time: QUERY_TIME,
            older_versions: None,
            enforce: false,
            connections: CONNECTIONS,
        }
    }
}

/// A running account.
pub struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
    account: Arc<Account>,
    logins: Logins,
    faults: FaultBoard,
    events: EventLog,
    _lock: std::fs::File,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who may log in to Kafka by its credentials.
    pub fn logins(&self) -> Logins {
        self.logins.clone()
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
        self.account.sync();
    }
}

/// Lets older versions of objects go, again and again.
async fn expire_versions(account: Arc<Account>, longest: Duration, stop: CancellationToken) {
    let pause = (longest / 5).clamp(Duration::from_secs(1), Duration::from_mins(1));
    while tokio::time::timeout(pause, stop.cancelled()).await.is_err() {
        let account = account.clone();
        let expired = tokio::task::spawn_blocking(move || services::s3::expire_versions(&account, longest)).await;
        if let Err(error) = expired {
            tracing::error!(%error, "cannot let older versions of objects go");
        }
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
        disk: Arc::new(disk::Machine),
        delays: config.delays,
        engine: config.engine,
        kafka: config.kafka,
        data: config.data,
        endpoint: format!("http://{address}"),
        secret: config.secret,
        query_time: config.query_time,
        enforce: config.enforce,
    });
    let faults = FaultBoard::default();
    faults.set(config.faults);
    let stop = CancellationToken::new();
    let syncing = account.clone();
    let sync_stop = stop.clone();
    tokio::spawn(async move {
        while tokio::time::timeout(Duration::from_secs(1), sync_stop.cancelled()).await.is_err() {
            let account = syncing.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || account.sync()).await {
                tracing::error!(%error, "cannot sync the journal");
            }
        }
    });
    if let Some(longest) = config.older_versions {
        tokio::spawn(expire_versions(account.clone(), longest, stop.clone()));
    }
    let server = server::Server::new(account.clone(), faults.clone(), events.clone(), stop.clone());
    let server = Arc::new(server);
    let logins = Logins(server.clone());
    let answering = service_fn(move |request: http::Request<Patient>| {
        let server = server.clone();
        // An error closes the connection without an answer.
        async move { server.answer(request.map(Body::new)).await }
    });
    let limits = Limits { connections: config.connections, ..Limits::default() };
    let server = tokio::spawn(listen::serve(listener, limits, answering, stop.clone()));
    Ok(Running { address, stop, server, account, logins, faults, events, _lock: lock })
}
