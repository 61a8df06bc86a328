//! Connections: accepted, encrypted where the listener says so, and served request by request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{self, Answer};
use crate::broker::Broker;
use crate::handlers::sasl::Session;
use crate::{Listener, Login};

/// Kafka's own limit of a request's size.
const LARGEST_FRAME: usize = 100 * 1024 * 1024;
/// Kafka's own limit of a request's size before its client has logged in (`sasl.server.max.receive.size`).
const LARGEST_LOGIN: usize = 512 * 1024;
/// Requests of all connections together that may be in memory, in KiB.
const REQUEST_MEMORY: u32 = 512 * 1024;
/// Connections of all listeners together.
const CONNECTIONS: usize = 1000;
/// Answers of one connection that may wait for the disk.
const PIPELINE: usize = 16;
/// How long a client may take from its connection to the end of its login, TLS included.
const LOGIN: Duration = Duration::from_secs(10);
/// How long a client may take to hear that its connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the listeners have in common.
#[derive(Clone)]
pub struct Shared {
    broker: Arc<Broker>,
    stop: CancellationToken,
    tasks: TaskTracker,
    connections: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

impl Shared {
    /// Room for the connections of all listeners, each a task.
    pub fn new(broker: Arc<Broker>, stop: CancellationToken, tasks: TaskTracker) -> Self {
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        let memory = Arc::new(Semaphore::new(REQUEST_MEMORY as usize));
        Self { broker, stop, tasks, connections, memory }
    }
}

/// A socket that listens.
pub struct Entrance {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    login: Login,
}

impl Entrance {
    /// The socket of a listener.
    pub fn new(socket: TcpListener, listener: &Listener) -> std::io::Result<Self> {
        let address = socket.local_addr()?;
        Ok(Self { socket, address, tls: listener.tls.clone().map(TlsAcceptor::from), login: listener.login })
    }

    /// Accepts connections until it is time to stop.
    pub async fn accept(self, shared: Shared) {
        loop {
            let accepted = tokio::select! {
                () = shared.stop.cancelled() => return,
                accepted = self.socket.accept() => accepted,
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
            let Ok(permit) = shared.connections.clone().try_acquire_owned() else {
                tracing::warn!(%peer, "too many connections");
                continue;
            };
            let (stop, tls) = (shared.stop.clone(), self.tls.clone());
            let session = Session::new(self.address, peer, self.login);
            let connection = Connection { session, shared: shared.clone(), deadline: Instant::now() + LOGIN };
            shared.tasks.spawn(async move {
                let _permit = permit;
                if let Some(Err(error)) = stop.run_until_cancelled(connection.serve(stream, tls)).await {
                    tracing::warn!(%peer, error = format!("{error:#}"), "a connection was closed");
                }
            });
        }
    }
}

/// What the writing half is to send, with the memory that the request holds until then.
type Queued = (Answer, OwnedSemaphorePermit);

struct Connection {
    session: Session,
    shared: Shared,
    /// When a client that has to log in, for the first time or again, must have done so.
    deadline: Instant,
}

impl Connection {
    async fn serve(self, stream: TcpStream, tls: Option<TlsAcceptor>) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let Some(tls) = tls else {
            let (reading, writing) = stream.into_split();
            return self.both(reading, writing).await;
        };
        let accepted = timeout_at(self.deadline, tls.accept(stream)).await;
        let stream = accepted.context("the client took too long to agree on TLS")?;
        let (reading, writing) = tokio::io::split(stream.context("agree on TLS")?);
        self.both(reading, writing).await
    }

    async fn both(
        self,
        reading: impl AsyncRead + Unpin + Send,
        writing: impl AsyncWrite + Unpin + Send,
    ) -> anyhow::Result<()> {
        let (queue, queued) = mpsc::channel(PIPELINE);
        let (read, write) = tokio::join!(self.read(reading, queue), write(writing, queued));
        read.and(write)
    }

    /// Requests are begun in the order of arrival, each after the one before has been stored or answered.
    async fn read(mut self, mut stream: impl AsyncRead + Unpin, queue: mpsc::Sender<Queued>) -> anyhow::Result<()> {
        loop {
            let next = if self.session.is_served() {
                let next = self.next(&mut stream, LARGEST_FRAME).await?;
                self.deadline = Instant::now() + LOGIN;
                next
            } else {
                let next = timeout_at(self.deadline, self.next(&mut stream, LARGEST_LOGIN)).await;
                next.context("the client took too long to log in")??
            };
            let Some((request, permit)) = next else { return Ok(()) };
            let answer = api::answer(&self.shared.broker, &mut self.session, request).await?;
            if queue.send((answer, permit)).await.is_err() || self.session.is_refused() {
                return Ok(());
            }
        }
    }

    /// The next request, with the memory that it takes; none when the client has gone.
    async fn next(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        largest: usize,
    ) -> anyhow::Result<Option<(Bytes, OwnedSemaphorePermit)>> {
        let mut size = [0; 4];
        if stream.read_exact(&mut size).await.is_err() {
            return Ok(None);
        }
        let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
        anyhow::ensure!(size <= largest, "a request of {size} bytes is too large");
        let permit = self.shared.memory.clone().acquire_many_owned((size / 1024) as u32 + 1).await?;
        Ok(frame(stream, size).await?.map(|request| (request, permit)))
    }
}

/// The bytes of a frame; memory grows as they come, not as the frame promises.
async fn frame(stream: &mut (impl AsyncRead + Unpin), size: usize) -> anyhow::Result<Option<Bytes>> {
    let mut buffer = BytesMut::with_capacity(size.min(4 << 20));
    let mut stream = stream.take(size as u64);
    while buffer.len() < size {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(buffer.freeze()))
}

async fn write(mut stream: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Queued>) -> anyhow::Result<()> {
    while let Some((answer, permit)) = queue.recv().await {
        let frame = match answer {
            Answer::Ready(frame) => Some(frame),
            Answer::Later(answer) => answer.await??,
        };
        drop(permit);
        if let Some(frame) = frame {
            // What TLS has encrypted may wait in a buffer of its own.
            let sent = async {
                stream.write_all(&frame).await?;
                stream.flush().await
            };
            if sent.await.is_err() {
                return Ok(());
            }
        }
    }
    // Whoever speaks TLS takes a connection that just ends for one that was cut. Nothing depends on the goodbye.
    _ = timeout(FAREWELL, stream.shutdown()).await;
    Ok(())
}
