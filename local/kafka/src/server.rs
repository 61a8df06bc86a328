//! Listening, and the tasks beside the connections.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::connection::{Entrance, Shared};
use crate::disk::{self, Disk};
use crate::{Config, Listener, Login, Logins, transactions};

/// How often sessions of group members are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often open transactions are looked at.
const TRANSACTIONS: Duration = Duration::from_millis(200);

/// A log that listens.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    listeners: Vec<SocketAddr>,
    broker: Arc<Broker>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Held while the data directory is in use.
    _lock: File,
}

impl Running {
    /// Where it listens in clear.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where else it listens, in the order of the configuration.
    pub fn listeners(&self) -> &[SocketAddr] {
        &self.listeners
    }

    /// The cluster's id, the same for as long as the data directory exists.
    pub fn cluster_id(&self) -> &str {
        &self.broker.cluster_id
    }

    /// Lets clients log in by what these take; until then nobody can.
    pub fn take_logins(&self, logins: Arc<dyn Logins>) {
        self.broker.take_logins(logins);
    }

    /// Closes all connections and returns when everything stored is on disk.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.broker.flush().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Opens the data directory and listens.
pub async fn serve(config: Config) -> anyhow::Result<Running> {
    serve_on(config, Arc::new(disk::Machine)).await
}

/// The same on a disk that may be a test's.
pub async fn serve_on(config: Config, disk: Arc<dyn Disk>) -> anyhow::Result<Running> {
    let data = config.data.clone();
    std::fs::create_dir_all(&data).with_context(|| format!("create {}", data.display()))?;
    let lock = lock(&config)?;
    let clear = Listener { port: config.port, tls: None, login: Login::Nobody };
    let mut entrances = Vec::with_capacity(1 + config.listeners.len());
    for listener in [&clear].into_iter().chain(&config.listeners) {
        let wanted = config.listen(listener.port);
        let socket = TcpListener::bind(wanted).await.with_context(|| format!("listen on {wanted}"))?;
        entrances.push((socket.local_addr()?, Entrance::new(socket, listener)?));
    }
    let address = entrances[0].0;
    let open = tokio::task::spawn_blocking(move || Broker::open(config, disk));
    let broker = Arc::new(open.await?.with_context(|| format!("open the Kafka log in {}", data.display()))?);
    // What was decided before a crash is done before anybody asks.
    transactions::recover(&broker).await?;
    transactions::tick(&broker).await;
    let running = Running {
        address,
        listeners: entrances.iter().skip(1).map(|(address, _)| *address).collect(),
        broker: broker.clone(),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
        _lock: lock,
    };
    let stop = running.stop.clone();
    running.tasks.spawn(until(stop.clone(), retain(broker.clone())));
    running.tasks.spawn(until(stop.clone(), tick(broker.clone())));
    running.tasks.spawn(until(stop.clone(), end_transactions(broker.clone())));
    if let Some(interval) = broker.flush_interval() {
        running.tasks.spawn(until(stop.clone(), flush(broker.clone(), interval)));
    }
    let shared = Shared::new(broker, stop, running.tasks.clone());
    for (_, entrance) in entrances {
        running.tasks.spawn(entrance.accept(shared.clone()));
    }
    tracing::info!(%address, data = %data.display(), "Kafka log listens");
    Ok(running)
}

fn lock(config: &Config) -> anyhow::Result<File> {
    let path = config.data.join("lock");
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!("{} is in use by another process; stop it or choose another directory", config.data.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {}", path.display())),
    }
}

async fn until(stop: CancellationToken, task: impl Future<Output = ()>) {
    stop.run_until_cancelled(task).await;
}

async fn retain(broker: Arc<Broker>) {
    let mut interval = tokio::time::interval(broker.config.retention_check);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let broker = broker.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || broker.retain()).await {
            tracing::error!(%error, "retention failed");
        }
    }
}

async fn tick(broker: Arc<Broker>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        broker.groups.tick();
    }
}

async fn end_transactions(broker: Arc<Broker>) {
    let mut interval = tokio::time::interval(TRANSACTIONS);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        transactions::tick(&broker).await;
    }
}

async fn flush(broker: Arc<Broker>, interval: Duration) {
    let mut interval = tokio::time::interval(interval);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        broker.flush().await;
    }
}
