//! The API as a client sees it: bulk, search, count, aggregations, errors, and what a kill leaves.

use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends a request; the status and the JSON of the answer.
async fn call(address: SocketAddr, method: Method, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("write");
    stream.write_all(body.as_bytes()).await.expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn started(folder: &tempfile::TempDir) -> lakewright_search::Running {
    let config = lakewright_search::Config {
        data: folder.path().to_owned(),
        port: 0,
        logins: None,
        product: lakewright_search::Product::default(),
    };
    lakewright_search::serve(config).await.expect("start")
}

fn bulk(actions: &[(&str, &str, &str, Value)]) -> String {
    let mut body = String::new();
    for (action, index, id, source) in actions {
        body.push_str(&json!({ *action: { "_index": index, "_id": id } }).to_string());
        body.push('\n');
        if *action != "delete" {
            body.push_str(&source.to_string());
            body.push('\n');
        }
    }
    body
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["hits"]["hits"].as_array().expect("hits").iter().map(|hit| hit["_id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn documents_are_found_by_words_values_ranges_and_counted_by_terms() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = started(&folder).await;
    let at = running.address();
    let day = |n: u32| format!("2026-01-0{n}T10:00:00Z");
    let body = bulk(&[
        (
            "index",
            "a-2026.01.01",
            "1",
            json!({"what": "matte Lipstick", "city": ["59.3", "Stockholm"], "n": 1, "at": day(1), "kind": "view", "p": 0}),
        ),
        (
            "index",
            "a-2026.01.02",
            "2",
            json!({"what": "lipstick brush", "city": ["48.8", "Paris"], "n": 5, "at": day(2), "kind": "buy", "p": 1}),
        ),
        (
            "index",
            "a-2026.01.02",
            "3",
            json!({"what": "phone case", "city": ["59.3", "Stockholm"], "n": 9, "at": day(2), "kind": "view", "p": 1}),
        ),
        ("index", "other", "4", json!({"what": "lipstick", "n": 2.5, "ok": true})),
    ]);
    let (status, answer) = call(at, Method::POST, "/_bulk", &body).await;
    assert_eq!((status, &answer["errors"]), (200, &json!(false)), "{answer}");

    let search = async |index: &str, body: Value| {
        let (status, answer) = call(at, Method::POST, &format!("/{index}/_search"), &body.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    // Each index counts for itself how rare words are, unless all are asked together.
    let both =
        json!({"query": {"multi_match": {"query": "lipstick stockholm", "fields": ["*"], "type": "most_fields"}}});
    let found = search("a-*", both.clone()).await;
    assert_ne!(ids(&found)[0], "1", "its index has nothing else: {found}");
    let path = "/a-*/_search?search_type=dfs_query_then_fetch";
    let (_, found) = call(at, Method::POST, path, &both.to_string()).await;
    assert_eq!(ids(&found)[0], "1", "both words rank first: {found}");
    assert_eq!(found["hits"]["total"]["value"], 3);
    let across =
        json!({"multi_match": {"query": "lipstick stockholm", "fields": ["what^3", "city"], "type": "cross_fields"}});
    let (_, found) = call(at, Method::POST, path, &json!({ "query": across }).to_string()).await;
    assert_eq!(ids(&found)[0], "1", "words in two fields add up: {found}");
    let found =
        search("a-*", json!({"query": {"match": {"what": {"query": "lipstick brush", "operator": "and"}}}})).await;
    assert_eq!(ids(&found), ["2"]);
    let found = search("_all", json!({"query": {"term": {"kind.keyword": "view"}}, "sort": [{"n": "desc"}]})).await;
    assert_eq!(ids(&found), ["3", "1"]);
    let found = search("_all", json!({"query": {"range": {"n": {"gt": 1, "lte": 5}}}, "sort": ["n"]})).await;
    assert_eq!(ids(&found), ["4", "2"], "whole and floating numbers");
    let found =
        search("a-*", json!({"query": {"range": {"at": {"gte": "2026-01-02"}}}, "sort": [{"n": {"order": "asc"}}]}))
            .await;
    assert_eq!(ids(&found), ["2", "3"]);
    let found = search(
        "a-*",
        json!({"query": {"bool": {"must": [{"match": {"what": "lipstick"}}], "must_not": [{"term": {"n": 5}}],
            "filter": [{"term": {"city.keyword": "Stockholm"}}]}}}),
    )
    .await;
    assert_eq!(ids(&found), ["1"]);
    let found = search(
        "a-*",
        json!({"size": 0, "aggs": {"kinds": {"terms": {"field": "kind.keyword"}}, "parts": {"terms": {"field": "p"}}}}),
    )
    .await;
    let buckets: Vec<(&str, u64)> = found["aggregations"]["kinds"]["buckets"]
        .as_array()
        .expect("buckets")
        .iter()
        .map(|bucket| (bucket["key"].as_str().expect("a key"), bucket["doc_count"].as_u64().expect("a count")))
        .collect();
    assert_eq!(buckets, [("view", 2), ("buy", 1)]);
    assert_eq!(found["aggregations"]["parts"]["buckets"][0]["doc_count"], 2, "{found}");
    let (_, count) = call(at, Method::GET, "/a-*/_count", "").await;
    assert_eq!(count["count"], 3);
    running.shutdown().await;
}

#[tokio::test]
async fn documents_of_indices_without_the_member_are_no_error_to_a_sort() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = started(&folder).await;
    let at = running.address();
    // Each request makes a segment of its own.
    for (index, id, source) in [("a", "1", json!({"n": 2})), ("a", "2", json!({"n": 1})), ("b", "3", json!({"m": "x"}))]
    {
        assert_eq!(call(at, Method::POST, "/_bulk", &bulk(&[("create", index, id, source)])).await.0, 200);
    }
    let sorted =
        json!({"query": {"exists": {"field": "n"}}, "sort": [{"n": {"order": "asc", "unmapped_type": "long"}}]});
    let (status, found) = call(at, Method::POST, "/_all/_search", &sorted.to_string()).await;
    assert_eq!((status, ids(&found)), (200, vec!["2", "1"]), "{found}");
}

#[tokio::test]
async fn items_are_judged_one_by_one_and_repeats_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = started(&folder).await;
    let at = running.address();
    let body = bulk(&[
        ("index", "i", "1", json!({"n": 1})),
        ("index", "i", "2", json!({"n": "many"})),
        ("create", "i", "1", json!({"n": 2})),
        ("index", "Bad", "3", json!({"n": 3})),
        ("delete", "i", "9", Value::Null),
        ("index", "i", "1", json!({"n": 7})),
    ]);
    let (_, answer) = call(at, Method::POST, "/_bulk", &body).await;
    let statuses: Vec<u64> = answer["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| {
            item.as_object().expect("an item").values().next().expect("one")["status"].as_u64().expect("a status")
        })
        .collect();
    assert_eq!(statuses, [201, 400, 409, 400, 404, 200], "{answer}");
    assert_eq!(answer["errors"], true);
    assert_eq!(answer["items"][1]["index"]["error"]["type"], "document_parsing_exception");
    for _ in 0..2 {
        call(at, Method::POST, "/_bulk", &bulk(&[("index", "i", "1", json!({"n": 7}))])).await;
    }
    let (_, count) = call(at, Method::GET, "/i/_count", "").await;
    assert_eq!(count["count"], 1);
    // An id that is none is one document's fault, and one that is too long the whole request's.
    let (_, answer) = call(at, Method::POST, "/_bulk", &bulk(&[("create", "i", "", json!({"n": 1}))])).await;
    assert_eq!(answer["items"][0]["create"]["error"]["type"], "illegal_argument_exception", "{answer}");
    let long = "x".repeat(513);
    let (status, answer) = call(at, Method::POST, "/_bulk", &bulk(&[("create", "i", &long, json!({"n": 1}))])).await;
    assert_eq!((status, answer["error"]["type"].as_str()), (400, Some("action_request_validation_exception")));
    let (status, answer) = call(at, Method::GET, "/nowhere/_search", "").await;
    assert_eq!((status, answer["error"]["type"].as_str()), (404, Some("index_not_found_exception")));
    let (status, answer) = call(at, Method::POST, "/i/_search", r#"{"query": {"fuzzyish": {}}}"#).await;
    assert_eq!((status, answer["error"]["type"].as_str()), (400, Some("parsing_exception")));
    let (status, _) = call(at, Method::POST, "/_bulk", "{\"index\":{}}").await;
    assert_eq!(status, 400);
    let (status, _) = call(at, Method::DELETE, "/i", "").await;
    assert_eq!(status, 200);
    let (_, answer) = call(at, Method::POST, "/_bulk", &bulk(&[("create", "i", "1", json!({"n": "now text"}))])).await;
    assert_eq!(answer["items"][0]["create"]["status"], 201, "{answer}");
    running.shutdown().await;
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = started(&folder).await;
    let address = running.address();
    call(address, Method::POST, "/_bulk", &bulk(&[("index", "i", "1", json!({"text": "durable things"}))])).await;
    running.shutdown().await;
    let again = started(&folder).await;
    let query = json!({"query": {"match": {"text": "durable"}}}).to_string();
    let (_, found) = call(again.address(), Method::POST, "/i/_search", &query).await;
    assert_eq!(ids(&found), ["1"]);
    again.shutdown().await;
    std::fs::write(folder.path().join("VERSION"), "0").expect("write");
    let config = lakewright_search::Config {
        data: folder.path().to_owned(),
        port: 0,
        logins: None,
        product: lakewright_search::Product::default(),
    };
    let error = format!("{:#}", lakewright_search::serve(config).await.expect_err("another version"));
    assert!(error.contains("made by version 0"), "{error}");
}

#[tokio::test]
async fn what_is_foreign_or_without_end_is_refused_and_the_next_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = started(&folder).await;
    let at = running.address();
    let put = bulk(&[("index", "a", "1", json!({"text": "word"}))]);
    assert_eq!(call(at, Method::POST, "/_bulk", &put).await.0, 200);
    let found = async || call(at, Method::POST, "/a/_count", "{}").await;
    assert_eq!(found().await.1["count"], 1);
    // A page of somebody else's, by its own name or by the address.
    for (host, origin, status) in [("evil.example", "", "421"), ("", "origin: http://evil.example\r\n", "403")] {
        let host = if host.is_empty() { at.to_string() } else { host.to_owned() };
        let length = put.len();
        let request = format!(
            "POST /_bulk HTTP/1.1\r\nhost: {host}\r\n{origin}connection: close\r\ncontent-type: text/plain\r\n\
             content-length: {length}\r\n\r\n{put}"
        );
        let mut stream = TcpStream::connect(at).await.expect("connect");
        stream.write_all(request.as_bytes()).await.expect("write");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(found().await, (200, json!({"count": 1, "_shards": found().await.1["_shards"]})));
    }
    let nested = |depth: usize| {
        let query = (0..depth).fold(json!({"match_all": {}}), |inner, _| json!({"bool": {"must": inner}}));
        json!({ "query": query }).to_string()
    };
    assert_eq!(call(at, Method::POST, "/a/_count", &nested(30)).await.0, 200);
    let brackets = "[".repeat(200_000);
    let many = json!({"query": {"match": {"text": "word ".repeat(70_000)}}}).to_string();
    let clauses = json!({"query": {"bool": {"should": vec![json!({"match_all": {}}); 70_000]}}}).to_string();
    for deep in [nested(31), nested(60), brackets, many, clauses] {
        assert_eq!(call(at, Method::POST, "/a/_search", &deep).await.0, 400, "{deep:.100}");
        assert_eq!(found().await.0, 200);
    }
    let long = json!({"query": {"ids": {"values": ["x".repeat(3 << 20)]}}}).to_string();
    assert_eq!(call(at, Method::POST, "/a/_search", &long).await.0, 413);
    assert_eq!(found().await.1["count"], 1);
    running.shutdown().await;
}
