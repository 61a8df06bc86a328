//! A member of a group and the answers that it waits for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use tokio::sync::oneshot;

/// What a client says when it joins.
#[derive(Debug)]
pub struct Joining {
    /// Empty at first.
    pub member_id: String,
    /// A name that outlives the member id.
    pub instance: Option<String>,
    /// The name that the client gives itself.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// Silence after which it counts as gone.
    pub session: Duration,
    /// How long a rebalance waits for it.
    pub rebalance: Duration,
    /// `consumer`, mostly.
    pub protocol_type: String,
    /// Assignors in order of preference, with the subscription.
    pub protocols: Vec<(String, Bytes)>,
    /// Whether the client takes an id first and joins with it.
    pub needs_id: bool,
}

/// The answer to joining.
#[derive(Debug)]
pub struct Joined {
    /// Why not.
    pub error: Option<ResponseError>,
    /// The generation that begins.
    pub generation: i32,
    /// The protocol type of the group.
    pub protocol_type: String,
    /// The assignor that all know.
    pub protocol: String,
    /// The member that assigns.
    pub leader: String,
    /// The member that is answered.
    pub member_id: String,
    /// For the leader: everybody's id, instance and subscription.
    pub members: Vec<(String, Option<String>, Bytes)>,
}

impl Joined {
    /// A refusal.
    pub fn refused(error: ResponseError, member_id: String) -> Self {
        Self {
            error: Some(error),
            generation: -1,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            member_id,
            members: Vec::new(),
        }
    }
}

/// The answer to syncing: the assignment, or why there is none.
pub type Synced = Result<Bytes, ResponseError>;

#[derive(Debug)]
pub struct Member {
    pub instance: Option<String>,
    pub client_id: String,
    pub host: String,
    pub session: Duration,
    pub rebalance: Duration,
    pub protocols: Vec<(String, Bytes)>,
    pub seen: Instant,
    pub joining: Option<oneshot::Sender<Joined>>,
    pub syncing: Option<oneshot::Sender<Synced>>,
    pub assignment: Bytes,
}

impl Member {
    /// One that hasn't joined yet.
    pub fn new(now: Instant) -> Self {
        Self {
            instance: None,
            client_id: String::new(),
            host: String::new(),
            session: Duration::ZERO,
            rebalance: Duration::ZERO,
            protocols: Vec::new(),
            seen: now,
            joining: None,
            syncing: None,
            assignment: Bytes::new(),
        }
    }

    /// It joins, and waits for the answer.
    pub fn join(&mut self, joining: Joining, now: Instant, answer: oneshot::Sender<Joined>) {
        self.instance = joining.instance;
        self.client_id = joining.client_id;
        self.host = joining.host;
        self.session = joining.session;
        self.rebalance = joining.rebalance;
        self.protocols = joining.protocols;
        self.seen = now;
        self.joining = Some(answer);
    }

    /// Whether its session ended. One that waits for an answer can't say that it is there.
    pub fn is_gone(&self, now: Instant) -> bool {
        self.joining.is_none() && self.syncing.is_none() && now.duration_since(self.seen) > self.session
    }

    /// The subscription under a protocol.
    pub fn subscription(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| name == protocol).map(|(_, bytes)| bytes.clone()).unwrap_or_default()
    }

    /// Answers whoever waits that the member is no longer one.
    pub fn dismiss(&mut self, id: &str, error: ResponseError) {
        if let Some(joining) = self.joining.take() {
            let _ = joining.send(Joined::refused(error, id.to_owned()));
        }
        if let Some(syncing) = self.syncing.take() {
            let _ = syncing.send(Err(error));
        }
    }
}
