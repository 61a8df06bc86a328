use lakewright_aws::Aws;
use lakewright_config::agents::{self, shipper};

use super::*;
use crate::metrics::Metrics;

fn search(url: &str, directory: &std::path::Path) -> Result<Search> {
    let agent = Agent::detached(agents::Agent::Shipper, directory.to_owned());
    let metrics = Metrics::new(&agent).pipe("index");
    let target = Target::plain(url);
    let aws = Aws::with_keys("eu-north-1", "http://127.0.0.1:9", "AKIDEXAMPLE", "secret").expect("a client");
    Search::new(&target, Entrance::of(&target, &aws)?, false, agent, metrics)
}

#[tokio::test]
async fn no_error_shows_the_password() {
    let directory = tempfile::tempdir().expect("a directory");
    for url in ["user:secret@host:9200", "ftp://user:secret@host", "http://user:secret@ho st"] {
        let error = format!("{:#}", search(url, directory.path()).err().expect("an error"));
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn no_password_goes_in_clear_to_another_machine() {
    let directory = tempfile::tempdir().expect("a directory");
    let error = format!(
        "{:#}",
        search("http://user:secret@search.shop.internal:9200", directory.path()).err().expect("an error")
    );
    assert!(error.contains("no encryption") && !error.contains("secret"), "{error}");
    for sound in
        ["http://search.shop.internal:9200", "http://user:secret@127.0.0.1:9200", "https://user:secret@search:9200"]
    {
        assert!(search(sound, directory.path()).is_ok(), "{sound}");
    }
}

/// A cluster that finds a request malformed when it holds the word `poison`, as it does all while not `sound`.
async fn cluster(sound: bool) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            let body = loop {
                let mut part = [0; 4096];
                let read = stream.read(&mut part).await.expect("a request");
                request.extend_from_slice(&part[..read]);
                let text = String::from_utf8_lossy(&request).to_lowercase();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
                    break body.to_owned();
                }
            };
            let items = vec![r#"{"index":{"status":201}}"#; body.lines().count() / 2].join(",");
            let (status, answer) = if sound && !body.contains("poison") {
                ("200 OK", format!(r#"{{"errors":false,"items":[{items}]}}"#))
            } else {
                ("400 Bad Request", "malformed".to_owned())
            };
            let length = answer.len();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}");
            stream.write_all(answer.as_bytes()).await.expect("answered");
        }
    });
    format!("http://{address}")
}

fn documents() -> Bulk {
    let mut bulk = Bulk::default();
    for number in 0..10 {
        let source = if [3, 4, 9].contains(&number) { "{\"poison\":1}" } else { "{}" };
        bulk.put("actions", &number.to_string(), source);
    }
    bulk
}

#[tokio::test]
async fn a_malformed_request_costs_only_the_documents_that_make_it_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let search = search(&cluster(true).await, directory.path()).expect("a client");
    let refusals = search.index(documents()).await.expect("indexed");
    let refused: Vec<usize> = refusals.iter().map(|refusal| refusal.position).collect();
    let indexed = search.agent.metrics.value(&shipper::INDEXED);
    assert_eq!((refused, indexed), (vec![3, 4, 9], Some(7.0)));
    let mut alone = Bulk::default();
    alone.put("actions", "3", "{\"poison\":1}");
    let alone = search.index(alone).await.expect("judged");
    assert!(alone[0].reason.contains("400"), "{alone:?}");
}

#[tokio::test]
async fn what_is_no_cluster_costs_no_document() {
    let directory = tempfile::tempdir().expect("a directory");
    // The second is a host whose name isn't known yet: it is looked up at each attempt.
    for url in [cluster(false).await, "http://search.invalid:9200".to_owned()] {
        let search = search(&url, directory.path()).expect("a client");
        let shutdown = search.agent.shutdown.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            shutdown.cancel();
        });
        search.index(documents()).await.expect_err("none is judged");
        assert!(search.agent.metrics.value(&shipper::RETRIES) > Some(0.0), "{url}");
    }
}
