//! What the simulated application logs: a line for each request, as text or JSON, and now and then a failure with its
//! stack trace.

use std::io::Write;
use std::time::Instant;

use lakewright_config::LogFormat;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::json::{TimeWriter, string, uuid};
use crate::shop::{Action, Shop};

/// The most lines that the application logs a second.
const LINES: f64 = 1_000.0;
/// Milliseconds from which on a request is slow.
const SLOW: f32 = 250.0;

/// A failure of a request.
struct Failure {
    exception: &'static str,
    message: &'static str,
    frames: &'static [&'static str],
}

/// What stands below each failure's own frames.
static SERVED: [&str; 3] = [
    "shop.web.Handler.handle(Handler.java:91)",
    "shop.http.Worker.serve(Worker.java:204)",
    "java.base/java.lang.Thread.run(Thread.java:1583)",
];

static OF_SEARCH: [Failure; 2] = [
    Failure {
        exception: "java.util.concurrent.TimeoutException",
        message: "the search index didn't answer within 2000 ms",
        frames: &["shop.search.IndexClient.query(IndexClient.java:118)", "shop.search.Search.find(Search.java:57)"],
    },
    Failure {
        exception: "shop.search.BadQueryException",
        message: "can't parse the query: unbalanced quotes at \"",
        frames: &["shop.search.Parser.quoted(Parser.java:233)", "shop.search.Search.find(Search.java:49)"],
    },
];

static OF_PAYMENT: [Failure; 2] = [
    Failure {
        exception: "java.net.SocketTimeoutException",
        message: "Read timed out",
        frames: &[
            "java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)",
            "shop.payment.Gateway.charge(Gateway.java:142)",
            "shop.checkout.Till.pay(Till.java:77)",
        ],
    },
    Failure {
        exception: "shop.payment.DeclinedException",
        message: "the issuer declined the payment: code 51",
        frames: &["shop.payment.Gateway.charge(Gateway.java:161)", "shop.checkout.Till.pay(Till.java:77)"],
    },
];

static OF_ANY: [Failure; 2] = [
    Failure {
        exception: "java.sql.SQLTransientConnectionException",
        message: "no connection of the pool was free for 30000 ms",
        frames: &["shop.store.Pool.take(Pool.java:88)", "shop.store.Catalogue.product(Catalogue.java:35)"],
    },
    Failure {
        exception: "java.lang.NullPointerException",
        message: "Cannot invoke \"shop.Product.price()\" because \"product\" is null",
        frames: &["shop.cart.Cart.total(Cart.java:112)", "shop.web.Page.render(Page.java:64)"],
    },
];

fn failures(action: Action) -> &'static [Failure; 2] {
    match action {
        Action::Search => &OF_SEARCH,
        Action::Checkout | Action::Purchase => &OF_PAYMENT,
        _ => &OF_ANY,
    }
}

/// Makes the application's log lines. What the shop does is the same with and without them: they have a chance of their
/// own.
#[derive(Debug)]
pub struct ApplicationLog {
    format: LogFormat,
    errors: f64,
    chance: SmallRng,
}

impl ApplicationLog {
    /// Lines in a format, of requests of which a share fails.
    pub fn new(format: LogFormat, errors: f64, seed: u64) -> Self {
        Self { format, errors, chance: SmallRng::seed_from_u64(seed) }
    }

    /// Appends what is logged of a customer's action at a time, in microseconds since 1970: an entry of one line, and in
    /// text those of a stack trace.
    pub fn write(
        &mut self,
        shop: &Shop,
        (session, action): (usize, Action),
        time: (&mut TimeWriter, i64),
        entry: &mut Vec<u8>,
    ) {
        let chance = &mut self.chance;
        // Latency is log-normal, about: a product of uniform numbers has its long tail.
        let (a, b, c): (f32, f32, f32) = (chance.random(), chance.random(), chance.random());
        let latency = 4.0 + 18.0 / (a * b * c).max(0.001).sqrt();
        let request: u64 = chance.random();
        let failure = (self.errors > 0.0 && chance.random_bool(self.errors))
            .then(|| &failures(action)[chance.random_range(0..2_usize)]);
        let level = match failure {
            Some(_) => "ERROR",
            None if latency > SLOW => "WARN",
            None => "INFO",
        };
        let line = Line { shop, session, action, level, request, latency, failure };
        match self.format {
            LogFormat::Text => line.text(time, entry),
            LogFormat::Json => line.json(time, entry),
        }
    }
}

struct Line<'a> {
    shop: &'a Shop,
    session: usize,
    action: Action,
    level: &'static str,
    request: u64,
    /// Milliseconds.
    latency: f32,
    failure: Option<&'static Failure>,
}

// Writing to a vector can't fail.
impl Line<'_> {
    fn text(&self, (times, now): (&mut TimeWriter, i64), entry: &mut Vec<u8>) {
        let session = &self.shop.sessions[self.session];
        times.write_bare(entry, now);
        let _ = writeln!(
            entry,
            " {} shop.web request={:016x} action={} session={} user={} product={} client={} latency_ms={:.1}",
            self.level,
            self.request,
            self.action.name(),
            session.id,
            self.shop.users[session.user].id,
            self.shop.products[session.product].id,
            session.ip_address,
            self.latency,
        );
        if let Some(failure) = self.failure {
            failure.trace(entry);
            entry.push(b'\n');
        }
    }

    fn json(&self, (times, now): (&mut TimeWriter, i64), entry: &mut Vec<u8>) {
        let session = &self.shop.sessions[self.session];
        entry.extend_from_slice(b"{\"timestamp\":");
        times.write(entry, now);
        let _ = write!(
            entry,
            ",\"level\":\"{}\",\"logger\":\"shop.web\",\"message\":\"{}\",\"request_id\":\"{:016x}\",\"session_id\":\"",
            self.level,
            self.action.name(),
            self.request
        );
        uuid(entry, &session.id);
        entry.extend_from_slice(b"\",\"user_id\":\"");
        uuid(entry, &self.shop.users[session.user].id);
        entry.extend_from_slice(b"\",\"product_id\":");
        string(entry, &self.shop.products[session.product].id);
        entry.extend_from_slice(b",\"client_ip\":");
        string(entry, &session.ip_address);
        let _ = write!(entry, ",\"latency_ms\":{:.1}", self.latency);
        if let Some(failure) = self.failure {
            let mut trace = Vec::new();
            failure.trace(&mut trace);
            entry.extend_from_slice(b",\"error\":{\"type\":");
            string(entry, failure.exception);
            entry.extend_from_slice(b",\"message\":");
            string(entry, failure.message);
            entry.extend_from_slice(b",\"stack_trace\":");
            string(entry, &String::from_utf8_lossy(&trace));
            entry.push(b'}');
        }
        entry.extend_from_slice(b"}\n");
    }
}

impl Failure {
    /// Appends the trace as Java prints it, without a line break at its end.
    fn trace(&self, entry: &mut Vec<u8>) {
        let _ = write!(entry, "{}: {}", self.exception, self.message);
        for frame in self.frames.iter().chain(&SERVED) {
            let _ = write!(entry, "\n\tat {frame}");
        }
    }
}

/// How many lines may be logged by now: a second's at once.
#[derive(Debug)]
pub struct Allowance {
    lines: f64,
    at: Instant,
}

impl Allowance {
    /// A second's lines.
    pub fn new(now: Instant) -> Self {
        Self { lines: LINES, at: now }
    }

    /// Lets it grow to the given time.
    pub fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.lines = (self.lines + elapsed * LINES).min(LINES);
        self.at = now;
    }

    /// Whether another line may be logged.
    pub fn allows(&self) -> bool {
        self.lines >= 1.0
    }

    /// Takes a line off.
    pub fn spend(&mut self) {
        self.lines -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;

    fn entries(format: LogFormat, errors: f64) -> Vec<String> {
        let shop = Shop::open(1, 0, None);
        let mut log = ApplicationLog::new(format, errors, 1);
        let mut times = TimeWriter::default();
        let actions = [Action::Login, Action::Search, Action::ViewProduct, Action::Purchase];
        (0..4_000)
            .map(|at| {
                let mut entry = Vec::new();
                log.write(&shop, (at % 100, actions[at % 4]), (&mut times, at as i64 * 1000), &mut entry);
                String::from_utf8(entry).expect("UTF-8")
            })
            .collect()
    }

    #[test]
    fn json_lines_hold_their_stack_traces() {
        let mut levels = std::collections::BTreeMap::<String, usize>::new();
        for entry in entries(LogFormat::Json, 0.05) {
            assert_eq!(entry.matches('\n').count(), 1, "{entry}");
            let line: Value = serde_json::from_str(&entry).expect("JSON");
            let level = line["level"].as_str().expect("a level").to_owned();
            assert_eq!(line["request_id"].as_str().expect("an id").len(), 16);
            assert!(line["latency_ms"].as_f64().expect("a latency") > 4.0);
            let trace = line["error"]["stack_trace"].as_str();
            assert_eq!(trace.is_some_and(|trace| trace.contains("\n\tat shop.")), level == "ERROR", "{entry}");
            *levels.entry(level).or_default() += 1;
        }
        assert!((150..250).contains(&levels["ERROR"]), "{levels:?}");
        assert!(levels["INFO"] > levels["WARN"], "{levels:?}");
    }

    #[test]
    fn text_has_a_line_for_each_request_and_traces_below_it() {
        let plain = entries(LogFormat::Text, 0.0);
        assert!(plain.iter().all(|entry| entry.matches('\n').count() == 1 && !entry.contains(" ERROR ")));
        let failing = entries(LogFormat::Text, 0.05);
        for entry in &failing {
            let (first, rest) = entry.split_once('\n').expect("a line");
            assert!(first.starts_with("1970-01-01T00:00:0") && first.contains(" shop.web request="), "{first}");
            assert_eq!(first.contains(" ERROR "), rest.contains("\tat "), "{entry}");
        }
    }

    #[test]
    fn a_second_has_so_many_lines() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        let mut spend = |now| {
            allowance.advance(now);
            let mut lines = 0;
            while allowance.allows() {
                allowance.spend();
                lines += 1;
            }
            lines
        };
        assert_eq!(spend(start), 1_000);
        assert_eq!(spend(start + Duration::from_millis(500)), 500);
        assert_eq!(spend(start + Duration::from_hours(1)), 1_000);
    }
}
