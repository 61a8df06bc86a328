//! A consumer group whose members give up and get single partitions, as Kafka's with `cooperative-sticky`.

use std::collections::BTreeMap;
use std::time::Duration;

/// A member that isn't heard of for so long is none any more.
pub(super) const SESSION: Duration = Duration::from_secs(15);

/// Partitions, by their number among all of all topics.
pub(super) type Partitions = Vec<usize>;

/// The group's side of it.
pub(super) struct Group {
    /// When members were heard of last.
    members: BTreeMap<usize, Duration>,
    /// Whose each partition shall be.
    meant: Vec<Option<usize>>,
    /// Whose it is until that one has given it up.
    owned: Vec<Option<usize>>,
}

/// What a member has to do.
#[derive(Default)]
pub(super) struct Change {
    /// To commit and give up.
    pub(super) revoked: Partitions,
    /// To begin.
    pub(super) granted: Partitions,
}

impl Group {
    pub(super) fn new(partitions: usize) -> Self {
        Self { members: BTreeMap::new(), meant: vec![None; partitions], owned: vec![None; partitions] }
    }

    pub(super) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// A member joins, or starts again in the place that it has; returns what it has there.
    pub(super) fn join(&mut self, member: usize, now: Duration) -> Partitions {
        if self.members.insert(member, now).is_none() {
            self.share();
        }
        self.of(member)
    }

    fn of(&self, member: usize) -> Partitions {
        (0..self.owned.len()).filter(|partition| self.owned[*partition] == Some(member)).collect()
    }

    /// A member leaves, or is taken for gone.
    pub(super) fn leave(&mut self, member: usize) {
        if self.members.remove(&member).is_some() {
            self.owned.iter_mut().filter(|owner| **owner == Some(member)).for_each(|owner| *owner = None);
            self.share();
        }
    }

    /// Members that are alive are heard of, the others may be taken for gone.
    pub(super) fn listen(&mut self, is_alive: impl Fn(usize) -> bool, now: Duration) {
        self.members.iter_mut().filter(|(member, _)| is_alive(**member)).for_each(|(_, seen)| *seen = now);
        let silent = self.members.iter().filter(|(_, seen)| now.saturating_sub(**seen) > SESSION);
        for member in silent.map(|(member, _)| *member).collect::<Vec<usize>>() {
            self.leave(member);
        }
    }

    /// What a member has to do; `None` when it is none any more.
    pub(super) fn change(&mut self, member: usize) -> Option<Change> {
        self.members.get(&member)?;
        let mut change = Change::default();
        for partition in 0..self.meant.len() {
            match (self.owned[partition], self.meant[partition]) {
                (Some(owner), meant) if owner == member && meant != Some(member) => change.revoked.push(partition),
                (None, Some(meant)) if meant == member => {
                    self.owned[partition] = Some(member);
                    change.granted.push(partition);
                }
                _ => {}
            }
        }
        Some(change)
    }

    /// A member has given partitions up.
    pub(super) fn give_up(&mut self, member: usize, partitions: &Partitions) {
        for partition in partitions {
            self.owned[*partition] = self.owned[*partition].filter(|owner| *owner != member);
        }
    }

    /// Shares the partitions out anew, as evenly as can be, and leaves as many as can be where they are.
    fn share(&mut self) {
        let members: Vec<usize> = self.members.keys().copied().collect();
        if members.is_empty() {
            self.meant.fill(None);
            return;
        }
        let (least, more) = (self.meant.len() / members.len(), self.meant.len() % members.len());
        let mut counts: BTreeMap<usize, usize> = members.iter().map(|member| (*member, 0)).collect();
        let mut generous = more;
        let mut free = Vec::new();
        for partition in 0..self.meant.len() {
            let kept = self.meant[partition].and_then(|member| counts.get_mut(&member)).filter(|count| {
                let fits = **count < least || (**count == least && generous > 0);
                generous -= usize::from(fits && **count == least);
                fits
            });
            match kept {
                Some(count) => *count += 1,
                None => free.push(partition),
            }
        }
        for partition in free {
            let (member, count) = counts.iter_mut().min_by_key(|(_, count)| **count).expect("there are members");
            self.meant[partition] = Some(*member);
            *count += 1;
        }
    }
}
