//! What can't go on while the rest does, why, and when it is tried again.
//!
//! A table, a topic or a partition is healthy until something of its own fails. Then it is in quarantine: nothing is read
//! or written for it. After a pause, which doubles with each failure, it is on trial: it takes part again, and is healthy
//! when what had failed has worked or nothing has failed for a while, or back in quarantine when it fails once more.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lakewright_config::agents::stream;
use lakewright_platform::Backoff;
use lakewright_runtime::{Counter, Metrics};

/// The pause before the first trial.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(5);
/// What is on trial for so long without failing is healthy: what had failed may never come again.
const TRIAL: Duration = Duration::from_mins(1);

/// A part of the work that can fail alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Table(String),
    Topic(String),
    Partition(String, i32),
}

impl Part {
    fn kind(&self) -> usize {
        match self {
            Self::Table(_) => 0,
            Self::Topic(_) => 1,
            Self::Partition(..) => 2,
        }
    }
}

/// The kinds of parts, as metrics name them, in the order of [`Part::kind`].
const KINDS: [&str; 3] = ["table", "topic", "partition"];

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(name) => write!(f, "the table {name}"),
            Self::Topic(name) => write!(f, "the topic {name}"),
            Self::Partition(topic, number) => write!(f, "the partition {topic}/{number}"),
        }
    }
}

/// What must work before a part is healthy again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Reading has begun with it.
    Begun,
    /// A commit with it.
    Committed,
    /// A commit of rows of it.
    Written,
    /// A commit that goes past this offset.
    Past(i64),
}

/// When a part is tried.
#[derive(Debug, Clone, Copy)]
enum Trial {
    At(Instant),
    Since(Instant),
}

#[derive(Debug)]
struct Case {
    reason: String,
    until: Until,
    backoff: Backoff,
    trial: Trial,
}

/// What is in quarantine or on trial.
pub(crate) struct Quarantine {
    cases: BTreeMap<Part, Case>,
    counts: Arc<[AtomicU64; 3]>,
    quarantines: Counter,
    /// The pause after one more failure.
    pause: fn(&mut Backoff) -> Duration,
}

impl Quarantine {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let counts: Arc<[AtomicU64; 3]> = Arc::default();
        let all = Arc::clone(&counts);
        metrics.computed(&stream::QUARANTINED, &[], move || {
            Some(all.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>() as f64)
        });
        for (kind, word) in KINDS.into_iter().enumerate() {
            let of = Arc::clone(&counts);
            metrics.computed(&stream::QUARANTINED, &[(stream::KIND, word)], move || {
                Some(of[kind].load(Ordering::Relaxed) as f64)
            });
        }
        let quarantines = metrics.counter(&stream::QUARANTINES, &[]);
        Self { cases: BTreeMap::new(), counts, quarantines, pause: Backoff::next_pause }
    }

    /// The same with pauses that aren't random.
    #[cfg(test)]
    pub(crate) fn exact(metrics: &Metrics) -> Self {
        let pause = |backoff: &mut Backoff| {
            backoff.next_pause();
            (FIRST * (1 << (backoff.failures() - 1).min(10))).min(LONGEST)
        };
        Self { pause, ..Self::new(metrics) }
    }

    /// Puts a part into quarantine, or back into it; returns the sentence that says so.
    pub(crate) fn put(&mut self, part: Part, until: Until, reason: &str, now: Instant) -> String {
        let sentence = format!("{}: {part}: {reason}", stream::QUARANTINED.name);
        let case = self.cases.entry(part).or_insert_with(|| Case {
            reason: String::new(),
            until,
            backoff: Backoff::new(FIRST, LONGEST),
            trial: Trial::At(now),
        });
        let pause = (self.pause)(&mut case.backoff);
        (case.reason, case.until, case.trial) = (reason.to_owned(), until, Trial::At(now + pause));
        self.quarantines.increment(1);
        self.count();
        tracing::error!(again_in = ?pause, "{sentence}");
        sentence
    }

    /// Whether nothing may be tried with a part now.
    pub(crate) fn holds(&self, part: &Part, now: Instant) -> bool {
        self.cases.get(part).is_some_and(|case| matches!(case.trial, Trial::At(at) if now < at))
    }

    /// Whether something in quarantine is to be tried.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.cases.values().any(|case| matches!(case.trial, Trial::At(at) if at <= now))
    }

    /// Reading has begun with a part.
    pub(crate) fn begun(&mut self, part: &Part) {
        self.release(part, |until| until == Until::Begun);
    }

    /// A commit with a part, which goes to an offset if it is a partition.
    pub(crate) fn committed(&mut self, part: &Part, next: i64) {
        self.release(part, |until| match until {
            Until::Begun | Until::Committed => true,
            Until::Written => false,
            Until::Past(offset) => next > offset,
        });
    }

    /// A commit of rows of a part.
    pub(crate) fn written(&mut self, part: &Part) {
        self.release(part, |_| true);
    }

    fn release(&mut self, part: &Part, well: impl Fn(Until) -> bool) {
        if self.cases.get(part).is_some_and(|case| well(case.until)) {
            self.cases.remove(part);
            tracing::info!(%part, "out of quarantine");
            self.count();
        }
    }

    /// A part takes part again; it isn't due any more, whenever it is known what comes of it.
    pub(crate) fn on_trial(&mut self, part: &Part, now: Instant) {
        if let Some(case) = self.cases.get_mut(part)
            && matches!(case.trial, Trial::At(_))
        {
            case.trial = Trial::Since(now);
        }
    }

    /// Releases what has been on trial for long enough; says whether there was any.
    pub(crate) fn look(&mut self, now: Instant) -> bool {
        let done =
            |case: &Case| matches!(case.trial, Trial::Since(since) if now.saturating_duration_since(since) >= TRIAL);
        let well: Vec<Part> = self.cases.iter().filter(|(_, case)| done(case)).map(|(part, _)| part.clone()).collect();
        for part in &well {
            self.release(part, |_| true);
        }
        !well.is_empty()
    }

    /// Keeps only parts that there still are.
    pub(crate) fn retain(&mut self, is_there: impl Fn(&Part) -> bool) {
        self.cases.retain(|part, _| is_there(part));
        self.count();
    }

    /// What stands still, as a sentence; `None` when nothing does.
    pub(crate) fn reason(&self) -> Option<String> {
        let all: Vec<String> = self.cases.iter().map(|(part, case)| format!("{part}: {}", case.reason)).collect();
        (!all.is_empty()).then(|| format!("{}: {}", stream::QUARANTINED.name, all.join("; ")))
    }

    fn count(&self) {
        let mut counts = [0; 3];
        for part in self.cases.keys() {
            counts[part.kind()] += 1;
        }
        for (shared, count) in self.counts.iter().zip(counts) {
            shared.store(count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quarantined(metrics: &Metrics) -> Option<f64> {
        metrics.value(&stream::QUARANTINED)
    }

    #[test]
    fn a_part_goes_through_quarantine_and_trial_to_health() {
        let metrics = Metrics::default();
        let mut quarantine = Quarantine::new(&metrics);
        let (sales, now) = (Part::Table("sales".into()), Instant::now());
        assert_eq!((quarantined(&metrics), quarantine.reason()), (Some(0.0), None));
        let sentence = quarantine.put(sales.clone(), Until::Committed, "it is gone", now);
        assert_eq!(sentence, format!("{}: the table sales: it is gone", stream::QUARANTINED.name));
        assert_eq!(quarantine.reason(), Some(sentence));
        assert_eq!(quarantined(&metrics), Some(1.0));
        assert!(quarantine.holds(&sales, now) && !quarantine.is_due(now));
        // On trial: it takes part again, and isn't healthy before a commit.
        let later = now + FIRST;
        assert!(!quarantine.holds(&sales, later) && quarantine.is_due(later));
        quarantine.on_trial(&sales, later);
        assert!(!quarantine.holds(&sales, now) && !quarantine.is_due(later));
        quarantine.begun(&sales);
        assert_eq!(quarantined(&metrics), Some(1.0));
        // It fails again, and the pause is longer than the first could be.
        for _ in 0..3 {
            quarantine.put(sales.clone(), Until::Committed, "still gone", later);
        }
        assert!(quarantine.holds(&sales, later + FIRST));
        quarantine.committed(&sales, 0);
        assert_eq!((quarantined(&metrics), quarantine.reason()), (Some(0.0), None));
        assert_eq!(metrics.value(&stream::QUARANTINES), Some(4.0));
    }

    #[test]
    fn a_table_that_took_no_row_is_not_trusted_with_rows() {
        let metrics = Metrics::default();
        let mut quarantine = Quarantine::new(&metrics);
        let sales = Part::Table("sales".into());
        quarantine.put(sales.clone(), Until::Written, "no row can be written", Instant::now());
        quarantine.begun(&sales);
        quarantine.committed(&sales, 0);
        assert_eq!(quarantined(&metrics), Some(1.0));
        quarantine.written(&sales);
        assert_eq!(quarantined(&metrics), Some(0.0));
    }

    #[test]
    fn what_fails_no_more_is_healthy_although_nothing_comes_for_it() {
        let metrics = Metrics::default();
        let mut quarantine = Quarantine::new(&metrics);
        let (sales, users) = (Part::Table("sales".into()), Part::Table("users".into()));
        let now = Instant::now();
        quarantine.put(sales.clone(), Until::Written, "no row can be written", now);
        quarantine.put(users.clone(), Until::Written, "nor here", now);
        quarantine.look(now + LONGEST);
        assert_eq!(quarantined(&metrics), Some(2.0), "they aren't on trial");
        quarantine.on_trial(&sales, now);
        // Reading begins again for another reason: the trial goes on.
        quarantine.on_trial(&sales, now + TRIAL / 2);
        quarantine.look(now + TRIAL / 2);
        assert_eq!(quarantined(&metrics), Some(2.0));
        quarantine.look(now + TRIAL);
        assert_eq!(quarantined(&metrics), Some(1.0));
        assert!(quarantine.reason().is_some_and(|reason| reason.contains("users")));
        // A new failure ends a trial.
        quarantine.on_trial(&users, now);
        quarantine.put(users, Until::Written, "again", now);
        quarantine.look(now + TRIAL);
        assert_eq!(quarantined(&metrics), Some(1.0));
    }

    #[test]
    fn what_failed_says_what_must_work() {
        let metrics = Metrics::default();
        let mut quarantine = Quarantine::new(&metrics);
        let now = Instant::now();
        let partition = Part::Partition("facts".into(), 3);
        quarantine.put(partition.clone(), Until::Past(70), "a record", now);
        quarantine.begun(&partition);
        quarantine.committed(&partition, 70);
        assert_eq!(quarantined(&metrics), Some(1.0));
        quarantine.committed(&partition, 71);
        assert_eq!(quarantined(&metrics), Some(0.0));
        quarantine.put(Part::Topic("facts".into()), Until::Begun, "there is none", now);
        quarantine.begun(&Part::Topic("facts".into()));
        assert_eq!(quarantined(&metrics), Some(0.0));
        // One that was given up.
        quarantine.put(partition, Until::Begun, "no leader", now);
        quarantine.retain(|part| !matches!(part, Part::Partition(..)));
        assert_eq!((quarantined(&metrics), quarantine.is_due(now + LONGEST)), (Some(0.0), false));
    }
}
