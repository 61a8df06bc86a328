//! Consumer groups: who is a member, who waits, and when a generation begins.

mod member;
mod phase;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use kafka_protocol::error::ResponseError;
use parking_lot::Mutex;
use tokio::sync::oneshot;

pub use member::{Joined, Joining};
pub use phase::Phase;
pub use state::Described;
use state::Group;

/// Groups in memory; one that is empty and forgotten makes room.
const MOST_GROUPS: usize = 10_000;

/// All groups.
#[derive(Debug, Default)]
pub struct Groups {
    groups: Mutex<BTreeMap<String, Arc<Mutex<Group>>>>,
}

impl Groups {
    /// The group of a name, if it has or had members since the start.
    pub fn get(&self, name: &str) -> Option<Arc<Mutex<Group>>> {
        self.groups.lock().get(name).cloned()
    }

    /// The groups' names.
    pub fn names(&self) -> Vec<String> {
        self.groups.lock().keys().cloned().collect()
    }

    /// A member joins; the answer comes when the generation begins.
    pub fn join(&self, name: &str, joining: Joining) -> Result<oneshot::Receiver<Joined>, Box<Joined>> {
        let group = {
            let mut groups = self.groups.lock();
            if groups.len() >= MOST_GROUPS && !groups.contains_key(name) {
                groups.retain(|_, group| group.lock().phase() != Phase::Empty);
                if groups.len() >= MOST_GROUPS {
                    return Err(Box::new(Joined::refused(ResponseError::GroupMaxSizeReached, joining.member_id)));
                }
            }
            groups.entry(name.to_owned()).or_default().clone()
        };
        group.lock().join(joining, Instant::now())
    }

    /// Whether somebody may commit: a member of the current generation, or anybody while there is no member.
    pub fn may_commit(
        &self,
        group: &str,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), ResponseError> {
        match self.get(group) {
            Some(group) => group.lock().may_commit(member, instance, generation, Instant::now()),
            None if generation < 0 => Ok(()),
            None => Err(ResponseError::UnknownMemberId),
        }
    }

    /// Forgets a group without members.
    pub fn delete(&self, name: &str) -> Result<(), ResponseError> {
        let mut groups = self.groups.lock();
        let Some(group) = groups.get(name) else {
            return Err(ResponseError::GroupIdNotFound);
        };
        if group.lock().phase() != Phase::Empty {
            return Err(ResponseError::NonEmptyGroup);
        }
        groups.remove(name);
        Ok(())
    }

    /// Lets time pass: sessions end, rebalances that waited long enough go on without the missing.
    pub fn tick(&self) {
        let groups: Vec<_> = self.groups.lock().values().cloned().collect();
        for group in groups {
            group.lock().tick(Instant::now());
        }
    }
}
