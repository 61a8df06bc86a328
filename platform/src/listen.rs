//! HTTP/1.1 on a listener, within limits: how many connections there are, how long a request's head and a pause in its
//! body may take, and which hosts and pages are answered.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use crate::loopback;

/// The pause after a connection that can't be taken, for want of file descriptors for instance.
const PAUSE: Duration = Duration::from_millis(100);
/// How many connections beyond the limit get an answer at the same time; more are closed without one.
const REFUSED: usize = 64;
/// How long a client may take to hear that there are too many connections.
const HEARING: Duration = Duration::from_secs(1);
/// How much of a body that nobody reads is read and thrown away.
const UNUSED: usize = 16 << 20;
const TOO_MANY: &str = "too many connections at once; close some, or try again later\n";

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What is taken at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many connections at the same time.
    pub connections: usize,
    /// How long the head of a request may take, from the connection's beginning or the answer before it.
    pub head: Duration,
    /// How long a body may pause.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 256, head: Duration::from_secs(30), pause: Duration::from_secs(30) }
    }
}

/// Serves connections until `stop`, and then the requests in hand. Dropped, it closes all connections.
///
/// A request for a foreign host is answered with 421, one of a foreign page with 403, and a connection beyond the limit
/// with 503; `service` sees none of these. Its errors close the connection without an answer.
pub async fn serve<S, B>(listener: TcpListener, limits: Limits, service: S, stop: CancellationToken)
where
    S: Service<Request<Patient>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Error> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Error>,
{
    let own = match listener.local_addr() {
        Ok(own) => own,
        Err(error) => return tracing::error!(%error, "a listener without an address"),
    };
    let free = Arc::new(Semaphore::new(limits.connections));
    let refusing = Arc::new(Semaphore::new(REFUSED));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if let Ok(permit) = free.clone().try_acquire_owned() {
            let connection = connection(stream, (own, limits), service.clone(), stop.clone());
            connections.spawn(async move {
                connection.await;
                drop(permit);
            });
        } else if let Ok(permit) = refusing.clone().try_acquire_owned() {
            connections.spawn(async move {
                // A client that doesn't listen is left alone.
                let _ = tokio::time::timeout(HEARING, refuse(stream)).await;
                drop(permit);
            });
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection<S, B>(stream: TcpStream, (own, limits): (SocketAddr, Limits), service: S, stop: CancellationToken)
where
    S: Service<Request<Patient>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<Error>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Error>,
{
    // Small answers must not wait for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let guarded = service_fn(move |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let judged = loopback::check(&head, own);
        let waits = head
            .headers
            .get(header::EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let asked = Request::from_parts(head, Patient::new(body, limits.pause, waits));
        let answer = judged.map(|()| service.call(asked));
        async move {
            match answer {
                Ok(answer) => answer.await.map(|answer| answer.map(|body| body.map_err(Into::into).boxed_unsync())),
                Err(refusal) => Ok(refused(&refusal)),
            }
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(TokioIo::new(stream), guarded);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The answer to a request that isn't taken.
fn refused(refusal: &loopback::Refusal) -> Response<UnsyncBoxBody<Bytes, Error>> {
    let body = Full::new(Bytes::from(format!("{refusal}\n"))).map_err(Into::into).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = refusal.status();
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    answer.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    answer
}

/// Answers that there are too many connections, and waits until the client has read it: what it has sent unread would take the
/// answer away.
async fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    let answer = format!(
        "HTTP/1.1 {} Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n{TOO_MANY}",
        StatusCode::SERVICE_UNAVAILABLE.as_u16(),
        TOO_MANY.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// The body of a request, which ends with an error when it pauses for too long. What is left of it unread is read and thrown
/// away, within reason: a client that is still sending couldn't take the answer.
#[derive(Debug)]
pub struct Patient {
    /// Nothing once it has ended.
    body: Option<Incoming>,
    pause: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    /// Whether the client sends nothing of it before it is asked to, by the first read.
    unasked: bool,
}

impl Patient {
    fn new(body: Incoming, pause: Duration, unasked: bool) -> Self {
        Self { body: Some(body), pause, waiting: None, unasked }
    }
}

impl Body for Patient {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.unasked = false;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            self.waiting = None;
            if !matches!(frame, Some(Ok(_))) {
                self.body = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let pause = self.pause;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + pause)));
        ready!(waiting.as_mut().poll(context));
        self.body = None;
        Poll::Ready(Some(Err(format!("nothing came of the body for {} s", pause.as_secs_f64()).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        // A client that waited to be asked and got its answer first sends no body: the next request would be read as one.
        let left = self.body.take().filter(|body| !self.unasked && !body.is_end_stream());
        if let (Some(body), Ok(runtime)) = (left, Handle::try_current()) {
            runtime.spawn(throw_away(body, self.pause));
        }
    }
}

async fn throw_away(mut body: Incoming, pause: Duration) {
    let mut size = 0;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(pause, body.frame()).await {
        size += frame.data_ref().map_or(0, Bytes::len);
        if size > UNUSED {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    /// A server that answers with the body that it got, or with what was wrong with it.
    async fn server(limits: Limits) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let echo = service_fn(|request: Request<Patient>| async {
            let body = match request.into_body().collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) => Bytes::from(error.to_string()),
            };
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(body)))
        });
        let serving = tokio::spawn(serve(listener, limits, echo, stop.clone()));
        (address, stop, serving)
    }

    async fn opened(address: SocketAddr, sent: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(sent.as_bytes()).await.expect("sent");
        stream
    }

    async fn heard(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_string(&mut answer)).await;
        read.expect("the connection ends").expect("text");
        answer
    }

    fn request(address: SocketAddr, body: &str) -> String {
        let length = body.len();
        format!("POST / HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    }

    #[tokio::test]
    async fn what_is_for_others_is_refused_and_the_next_is_answered() {
        let (address, _stop, _serving) = server(Limits::default()).await;
        let sent = request(address, "hello");
        for (changed, status) in [
            (sent.replace(&address.to_string(), "evil.example"), "421"),
            (sent.replace("connection", "origin: http://evil.example\r\nconnection"), "403"),
        ] {
            let answer = heard(opened(address, &changed).await).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            let answer = heard(opened(address, &sent).await).await;
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nhello"), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_body_that_nobody_asked_for_is_not_read_out_of_the_next_request() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (noting, stop) = (Arc::clone(&seen), CancellationToken::new());
        let refusing = service_fn(move |request: Request<Patient>| {
            noting.lock().expect("a list").push(request.method().to_string());
            async { Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(b"no")))) }
        });
        let serving = tokio::spawn(serve(listener, Limits::default(), refusing, stop.clone()));
        let head = format!("host: {address}\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n");
        let mut stream = opened(address, &format!("PUT / HTTP/1.1\r\n{head}")).await;
        let mut answer = [0; 4096];
        let size = stream.read(&mut answer).await.expect("an answer");
        assert!(answer[..size].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..size]));
        // The client has its answer, and sends no body.
        let _ = stream.write_all(format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await;
        // How the connection ends is the server's choice.
        let _ = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut Vec::new())).await;
        stop.cancel();
        serving.await.expect("it ends");
        let seen = seen.lock().expect("a list").clone();
        assert!(seen.iter().all(|method| method == "PUT" || method == "GET"), "{seen:?}");
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_are_refused_and_the_next_is_answered() {
        let (address, _stop, _serving) = server(Limits { connections: 2, ..Limits::default() }).await;
        let sent = request(address, "hello");
        let held = (opened(address, &sent[..9]).await, opened(address, "").await);
        // Both have to be taken before the third comes; connections are taken in their order.
        let answer = heard(opened(address, &sent).await).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after"), "{answer}");
        drop(held);
        loop {
            let answer = heard(opened(address, &sent).await).await;
            if answer.starts_with("HTTP/1.1 200 ") {
                break;
            }
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        }
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended() {
        let short = Duration::from_millis(50);
        let (address, _stop, _serving) = server(Limits { head: short, pause: short, ..Limits::default() }).await;
        let sent = request(address, "hello");
        heard(opened(address, &sent[..9]).await).await;
        let answer = heard(opened(address, &sent[..sent.len() - 1]).await).await;
        assert!(answer.contains("nothing came of the body"), "{answer}");
        assert!(heard(opened(address, &sent).await).await.ends_with("hello"));
    }

    #[tokio::test]
    async fn who_is_still_sending_can_take_the_answer() {
        let (address, _stop, _serving) = server(Limits::default()).await;
        let sent = request(address, &"x".repeat(8 << 20)).replace(&address.to_string(), "evil.example");
        let answer = heard(opened(address, &sent).await).await;
        assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    }

    #[tokio::test]
    async fn it_ends_when_the_requests_in_hand_are_answered() {
        let (address, stop, serving) = server(Limits::default()).await;
        let sent = request(address, "hello").replace("connection: close", "expect: 100-continue");
        let (head, body) = sent.split_at(sent.len() - 5);
        let mut stream = opened(address, head).await;
        let mut hearing = [0; 12];
        stream.read_exact(&mut hearing).await.expect("the server waits for the body");
        assert_eq!(&hearing, b"HTTP/1.1 100");
        stop.cancel();
        stream.write_all(body.as_bytes()).await.expect("sent");
        assert!(heard(stream).await.ends_with("hello"));
        serving.await.expect("it ends");
        TcpStream::connect(address).await.expect_err("nobody listens");
    }
}
