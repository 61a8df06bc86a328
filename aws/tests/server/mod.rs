//! A server on this machine that answers by script, and keeps what it was sent.

use std::sync::Arc;

use lakewright_aws::Aws;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one request.
#[allow(dead_code, reason = "not every test file plays all of them")]
pub enum Play {
    /// Answers with a status, headers and a body.
    Answer(u16, &'static str, &'static str),
    /// Reads the request and closes the connection.
    Hang,
}

/// The server.
pub struct Server {
    /// Its URL.
    pub address: String,
    /// The requests so far.
    #[allow(dead_code, reason = "not every test file looks at them")]
    pub seen: Arc<Mutex<Vec<String>>>,
}

/// Reads one request with its body; nothing when the client has gone.
pub async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if body.len() >= length.unwrap_or_default() {
                return Some(text);
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

/// Starts a server that plays these, one for each request.
pub async fn serve(plays: Vec<Play>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, plays) = (seen.clone(), Arc::new(Mutex::new(plays.into_iter())));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, log.clone(), plays.clone()));
        }
    });
    Server { address, seen }
}

/// Answers what comes by one connection.
async fn converse(mut stream: TcpStream, log: Arc<Mutex<Vec<String>>>, plays: Arc<Mutex<std::vec::IntoIter<Play>>>) {
    while let Some(request) = read_request(&mut stream).await {
        log.lock().push(request);
        let play = plays.lock().next();
        let Some(Play::Answer(status, headers, body)) = play else { return };
        let length = body.len();
        let text = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await.expect("written");
    }
}

/// A connection to the server.
#[allow(dead_code, reason = "not every test file connects by itself")]
pub fn connect(server: &Server) -> Aws {
    Aws::with_keys("eu-central-1", &server.address, "access", "secret").expect("a connection")
}
