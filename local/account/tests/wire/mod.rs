//! A bare HTTP client: it distinguishes an answer from a connection that closes without one, and never tries again.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REGION: &str = "eu-north-1";
const ACCOUNT: &str = "123456789012";

/// Where the account is.
#[derive(Clone)]
pub struct Wire {
    address: SocketAddr,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// The text of the first XML element of that name.
    pub fn element(&self, name: &str) -> String {
        let (_, rest) = self.body.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{name} in {}", self.body));
        rest.split('<').next().unwrap().to_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Wire {
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    pub async fn ec2(&self, form: &str) -> Option<Answer> {
        self.query("ec2", form).await
    }

    pub async fn query(&self, service: &str, form: &str) -> Option<Answer> {
        self.send(service, "POST", "/", &[("content-type", "application/x-www-form-urlencoded")], form).await
    }

    pub async fn json(&self, service: &str, target: &str, body: &str) -> Option<Answer> {
        self.send(service, "POST", "/", &[("x-amz-target", target)], body).await
    }

    /// A request to one of the account's own paths.
    pub async fn own(&self, method: &str, path: &str, body: &str) -> Answer {
        let head = format!("{method} /_lakewright/{path} HTTP/1.1\r\n");
        self.exchange(head, body).await.expect("the account's own paths always answer")
    }

    /// Sends a request; nothing when the connection closes without an answer.
    pub async fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Answer> {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nauthorization: AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n"
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.exchange(head, body).await
    }

    async fn exchange(&self, head: String, body: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let rest = format!("host: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", self.address, body.len());
        stream.write_all(format!("{head}{rest}{body}").as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        // A connection that is reset has brought no answer either.
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer { status, body: body.to_owned() })
    }
}

/// Asks again until it is so.
pub async fn until(so: impl AsyncFn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so().await {
        assert!(Instant::now() < end, "it never came about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
