//! Access control lists: created, described, deleted, kept. On a real Kafka they need its authorizer, with `User:ANONYMOUS`, who comes
//! by the port in clear, among its super users (`KAFKA_ACLS` of `tests/kafka/real-kafka.sh`).

use std::net::TcpStream;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest,
    SaslAuthenticateRequest, SaslHandshakeRequest,
};
use kafka_protocol::protocol::Request;
use lakewright_kafka::{Authorizer, Config, Listener, Login};
use rdkafka::config::ClientConfig;
use ring::pbkdf2;

use crate::crash::is_real;
use crate::handshakes::{connect, log_in};
use crate::logins::{Guarded, Known};
use crate::support::{ask, eventually, exchange, text, unique};

/// Types of resources.
pub const TOPIC: i8 = 2;
pub const GROUP: i8 = 3;
pub const CLUSTER: i8 = 4;
pub const TRANSACTIONAL_ID: i8 = 5;
/// Patterns, of entries and of filters.
pub const ANY: i8 = 1;
const MATCH: i8 = 2;
pub const LITERAL: i8 = 3;
pub const PREFIXED: i8 = 4;
/// Operations.
pub const ALL: i8 = 2;
pub const READ: i8 = 3;
pub const WRITE: i8 = 4;
pub const CREATE: i8 = 5;
pub const DELETE: i8 = 6;
pub const ALTER: i8 = 7;
pub const DESCRIBE: i8 = 8;
pub const DESCRIBE_CONFIGS: i8 = 10;
pub const ALTER_CONFIGS: i8 = 11;
pub const IDEMPOTENT_WRITE: i8 = 12;
/// Permissions.
pub const DENY: i8 = 2;
const ALLOW: i8 = 3;

const PASSWORD: &str = "word";

/// An entry as it is compared: type, pattern, name, principal, host, operation, permission.
type Entry = (i8, i8, String, String, String, i8, i8);

/// A broker with access control lists.
pub struct Judging(pub Guarded);

impl Judging {
    /// One where nobody may do what no list allows; none where the real Kafka is another.
    pub async fn closed() -> Option<Self> {
        Self::start(false).await
    }

    /// One where everybody may use what no list names.
    pub async fn open() -> Option<Self> {
        Self::start(true).await
    }

    async fn start(everyone: bool) -> Option<Self> {
        let real = std::env::var("LAKEWRIGHT_TEST_KAFKA_ACLS").ok();
        if is_real() && real.as_deref() != Some(if everyone { "open" } else { "closed" }) {
            return None;
        }
        let super_users = vec!["User:ANONYMOUS".to_owned(), "User:admin".to_owned()];
        let authorizer = Authorizer { super_users, allow_everyone_if_no_acl_found: everyone };
        Some(Self(Guarded::start_with(Some(authorizer)).await))
    }

    /// A user whom no other test has.
    pub fn user(&self, name: &str) -> User<'_> {
        let name = unique(name);
        match &self.0.ours {
            Some((_, known, _)) => known.set(&name, Some(PASSWORD)),
            None => self.make_user(&name),
        }
        User { broker: self, name }
    }

    fn make_user(&self, name: &str) {
        let (salt, mut salted) = (b"salted", vec![0; 64]);
        let iterations = NonZeroU32::new(4096).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, salt, PASSWORD.as_bytes(), &mut salted);
        let credential = ScramCredentialUpsertion::default()
            .with_name(text(name))
            .with_mechanism(2)
            .with_iterations(4096)
            .with_salt(Bytes::from_static(salt))
            .with_salted_password(salted.into());
        let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![credential]);
        assert_eq!(ask(&self.0.clear, 0, &request).results[0].error_code, 0);
        eventually("the login", || (log_in(&mut connect(&self.0), name, PASSWORD).error_code == 0).then_some(()));
    }

    /// Creates entries, and waits until the broker goes by them.
    pub fn create(&self, entries: &[AclCreation]) {
        let request = CreateAclsRequest::default().with_creations(entries.to_vec());
        for result in ask(&self.0.clear, 3, &request).results {
            assert_eq!(result.error_code, 0, "{:?}", result.error_message);
        }
        let wanted: Vec<Entry> = entries.iter().map(entry).collect();
        eventually("the lists", || {
            let known = self.described(&everything());
            wanted.iter().all(|entry| known.contains(entry)).then_some(())
        });
    }

    /// Deletes all that is said of a principal, and waits until the broker goes by that.
    pub fn delete(&self, principal: &str) {
        let filter = DeleteAclsFilter::default()
            .with_resource_type_filter(ANY)
            .with_resource_name_filter(None)
            .with_pattern_type_filter(ANY)
            .with_principal_filter(Some(text(principal)))
            .with_host_filter(None)
            .with_operation(ANY)
            .with_permission_type(ANY);
        let answer = ask(&self.0.clear, 3, &DeleteAclsRequest::default().with_filters(vec![filter]));
        assert_eq!(answer.filter_results[0].error_code, 0);
        let request = everything().with_principal_filter(Some(text(principal)));
        eventually("the deletion", || self.described(&request).is_empty().then_some(()));
    }

    /// The entries that a filter names.
    fn described(&self, request: &DescribeAclsRequest) -> Vec<Entry> {
        described(&self.0.clear, request)
    }
}

fn described(address: &str, request: &DescribeAclsRequest) -> Vec<Entry> {
    let answer = ask(address, 3, request);
    assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
    let mut entries = Vec::new();
    for found in answer.resources {
        assert!(!found.acls.is_empty());
        for acl in found.acls {
            let (name, principal, host) = (&found.resource_name, &acl.principal, &acl.host);
            let [name, principal, host] = [name, principal, host].map(ToString::to_string);
            let (kind, pattern) = (found.resource_type, found.pattern_type);
            entries.push((kind, pattern, name, principal, host, acl.operation, acl.permission_type));
        }
    }
    entries.sort();
    entries
}

fn entry(created: &AclCreation) -> Entry {
    let [name, principal, host] = [&created.resource_name, &created.principal, &created.host].map(ToString::to_string);
    let (kind, pattern) = (created.resource_type, created.resource_pattern_type);
    (kind, pattern, name, principal, host, created.operation, created.permission_type)
}

/// Names all entries.
fn everything() -> DescribeAclsRequest {
    DescribeAclsRequest::default()
        .with_resource_type_filter(ANY)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(ANY)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(ANY)
        .with_permission_type(ANY)
}

/// A user who logs in by a password.
pub struct User<'a> {
    broker: &'a Judging,
    pub name: String,
}

impl User<'_> {
    /// The name as access control lists have it.
    pub fn principal(&self) -> String {
        format!("User:{}", self.name)
    }

    /// An entry that allows the user something.
    pub fn may(&self, operation: i8, kind: i8, pattern: i8, name: &str) -> AclCreation {
        AclCreation::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_resource_pattern_type(pattern)
            .with_principal(text(&self.principal()))
            .with_host(text("*"))
            .with_operation(operation)
            .with_permission_type(ALLOW)
    }

    /// Sends one request as the user, over a connection of its own.
    pub fn ask<R: Request>(&self, version: i16, request: &R) -> R::Response {
        let mut stream = connect(&self.broker.0);
        assert_eq!(log_in(&mut stream, &self.name, PASSWORD).error_code, 0);
        exchange(&mut stream, version, request).expect("an answer")
    }

    /// How a client of the user is configured.
    pub fn client(&self) -> ClientConfig {
        self.broker.0.client("SCRAM-SHA-512", &self.name, PASSWORD)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_described_as_they_were_created_until_they_are_deleted() {
    let Some(broker) = Judging::closed().await else { return };
    let user = broker.user("described");
    let topic = unique("sales");
    let entries = [
        user.may(READ, TOPIC, LITERAL, &topic),
        user.may(WRITE, TOPIC, LITERAL, &topic).with_permission_type(DENY).with_host(text("10.0.0.1")),
        user.may(ALL, TOPIC, PREFIXED, &topic[..4]),
        user.may(READ, GROUP, LITERAL, "*"),
        user.may(DESCRIBE, CLUSTER, LITERAL, "kafka-cluster"),
        user.may(WRITE, TRANSACTIONAL_ID, PREFIXED, "copy-"),
    ];
    broker.create(&entries);
    broker.create(&entries[..2]);
    let mut all: Vec<Entry> = entries.iter().map(entry).collect();
    all.sort();
    let own = everything().with_principal_filter(Some(text(&user.principal())));
    assert_eq!(broker.described(&own), all, "each is there once");

    let sorted = |request: DescribeAclsRequest| -> Vec<usize> {
        let found = broker.described(&request.with_principal_filter(Some(text(&user.principal()))));
        let place = |found: &Entry| entries.iter().position(|created| entry(created) == *found).unwrap();
        let mut places: Vec<usize> = found.iter().map(place).collect();
        places.sort_unstable();
        places
    };
    let named = |pattern, name: &str| {
        let name = Some(text(name));
        everything().with_resource_type_filter(TOPIC).with_pattern_type_filter(pattern).with_resource_name_filter(name)
    };
    assert_eq!(sorted(everything().with_resource_type_filter(GROUP)), [3]);
    assert_eq!(sorted(everything().with_operation(READ)), [0, 3]);
    assert_eq!(sorted(everything().with_permission_type(DENY)), [1]);
    assert_eq!(sorted(everything().with_host_filter(Some(text("*")))), [0, 2, 3, 4, 5]);
    assert_eq!(sorted(named(ANY, &topic)), [0, 1]);
    assert_eq!(sorted(named(MATCH, &topic)), [0, 1, 2]);
    assert_eq!(sorted(named(PREFIXED, &topic[..4])), [2]);
    assert_eq!(sorted(named(LITERAL, &topic[..4])), [0; 0]);

    let filter = |operation| {
        DeleteAclsFilter::default()
            .with_resource_type_filter(TOPIC)
            .with_resource_name_filter(Some(text(&topic)))
            .with_pattern_type_filter(MATCH)
            .with_principal_filter(Some(text(&user.principal())))
            .with_host_filter(None)
            .with_operation(operation)
            .with_permission_type(ANY)
    };
    let request = DeleteAclsRequest::default().with_filters(vec![filter(READ), filter(ANY), filter(DELETE)]);
    let answer = ask(&broker.0.clear, 3, &request);
    let matched: Vec<(i16, usize)> =
        answer.filter_results.iter().map(|result| (result.error_code, result.matching_acls.len())).collect();
    assert_eq!(matched, [(0, 1), (0, 3), (0, 0)], "an entry is in the answer of each filter that names it");
    eventually("the deletion", || (broker.described(&own).len() == 3).then_some(()));
    broker.delete(&user.principal());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_entry_is_refused_and_the_others_are_created() {
    let Some(broker) = Judging::closed().await else { return };
    let user = broker.user("refused");
    let right = user.may(READ, TOPIC, LITERAL, &unique("right"));
    let wrong = [user.may(READ, TOPIC, LITERAL, ""), user.may(READ, CLUSTER, LITERAL, "another-cluster")];
    let [empty, cluster] = wrong;
    let nobody = right.clone().with_principal(text("nobody"));
    let request = CreateAclsRequest::default().with_creations(vec![empty, right.clone(), cluster, nobody]);
    let codes: Vec<i16> = ask(&broker.0.clear, 3, &request).results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [42, 0, 42, 42]);
    let own = everything().with_principal_filter(Some(text(&user.principal())));
    eventually("the right one", || (broker.described(&own) == [entry(&right)]).then_some(()));
    broker.delete(&user.principal());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_survive_a_restart() {
    if is_real() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let super_users = vec!["User:ANONYMOUS".to_owned()];
    let authorizer = Authorizer { super_users, allow_everyone_if_no_acl_found: false };
    let config = Config { authorizer: Some(authorizer), ..Config::new(data.path()) };
    let running = lakewright_kafka::serve(config.clone()).await.unwrap();
    let creation = AclCreation::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text("sales"))
        .with_principal(text("User:a"))
        .with_host(text("*"))
        .with_operation(READ)
        .with_permission_type(ALLOW);
    let request = CreateAclsRequest::default().with_creations(vec![creation.clone()]);
    assert_eq!(ask(&running.address().to_string(), 3, &request).results[0].error_code, 0);
    running.shutdown().await;
    let running = lakewright_kafka::serve(config).await.unwrap();
    assert_eq!(described(&running.address().to_string(), &everything()), [entry(&creation)]);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_authorizer_there_are_no_lists() {
    if is_real() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let running = lakewright_kafka::serve(Config::new(data.path())).await.unwrap();
    let address = running.address().to_string();
    assert_eq!(ask(&address, 3, &everything()).error_code, 54);
    let created = ask(&address, 3, &CreateAclsRequest::default().with_creations(vec![AclCreation::default()]));
    assert_eq!(created.results[0].error_code, 54);
    let deleted = ask(&address, 3, &DeleteAclsRequest::default().with_filters(vec![DeleteAclsFilter::default()]));
    assert_eq!(deleted.filter_results[0].error_code, 54);
    running.shutdown().await;
}

/// Their policies say what they may do, on MSK by what IAM says.
#[tokio::test(flavor = "multi_thread")]
async fn lists_do_not_count_for_clients_that_log_in_by_a_token() {
    if is_real() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let listeners = vec![Listener { port: 0, tls: None, login: Login::Token }];
    let config = Config { listeners, authorizer: Some(Authorizer::default()), ..Config::new(data.path()) };
    let running = lakewright_kafka::serve(config).await.unwrap();
    running.take_logins(Arc::new(Known::default()));
    let mut stream = TcpStream::connect(running.listeners()[0]).unwrap();
    let begin = SaslHandshakeRequest::default().with_mechanism(text("OAUTHBEARER"));
    assert_eq!(exchange(&mut stream, 1, &begin).unwrap().error_code, 0);
    let token = Bytes::from_static(b"n,,\x01auth=Bearer right\x01\x01");
    let login = SaslAuthenticateRequest::default().with_auth_bytes(token);
    assert_eq!(exchange(&mut stream, 2, &login).unwrap().error_code, 0);
    assert_eq!(exchange(&mut stream, 3, &everything()).unwrap().error_code, 0);
    assert_eq!(ask(&running.address().to_string(), 3, &everything()).error_code, 31, "in clear they do");
    running.shutdown().await;
}
