//! Access control lists on the local Kafka, whose authorizer is held against the real one's by its own suite.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lakewright_acls::{Clients, Mode, Options, run};
use lakewright_config::{AclUser, AclsConfig, KafkaConnection, KafkaTopic};
use lakewright_kafka::{Authorizer, Config, Listener, Login, Logins, Running};
use lakewright_runtime::CancellationToken;
use lakewright_runtime::kafka::{Access, Acl, Acls, Operation, Permission, ResourceType, client_config, ensure};

/// Everybody's password is the name, backwards.
#[derive(Debug)]
struct Backwards;

impl Logins for Backwards {
    fn check(&self, _token: &str) -> Result<String, String> {
        Err("nobody logs in by a token".to_owned())
    }

    fn password(&self, user: &str) -> Option<String> {
        Some(password(user))
    }
}

fn password(user: &str) -> String {
    user.chars().rev().collect()
}

struct Cluster {
    running: Running,
    data: tempfile::TempDir,
}

/// A broker on ports of its own, or on those (0: a free one).
async fn serve(data: &Path, everyone: bool, port: u16, guarded: u16) -> Running {
    let super_users = vec!["User:ANONYMOUS".to_owned()];
    let authorizer = Authorizer { super_users, allow_everyone_if_no_acl_found: everyone };
    let listeners = vec![Listener { port: guarded, tls: None, login: Login::Password }];
    let config = Config { port, listeners, authorizer: Some(authorizer), ..Config::new(data) };
    let running = lakewright_kafka::serve(config).await.expect("serves");
    running.take_logins(Arc::new(Backwards));
    running
}

impl Cluster {
    async fn start(everyone: bool) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let running = serve(data.path(), everyone, 0, 0).await;
        let cluster = Self { running, data };
        let topic = |name: &str| KafkaTopic { name: name.to_owned(), partitions: 1, configuration: BTreeMap::new() };
        ensure(&cluster.clear().await, &[topic("facts"), topic("logs")]).await.expect("made");
        cluster
    }

    /// Who may do everything.
    async fn clear(&self) -> Access {
        client_config(&KafkaConnection::plaintext(self.running.address().to_string())).await.expect("configured")
    }

    async fn user(&self, user: &str) -> Access {
        let address = self.running.listeners()[0].to_string();
        let mut access = client_config(&KafkaConnection::plaintext(address)).await.expect("configured");
        access.set("security.protocol", "sasl_plaintext").set("sasl.mechanism", "SCRAM-SHA-512");
        access.set("sasl.username", user).set("sasl.password", password(user));
        access
    }

    async fn clients(&self, users: &[&str]) -> Clients {
        let mut clients = Clients {
            administrator: self.user("shop-admin").await,
            users: BTreeMap::new(),
            stop: CancellationToken::new(),
        };
        for user in users {
            clients.users.insert((*user).to_owned(), Ok(self.user(user).await));
        }
        clients
    }

    async fn acls(&self) -> Acls {
        Acls::connect(&self.clear().await).await.expect("connected")
    }

    async fn known(&self) -> Vec<String> {
        self.acls().await.describe().await.expect("described").acls.iter().map(ToString::to_string).collect()
    }

    async fn add(&self, acls: &[Acl]) {
        for answer in self.acls().await.create(acls.to_vec()).await.expect("answered") {
            answer.expect("made");
        }
    }

    /// What a run shows, and its error.
    async fn run(&self, config: &AclsConfig, mode: Mode, prune: bool) -> (String, Option<String>) {
        let clients = self.clients(&["shop-producer", "shop-stream"]).await;
        let mut shown = Vec::new();
        let options = Options { mode, prune, patience: Duration::from_secs(3) };
        let result = run(config, &options, &clients, &mut shown).await;
        (String::from_utf8(shown).expect("text"), result.err().map(|error| format!("{error:#}")))
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn config() -> AclsConfig {
    let producer = AclUser { writes: names(&["facts", "logs"]), ..AclUser::default() };
    let stream = AclUser { reads: names(&["facts"]), groups: names(&["shop-stream"]), ..AclUser::default() };
    let shipper = AclUser { reads: names(&["logs"]), groups: names(&["shop-shipper"]), ..AclUser::default() };
    AclsConfig {
        kafka: KafkaConnection::plaintext("127.0.0.1:9"),
        administrator: "shop-admin".to_owned(),
        users: BTreeMap::from([
            ("shop-producer".to_owned(), producer),
            ("shop-stream".to_owned(), stream),
            ("shop-shipper".to_owned(), shipper),
        ]),
        prune: false,
        every_seconds: 600,
        watch: None,
    }
}

const TRIED: &str = "\
tried     User:shop-admin may Alter cluster kafka-cluster
tried     User:shop-producer sees topic facts, which it writes
tried     User:shop-producer sees topic logs, which it writes
not tried User:shop-shipper: its password isn't known here; `users.shop-shipper.secret` would name it
tried     User:shop-stream reads topic facts
tried     User:shop-stream sees group shop-stream
";

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_made_once_verified_and_removed_only_when_that_is_asked_for() {
    let cluster = Cluster::start(true).await;
    let (shown, error) = cluster.run(&config(), Mode::DryRun, false).await;
    assert_eq!(error, None);
    assert!(shown.starts_with("+ User:shop-admin may Alter cluster kafka-cluster  (would be made)\n"), "{shown}");
    assert_eq!(cluster.known().await, [""; 0], "nothing was done");
    let (shown, error) = cluster.run(&config(), Mode::Verify, false).await;
    assert!(shown.contains("! User:shop-stream may Read topic facts  (is not there)"), "{shown}");
    assert!(error.expect("nothing is there").contains("7 of the lines"), "{shown}");

    let entries = [
        "User:shop-admin may Alter cluster kafka-cluster",
        "User:shop-producer may Write topic facts",
        "User:shop-producer may Write topic logs",
        "User:shop-shipper may Read topic logs",
        "User:shop-shipper may Read group shop-shipper",
        "User:shop-stream may Read topic facts",
        "User:shop-stream may Read group shop-stream",
    ];
    let listed = |sign: char, what: &str| -> String {
        entries.iter().map(|entry| format!("{sign} {entry}  ({what})\n")).collect()
    };
    let (shown, error) = cluster.run(&config(), Mode::Set, false).await;
    assert_eq!((shown, error), (listed('+', "made") + TRIED, None));
    assert_eq!(cluster.known().await, entries);
    for mode in [Mode::Set, Mode::Verify] {
        let (shown, error) = cluster.run(&config(), mode, false).await;
        assert_eq!((shown, error), (listed(' ', "there") + TRIED, None));
    }

    // Somebody else's entries, and one that the stack no longer wants.
    cluster.add(&[Acl::allow("shop-production-stream", Operation::Read, ResourceType::Topic, "facts")]).await;
    let mut fewer = config();
    fewer.users.insert("shop-shipper".to_owned(), AclUser::default());
    let (shown, error) = cluster.run(&fewer, Mode::Set, false).await;
    assert_eq!(error, None);
    assert!(shown.contains("  User:shop-shipper may Read topic logs  (not wanted; --prune removes it)"), "{shown}");
    assert_eq!(cluster.known().await.len(), 8);
    let (shown, error) = cluster.run(&fewer, Mode::Set, true).await;
    assert_eq!(error, None);
    assert!(shown.contains("- User:shop-shipper may Read group shop-shipper  (removed)"), "{shown}");
    let known = cluster.known().await;
    assert!(known.contains(&"User:shop-production-stream may Read topic facts".to_owned()), "{known:?}");
    assert_eq!(known.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_denies_a_right_is_named_and_stays() {
    let cluster = Cluster::start(true).await;
    let read = Acl::allow("shop-stream", Operation::Read, ResourceType::Topic, "facts");
    cluster.add(&[Acl { permission: Permission::Deny, ..read }]).await;
    let (shown, error) = cluster.run(&config(), Mode::Set, true).await;
    let denial = "! User:shop-stream may not Read topic facts  (keeps from what is wanted: User:shop-stream may Read topic \
                  facts; ask whoever made it to remove it)";
    assert!(shown.contains(denial), "{shown}");
    assert!(shown.contains("failed    User:shop-stream reads topic facts: "), "{shown}");
    assert!(error.expect("it can't be verified").starts_with("2 of the lines"), "{shown}");
    assert!(cluster.known().await.contains(&"User:shop-stream may not Read topic facts".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_the_lists_gets_the_command_that_would_allow_it() {
    let cluster = Cluster::start(false).await;
    let (shown, error) = cluster.run(&config(), Mode::Set, false).await;
    assert_eq!(shown, "");
    let error = error.expect("it may not");
    assert!(error.contains("the user shop-admin may not change the access control lists"), "{error}");
    assert!(error.contains("--allow-principal User:shop-admin --operation Alter --cluster"), "{error}");

    cluster.add(&[Acl::allow("shop-admin", Operation::Alter, ResourceType::Cluster, "kafka-cluster")]).await;
    let (shown, error) = cluster.run(&config(), Mode::Set, false).await;
    assert_eq!(error, None, "{shown}");
    assert!(shown.ends_with(TRIED), "{shown}");
}

/// A broker that is away at first, and then again and again, so that requests and answers are lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_comes_and_goes_has_every_entry_once_in_the_end() {
    let cluster = Cluster::start(true).await;
    let clients = cluster.clients(&[]).await;
    let Cluster { running, data } = cluster;
    let (port, guarded) = (running.address().port(), running.listeners()[0].port());
    running.shutdown().await;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let comes_and_goes = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut up = 20;
        loop {
            let running = serve(data.path(), true, port, guarded).await;
            let end = tokio::time::timeout(Duration::from_millis(up), stopped.cancelled()).await;
            if end.is_ok() {
                return Cluster { running, data };
            }
            running.shutdown().await;
            up += 40;
        }
    });
    let mut shown = Vec::new();
    let options = Options { mode: Mode::Set, prune: true, patience: Duration::from_mins(1) };
    let result = run(&config(), &options, &clients, &mut shown).await;
    stop.cancel();
    let cluster = comes_and_goes.await.expect("it runs");
    let shown = String::from_utf8(shown).expect("text");
    assert!(result.is_ok(), "{result:?}\n{shown}");
    assert_eq!(shown.lines().filter(|line| line.ends_with("(made)")).count(), 7, "{shown}");
    assert_eq!(cluster.known().await.len(), 7);
}
