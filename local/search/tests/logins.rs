//! Who gets in where logins are asked for, and what they may do.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use lakewright_search::{Access, Config, Logins};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[derive(Debug)]
struct Known;

impl Logins for Known {
    fn may(&self, user: &str, password: &str) -> Option<Access> {
        match (user, password) {
            ("admin", "a:b") => Some(Access::Everything),
            ("shipper", "word") => Some(Access::Creating("actions-".to_owned())),
            _ => None,
        }
    }
}

/// Sends a request; the head and the JSON of the answer.
async fn call(at: SocketAddr, user: Option<&str>, line: &str, body: &str) -> (String, Value) {
    let mut stream = TcpStream::connect(at).await.expect("connect");
    let login = user.map(|user| base64::engine::general_purpose::STANDARD.encode(user));
    let login = login.map_or_else(String::new, |login| format!("authorization: Basic {login}\r\n"));
    let length = body.len();
    let text = format!(
        "{line} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\ncontent-type: application/json\r\n{login}\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn bulk(action: &str, index: &str, id: &str) -> String {
    format!("{}\n{}\n", json!({ action: { "_index": index, "_id": id } }), json!({ "n": 1 }))
}

async fn started(folder: &tempfile::TempDir, logins: Option<Arc<dyn Logins>>) -> lakewright_search::Running {
    let config =
        Config { data: folder.path().to_owned(), port: 0, logins, product: lakewright_search::Product::default() };
    lakewright_search::serve(config).await.expect("start")
}

#[tokio::test]
async fn whoever_is_not_known_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = started(&folder, Some(Arc::new(Known))).await;
    let at = running.address();
    for user in [None, Some("admin:wrong"), Some("admin:a"), Some("nobody:word"), Some("shipper"), Some("")] {
        for line in ["GET /", "GET /_search", "POST /_bulk", "DELETE /actions-1", "GET /nothing/of/the/kind"] {
            let (head, answer) = call(at, user, line, "").await;
            assert!(
                head.starts_with("HTTP/1.1 401 ") && head.contains("www-authenticate: Basic"),
                "{user:?} {line}: {head}"
            );
            assert_eq!(answer["error"]["type"], "security_exception", "{answer}");
        }
    }
    let (head, answer) = call(at, Some("admin:a:b"), "GET /_count", "").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && answer["count"] == 0, "{head} {answer}");
    running.shutdown().await;
}

#[tokio::test]
async fn the_shipper_adds_documents_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = started(&folder, Some(Arc::new(Known))).await;
    let at = running.address();
    let shipper = Some("shipper:word");
    let (_, answer) = call(at, shipper, "POST /_bulk", &bulk("create", "actions-1", "1")).await;
    assert_eq!(answer["items"][0]["create"]["status"], 201, "{answer}");
    let (_, answer) = call(at, shipper, "POST /_bulk", &bulk("create", "actions-1", "1")).await;
    assert_eq!(answer["items"][0]["create"]["status"], 409, "it is there already: {answer}");
    for (action, index) in [("index", "actions-1"), ("create", "others"), ("create", "actions")] {
        let (head, answer) = call(at, shipper, "POST /_bulk", &bulk(action, index, "2")).await;
        let item = &answer["items"][0][action];
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!((&item["status"], &item["error"]["type"]), (&json!(403), &json!("security_exception")), "{answer}");
    }
    for line in
        ["GET /actions-1/_search", "DELETE /actions-1", "PUT /actions-2", "GET /actions-1/_doc/1", "GET /_cat/indices"]
    {
        let (head, _) = call(at, shipper, line, "").await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{line}: {head}");
    }
    // What its indices are made by is its own too, to be put and not to be taken away.
    let template = json!({ "index_patterns": ["actions-*"] }).to_string();
    for (line, status) in [
        ("PUT /_index_template/actions", "200"),
        ("GET /_index_template/actions", "200"),
        ("DELETE /_index_template/actions", "403"),
        ("GET /_index_template", "403"),
    ] {
        let (head, _) = call(at, shipper, line, &template).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {head}");
    }
    let (_, answer) = call(at, Some("admin:a:b"), "GET /_count", "").await;
    assert_eq!(answer["count"], 1, "{answer}");
    running.shutdown().await;
}

#[tokio::test]
async fn without_logins_everybody_gets_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = started(&folder, None).await;
    let (head, answer) = call(running.address(), None, "POST /_bulk", &bulk("index", "actions-1", "1")).await;
    assert!(head.starts_with("HTTP/1.1 200 ") && answer["errors"] == false, "{head} {answer}");
    running.shutdown().await;
}
