//! Listening, connections and the tasks beside them.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{self, Answer};
use crate::broker::Broker;
use crate::disk::{self, Disk};
use crate::handlers::sasl::Session;
use crate::{Config, Logins, transactions};

/// Kafka's own limit of a request's size.
const LARGEST_FRAME: usize = 100 * 1024 * 1024;
/// Requests of all connections together that may be in memory, in KiB.
const REQUEST_MEMORY: u32 = 512 * 1024;
const CONNECTIONS: usize = 1000;
/// Answers of one connection that may wait for the disk.
const PIPELINE: usize = 16;
/// How often sessions of group members are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often open transactions are looked at.
const TRANSACTIONS: Duration = Duration::from_millis(200);

/// A log that listens.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    broker: Arc<Broker>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Held while the data directory is in use.
    _lock: File,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The cluster's id, the same for as long as the data directory exists.
    pub fn cluster_id(&self) -> &str {
        &self.broker.cluster_id
    }

    /// Lets clients log in by what these take; whoever doesn't log in is served as before.
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
    let listener =
        TcpListener::bind(config.listen()).await.with_context(|| format!("listen on {}", config.listen()))?;
    let address = listener.local_addr()?;
    let open = tokio::task::spawn_blocking(move || Broker::open(config, address, disk));
    let broker = Arc::new(open.await?.with_context(|| format!("open the Kafka log in {}", data.display()))?);
    // What was decided before a crash is done before anybody asks.
    transactions::recover(&broker).await?;
    transactions::tick(&broker).await;
    let running = Running {
        address,
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
    running.tasks.spawn(accept(listener, broker, stop, running.tasks.clone()));
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

async fn accept(listener: TcpListener, broker: Arc<Broker>, stop: CancellationToken, tasks: TaskTracker) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let memory = Arc::new(Semaphore::new(REQUEST_MEMORY as usize));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Too many open files, mostly: what is open now has to end first.
                tracing::warn!(%error, "a connection wasn't accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            tracing::warn!(%peer, "too many connections");
            continue;
        };
        let (broker, memory, stop) = (broker.clone(), memory.clone(), stop.clone());
        tasks.spawn(async move {
            let _permit = permit;
            if let Some(Err(error)) = stop.run_until_cancelled(connection(stream, peer, broker, memory)).await {
                tracing::warn!(%peer, error = format!("{error:#}"), "a connection was closed");
            }
        });
    }
}

/// What the writing half is to send, with the memory that the request holds until then.
type Queued = (Answer, OwnedSemaphorePermit);

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    broker: Arc<Broker>,
    memory: Arc<Semaphore>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (reading, writing) = stream.into_split();
    let (queue, queued) = mpsc::channel(PIPELINE);
    let write = write(writing, queued);
    let read = read(reading, peer, broker, memory, queue);
    let (read, write) = tokio::join!(read, write);
    read.and(write)
}

/// Requests are begun in the order of arrival, each after the one before has been stored or answered.
async fn read(
    mut stream: OwnedReadHalf,
    peer: SocketAddr,
    broker: Arc<Broker>,
    memory: Arc<Semaphore>,
    queue: mpsc::Sender<Queued>,
) -> anyhow::Result<()> {
    let mut session = Session::default();
    loop {
        let mut size = [0; 4];
        match stream.read_exact(&mut size).await {
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
        let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
        anyhow::ensure!(size <= LARGEST_FRAME, "a request of {size} bytes is too large");
        let permit = memory.clone().acquire_many_owned((size / 1024) as u32 + 1).await?;
        let Some(request) = frame(&mut stream, size).await? else {
            return Ok(());
        };
        let answer = api::answer(&broker, peer, &mut session, request).await?;
        if queue.send((answer, permit)).await.is_err() {
            return Ok(());
        }
    }
}

/// The bytes of a frame; memory grows as they come, not as the frame promises.
async fn frame(stream: &mut OwnedReadHalf, size: usize) -> anyhow::Result<Option<Bytes>> {
    let mut buffer = BytesMut::with_capacity(size.min(4 << 20));
    let mut stream = stream.take(size as u64);
    while buffer.len() < size {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(buffer.freeze()))
}

async fn write(mut stream: OwnedWriteHalf, mut queue: mpsc::Receiver<Queued>) -> anyhow::Result<()> {
    while let Some((answer, permit)) = queue.recv().await {
        let frame = match answer {
            Answer::Ready(frame) => Some(frame),
            Answer::Later(answer) => answer.await??,
        };
        drop(permit);
        if let Some(frame) = frame
            && stream.write_all(&frame).await.is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}
