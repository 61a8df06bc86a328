use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use lakewright_aws::Aws;
use lakewright_config::agents;
use lakewright_runtime::Agent;
use parking_lot::Mutex;

use super::*;
use crate::metrics::Metrics;
use crate::source::testing::{event, stream};

type Objects = Arc<Mutex<BTreeMap<String, usize>>>;

/// The sizes of objects by name.
async fn bucket(State(objects): State<Objects>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let key = head.uri.path().trim_start_matches("/backup/").replace("%3D", "=");
    if head.method == Method::PUT {
        if objects.lock().insert(key, body.len()).is_some() {
            return (StatusCode::PRECONDITION_FAILED, "<Error><Code>PreconditionFailed</Code></Error>").into_response();
        }
        return ([(header::ETAG, "\"1\"")], "").into_response();
    }
    "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>".into_response()
}

async fn sink(limits: Limits, folder: &std::path::Path) -> (BackupSink, Objects, Agent) {
    let objects = Objects::default();
    let router = axum::Router::new().fallback(bucket).with_state(Arc::clone(&objects));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let aws = Aws::with_keys("eu-north-1", &url, "AKIDEXAMPLE", "secret").expect("a client");
    let agent = Agent::detached(agents::Agent::Shipper, folder.to_owned());
    let metrics = Metrics::new(&agent).pipe("backup");
    let store = Store {
        objects: aws.objects(),
        bucket: "backup".to_owned(),
        prefix: "events".to_owned(),
        agent: agent.clone(),
        metrics: metrics.clone(),
    };
    (BackupSink::new(store, limits, metrics).expect("a sink"), objects, agent)
}

/// Text that doesn't shrink.
fn noise(size: usize, state: &mut u64) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 2);
    text.push(b'"');
    while text.len() < size {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text.push(b'!' + (*state >> 58) as u8);
    }
    text.retain(|byte| *byte != b'\\');
    text.iter_mut().skip(1).filter(|byte| **byte == b'"').for_each(|byte| *byte = b'x');
    text.push(b'"');
    text
}

#[tokio::test]
async fn many_streams_of_large_records_hold_no_more_than_they_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let held = 2 << 20;
    let limits = Limits { bytes: 64 << 20, age: Duration::from_hours(1), held };
    let (mut sink, objects, _) = sink(limits, folder.path()).await;
    let streams: Vec<Arc<Stream>> = (0..40).map(|_| stream()).collect();
    let mut state = 1;
    let mut most = 0;
    for round in 0..10 {
        let events: Vec<Event> =
            streams.iter().map(|stream| event(stream, round, &noise(64 << 10, &mut state))).collect();
        sink.take(Batch { events, bytes: 40 * (64 << 10), room: None }).await.expect("taken");
        most = most.max(sink.held());
    }
    assert!(most <= held, "{most}");
    sink.finish().await.expect("finished");
    assert!(!objects.lock().is_empty());
    // Every stream is settled to its end, in order.
    let mut ends: BTreeMap<usize, u64> = BTreeMap::new();
    for (stream, next) in sink.settled() {
        let before = ends.insert(Arc::as_ptr(&stream).addr(), next);
        assert!(before.is_none_or(|before| before < next));
    }
    assert_eq!((ends.len(), ends.values().all(|next| *next == 10)), (40, true));
}

#[tokio::test]
async fn what_is_somebody_elses_is_dropped_and_not_settled() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits { bytes: 1 << 20, age: Duration::from_hours(1), held: 1 << 20 };
    let (mut sink, objects, _) = sink(limits, folder.path()).await;
    let (gone, kept) = (stream(), stream());
    let events = vec![event(&gone, 5, b"{}"), event(&kept, 7, b"{}")];
    sink.take(Batch { events, bytes: 4, room: None }).await.expect("taken");
    gone.end();
    sink.finish().await.expect("finished");
    let settled = sink.settled();
    assert!(settled.len() == 1 && Arc::ptr_eq(&settled[0].0, &kept) && settled[0].1 == 8);
    assert_eq!(objects.lock().len(), 1);
}

#[tokio::test]
async fn dropped_records_are_settled_without_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits { bytes: 1 << 20, age: Duration::from_hours(1), held: 1 << 20 };
    let (mut sink, objects, _) = sink(limits, folder.path()).await;
    let stream = stream();
    let mut events: Vec<Event> = (0..4).map(|number| event(&stream, number, b"{}")).collect();
    for dropped in [0, 3] {
        events[dropped].fate = Fate::Drop;
    }
    sink.take(Batch { events, bytes: 8, room: None }).await.expect("taken");
    sink.finish().await.expect("finished");
    assert_eq!(sink.settled().last().map(|(_, next)| *next), Some(4));
    let keys: Vec<String> = objects.lock().keys().cloned().collect();
    assert!(keys.len() == 1 && keys[0].ends_with("/00000000000000000001-00000000000000000003.jsonl.zst"), "{keys:?}");
}
