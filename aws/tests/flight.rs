//! How many requests are under way at the same time, against a server on this machine that counts them.

mod server;

use std::sync::Arc;
use std::time::Duration;

use lakewright_aws::{Aws, IN_FLIGHT, ask, client};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use server::{connect, read_request, serve};

/// Long enough for whatever would happen, and never waited for when it does.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server that holds its answers back has in hand.
#[derive(Default)]
struct Hand {
    /// Requests without an answer, now.
    open: usize,
    /// The most that there were.
    most: usize,
}

/// A server that answers as many requests as `gate` lets through, and counts those that wait for it.
async fn holding(gate: Arc<Semaphore>, hand: Arc<Mutex<Hand>>) -> Aws {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(hold(stream, gate.clone(), hand.clone()));
        }
    });
    Aws::with_keys("eu-central-1", &address, "access", "secret").expect("a connection")
}

async fn hold(mut stream: TcpStream, gate: Arc<Semaphore>, hand: Arc<Mutex<Hand>>) {
    while read_request(&mut stream).await.is_some() {
        {
            let mut hand = hand.lock();
            hand.open += 1;
            hand.most = hand.most.max(hand.open);
        }
        gate.acquire().await.expect("it stays open").forget();
        hand.lock().open -= 1;
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"Keys\":[]}";
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn list(aws: Aws) {
    ask(client!(aws, "kms", aws_sdk_kms).list_keys().send()).await.expect("answered");
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_a_host_takes() {
    let (gate, hand) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Hand::default())));
    let aws = holding(gate.clone(), hand.clone()).await;
    let all = IN_FLIGHT + 72;
    let mut calls: JoinSet<()> = (0..all).map(|_| list(aws.clone())).collect();
    let full = async {
        while hand.lock().open < IN_FLIGHT {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, full).await.expect("as many as may be are sent at once");
    // Time for those to come that must not.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(hand.lock().open, IN_FLIGHT);
    gate.add_permits(all);
    let answered = async {
        while let Some(call) = calls.join_next().await {
            call.expect("answered");
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("each gets its turn");
    assert_eq!((hand.lock().most, aws.requests()), (IN_FLIGHT, all as u64));
}

#[tokio::test]
async fn a_call_that_is_given_up_and_an_answer_that_is_not_read_free_their_places() {
    let (gate, hand) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Hand::default())));
    let aws = holding(gate.clone(), hand).await;
    let given_up = (0..2 * IN_FLIGHT).map(|_| tokio::time::timeout(Duration::from_millis(50), list(aws.clone())));
    let mut given_up: JoinSet<_> = given_up.collect();
    while let Some(ended) = given_up.join_next().await {
        assert!(ended.expect("no panic").is_err(), "nobody answered");
    }
    gate.add_permits(4 * IN_FLIGHT);
    tokio::time::timeout(PATIENCE, list(aws.clone())).await.expect("there is a place");

    let object = || server::Play::Answer(200, "", "the body of an object");
    let server = serve((0..=IN_FLIGHT).map(|_| object()).collect()).await;
    let s3 = connect(&server);
    let get = || {
        ask(client!(s3, "s3", aws_sdk_s3, |config| config.force_path_style(true))
            .get_object()
            .bucket("b")
            .key("k")
            .send())
    };
    let mut unread = Vec::new();
    for _ in 0..=IN_FLIGHT {
        let answer = tokio::time::timeout(PATIENCE, get()).await.expect("there is a place");
        unread.push(answer.expect("an object").body);
    }
    assert_eq!(unread.len(), IN_FLIGHT + 1);
}
