//! One suite for the local log and the real Kafka: what a client sees must be the same.
//!
//! `LAKEWRIGHT_TEST_KAFKA=host:port` names a running Kafka; without it each test starts a log of its own. Those of logins have
//! another one: `LAKEWRIGHT_TEST_KAFKA_SCRAM`. Those of access control lists need its authorizer: `LAKEWRIGHT_TEST_KAFKA_ACLS` says whether
//! what no list names is nobody's (`closed`) or everybody's (`open`).
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "librdkafka's calls block as well; tests that wait have threads to spare"
)]

mod acls;
mod admin;
mod authority;
mod clients;
mod copies;
mod crash;
mod denials;
mod epochs;
mod groups;
mod handshakes;
mod hostile;
mod logins;
mod offsets;
mod produce;
mod rights;
mod support;
mod transactions;
