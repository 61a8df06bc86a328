//! Tells an agent whose group takes it for another one from an agent that has a double.
//!
//! When a coordinator was away for a session, or has forgotten what it gave out, it fences agents that have none. A double fences too,
//! and does so again as soon as it hears that its place was taken back. `docs/decisions/group-membership.md` gives reasons for the
//! numbers.

use std::time::{Duration, Instant};

use super::SESSION;

/// For so long a fence is remembered.
const REMEMBERED: Duration = Duration::from_mins(1);
/// So many fences within that time are a double's, whatever the group gave in between: more than there are sessions.
const MOST: usize = 5;

/// Who took an agent's place in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usurper {
    /// A former self that the group remembers, as far as anybody can tell.
    Ghost,
    /// Another agent with the same identity.
    Double,
}

/// When an agent was fenced.
#[derive(Debug, Default)]
pub(super) struct Fences {
    /// The last ones.
    at: Vec<Instant>,
    /// When the group gave the agent partitions first since the last of them.
    given: Option<Instant>,
}

impl Fences {
    /// The agent was fenced: by whom?
    pub(super) fn fenced(&mut self, now: Instant) -> Usurper {
        self.at.retain(|at| now.duration_since(*at) < REMEMBERED);
        // A client keeps its id for a session without a word from the group, and what the group gave is written down.
        let keeps = self.given.take().is_some_and(|given| now.duration_since(given) < SESSION);
        let is_double = !self.at.is_empty() && keeps || self.at.len() + 1 >= MOST;
        self.at.push(now);
        if is_double { Usurper::Double } else { Usurper::Ghost }
    }

    /// The group gave the agent partitions, or none.
    pub(super) fn given(&mut self, now: Instant) {
        self.given.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use super::Usurper::{Double, Ghost};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Agents that were given partitions at this time.
    fn members<const COUNT: usize>(now: Instant) -> [Fences; COUNT] {
        std::array::from_fn(|_| {
            let mut member = Fences::default();
            member.given(now);
            member
        })
    }

    #[test]
    fn a_first_fence_is_a_ghosts_however_long_the_agent_was_a_member() {
        for after in [Duration::ZERO, SECOND, SESSION, 1000 * SESSION] {
            let began = Instant::now();
            let [mut member] = members(began);
            assert_eq!(member.fenced(began + after), Ghost, "{after:?}");
        }
    }

    #[test]
    fn a_second_one_soon_after_the_agent_got_its_place_back_is_a_doubles() {
        let began = Instant::now();
        let [mut member] = members(began);
        assert_eq!(member.fenced(began), Ghost);
        member.given(began + SECOND);
        // Rebalances of others in between.
        member.given(began + 3 * SECOND);
        assert_eq!(member.fenced(began + SESSION), Double);
    }

    #[test]
    fn one_that_a_crash_can_bring_is_a_ghosts() {
        let began = Instant::now();
        // The coordinator ends again before it gave anything.
        let [mut member] = members(began);
        assert_eq!(member.fenced(began), Ghost);
        assert_eq!(member.fenced(began + 5 * SECOND), Ghost);
        // It was away for a session after it gave something.
        let [mut member] = members(began);
        assert_eq!(member.fenced(began), Ghost);
        member.given(began + SECOND);
        assert_eq!(member.fenced(began + SECOND + SESSION), Ghost);
        // Rebalances count from the first one.
        let [mut member] = members(began);
        assert_eq!(member.fenced(began), Ghost);
        member.given(began + SECOND);
        member.given(began + SESSION);
        assert_eq!(member.fenced(began + SESSION + 2 * SECOND), Ghost);
    }

    #[test]
    fn a_coordinator_that_is_away_for_a_session_again_and_again_makes_nobody_a_double() {
        let began = Instant::now();
        let [mut member] = members(began);
        let mut now = began;
        for round in 0..20 {
            assert_eq!(member.fenced(now), Ghost, "in round {round}");
            member.given(now + SECOND);
            now += SECOND + SESSION;
        }
    }

    #[test]
    fn fences_of_long_ago_count_for_nothing() {
        let began = Instant::now();
        let [mut member] = members(began);
        let mut now = began;
        for _ in 0..20 {
            assert_eq!(member.fenced(now), Ghost);
            let next = now + REMEMBERED;
            member.given(next.checked_sub(SECOND).expect("a time"));
            now = next;
        }
    }

    #[test]
    fn doubles_that_never_get_so_far_come_apart_too() {
        let began = Instant::now();
        let mut member = Fences::default();
        let verdicts: Vec<Usurper> = (0..5).map(|at| member.fenced(began + at * 10 * SECOND)).collect();
        assert_eq!(verdicts, [Ghost, Ghost, Ghost, Ghost, Double]);
    }

    /// Two fence each other, each of them so long after the other one joined; which of them gives way, and when?
    fn duel(hears: [Duration; 2], gets: bool) -> (usize, Duration) {
        let began = Instant::now();
        let mut both: [Fences; 2] = members(began);
        let (mut now, mut fenced) = (began, 0);
        loop {
            now += hears[fenced];
            if both[fenced].fenced(now) == Double {
                return (fenced, now - began);
            }
            if gets {
                both[fenced].given(now);
            }
            fenced = 1 - fenced;
            assert!(now - began < 10 * REMEMBERED, "they change places for ever");
        }
    }

    #[test]
    fn of_two_doubles_the_one_that_was_fenced_first_gives_way_and_the_other_one_stays() {
        assert_eq!(duel([4 * SECOND; 2], true), (0, 12 * SECOND));
        // One of them is slow to hear of it, or slow to get its place.
        assert_eq!(duel([4 * SECOND, 10 * SECOND], true), (0, 18 * SECOND));
        assert_eq!(duel([10 * SECOND, 4 * SECOND], true), (0, 24 * SECOND));
        // The group gives neither of them anything.
        assert_eq!(duel([4 * SECOND; 2], false), (0, 36 * SECOND));
        assert_eq!(duel([4 * SECOND, 10 * SECOND], false), (0, 60 * SECOND));
    }
}
