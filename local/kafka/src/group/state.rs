//! The states of one group: empty, preparing a generation, waiting for its assignment, stable.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use indexmap::IndexMap;
use kafka_protocol::error::ResponseError;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::member::{Joined, Joining, Member, Synced};
use super::phase::Phase;

/// Members that start together join one generation.
const INITIAL_DELAY: Duration = Duration::from_millis(100);
const MOST_MEMBERS: usize = 1000;

/// A group.
#[derive(Debug, Default)]
pub struct Group {
    phase: Phase,
    generation: i32,
    protocol_type: String,
    protocol: String,
    leader: String,
    members: IndexMap<String, Member>,
    /// Ids given to clients that haven't joined with them yet.
    promised: HashMap<String, Instant>,
}

/// The description of a group.
#[derive(Debug)]
pub struct Described {
    /// Where it stands.
    pub phase: Phase,
    /// `consumer`, mostly.
    pub protocol_type: String,
    /// The assignor.
    pub protocol: String,
    /// Id, instance, client id, host, subscription, assignment.
    pub members: Vec<(String, Option<String>, String, String, Bytes, Bytes)>,
}

impl Group {
    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// A member joins, or an id is given that it is to join with.
    pub fn join(&mut self, joining: Joining, now: Instant) -> Result<oneshot::Receiver<Joined>, Box<Joined>> {
        let refuse = |error, id: &str| Err(Box::new(Joined::refused(error, id.to_owned())));
        let given = joining.member_id.clone();
        if joining.protocols.is_empty()
            || joining.protocol_type.is_empty()
            || !self.members.is_empty()
                && (self.protocol_type != joining.protocol_type || !self.shares_protocol(&given, &joining))
        {
            return refuse(ResponseError::InconsistentGroupProtocol, &given);
        }
        if let Some(instance) = &joining.instance
            && let Some(holder) = self.holder(instance)
            && holder != given
        {
            if !given.is_empty() {
                return refuse(ResponseError::FencedInstanceId, &given);
            }
            // The instance starts anew: its former self is gone.
            if self.phase == Phase::Stable {
                return Ok(self.take_place(&holder, joining, now));
            }
            self.remove(&holder, ResponseError::FencedInstanceId, now);
        }
        let id = if given.is_empty() {
            if self.members.len() + self.promised.len() >= MOST_MEMBERS {
                return refuse(ResponseError::GroupMaxSizeReached, &given);
            }
            let name = joining.instance.as_ref().unwrap_or(&joining.client_id);
            let id = format!("{name}-{}", Uuid::new_v4());
            if joining.needs_id && joining.instance.is_none() {
                self.promised.insert(id.clone(), now + joining.session);
                return refuse(ResponseError::MemberIdRequired, &id);
            }
            id
        } else if self.members.contains_key(&given) || self.promised.remove(&given).is_some() {
            given
        } else {
            return refuse(ResponseError::UnknownMemberId, &given);
        };

        let (answer, receiver) = oneshot::channel();
        let known = self.members.get(&id).map(|member| member.protocols == joining.protocols);
        self.protocol_type.clone_from(&joining.protocol_type);
        let member = self.members.entry(id.clone()).or_insert_with(|| Member::new(now));
        member.dismiss(&id, ResponseError::RebalanceInProgress);
        member.join(joining, now, answer);
        let unchanged = known == Some(true);
        match self.phase {
            Phase::Preparing { .. } => {}
            // Its last answer was lost: the same one again.
            Phase::Completing { .. } if unchanged => self.welcome(&id),
            // A follower that asks again changes nothing; the leader asks because it wants to assign anew.
            Phase::Stable if unchanged && self.leader != id => self.welcome(&id),
            Phase::Empty => self.prepare(now, INITIAL_DELAY),
            Phase::Completing { .. } | Phase::Stable => self.prepare(now, Duration::ZERO),
        }
        self.advance(now);
        Ok(receiver)
    }

    /// An instance that starts anew in a stable group takes the place that it had, with what was assigned to it. Nobody else
    /// notices, unless the members agree on another assignor now.
    fn take_place(&mut self, former: &str, joining: Joining, now: Instant) -> oneshot::Receiver<Joined> {
        let (answer, receiver) = oneshot::channel();
        let (position, _, mut member) = self.members.shift_remove_full(former).expect("a member holds the instance");
        member.dismiss(former, ResponseError::FencedInstanceId);
        let id = format!("{}-{}", joining.instance.as_deref().unwrap_or_default(), Uuid::new_v4());
        member.join(joining, now, answer);
        self.members.shift_insert(position, id.clone(), member);
        // Its answer names the former leader: a member that takes itself for the leader would assign anew.
        let leader = self.leader.clone();
        if self.leader == former {
            self.leader.clone_from(&id);
        }
        if self.elect() == self.protocol {
            self.answer_join(&id, &leader, false);
        } else {
            self.prepare(now, Duration::ZERO);
            self.advance(now);
        }
        receiver
    }

    /// A member asks for its assignment; the leader brings everybody's.
    pub fn sync(
        &mut self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
        assignments: Vec<(String, Bytes)>,
        now: Instant,
    ) -> Result<oneshot::Receiver<Synced>, ResponseError> {
        self.check(id, instance, generation)?;
        let (answer, receiver) = oneshot::channel();
        let is_leader = self.leader == id;
        let member = self.members.get_mut(id).ok_or(ResponseError::UnknownMemberId)?;
        member.seen = now;
        match self.phase {
            Phase::Empty => return Err(ResponseError::UnknownMemberId),
            Phase::Preparing { .. } => return Err(ResponseError::RebalanceInProgress),
            Phase::Stable => {
                let _ = answer.send(Ok(member.assignment.clone()));
            }
            Phase::Completing { .. } => {
                member.syncing = Some(answer);
                if is_leader {
                    self.assign(assignments, now);
                }
            }
        }
        Ok(receiver)
    }

    /// A member says that it is there.
    pub fn heartbeat(
        &mut self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        self.check(id, instance, generation)?;
        let member = self.members.get_mut(id).ok_or(ResponseError::UnknownMemberId)?;
        member.seen = now;
        match self.phase {
            Phase::Preparing { .. } => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// A member leaves, named by its id or by its instance.
    pub fn leave(&mut self, id: &str, instance: Option<&str>, now: Instant) -> Result<(), ResponseError> {
        let id = match instance.and_then(|instance| self.holder(instance)) {
            Some(holder) if id.is_empty() || holder == id => holder,
            Some(_) => return Err(ResponseError::FencedInstanceId),
            None => id.to_owned(),
        };
        if self.promised.remove(&id).is_some() {
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.remove(&id, ResponseError::UnknownMemberId, now);
        Ok(())
    }

    /// Whether a commit is from a member of this generation, or the group has none.
    pub fn may_commit(
        &mut self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        self.check(id, instance, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.seen = now;
        }
        match self.phase {
            Phase::Completing { .. } => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Its description.
    pub fn describe(&self) -> Described {
        let stable = self.phase == Phase::Stable;
        let protocol = if stable { self.protocol.clone() } else { String::new() };
        let members = self.members.iter().map(|(id, member)| {
            let subscription = if stable { member.subscription(&protocol) } else { Bytes::new() };
            let (client, host) = (member.client_id.clone(), member.host.clone());
            (id.clone(), member.instance.clone(), client, host, subscription, member.assignment.clone())
        });
        Described { phase: self.phase, protocol_type: self.protocol_type.clone(), members: members.collect(), protocol }
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Instant) {
        self.promised.retain(|_, until| *until > now);
        let gone: Vec<_> = self.members.iter().filter(|(_, m)| m.is_gone(now)).map(|(id, _)| id.clone()).collect();
        for id in gone {
            tracing::info!(member = id, "a group member's session ended");
            self.remove(&id, ResponseError::UnknownMemberId, now);
        }
        if let Phase::Completing { until } = self.phase
            && now >= until
        {
            let silent: Vec<_> =
                self.members.iter().filter(|(_, m)| m.syncing.is_none()).map(|(id, _)| id.clone()).collect();
            for id in silent {
                self.remove(&id, ResponseError::UnknownMemberId, now);
            }
        }
        self.advance(now);
    }

    fn check(&self, id: &str, instance: Option<&str>, generation: i32) -> Result<(), ResponseError> {
        if let Some(holder) = instance.and_then(|instance| self.holder(instance))
            && holder != id
        {
            return Err(ResponseError::FencedInstanceId);
        }
        if !self.members.contains_key(id) {
            return Err(ResponseError::UnknownMemberId);
        }
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        Ok(())
    }

    fn holder(&self, instance: &str) -> Option<String> {
        let holds = |member: &Member| member.instance.as_deref() == Some(instance);
        self.members.iter().find(|(_, member)| holds(member)).map(|(id, _)| id.clone())
    }

    fn shares_protocol(&self, id: &str, joining: &Joining) -> bool {
        let others = || self.members.iter().filter(|(other, _)| *other != id);
        joining.protocols.iter().any(|(name, _)| others().all(|(_, m)| m.protocols.iter().any(|(n, _)| n == name)))
    }

    fn prepare(&mut self, now: Instant, delay: Duration) {
        for member in self.members.values_mut() {
            if let Some(syncing) = member.syncing.take() {
                member.seen = now;
                let _ = syncing.send(Err(ResponseError::RebalanceInProgress));
            }
        }
        let patience = self.members.values().map(|member| member.rebalance).max().unwrap_or_default();
        self.phase = Phase::Preparing { from: now + delay, until: now + patience.max(delay) };
    }

    fn remove(&mut self, id: &str, error: ResponseError, now: Instant) {
        let Some(mut member) = self.members.shift_remove(id) else { return };
        member.dismiss(id, error);
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            self.generation += 1;
            self.leader.clear();
            self.protocol.clear();
        } else if matches!(self.phase, Phase::Stable | Phase::Completing { .. }) {
            self.prepare(now, Duration::ZERO);
        }
        self.advance(now);
    }

    /// Begins the generation when everybody has joined, or without those who haven't when the time is over.
    fn advance(&mut self, now: Instant) {
        let Phase::Preparing { from, until } = self.phase else { return };
        let complete = self.members.values().all(|member| member.joining.is_some());
        if now < from || !complete && now < until {
            return;
        }
        self.members.retain(|_, member| member.joining.is_some());
        self.generation += 1;
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            return;
        }
        if !self.members.contains_key(&self.leader) {
            self.leader = self.members.first().expect("the group has members").0.clone();
        }
        self.protocol = self.elect();
        let patience = self.members.values().map(|member| member.rebalance).max().unwrap_or_default();
        self.phase = Phase::Completing { until: now + patience };
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            self.welcome(&id);
            if let Some(member) = self.members.get_mut(&id) {
                member.seen = now;
                member.assignment = Bytes::new();
            }
        }
    }

    /// The assignor that all know and most prefer.
    fn elect(&self) -> String {
        let known_to_all = |name: &str| self.members.values().all(|m| m.protocols.iter().any(|(n, _)| n == name));
        let mut votes: IndexMap<&str, usize> = IndexMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| known_to_all(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().copied().max().unwrap_or_default();
        votes.into_iter().find(|&(_, count)| count == most).map(|(name, _)| name.to_owned()).unwrap_or_default()
    }

    /// Answers a member that joined.
    fn welcome(&mut self, id: &str) {
        let leader = self.leader.clone();
        self.answer_join(id, &leader, leader == id);
    }

    fn answer_join(&mut self, id: &str, leader: &str, assigns: bool) {
        let members = if assigns {
            let described = |(id, member): (&String, &Member)| {
                (id.clone(), member.instance.clone(), member.subscription(&self.protocol))
            };
            self.members.iter().map(described).collect()
        } else {
            Vec::new()
        };
        let joined = Joined {
            error: None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: leader.to_owned(),
            member_id: id.to_owned(),
            members,
        };
        if let Some(answer) = self.members.get_mut(id).and_then(|member| member.joining.take()) {
            let _ = answer.send(joined);
        }
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Instant) {
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.phase = Phase::Stable;
        for member in self.members.values_mut() {
            if let Some(answer) = member.syncing.take() {
                member.seen = now;
                let _ = answer.send(Ok(member.assignment.clone()));
            }
        }
    }
}
