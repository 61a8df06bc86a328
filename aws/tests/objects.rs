//! The objects of S3 against a server on this machine that answers by script.

mod server;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use lakewright_aws::{Deadline, Put, ask};

use server::{Play, connect, serve};

/// What a listing says of an object besides its key.
const REST: &str = "<ETag>&quot;e&quot;</ETag><Size>3</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>";

#[tokio::test]
async fn objects_are_written_and_read() {
    let server = serve(vec![
        Play::Answer(200, "etag: \"e1\"\r\n", ""),
        Play::Answer(206, "etag: \"e1\"\r\ncontent-range: bytes 2-4/10\r\nx-amz-meta-who: me\r\n", "cde"),
        Play::Answer(412, "", "<Error><Code>PreconditionFailed</Code></Error>"),
    ])
    .await;
    let s3 = connect(&server).objects();
    let put = Put { if_none_match: true, metadata: vec![("who".into(), "me".into())], ..Put::default() };
    assert_eq!(s3.put("b", "a/k ü.txt", "abcdefghij".into(), put.clone()).await.expect("put"), "\"e1\"");
    let object = s3.get("b", "a/k ü.txt", Some(2..5)).await.expect("got");
    assert_eq!((object.body.as_ref(), object.size), (&b"cde"[..], 10));
    assert_eq!(object.metadata, [("who".to_owned(), "me".to_owned())]);
    assert!(s3.put("b", "k", "x".into(), put).await.expect_err("there already").is_precondition_failed());
    let seen = server.seen.lock();
    assert!(seen[0].starts_with("PUT /b/a/k%20%C3%BC.txt?"), "{}", seen[0]);
    assert!(seen[0].contains("if-none-match: *") && seen[0].contains("x-amz-meta-who: me"), "{}", seen[0]);
    assert!(seen[1].contains("range: bytes=2-4"), "{}", seen[1]);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_read_anew() {
    let server = serve(vec![Play::Hang, Play::Answer(200, "etag: \"e1\"\r\n", "abc")]).await;
    assert_eq!(connect(&server).objects().get("b", "k", None).await.expect("got").body.as_ref(), b"abc");
    assert_eq!(server.seen.lock().len(), 2);
}

#[tokio::test]
async fn listings_page_through() {
    let first = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t=/1</NextContinuationToken>\
                 <Contents><Key>p/1</Key><ETag>&quot;e&quot;</ETag><Size>3</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>";
    let second = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>p/2</Key><ETag>&quot;e&quot;</ETag><Size>3</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>\
                  <Contents><Key>p/3</Key><ETag>&quot;e&quot;</ETag><Size>3</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>";
    let server = serve(vec![Play::Answer(200, "", first), Play::Answer(200, "", second)]).await;
    let listed = connect(&server).objects().list("b", "p/").await.expect("listed");
    assert_eq!(listed.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["p/1", "p/2", "p/3"]);
    assert_eq!((listed[0].etag.as_str(), listed[0].size), ("\"e\"", 3));
    let seen = server.seen.lock();
    assert!(seen[1].starts_with("GET /b/?list-type=2&prefix=p%2F&continuation-token=t%3D%2F1 "), "{}", seen[1]);
}

#[tokio::test]
async fn the_first_object_after_a_key_is_looked_for_behind_pages_without_any() {
    let page = |next: &str, keys: &[&str]| {
        let keys: String = keys.iter().map(|key| format!("<Contents><Key>{key}</Key>{REST}</Contents>")).collect();
        let token = format!("<NextContinuationToken>{next}</NextContinuationToken>");
        let more = if next.is_empty() {
            "<IsTruncated>false</IsTruncated>".to_owned()
        } else {
            format!("<IsTruncated>true</IsTruncated>{token}")
        };
        let page = format!("<ListBucketResult>{more}{keys}</ListBucketResult>");
        Play::Answer(200, "", Box::leak(page.into_boxed_str()))
    };
    let server =
        serve(vec![page("t1", &[]), page("t2", &["p/3"]), page("t3", &["p/4"]), page("t4", &[]), page("", &[])]).await;
    let objects = connect(&server).objects();
    let found = objects.first_after("b", "p/", "p/3").await.expect("looked for").expect("found");
    assert_eq!(found.key, "p/4");
    assert!(objects.first_after("b", "p/", "p/4").await.expect("looked for").is_none());
    let seen = server.seen.lock();
    let tokens: Vec<Option<&str>> =
        seen.iter().map(|head| head.split("continuation-token=").nth(1)?.split([' ', '&']).next()).collect();
    assert_eq!(tokens, [None, Some("t1"), Some("t2"), None, Some("t4")]);
}

#[tokio::test]
async fn a_walk_through_a_bucket_steps_over_what_nobody_asks_for() {
    let page = |truncated: bool, keys: &[&str]| {
        let keys: String = keys.iter().map(|key| format!("<Contents><Key>{key}</Key>{REST}</Contents>")).collect();
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
    let listed = connect(&server).objects().list_among("b", &prefixes).await.expect("listed");
    let keys: Vec<&str> = listed.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["hosts/1", "hosts/2", "models/1", "releases/1"]);
    let seen = server.seen.lock();
    let after: Vec<&str> =
        seen.iter().filter_map(|head| head.split("start-after=").nth(1)?.split(' ').next()).collect();
    assert_eq!(after, ["hosts", "hosts%2F1", "models", "models-old%2F1"]);
}

#[tokio::test]
async fn every_request_says_whose_the_bucket_must_be() {
    let done = || Play::Answer(200, "etag: \"e1\"\r\n", "");
    let none = Play::Answer(200, "", "<Tagging><TagSet></TagSet></Tagging>");
    let server = serve(vec![done(), none, done(), done(), done(), done(), done(), done()]).await;
    let elsewhere = BTreeMap::from([("partner".to_owned(), "210987654321".to_owned())]);
    let aws = connect(&server).of_account("123456789012", elsewhere);
    let (s3, objects) = (aws.s3_client(), aws.objects());
    ask(s3.create_bucket().bucket("ours").send()).await.expect("made");
    ask(s3.get_bucket_tagging().bucket("ours").send()).await.expect("told");
    ask(s3.delete_bucket().bucket("ours").send()).await.expect("deleted");
    objects.put("ours", "k", "x".into(), Put::default()).await.expect("put");
    objects.get("partner", "k", None).await.expect("got");
    // Who says it of one call has the last word.
    objects.clone().owned_by("345678901234").head("ours", "k").await.expect("answered");
    let deadline = Deadline::at(SystemTime::now() + Duration::from_mins(1));
    aws.until(deadline).objects().delete("ours", "k").await.expect("deleted");
    connect(&server).objects().delete("ours", "k").await.expect("deleted");
    let seen = server.seen.lock();
    let owner = |request: &String| {
        let line = request.lines().find_map(|line| line.strip_prefix("x-amz-expected-bucket-owner: "));
        let signed =
            request.lines().any(|line| line.contains("SignedHeaders") && line.contains("expected-bucket-owner"));
        assert_eq!(line.is_some(), signed, "{request}");
        line.map(str::to_owned)
    };
    let owners: Vec<Option<String>> = seen.iter().map(owner).collect();
    let ours = Some("123456789012".to_owned());
    let others = [Some("210987654321".to_owned()), Some("345678901234".to_owned())];
    let [partner, said] = others;
    assert_eq!(owners, [None, ours.clone(), ours.clone(), ours.clone(), partner, said, ours, None]);
}
