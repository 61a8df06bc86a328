//! Calls against a server on this machine that answers by script: retries, lost answers, clocks, deadlines.

mod server;

use std::time::{Duration, SystemTime};

use aws_sdk_glue::types::TableInput;
use lakewright_aws::{Aws, Deadline, Error, ErrorKind, Options, ask, ask_all, ask_once, client};
use tokio::net::TcpListener;

use server::{Play, connect, serve};

const BUSY: Play = Play::Answer(503, "", r#"{"__type":"Unavailable"}"#);
const THROTTLED: Play = Play::Answer(400, "", r#"{"__type":"ThrottlingException"}"#);
const KEY: Play = Play::Answer(200, "", r#"{"KeyMetadata":{"KeyId":"key-1"}}"#);

async fn create_key(aws: &Aws) -> Result<String, Error> {
    let call = client!(aws, "kms", aws_sdk_kms).create_key().description("d");
    ask(call.send()).await.map(|made| made.key_metadata.expect("made").key_id)
}

async fn create_key_once(aws: &Aws) -> Result<String, Error> {
    let call = client!(aws, "kms", aws_sdk_kms).create_key().description("d");
    ask_once(call.send()).await.map(|made| made.key_metadata.expect("made").key_id)
}

async fn update_table(aws: &Aws) -> Result<(), Error> {
    let input = TableInput::builder().name("t").build().expect("a table");
    let call = client!(aws, "glue", aws_sdk_glue).update_table().database_name("d").table_input(input);
    ask(call.send()).await.map(drop)
}

#[tokio::test]
async fn a_call_is_repeated_until_it_succeeds() {
    let server = serve(vec![BUSY, THROTTLED, Play::Hang, KEY]).await;
    let aws = connect(&server);
    assert_eq!(create_key(&aws).await.expect("in the end"), "key-1");
    assert_eq!(aws.requests(), 4);
    let seen = server.seen.lock();
    assert!(seen[3].contains("x-amz-target: TrentService.CreateKey"), "{}", seen[3]);
    assert!(seen[3].ends_with(r#"{"Description":"d"}"#), "{}", seen[3]);
    assert!(
        seen[3].contains("Credential=access/") && seen[3].contains("/eu-central-1/kms/aws4_request"),
        "{}",
        seen[3]
    );
}

#[tokio::test]
async fn passing_faults_are_tried_so_often_and_refusals_once() {
    let server = serve((0..20).map(|_| BUSY).collect()).await;
    let error = create_key(&connect(&server)).await.expect_err("never");
    assert_eq!((error.kind, server.seen.lock().len()), (ErrorKind::Unavailable, 6));
    // A quota is no request to slow down, though its name looks like one.
    for code in ["LimitExceededException", "AccessDeniedException", "ValidationException"] {
        let body = Box::leak(format!(r#"{{"__type":"{code}"}}"#).into_boxed_str());
        let server = serve(vec![Play::Answer(400, "", body), KEY]).await;
        assert_eq!(create_key(&connect(&server)).await.expect_err("refused").code, code);
        assert_eq!(server.seen.lock().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn throttling_uses_up_nobody_elses_attempts() {
    let server = serve((0..7).map(|_| THROTTLED).chain([KEY, BUSY, BUSY, KEY]).collect()).await;
    let aws = connect(&server);
    create_key(&aws).await.expect("patience");
    create_key(&aws).await.expect("attempts of its own");
    assert_eq!(aws.requests(), 11);
}

#[tokio::test]
async fn a_call_that_must_happen_once_is_never_repeated_after_it_may_have_arrived() {
    for play in [BUSY, Play::Hang] {
        let server = serve(vec![play, KEY]).await;
        let error = create_key_once(&connect(&server)).await.expect_err("no answer");
        assert!(error.lost, "{error}");
        assert_eq!(server.seen.lock().len(), 1);
    }
}

#[tokio::test]
async fn a_call_that_must_happen_once_is_repeated_when_it_had_no_effect() {
    let server = serve(vec![THROTTLED, KEY]).await;
    create_key_once(&connect(&server)).await.expect("had no effect, so again");
    assert_eq!(server.seen.lock().len(), 2);
}

#[tokio::test]
async fn an_error_after_a_lost_answer_says_so() {
    let conflict = || Play::Answer(400, "", r#"{"__type":"ConcurrentModificationException","message":"version"}"#);
    let server = serve(vec![Play::Hang, conflict()]).await;
    let error = update_table(&connect(&server)).await.expect_err("a conflict");
    assert!(error.lost && error.is_precondition_failed(), "{error:?}");
    let server = serve(vec![conflict()]).await;
    let error = update_table(&connect(&server)).await.expect_err("a conflict");
    assert!(!error.lost, "{error:?}");
    assert_eq!(error.to_string(), "glue UpdateTable: ConcurrentModificationException: version");
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_makes_no_sense_may_have_taken_effect() {
    let broken = Play::Answer(200, "", "{\"KeyMetadata\":");
    let server = serve(vec![broken, KEY]).await;
    let error = create_key_once(&connect(&server)).await.expect_err("no answer");
    assert!(error.lost && error.kind == ErrorKind::BadAnswer, "{error:?}");
    assert_eq!(server.seen.lock().len(), 1);
}

#[tokio::test]
async fn nobody_listening_is_no_lost_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let aws = Aws::with_keys("eu-central-1", &address, "access", "secret").expect("a connection");
    let error = create_key_once(&aws).await.expect_err("nobody listens");
    assert_eq!(error.kind, ErrorKind::NotConnected);
    assert!(!error.lost && error.to_string().contains(&address), "{error}");
    assert_eq!(aws.requests(), 6);
}

#[tokio::test]
async fn a_wrong_clock_is_set_right() {
    let skewed = Play::Answer(
        403,
        "date: Fri, 01 Jan 2100 00:00:00 GMT\r\n",
        r#"{"__type":"InvalidSignatureException","message":"Signature expired"}"#,
    );
    let server = serve(vec![skewed, KEY]).await;
    let aws = connect(&server);
    create_key(&aws).await.expect("with the right time");
    assert!(server.seen.lock()[1].contains("x-amz-date: 21000101T0000"), "{}", server.seen.lock()[1]);
    let century = Duration::from_secs(4_102_444_800);
    assert!(aws.now() >= SystemTime::UNIX_EPOCH + century);
    // The same refusal with a clock that is right is a refusal.
    let refused = Play::Answer(403, "", r#"{"__type":"InvalidSignatureException","message":"no"}"#);
    let server = serve(vec![refused, KEY]).await;
    create_key(&connect(&server)).await.expect_err("refused");
    assert_eq!(server.seen.lock().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let server = serve(vec![KEY, BUSY, KEY]).await;
    let aws = connect(&server);
    let deadline = Deadline::at(SystemTime::now() + Duration::from_secs(3_600));
    let gated = aws.until(deadline.clone());
    create_key(&gated).await.expect("in time");
    deadline.end();
    let error = create_key(&gated).await.expect_err("too late");
    assert_eq!((error.kind, error.lost, gated.requests()), (ErrorKind::TooLate, false, 1));
    deadline.move_to(SystemTime::now() + Duration::from_secs(3_600));
    create_key(&gated).await.expect("in time again");
    assert_eq!(server.seen.lock().len(), 3);
    // The connection that it was made of has no deadline.
    deadline.end();
    assert!(create_key(&aws).await.is_err());
}

#[tokio::test]
async fn pages_are_followed_and_their_errors_are_ours() {
    let first = Play::Answer(200, "", r#"{"Truncated":true,"NextMarker":"m","Keys":[{"KeyId":"a"}]}"#);
    let second = Play::Answer(200, "", r#"{"Truncated":false,"Keys":[{"KeyId":"b"}]}"#);
    let server = serve(vec![first, BUSY, second]).await;
    let aws = connect(&server);
    let list = || client!(aws, "kms", aws_sdk_kms).list_keys().into_paginator().items().send();
    let keys = ask_all(list()).await.expect("all of them");
    assert_eq!(keys.iter().filter_map(|key| key.key_id()).collect::<Vec<_>>(), ["a", "b"]);
    let denied = Play::Answer(400, "", r#"{"__type":"AccessDeniedException","message":"no"}"#);
    let server = serve(vec![denied]).await;
    let aws = connect(&server);
    let error = ask_all(client!(aws, "kms", aws_sdk_kms).list_keys().into_paginator().items().send()).await;
    let error = error.expect_err("denied");
    assert!(error.is_denied() && error.to_string().starts_with("kms ListKeys: AccessDeniedException"), "{error}");
}

#[tokio::test]
async fn no_endpoint_is_taken_that_is_none() {
    for wrong in ["127.0.0.1:9000", "ftp://host", "http://"] {
        let options =
            Options { region: Some("eu-central-1".into()), endpoint: Some(wrong.into()), ..Options::default() };
        let error = Aws::connect(options).await.expect_err(wrong);
        assert!(error.kind == ErrorKind::Configuration && error.message.contains("AWS_ENDPOINT_URL"), "{error}");
    }
}

#[tokio::test]
async fn nothing_is_sent_in_clear_to_another_machine() {
    let options = |insecure| Options {
        region: Some("eu-central-1".into()),
        endpoint: Some("http://far.invalid:4566".into()),
        insecure,
        ..Options::default()
    };
    let error = Aws::connect(options(false)).await.expect_err("in clear");
    let is_said = error.message.contains("--insecure-endpoint");
    assert!(error.kind == ErrorKind::Configuration && is_said, "{error}");
    let error = Aws::with_keys("eu-central-1", "http://far.invalid:4566", "access", "secret").expect_err("in clear");
    assert!(error.message.contains("--insecure-endpoint"), "{error}");
}
