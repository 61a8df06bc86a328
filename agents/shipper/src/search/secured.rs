//! Tests of the way to a cluster that asks for TLS and a login: a server of both, and the account that holds what they take.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use lakewright_aws::Aws;
use lakewright_config::SearchLogin;
use lakewright_config::agents::{self, shipper};
use lakewright_platform::http::basic;
use lakewright_runtime::Agent;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::metrics::Metrics;
use crate::search::client::Search;
use crate::search::document::Bulk;
use crate::search::endpoint::{Entrance, Target};

/// What the cluster's host has made, and what another one has.
static OWN: LazyLock<Made> = LazyLock::new(Made::new);
static OTHER: LazyLock<Made> = LazyLock::new(Made::new);

/// An authority, and what it signed for a host, as PEM.
struct Made {
    authority: String,
    host: String,
    host_key: String,
}

impl Made {
    fn new() -> Self {
        let mut names = CertificateParams::default();
        names.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = names.self_signed(&key).expect("an authority");
        let host_key = KeyPair::generate().expect("a key");
        let host = CertificateParams::new(["localhost", "127.0.0.1"].map(str::to_owned)).expect("an address");
        let host = host.signed_by(&host_key, &authority, &key).expect("a certificate");
        Self { authority: authority.pem(), host: host.pem(), host_key: host_key.serialize_pem() }
    }
}

/// What the account and the cluster know.
#[derive(Debug)]
struct World {
    /// What stands in the bucket; nothing before the host has published it.
    published: Option<&'static str>,
    /// The passwords in the secret: the current one and the one before.
    current: &'static str,
    previous: Option<&'static str>,
    /// The password that the cluster takes.
    taken: &'static str,
    /// The password of a user whom the cluster knows, and lets do nothing.
    powerless: Option<&'static str>,
    /// Whether it speaks TLS.
    speaks_tls: bool,
    /// The ids of documents that are in the index already.
    there: &'static [&'static str],
    /// What the cluster says to one whose password it takes.
    status: &'static str,
    /// The bulk requests that it answered.
    bodies: Vec<String>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            published: Some(&OWN.authority),
            current: "one",
            previous: None,
            taken: "one",
            powerless: None,
            speaks_tls: true,
            there: &[],
            status: "200 OK",
            bodies: Vec::new(),
        }
    }
}

type Shared = Arc<Mutex<World>>;

/// One request: its head in lower case, and its body.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), status: &str, body: &str) {
    let length = body.len();
    let text =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\netag: \"1\"\r\nconnection: close\r\n\r\n{body}");
    // A client that goes is no matter of the test's.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Secrets Manager and S3.
async fn account(world: Shared) -> Aws {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let Some((head, body)) = request(&mut stream).await else { return };
                let (status, text) = if head.starts_with("GET") {
                    match world.lock().published {
                        Some(published) => ("200 OK", published.to_owned()),
                        None => ("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>".to_owned()),
                    }
                } else {
                    secret(&world.lock(), &body)
                };
                answer(&mut stream, status, &text).await;
            });
        }
    });
    Aws::with_keys("eu-north-1", &url, "AKIDEXAMPLE", "secret").expect("a client")
}

fn secret(world: &World, asked: &str) -> (&'static str, String) {
    let password = if asked.contains("AWSPREVIOUS") { world.previous } else { Some(world.current) };
    match password {
        Some(password) => {
            let held = json!({"username": "shipper", "password": password}).to_string();
            ("200 OK", json!({"ARN": "arn", "SecretString": held}).to_string())
        }
        None => ("400 Bad Request", r#"{"__type":"ResourceNotFoundException","Message":"no such stage"}"#.to_owned()),
    }
}

/// The cluster; its URL.
async fn cluster(world: Shared) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let chain = vec![CertificateDer::from_pem_slice(OWN.host.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(OWN.host_key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate with its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (world, acceptor) = (Arc::clone(&world), acceptor.clone());
            tokio::spawn(async move {
                if !world.lock().speaks_tls {
                    let read = stream.read(&mut [0; 4096]).await;
                    assert!(read.is_ok_and(|size| size > 0), "a hello of TLS");
                    return answer(&mut stream, "400 Bad Request", "").await;
                }
                // A client that doesn't trust it ends here.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let Some((head, body)) = request(&mut stream).await else { return };
                let (status, text) = verdict(&mut world.lock(), &head, body);
                answer(&mut stream, status, &text).await;
            });
        }
    });
    format!("https://localhost:{port}")
}

fn verdict(world: &mut World, head: &str, body: String) -> (&'static str, String) {
    let known = basic(&format!("shipper:{}", world.taken));
    let login = format!("authorization: {}", known.to_str().expect("text"));
    let powerless = world.powerless.map(|password| basic(&format!("shipper:{password}")));
    let powerless = powerless.as_ref().and_then(|header| header.to_str().ok());
    if powerless.is_some_and(|header| head.lines().any(|line| line == format!("authorization: {header}"))) {
        return ("403 Forbidden", r#"{"error":{"type":"security_exception","reason":"may not"}}"#.to_owned());
    }
    if !head.lines().any(|line| line == login) {
        return ("401 Unauthorized", r#"{"error":{"type":"security_exception"}}"#.to_owned());
    }
    if world.status != "200 OK" {
        return (world.status, r#"{"error":{"type":"security_exception","reason":"may not"}}"#.to_owned());
    }
    let is_there = |line: &&str| world.there.iter().any(|id| line.contains(&format!("\"_id\":\"{id}\"")));
    let status = |line: &str| if is_there(&line) { 409 } else { 201 };
    let items: Vec<String> =
        body.lines().step_by(2).map(|line| format!(r#"{{"create":{{"status":{}}}}}"#, status(line))).collect();
    let items = items.join(",");
    world.bodies.push(body);
    ("200 OK", format!(r#"{{"errors":false,"items":[{items}]}}"#))
}

fn documents() -> Bulk {
    let mut bulk = Bulk::default();
    for number in 0..3 {
        bulk.put("actions-2026.01.01", &number.to_string(), "{}");
    }
    bulk
}

/// A shipper's way to the cluster, the agent that it belongs to, and what is known around it.
struct Place {
    search: Search,
    agent: Agent,
    world: Shared,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn of(world: World) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let world = Arc::new(Mutex::new(world));
        let (aws, url) = (account(Arc::clone(&world)).await, cluster(Arc::clone(&world)).await);
        let login = SearchLogin {
            secret: "lakewright/shop/search-shipper".to_owned(),
            authority: "s3://shop-artifacts/search/authority.pem".to_owned(),
        };
        let target = Target::secured(&url, login);
        let agent = Agent::detached(agents::Agent::Shipper, folder.path().to_owned());
        let entrance = Entrance::of(&target, &aws).expect("an entrance");
        let search =
            Search::new(&target, entrance, false, agent.clone(), Metrics::new(&agent).pipe("index")).expect("a client");
        Self { search, agent, world, _folder: folder }
    }

    /// Indexes the documents; while that is refused, waits for the words in the agent's error and then lets `then` change
    /// the world. All are taken in the end, none is refused, and each was sent once.
    async fn indexes_after(&self, words: &[&str], then: impl FnOnce(&mut World)) {
        let documents = documents();
        let told = async {
            loop {
                let error = self.agent.health.last_error().unwrap_or_default();
                if words.iter().all(|word| error.contains(word)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(self.world.lock().bodies.is_empty(), "nothing was taken so far");
            then(&mut self.world.lock());
            std::future::pending::<()>().await;
        };
        let work = async {
            tokio::select! {
                refusals = self.search.index(documents) => refusals,
                () = told => unreachable!("it waits for ever"),
            }
        };
        let refusals = tokio::time::timeout(Duration::from_secs(60), work).await;
        let refusals = refusals.unwrap_or_else(|_| panic!("stuck: {:?}", self.agent.health.last_error()));
        assert!(refusals.expect("indexed").is_empty());
        assert_eq!(self.agent.metrics.value(&shipper::INDEXED), Some(3.0));
        assert_eq!(self.agent.health.last_error(), None);
        assert_eq!(self.world.lock().bodies.len(), 1);
    }
}

#[tokio::test]
async fn documents_go_over_tls_with_the_secrets_password() {
    let place = Place::of(World::default()).await;
    let refusals = place.search.index(documents()).await.expect("indexed");
    assert!(refusals.is_empty());
    let bodies = place.world.lock().bodies.clone();
    // The user's role lets it create documents, and overwrite none.
    assert!(
        bodies[0].lines().step_by(2).all(|line| line.starts_with("{\"create\":{\"_index\":\"actions-")),
        "{bodies:?}"
    );
    assert!(place.search.shown().starts_with("https://localhost:"), "{}", place.search.shown());
}

#[tokio::test]
async fn an_authority_of_another_host_is_refused_until_the_right_one_is_published() {
    let place = Place::of(World { published: Some(&OTHER.authority), ..World::default() }).await;
    place
        .indexes_after(&["isn't signed by an authority in s3://shop-artifacts/search/authority.pem"], |world| {
            world.published = Some(&OWN.authority);
        })
        .await;
}

#[tokio::test]
async fn a_host_that_has_published_nothing_yet_is_waited_for() {
    let place = Place::of(World { published: None, ..World::default() }).await;
    place
        .indexes_after(&["s3://shop-artifacts/search/authority.pem", "when it first starts"], |world| {
            world.published = Some(&OWN.authority);
        })
        .await;
}

#[tokio::test]
async fn a_host_from_before_the_logins_is_to_be_ended() {
    let words = ["speaks no TLS", "end it once", "docs/upgrading.md"];
    let place = Place::of(World { speaks_tls: false, ..World::default() }).await;
    place.indexes_after(&words, |world| world.speaks_tls = true).await;
    let place = Place::of(World { published: None, ..World::default() }).await;
    let words = ["end it once", "docs/upgrading.md", "S3 says AccessDenied of what isn't there"];
    place.indexes_after(&words, |world| world.published = Some(&OWN.authority)).await;
}

#[tokio::test]
async fn what_was_there_before_is_counted_apart() {
    let place = Place::of(World { there: &["0", "2"], ..World::default() }).await;
    let refusals = place.search.index(documents()).await.expect("indexed");
    assert!(refusals.is_empty());
    assert_eq!(place.agent.metrics.value(&shipper::INDEXED), Some(3.0));
    assert_eq!(place.agent.metrics.value(&shipper::THERE), Some(2.0));
}

#[tokio::test]
async fn a_user_without_the_right_gives_way_to_the_one_that_the_secret_holds_then() {
    let place = Place::of(World { powerless: Some("one"), taken: "two", ..World::default() }).await;
    place.indexes_after(&["403", "create_doc and auto_configure"], |world| world.current = "two").await;
}

#[tokio::test]
async fn a_refused_login_is_told_and_a_rotated_password_taken_up() {
    let place = Place::of(World { taken: "two", ..World::default() }).await;
    place
        .indexes_after(&["refuses the login (401)", "secret lakewright/shop/search-shipper"], |world| {
            world.current = "two";
        })
        .await;
}

#[tokio::test]
async fn until_the_cluster_knows_a_new_password_the_one_before_is_tried() {
    let place = Place::of(World { current: "two", previous: Some("one"), ..World::default() }).await;
    let refusals = tokio::time::timeout(Duration::from_secs(60), place.search.index(documents())).await;
    assert!(refusals.expect("it is tried").expect("indexed").is_empty());
    // The host has taken the new one up.
    place.world.lock().taken = "two";
    let refusals = tokio::time::timeout(Duration::from_secs(60), place.search.index(documents())).await;
    assert!(refusals.expect("it is tried").expect("indexed").is_empty());
}

#[tokio::test]
async fn a_user_without_the_right_is_told_and_loses_nothing() {
    let place = Place::of(World { status: "403 Forbidden", ..World::default() }).await;
    place.indexes_after(&["403", "create_doc and auto_configure", "may not"], |world| world.status = "200 OK").await;
}

#[tokio::test]
async fn no_error_shows_a_password() {
    let place = Place::of(World { current: "S3cretW0rd", taken: "other", ..World::default() }).await;
    let shutdown = place.agent.shutdown.clone();
    let health = Arc::clone(&place.agent.health);
    tokio::spawn(async move {
        while health.last_error().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shutdown.cancel();
    });
    let error = place.search.index(documents()).await.expect_err("it is refused");
    let told = format!("{error:#} {:?} {:?}", place.agent.health.last_error(), place.search.shown());
    assert!(told.contains("401") && !told.contains("S3cretW0rd"), "{told}");
}
