//! Calls against a server on this machine that answers by script: retries, lost answers, clocks, S3.

use std::sync::Arc;

use lakewright_aws::{Client, ErrorKind, Put, Service};
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one request.
enum Play {
    /// Answers with a status, headers and a body.
    Answer(u16, &'static str, &'static str),
    /// Reads the request and closes the connection.
    Hang,
}

struct Server {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

/// Reads one request with its body; nothing when the client has gone.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
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

async fn serve(plays: Vec<Play>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    tokio::spawn(async move {
        let mut plays = plays.into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            while let Some(request) = read_request(&mut stream).await {
                log.lock().push(request);
                match plays.next() {
                    Some(Play::Answer(status, headers, body)) => {
                        let length = body.len();
                        let text = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}");
                        stream.write_all(text.as_bytes()).await.expect("written");
                    }
                    Some(Play::Hang) | None => break,
                }
            }
        }
    });
    Server { address, seen }
}

fn client(server: &Server) -> Client {
    Client::with_keys("eu-central-1", &server.address, "access", "secret").expect("a client")
}

const BUSY: Play =
    Play::Answer(503, "", "<Response><Errors><Error><Code>Unavailable</Code></Error></Errors></Response>");
const THROTTLED: Play =
    Play::Answer(503, "", "<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>");
const VPC: Play = Play::Answer(200, "", "<CreateVpcResponse><vpc><vpcId>vpc-1</vpcId></vpc></CreateVpcResponse>");

#[tokio::test]
async fn a_call_is_repeated_until_it_succeeds() {
    let server = serve(vec![BUSY, THROTTLED, Play::Hang, VPC]).await;
    let client = client(&server);
    let value = client.call(Service::Ec2, "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"})).await.expect("in the end");
    assert_eq!(value["vpc"]["vpcId"], "vpc-1");
    assert_eq!(client.requests(), 4);
    let seen = server.seen.lock();
    assert!(seen[3].ends_with("Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16"), "{}", seen[3]);
    assert!(
        seen[3].contains("Credential=access/") && seen[3].contains("/eu-central-1/ec2/aws4_request"),
        "{}",
        seen[3]
    );
}

#[tokio::test]
async fn a_call_that_must_happen_once_is_never_repeated_after_it_may_have_arrived() {
    for play in [BUSY, Play::Hang] {
        let server = serve(vec![play, VPC]).await;
        let error = client(&server).call_once(Service::Ec2, "CreateVpc", json!({})).await.expect_err("no answer");
        assert!(error.lost, "{error}");
        assert_eq!(server.seen.lock().len(), 1);
    }
}

#[tokio::test]
async fn a_call_that_must_happen_once_is_repeated_when_it_had_no_effect() {
    let server = serve(vec![THROTTLED, VPC]).await;
    client(&server).call_once(Service::Ec2, "CreateVpc", json!({})).await.expect("had no effect, so again");
    assert_eq!(server.seen.lock().len(), 2);
}

#[tokio::test]
async fn an_error_after_a_lost_answer_says_so() {
    let conflict = Play::Answer(400, "", r#"{"__type":"ConcurrentModificationException","message":"version"}"#);
    let server = serve(vec![Play::Hang, conflict]).await;
    let error = client(&server).call(Service::Glue, "UpdateTable", json!({})).await.expect_err("a conflict");
    assert!(error.lost && error.is_precondition_failed(), "{error:?}");
    let conflict = Play::Answer(400, "", r#"{"__type":"ConcurrentModificationException","message":"version"}"#);
    let server = serve(vec![conflict]).await;
    let error = client(&server).call(Service::Glue, "UpdateTable", json!({})).await.expect_err("a conflict");
    assert!(!error.lost, "{error:?}");
    assert_eq!(error.to_string(), "glue UpdateTable: ConcurrentModificationException: version");
}

#[tokio::test]
async fn nobody_listening_is_no_lost_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let client = Client::with_keys("eu-central-1", &address, "access", "secret").expect("a client");
    let error = client.call_once(Service::Kms, "CreateKey", json!({})).await.expect_err("nobody listens");
    assert_eq!(error.kind, ErrorKind::NotConnected);
    assert!(!error.lost && error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn a_wrong_clock_is_set_right() {
    let skewed = Play::Answer(
        403,
        "date: Fri, 01 Jan 2100 00:00:00 GMT\r\n",
        r#"{"__type":"InvalidSignatureException","message":"Signature expired"}"#,
    );
    let server = serve(vec![skewed, Play::Answer(200, "", "{}")]).await;
    client(&server).call(Service::Kms, "ListKeys", json!({})).await.expect("with the right time");
    assert!(server.seen.lock()[1].contains("x-amz-date: 21000101T0000"), "{}", server.seen.lock()[1]);
}

#[tokio::test]
async fn objects_are_written_and_read() {
    let server = serve(vec![
        Play::Answer(200, "etag: \"e1\"\r\n", ""),
        Play::Answer(206, "etag: \"e1\"\r\ncontent-range: bytes 2-4/10\r\nx-amz-meta-who: me\r\n", "cde"),
        Play::Answer(412, "", "<Error><Code>PreconditionFailed</Code></Error>"),
    ])
    .await;
    let s3 = client(&server).s3();
    let put = Put { if_none_match: true, metadata: vec![("who".into(), "me".into())], ..Put::default() };
    assert_eq!(s3.put("b", "a/k ü.txt", "abcdefghij".into(), put.clone()).await.expect("put"), "\"e1\"");
    let object = s3.get("b", "a/k ü.txt", Some(2..5)).await.expect("got");
    assert_eq!((object.body.as_ref(), object.size), (&b"cde"[..], 10));
    assert_eq!(object.metadata, [("who".to_owned(), "me".to_owned())]);
    assert!(s3.put("b", "k", "x".into(), put).await.expect_err("there already").is_precondition_failed());
    let seen = server.seen.lock();
    assert!(seen[0].starts_with("PUT /b/a/k%20%C3%BC.txt HTTP/1.1"), "{}", seen[0]);
    assert!(seen[0].contains("if-none-match: *") && seen[0].contains("x-amz-meta-who: me"), "{}", seen[0]);
    assert!(seen[1].contains("range: bytes=2-4"), "{}", seen[1]);
}

#[tokio::test]
async fn listings_page_through() {
    let first = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t=/1</NextContinuationToken>\
                 <Contents><Key>p/1</Key><ETag>&quot;e&quot;</ETag><Size>3</Size></Contents></ListBucketResult>";
    let second = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>p/2</Key></Contents>\
                  <Contents><Key>p/3</Key></Contents></ListBucketResult>";
    let server = serve(vec![Play::Answer(200, "", first), Play::Answer(200, "", second)]).await;
    let listed = client(&server).s3().list("b", "p/").await.expect("listed");
    assert_eq!(listed.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["p/1", "p/2", "p/3"]);
    assert_eq!((listed[0].etag.as_str(), listed[0].size), ("\"e\"", 3));
    let seen = server.seen.lock();
    assert!(seen[1].starts_with("GET /b?list-type=2&prefix=p%2F&continuation-token=t%3D%2F1 "), "{}", seen[1]);
}

#[tokio::test]
async fn a_walk_through_a_bucket_steps_over_what_nobody_asks_for() {
    let page = |truncated: bool, keys: &[&str]| {
        let keys: String = keys.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
        let page = format!("<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{keys}</ListBucketResult>");
        Play::Answer(200, "", Box::leak(page.into_boxed_str()))
    };
    let prefixes = ["hosts/", "models/", "releases/"].map(str::to_owned).into();
    let server = serve(vec![
        page(true, &["hosts-old/1", "hosts/1"]),
        page(true, &["hosts/2", "logs/1", "logs/2"]),
        page(true, &["models-old/1"]),
        page(false, &["models/1", "pipeline/1", "releases/1", "zone"]),
    ])
    .await;
    // Equal walks of a round of reading share their answers.
    let s3 = client(&server).remembering().s3();
    for _ in 0..2 {
        let listed = s3.list_among("b", &prefixes).await.expect("listed");
        let keys: Vec<&str> = listed.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["hosts/1", "hosts/2", "models/1", "releases/1"]);
    }
    let seen = server.seen.lock();
    let after: Vec<&str> =
        seen.iter().filter_map(|head| head.split("start-after=").nth(1)?.split(' ').next()).collect();
    assert_eq!(after, ["hosts", "hosts%2F1", "models", "models-old%2F1"]);
}
