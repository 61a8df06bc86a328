//! When messages are due: by the rate and the scenario alone, whatever the broker does.
//!
//! Time is counted in nanoseconds since the schedule began. A message that can't go in time is late or dropped, and
//! those after it are due when they would have been: what a slow broker delays shows in the latency, not in the rate.

use std::time::{Duration, Instant};

use lakewright_config::{Outage, Rate, Scenario};

use crate::curve::Curve;

/// How far behind its schedule a message may be made; what is older is dropped, as after a pause of the process.
const CATCH_UP: u64 = SECOND;
const SECOND: u64 = 1_000_000_000;
/// How far simulated time goes with each message where the rate says nothing of time.
const STEP: f64 = 1e6;

/// A look at the clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Nanoseconds since the schedule began.
    pub elapsed: u64,
    /// Microseconds since 1970.
    pub time: i64,
}

impl Now {
    /// The time now of a schedule that began then.
    pub fn since(began: Instant) -> Self {
        Self { elapsed: began.elapsed().as_nanos() as u64, time: chrono::Utc::now().timestamp_micros() }
    }
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Make a message.
    Due(Due),
    /// Nothing is due for so long.
    Wait(Duration),
}

/// A message that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When it was to be sent, in nanoseconds since the schedule began.
    pub at: u64,
    /// When what it reports happens, in microseconds since 1970.
    pub time: i64,
    /// Whether it waits for room when too much waits already: there is no rate that it must keep to, or it is part of
    /// what an outage left to be made up for.
    pub patient: bool,
}

/// Nanoseconds that fractions of them are added to.
#[derive(Debug, Clone, Copy, Default)]
struct Ticks {
    whole: u64,
    fraction: f64,
}

impl Ticks {
    fn add(&mut self, nanos: f64) {
        let sum = self.fraction + nanos;
        self.whole += sum as u64;
        self.fraction = sum.fract();
    }
}

/// The times at which messages are due.
#[derive(Debug)]
pub struct Schedule {
    rate: Rate,
    day: Option<Curve>,
    outage: Option<Outage>,
    due: Ticks,
    /// Where the simulated clock starts, in microseconds since 1970, and how far it has come.
    simulated: Option<(i64, Ticks)>,
    /// The time of the last message, in microseconds since 1970.
    time: i64,
    /// Whether the messages of an outage are being made up for.
    catching_up: bool,
    /// Messages made and their bytes.
    made: (u64, u64),
    /// What is left of a message that was only partly dropped.
    dropped: f64,
}

impl Schedule {
    /// The schedule of a rate and a scenario; `start` is where the simulated clock starts, in microseconds since 1970.
    pub fn new(rate: Rate, scenario: &Scenario, start: Option<i64>) -> Self {
        Self {
            rate,
            day: scenario.sales_day.as_ref().map(Curve::new),
            outage: scenario.outage.clone(),
            due: Ticks::default(),
            simulated: start.map(|start| (start, Ticks::default())),
            time: 0,
            catching_up: false,
            made: (0, 0),
            dropped: 0.0,
        }
    }

    /// The next message, or how long there is none.
    pub fn next(&mut self, now: Now) -> Next {
        let due = if matches!(self.rate, Rate::Max) { now.elapsed } else { self.due.whole };
        let released = self.released(due);
        if released > now.elapsed {
            self.catching_up &= released > due;
            return Next::Wait(Duration::from_nanos(released - now.elapsed));
        }
        self.catching_up |= released > due;
        self.time = self.time_of(due, now);
        let patient = self.catching_up || matches!(self.rate, Rate::Max);
        Next::Due(Due { at: released, time: self.time, patient })
    }

    /// Goes on to the message after the one that was made, of so many bytes.
    pub fn made(&mut self, bytes: usize) {
        self.made.0 += 1;
        self.made.1 += bytes as u64;
        let factor = self.factor(self.time);
        let nanos = match self.rate {
            Rate::Max => 0.0,
            Rate::Events(per_second) => 1e9 / (per_second * factor),
            Rate::Bytes(per_second) => bytes as f64 * 1e9 / (per_second * factor),
        };
        self.due.add(nanos);
        if let Some((_, ticks)) = &mut self.simulated {
            ticks.add(if matches!(self.rate, Rate::Events(_)) { nanos } else { STEP / factor });
        }
    }

    /// Drops what is too old to be made; gives how many messages that is, of bytes by the mean of those made.
    pub fn drop_old(&mut self, now: Now) -> u64 {
        let per_second = match self.rate {
            Rate::Max => return 0,
            Rate::Events(rate) => rate,
            Rate::Bytes(rate) => rate / (self.made.1 as f64 / self.made.0.max(1) as f64).max(1.0),
        };
        if self.catching_up {
            return 0;
        }
        loop {
            let due = self.due.whole;
            let behind = now.elapsed.saturating_sub(self.released(due));
            if behind <= CATCH_UP {
                break;
            }
            // The rate of a day changes: by the second.
            let slice = (behind - CATCH_UP).min(SECOND);
            self.dropped += slice as f64 / 1e9 * per_second * self.factor(self.time_of(due, now));
            self.due.whole += slice;
        }
        let whole = self.dropped as u64;
        self.dropped = self.dropped.fract();
        whole
    }

    /// When what is due then may be sent: at once, or at the end of the outage that it falls into.
    fn released(&self, due: u64) -> u64 {
        let Some(Outage { every_seconds, lasts_seconds }) = self.outage else { return due };
        let (every, lasts) = (every_seconds * SECOND, lasts_seconds * SECOND);
        let within = due % every;
        if within >= every - lasts { due - within + every } else { due }
    }

    fn time_of(&self, due: u64, now: Now) -> i64 {
        match self.simulated {
            Some((start, ticks)) => start + (ticks.whole / 1000) as i64,
            None => now.time - (now.elapsed.saturating_sub(due) / 1000) as i64,
        }
    }

    /// How many times the rate is sent at a time, in microseconds since 1970.
    fn factor(&self, time: i64) -> f64 {
        self.day.as_ref().map_or(1.0, |day| day.at(time))
    }
}

#[cfg(test)]
mod tests {
    use lakewright_config::SalesDay;

    use super::*;

    const START: i64 = 1_700_000_000_000_000;

    fn at(millis: u64) -> Now {
        Now { elapsed: millis * 1_000_000, time: START + millis as i64 * 1000 }
    }

    /// Makes all that is due by then; what was due.
    fn make(schedule: &mut Schedule, now: Now, bytes: usize) -> Vec<Due> {
        let mut made = Vec::new();
        while let Next::Due(due) = schedule.next(now) {
            made.push(due);
            schedule.made(bytes);
        }
        made
    }

    fn none() -> Scenario {
        Scenario::default()
    }

    #[test]
    fn rates_hold_over_time() {
        for (rate, expected) in [(Rate::Events(500.0), 30_000), (Rate::Bytes(90_000.0), 6_000), (Rate::Events(0.3), 18)]
        {
            let mut schedule = Schedule::new(rate, &none(), None);
            let made: usize = (0..60_000).step_by(20).map(|ms| make(&mut schedule, at(ms), 900).len()).sum();
            assert!(made.abs_diff(expected) <= 11, "{rate}: {made}");
        }
    }

    #[test]
    fn what_is_made_late_was_due_when_it_was_due() {
        let mut schedule = Schedule::new(Rate::Events(10.0), &none(), None);
        let made = make(&mut schedule, at(950), 1);
        let due: Vec<u64> = made.iter().map(|due| due.at / 1_000_000).collect();
        assert_eq!(due, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
        assert!(made.iter().all(|due| !due.patient && due.time == START + (due.at / 1000) as i64));
        assert_eq!(schedule.next(at(950)), Next::Wait(Duration::from_millis(50)));
    }

    #[test]
    fn after_a_pause_all_but_the_last_second_is_dropped_and_counted() {
        for rate in [Rate::Events(10.0), Rate::Bytes(1000.0)] {
            let mut schedule = Schedule::new(rate, &none(), None);
            assert_eq!(make(&mut schedule, at(0), 100).len(), 1);
            let pause = at(3_600_000);
            assert_eq!(schedule.drop_old(pause), 35_989);
            assert_eq!(make(&mut schedule, pause, 100).len(), 11);
            assert_eq!(schedule.drop_old(pause), 0);
        }
    }

    #[test]
    fn an_outage_holds_its_messages_back_and_then_lets_all_of_them_go() {
        let outage = Some(Outage { every_seconds: 60, lasts_seconds: 20 });
        let mut schedule = Schedule::new(Rate::Events(10.0), &Scenario { outage, ..none() }, None);
        let mut by_second = Vec::new();
        for second in 0..120 {
            let mut made = Vec::new();
            for tenth in 0..10 {
                let now = at(second * 1000 + tenth * 100);
                assert_eq!(schedule.drop_old(now), 0);
                made.extend(make(&mut schedule, now, 1));
            }
            by_second.push(made);
        }
        let counts: Vec<usize> = by_second.iter().map(Vec::len).collect();
        assert_eq!(counts[..40], [10; 40]);
        assert_eq!(counts[40..60], [0; 20]);
        // The 200 of the outage with the 10 of that second, once each.
        assert_eq!(counts[60], 210);
        assert_eq!(counts[61..100], [10; 39]);
        let backlog = &by_second[60][..200];
        assert!(backlog.iter().all(|due| due.patient && due.at == 60 * SECOND), "due when the outage ends");
        assert_eq!(backlog[0].time, START + 40_000_000, "reported as it happened");
        assert!(!by_second[61][0].patient);
    }

    #[test]
    fn without_a_rate_something_is_always_due_but_in_an_outage() {
        let outage = Some(Outage { every_seconds: 10, lasts_seconds: 4 });
        let mut schedule = Schedule::new(Rate::Max, &Scenario { outage, ..none() }, None);
        let due = Due { at: 5 * SECOND, time: START + 5_000_000, patient: true };
        assert_eq!(schedule.next(at(5_000)), Next::Due(due));
        schedule.made(1);
        assert_eq!(schedule.next(at(5_000)), Next::Due(due));
        assert_eq!(schedule.next(at(7_000)), Next::Wait(Duration::from_secs(3)));
        assert_eq!(schedule.drop_old(at(7_000)), 0);
    }

    #[test]
    fn a_day_has_its_rate_on_average_and_its_peak() {
        let sales_day = Some(SalesDay { length_seconds: 240, peak: 4 });
        let mut schedule = Schedule::new(Rate::Events(100.0), &Scenario { sales_day, ..none() }, Some(0));
        let counts: Vec<usize> = (1..=240).map(|second| make(&mut schedule, at(second * 1000), 1).len()).collect();
        let (most, all) = (counts.iter().max().expect("seconds"), counts.iter().sum::<usize>());
        assert!((380..=405).contains(most), "{most}");
        assert!((23_800..=24_200).contains(&all), "{all}");
        assert!(*counts.iter().min().expect("seconds") < 20);
    }

    #[test]
    fn the_simulated_clock_goes_by_the_messages_alone() {
        let times = |steps: &[u64]| {
            let mut schedule = Schedule::new(Rate::Events(500.0), &none(), Some(START));
            let mut times = Vec::new();
            for ms in steps {
                schedule.drop_old(at(*ms));
                times.extend(make(&mut schedule, at(*ms), 1).into_iter().map(|due| due.time));
            }
            times
        };
        let (one, other) = (times(&[0, 700, 1000]), times(&[50_000]));
        assert_eq!(one.len(), 501);
        assert_eq!(one, other);
        assert_eq!(one[..3], [START, START + 2000, START + 4000]);
    }
}
