//! A small durable log for one machine that speaks the Kafka protocol, so that a stack runs without a cluster.

mod acl;
mod api;
mod blocking;
mod broker;
mod caller;
mod catalog;
mod connection;
mod coordinator;
mod disk;
mod frame;
mod group;
mod handlers;
mod ledger;
mod log;
#[cfg(test)]
mod power_cut;
mod refusal;
mod rights;
mod scram;
mod server;
mod supported;
mod topic;
mod topic_config;
mod transactions;
mod turns;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use server::{Running, serve};

/// When a record is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before it is acknowledged or shown to a consumer; producers that wait at the same time share a flush.
    BeforeAcknowledge,
    /// At most this long after it: survives the end of the process, not always that of the machine.
    Every(Duration),
}

/// Who may log in.
pub trait Logins: std::fmt::Debug + Send + Sync {
    /// Whose token it is (SASL/OAUTHBEARER).
    ///
    /// # Errors
    /// Why it is nobody's, in a sentence.
    fn check(&self, token: &str) -> Result<String, String>;

    /// The password by which a user may log in now (SASL/SCRAM); none of a user who may not.
    fn password(&self, user: &str) -> Option<String>;
}

/// What a listener asks of its clients before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Nothing.
    Nobody,
    /// A token, SASL/OAUTHBEARER.
    Token,
    /// A user's name and password, SASL/SCRAM-SHA-512 or -256.
    Password,
}

/// A port beside the one in clear, where clients are asked who they are.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// What connections are encrypted by; without it they are in clear.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// What clients log in by.
    pub login: Login,
}

/// Who may do what, by access control lists.
#[derive(Clone, Debug, Default)]
pub struct Authorizer {
    /// Who may do everything, each as `User:NAME` (`super.users`). Who doesn't have to log in is `User:ANONYMOUS`.
    pub super_users: Vec<String>,
    /// Whether everybody may do everything with what no access control list names (`allow.everyone.if.no.acl.found`).
    pub allow_everyone_if_no_acl_found: bool,
}

/// How to run the log.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of everything that lasts.
    pub data: PathBuf,
    /// Address to listen on and to give to clients; loopback, for on `port` there is no TLS, and nobody has to log in.
    pub host: IpAddr,
    /// Port to listen on in clear; 0 takes a free one.
    pub port: u16,
    /// What else to listen on. Clients are given the address of the listener that they came by.
    pub listeners: Vec<Listener>,
    /// Who may do what; without it, everybody may do everything, and there are no access control lists. Clients that log in
    /// by a token may always do everything, as on MSK, whose access control lists don't count for IAM.
    pub authorizer: Option<Authorizer>,
    /// When a record is on disk.
    pub fsync: Fsync,
    /// Partitions of a topic whose creator names no number.
    pub partitions: i32,
    /// Whether asking for a topic creates it.
    pub auto_create: bool,
    /// How often old segments are looked for.
    pub retention_check: Duration,
}

impl Config {
    /// The defaults for a data directory: loopback, a free port, durable before acknowledged, three
    /// partitions, no topics that nobody declared.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            listeners: Vec::new(),
            authorizer: None,
            fsync: Fsync::BeforeAcknowledge,
            partitions: 3,
            auto_create: false,
            retention_check: Duration::from_secs(10),
        }
    }

    fn listen(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.host, port)
    }
}
