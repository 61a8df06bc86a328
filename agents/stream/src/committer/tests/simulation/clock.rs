//! Time that passes only when nothing else is left to do, dice with a seed, and tasks that run one at a time: the same seed gives
//! the same run.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Numbers from a seed.
pub(super) struct Dice(Mutex<u64>);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// A number below a bound.
    pub(super) fn below(&self, bound: u64) -> u64 {
        let mut state = self.0.lock();
        // The constants of Knuth's MMIX.
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % bound
    }

    /// Whether one of so many thousand cases came.
    pub(super) fn per_mille(&self, cases: u64) -> bool {
        self.below(1000) < cases
    }

    /// A time between two.
    pub(super) fn between(&self, shortest: Duration, longest: Duration) -> Duration {
        let span = longest.saturating_sub(shortest).as_micros() as u64;
        shortest + Duration::from_micros(self.below(span + 1))
    }
}

/// The time since the run began.
pub(super) struct Clock {
    began: Instant,
    timers: Mutex<Timers>,
}

#[derive(Default)]
struct Timers {
    now: Duration,
    count: u64,
    waiting: BTreeMap<(Duration, u64), Waker>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), timers: Mutex::default() }
    }

    pub(super) fn now(&self) -> Duration {
        self.timers.lock().now
    }

    /// The same for code that is given instants.
    pub(super) fn instant(&self) -> Instant {
        self.began + self.now()
    }

    pub(super) async fn sleep(&self, time: Duration) {
        let until = self.now() + time;
        let mut place = None;
        poll_fn(move |context| self.poll_until(until, &mut place, context)).await;
    }

    /// Whether a time has come; `place` is where whoever asks waits for it.
    pub(super) fn poll_until(
        &self,
        until: Duration,
        place: &mut Option<(Duration, u64)>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut timers = self.timers.lock();
        if timers.now >= until {
            return Poll::Ready(());
        }
        if place.is_none_or(|(time, _)| time != until) {
            timers.count += 1;
            *place = Some((until, timers.count));
        }
        let place = place.expect("it was given above");
        timers.waiting.insert(place, context.waker().clone());
        Poll::Pending
    }

    /// Lets time pass until somebody waits no longer; false if nobody waits.
    fn advance(&self) -> bool {
        let mut timers = self.timers.lock();
        let Some(((until, _), waker)) = timers.waiting.pop_first() else { return false };
        timers.now = timers.now.max(until);
        drop(timers);
        waker.wake();
        true
    }
}

/// A task's place in the queue of those that can go on.
struct Place {
    task: usize,
    queue: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Place {
    fn wake(self: Arc<Self>) {
        let mut queue = self.queue.lock();
        if !queue.contains(&self.task) {
            queue.push_back(self.task);
        }
    }
}

/// Runs tasks until the first of them has ended.
pub(super) fn run(clock: &Clock, mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    let queue = Arc::new(Mutex::new((0..tasks.len()).collect::<VecDeque<usize>>()));
    let waker = |task| Waker::from(Arc::new(Place { task, queue: Arc::clone(&queue) }));
    let wakers: Vec<Waker> = (0..tasks.len()).map(waker).collect();
    let mut ended = vec![false; tasks.len()];
    loop {
        let next = queue.lock().pop_front();
        let Some(task) = next else {
            assert!(clock.advance(), "every task waits for another one");
            continue;
        };
        if ended[task] {
            continue;
        }
        let ready = tasks[task].as_mut().poll(&mut Context::from_waker(&wakers[task])).is_ready();
        ended[task] = ready;
        if ready && task == 0 {
            return;
        }
    }
}
