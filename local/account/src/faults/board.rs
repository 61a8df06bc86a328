//! The rules of a running account, and how often each has matched and hit.

use super::{Effect, Faults, Rule, glob};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The fault rules of a running account; clones are the same rules.
#[derive(Clone, Debug, Default)]
pub struct FaultBoard(Arc<Board>);

#[derive(Debug, Default)]
struct Board {
    /// Whether there are rules, so that an account without any takes no lock for them.
    armed: AtomicBool,
    active: Mutex<Active>,
}

#[derive(Debug, Default)]
struct Active {
    faults: Faults,
    counts: Vec<Count>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    matched: u64,
    hits: u64,
}

/// What the rules do to one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hit {
    pub latency: Duration,
    pub effect: Option<Effect>,
    /// The name of what hit; absent when nothing did.
    pub name: Option<&'static str>,
}

impl FaultBoard {
    /// Replaces all rules; their counts begin at nothing.
    pub fn set(&self, faults: Faults) {
        let mut active = self.0.active.lock();
        active.counts = vec![Count::default(); faults.rules.len()];
        self.0.armed.store(!faults.rules.is_empty(), Ordering::Release);
        active.faults = faults;
    }

    /// How many requests each rule has hit, in the order of the rules.
    pub fn hits(&self) -> Vec<u64> {
        self.0.active.lock().counts.iter().map(|count| count.hits).collect()
    }

    /// Sets the counts of all rules to nothing, as if they were new.
    pub fn reset(&self) {
        self.0.active.lock().counts.fill(Count::default());
    }

    /// Counts one request and says what happens to it.
    pub(crate) fn meet(&self, service: &str, operation: &str, mutating: bool) -> Hit {
        if !self.0.armed.load(Ordering::Acquire) {
            return Hit::default();
        }
        let mut active = self.0.active.lock();
        let Active { faults, counts } = &mut *active;
        let mut hit = Hit::default();
        for (index, (rule, count)) in faults.rules.iter().zip(counts).enumerate() {
            if !rule.matches(service, operation, mutating) {
                continue;
            }
            count.matched += 1;
            // One request has one fate: a rule that comes too late keeps its hits for another request.
            let spent = rule.times.is_some_and(|times| count.hits >= times);
            if spent
                || !rule.strikes(count.matched, faults.seed, index)
                || (rule.effect.is_some() && hit.effect.is_some())
            {
                continue;
            }
            count.hits += 1;
            hit.latency += rule.latency;
            if let Some(effect) = &rule.effect {
                hit.name = Some(effect.name());
                hit.effect = Some(effect.clone());
            } else {
                hit.name = hit.name.or(Some("latency"));
            }
        }
        hit
    }

    /// The rules as they were given, each with its counts.
    pub(crate) fn shown(&self) -> Value {
        let active = self.0.active.lock();
        let rules = active.faults.rules.iter().zip(&active.counts);
        let rules: Vec<Value> = rules.map(|(rule, count)| rule.shown(*count)).collect();
        json!({ "seed": active.faults.seed, "fault": rules })
    }
}

impl Rule {
    fn matches(&self, service: &str, operation: &str, mutating: bool) -> bool {
        self.service.as_deref().is_none_or(|wanted| wanted == service)
            && self.operation.as_deref().is_none_or(|pattern| glob::fits(pattern, operation))
            && self.mutating.is_none_or(|wanted| wanted == mutating)
    }

    /// Whether the `matched`-th of the requests that match is one to be hit.
    fn strikes(&self, matched: u64, seed: u64, index: usize) -> bool {
        let Some(since) = matched.checked_sub(self.from) else { return false };
        since.is_multiple_of(self.every)
            && self.probability.is_none_or(|chance| draw(seed, index as u64, matched) < chance)
    }

    fn shown(&self, count: Count) -> Value {
        let mut out = json!({ "matched": count.matched, "hits": count.hits, "from": self.from });
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                out[name] = value;
            }
        };
        put("service", self.service.as_ref().map(|name| json!(name)));
        put("operation", self.operation.as_ref().map(|name| json!(name)));
        put("mutating", self.mutating.map(Value::from));
        put("times", self.times.map(Value::from));
        put("every", (self.every != 1).then(|| json!(self.every)));
        put("probability", self.probability.map(Value::from));
        put("latency_ms", (!self.latency.is_zero()).then(|| json!(self.latency.as_secs_f64() * 1000.0)));
        put("effect", self.effect.as_ref().map(|effect| json!(effect.name())));
        match &self.effect {
            Some(Effect::Error { code, status, message }) => {
                put("error", Some(json!(code)));
                put("status", Some(json!(status)));
                put("message", Some(json!(message)));
            }
            Some(Effect::Invisible(time)) => put("invisible_ms", Some(json!(time.as_secs_f64() * 1000.0))),
            _ => {}
        }
        out
    }
}

/// A number in [0, 1) that follows from seed, rule and request alone (SplitMix64), so that a run can be repeated.
fn draw(seed: u64, index: u64, matched: u64) -> f64 {
    let mut state = mix(seed).wrapping_add(mix(index.wrapping_add(1)));
    state = state.wrapping_add(matched.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (mix(state) >> 11) as f64 / (1_u64 << 53) as f64
}

fn mix(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(text: &str) -> FaultBoard {
        let board = FaultBoard::default();
        board.set(Faults::parse(text).unwrap());
        board
    }

    /// Which of `count` equal requests were hit.
    fn struck(board: &FaultBoard, count: u64) -> Vec<u64> {
        (1..=count).filter(|_| board.meet("ec2", "CreateVpc", true).name.is_some()).collect()
    }

    fn which(text: &str) -> Vec<u64> {
        let board = board(&format!("[[fault]]\nthrottle = true\n{text}"));
        (1..=12).filter(|_| board.meet("ec2", "CreateVpc", true).name.is_some()).collect()
    }

    #[test]
    fn rules_match_by_service_operation_and_kind() {
        let hits = |text: &str, service: &str, operation: &str, mutating: bool| {
            board(&format!("[[fault]]\nthrottle = true\n{text}")).meet(service, operation, mutating).name.is_some()
        };
        assert!(hits("", "ec2", "CreateVpc", true));
        assert!(hits("service = \"ec2\"\noperation = \"*Vpc\"\nmutating = true", "ec2", "CreateVpc", true));
        assert!(!hits("service = \"iam\"", "ec2", "CreateVpc", true));
        assert!(!hits("operation = \"Delete*\"", "ec2", "CreateVpc", true));
        assert!(!hits("mutating = false", "ec2", "CreateVpc", true));
        assert!(hits("mutating = false", "ec2", "DescribeVpcs", false));
    }

    #[test]
    fn from_times_and_every_pick_requests() {
        assert_eq!(which(""), (1..=12).collect::<Vec<_>>());
        assert_eq!(which("from = 11"), [11, 12]);
        assert_eq!(which("from = 3\ntimes = 2"), [3, 4]);
        assert_eq!(which("every = 5"), [1, 6, 11]);
        assert_eq!(which("from = 2\nevery = 4\ntimes = 2"), [2, 6]);
        assert_eq!(which("probability = 0.0"), [0_u64; 0]);
        assert_eq!(which("probability = 1.0").len(), 12);
    }

    #[test]
    fn chance_is_the_same_in_every_run() {
        let text = "seed = 42\n[[fault]]\nprobability = 0.2\nlost = true\n";
        let one = board(text);
        let first = struck(&one, 1000);
        assert!((150..250).contains(&first.len()), "{}", first.len());
        assert_eq!(struck(&board(text), 1000), first);
        one.reset();
        assert_eq!(struck(&one, 1000), first);
        assert_ne!(struck(&board(&text.replace("42", "43")), 1000), first);
    }

    #[test]
    fn latencies_add_and_the_first_other_effect_wins() {
        let board = board(
            "[[fault]]\nlatency = \"1s\"\n[[fault]]\nhang = true\ntimes = 1\n[[fault]]\nlatency = \"2s\"\nlost = true\ntimes = 1\n[[fault]]\nlatency = \"3s\"\n",
        );
        let hit = board.meet("s3", "PutObject", true);
        assert_eq!((hit.latency, hit.name), (Duration::from_secs(4), Some("hang")));
        // The rule that came too late still has its one hit.
        let hit = board.meet("s3", "PutObject", true);
        assert_eq!((hit.latency, hit.name), (Duration::from_secs(6), Some("lost")));
        let hit = board.meet("s3", "PutObject", true);
        assert_eq!((hit.latency, hit.name), (Duration::from_secs(4), Some("latency")));
        assert_eq!(board.hits(), [3, 1, 1, 3]);
    }

    #[test]
    fn new_rules_begin_at_nothing() {
        let board = board("[[fault]]\ntimes = 1\nthrottle = true\n");
        assert_eq!(struck(&board, 3), [1]);
        board.reset();
        assert_eq!(board.hits(), [0]);
        assert_eq!(struck(&board, 3), [1]);
        board.set(Faults::default());
        assert_eq!(struck(&board, 3), [0_u64; 0]);
    }
}
