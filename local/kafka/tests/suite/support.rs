//! Brokers for tests, and requests that rdkafka has no call for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};

const DATA: &str = "LAKEWRIGHT_TEST_DATA";
const PORT: &str = "LAKEWRIGHT_TEST_PORT";

/// The process that tests kill: this test binary again, with this "test" alone.
#[test]
#[ignore = "a broker for the other tests, not a test"]
fn broker_process() {
    let mut config = lakewright_kafka::Config::new(std::env::var(DATA).unwrap());
    config.port = std::env::var(PORT).unwrap().parse().unwrap();
    config.retention_check = Duration::from_millis(300);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let running = lakewright_kafka::serve(config).await.unwrap();
        writeln!(std::io::stdout(), "\naddress {}", running.address()).unwrap();
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        terminated.recv().await;
        running.shutdown().await;
    });
}

/// A broker to test.
pub enum Broker {
    /// Ours.
    Ours(Ours),
    /// A real Kafka that somebody else started.
    Real(String),
}

impl Broker {
    pub fn start() -> Self {
        match std::env::var("LAKEWRIGHT_TEST_KAFKA") {
            Ok(address) => Self::Real(address),
            Err(_) => Self::Ours(Ours::start()),
        }
    }

    pub fn address(&self) -> &str {
        match self {
            Self::Ours(ours) => &ours.address,
            Self::Real(address) => address,
        }
    }
}

/// Our log in a process of its own.
pub struct Ours {
    pub address: String,
    pub data: tempfile::TempDir,
    child: Child,
}

impl Ours {
    pub fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let (child, address) = spawn(data.path(), 0, None);
        Self { address, data, child }
    }

    /// One whose files can't grow beyond this many KiB.
    pub fn start_limited(kib: u32) -> Self {
        let data = tempfile::tempdir().unwrap();
        let (child, address) = spawn(data.path(), 0, Some(kib));
        Self { address, data, child }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().signal(), Some(9));
    }

    pub fn terminate(&mut self) {
        // The shell's own: the program of that name isn't on every machine.
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }

    /// Starts again with the same data on the same port.
    pub fn restart(&mut self) {
        let port = self.address.rsplit(':').next().unwrap().parse().unwrap();
        let (child, address) = spawn(self.data.path(), port, None);
        assert_eq!(address, self.address);
        self.child = child;
    }

    /// The newest segment of each partition that holds anything.
    pub fn last_segments(&self) -> Vec<PathBuf> {
        let mut segments = Vec::new();
        for topic in std::fs::read_dir(self.data.path().join("logs")).unwrap() {
            for partition in std::fs::read_dir(topic.unwrap().path()).unwrap() {
                let files = std::fs::read_dir(partition.unwrap().path()).unwrap();
                segments.extend(files.map(|file| file.unwrap().path()).max());
            }
        }
        segments
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(data: &Path, port: u16, limit_kib: Option<u32>) -> (Child, String) {
    let this = std::env::current_exe().unwrap();
    let mut command = match limit_kib {
        None => Command::new(this),
        Some(kib) => {
            // Beyond the limit a write fails as on a full disk, once the signal that comes with it is ignored.
            let mut command = Command::new("bash");
            command.args(["-c", &format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"")]).arg(this);
            command
        }
    };
    command.args(["--exact", "support::broker_process", "--ignored", "--nocapture"]);
    command.env(DATA, data).env(PORT, port.to_string()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| line.unwrap().strip_prefix("address ").map(str::to_owned));
    // Whatever the test harness still prints goes nowhere, without breaking its pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.expect("the broker starts"))
}

/// A name that no other test and no other run on the same broker has.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let stamp = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    format!("{name}-{}-{stamp}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

/// Sends one request over a connection of its own.
pub fn ask<R: Request>(address: &str, version: i16, request: &R) -> R::Response {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    exchange(&mut stream, version, request).expect("an answer")
}

/// Sends one request; none when the connection ends without an answer.
pub fn exchange<R: Request>(stream: &mut (impl Read + Write), version: i16, request: &R) -> Option<R::Response> {
    let key = ApiKey::try_from(R::KEY).unwrap();
    let mut frame = BytesMut::new();
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(77)
        .with_client_id(Some(text("suite")));
    header.encode(&mut frame, key.request_header_version(version)).unwrap();
    request.encode(&mut frame, version).unwrap();
    let whole = [&(frame.len() as u32).to_be_bytes()[..], &frame].concat();
    let mut size = [0; 4];
    stream.write_all(&whole).and_then(|()| stream.read_exact(&mut size)).ok()?;
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).unwrap();
    let mut answer = Bytes::from(answer);
    let header = ResponseHeader::decode(&mut answer, key.response_header_version(version)).unwrap();
    assert_eq!(header.correlation_id, 77);
    let response = R::Response::decode(&mut answer, version).unwrap();
    assert!(!answer.has_remaining(), "{} bytes are left of the answer", answer.remaining());
    Some(response)
}

/// Waits for something that takes the broker a while.
#[track_caller]
pub fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(result) = check() {
            return result;
        }
        assert!(Instant::now() < deadline, "{what} didn't happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}
