//! Counters and gauges by what is declared of them and by labels.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use lakewright_config::agents::{Kind, Metric};
use parking_lot::Mutex;

/// A number that only grows. Clones are the same counter.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds to it.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that is set. Clones are the same gauge.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A value computed when it is asked for; `None` leaves it out.
type Computed = Box<dyn Fn() -> Option<f64> + Send + Sync>;

enum Value {
    Counter(Counter),
    Gauge(Gauge),
    Computed(Computed),
}

impl Value {
    fn read(&self) -> Option<f64> {
        match self {
            Self::Counter(counter) => Some(counter.get() as f64),
            Self::Gauge(gauge) => Some(gauge.get() as f64),
            Self::Computed(compute) => compute(),
        }
    }

    /// How it gets its value, for a message.
    fn what(&self) -> &'static str {
        match self {
            Self::Counter(_) => "is counted",
            Self::Gauge(_) => "is set",
            Self::Computed(_) => "is computed",
        }
    }
}

/// A metric's name, then its labels as Prometheus writes them (`table="sales"`), or nothing.
type Key = (&'static str, String);

/// What a registry holds under a key: the declaration and the value.
struct Held {
    metric: &'static Metric,
    value: Value,
}

/// A metric with the value that it has now.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Its declaration.
    pub metric: &'static Metric,
    /// Its labels as Prometheus writes them, or nothing.
    pub labels: String,
    /// Its value.
    pub value: f64,
}

impl Reading {
    /// `name`, or `name{label="v"}`.
    pub fn name(&self) -> String {
        full_name(self.metric.name, &self.labels)
    }
}

/// The metrics of an agent, made from what the table of agents declares. Clones are the same registry.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<Key, Held>>>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.read()).finish()
    }
}

impl Metrics {
    /// The counter with these labels, made at 0 when it is new. Keep it: this takes a lock.
    ///
    /// # Panics
    /// The metric isn't declared as a counter.
    pub fn counter(&self, metric: &'static Metric, labels: &[(&str, &str)]) -> Counter {
        must_be(metric, Kind::Counter);
        let mut metrics = self.0.lock();
        let new = || Held { metric, value: Value::Counter(Counter::default()) };
        match &metrics.entry(key(metric, labels)).or_insert_with(new).value {
            Value::Counter(counter) => counter.clone(),
            other => panic!("this is a bug in lakewright: the metric {} {} already", metric.name, other.what()),
        }
    }

    /// The gauge with these labels, made at 0 when it is new. Keep it: this takes a lock.
    ///
    /// # Panics
    /// The metric isn't declared as a gauge, or it is computed.
    pub fn gauge(&self, metric: &'static Metric, labels: &[(&str, &str)]) -> Gauge {
        must_be(metric, Kind::Gauge);
        let mut metrics = self.0.lock();
        let new = || Held { metric, value: Value::Gauge(Gauge::default()) };
        match &metrics.entry(key(metric, labels)).or_insert_with(new).value {
            Value::Gauge(gauge) => gauge.clone(),
            other => panic!("this is a bug in lakewright: the metric {} {} already", metric.name, other.what()),
        }
    }

    /// Adds a gauge whose value is computed when it is asked for. It replaces one that was computed before.
    ///
    /// # Panics
    /// The metric isn't declared as a gauge, or is set: whoever sets it would go on with a gauge that nobody reads.
    pub fn computed(
        &self,
        metric: &'static Metric,
        labels: &[(&str, &str)],
        compute: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        must_be(metric, Kind::Gauge);
        let held = Held { metric, value: Value::Computed(Box::new(compute)) };
        match self.0.lock().insert(key(metric, labels), held).map(|before| before.value) {
            None | Some(Value::Computed(_)) => {}
            Some(other) => panic!("this is a bug in lakewright: the metric {} {} already", metric.name, other.what()),
        }
    }

    /// All that have a value, sorted by name and labels.
    pub fn readings(&self) -> Vec<Reading> {
        let metrics = self.0.lock();
        let reading = |((_, labels), held): (&Key, &Held)| {
            Some(Reading { metric: held.metric, labels: labels.clone(), value: held.value.read()? })
        };
        metrics.iter().filter_map(reading).collect()
    }

    /// All of them as `name` or `name{label="v"}` with their values, sorted.
    pub fn read(&self) -> Vec<(String, f64)> {
        self.readings().iter().map(|reading| (reading.name(), reading.value)).collect()
    }

    /// All of them in Prometheus' text format.
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        let mut last = None;
        for reading in self.readings() {
            let metric = reading.metric;
            if last != Some(metric.name) {
                let kind = if metric.kind == Kind::Counter { "counter" } else { "gauge" };
                _ = writeln!(text, "# TYPE {} {kind}", metric.name);
                last = Some(metric.name);
            }
            _ = writeln!(text, "{} {}", reading.name(), reading.value);
        }
        text
    }
}

fn must_be(metric: &Metric, kind: Kind) {
    let declared = metric.kind;
    assert_eq!(declared, kind, "this is a bug in lakewright: the metric {} is declared as another kind", metric.name);
}

fn key(metric: &'static Metric, labels: &[(&str, &str)]) -> Key {
    let mut text = String::new();
    for (label, value) in labels {
        let comma = if text.is_empty() { "" } else { "," };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        _ = write!(text, "{comma}{label}=\"{value}\"");
    }
    (metric.name, text)
}

fn full_name(name: &str, labels: &str) -> String {
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{labels}}}") }
}

#[cfg(test)]
mod tests {
    use lakewright_config::agents::stream;

    use super::*;

    #[test]
    fn metrics_are_shared_and_written_sorted() {
        let metrics = Metrics::default();
        let sales = [(stream::TABLE, "sales")];
        metrics.counter(&stream::ROWS, &sales).add(2);
        metrics.counter(&stream::ROWS, &sales).add(3);
        metrics.counter(&stream::ROWS, &[]).add(5);
        metrics.gauge(&stream::LAST_COMMIT, &[]).set(-1);
        metrics.computed(&stream::FRESHNESS, &[], || Some(1.5));
        metrics.computed(&stream::LAG, &[], || None);
        let [age, last, rows] = [&stream::FRESHNESS, &stream::LAST_COMMIT, &stream::ROWS].map(|metric| metric.name);
        assert_eq!(
            metrics.prometheus(),
            format!(
                "# TYPE {age} gauge\n{age} 1.5\n# TYPE {last} gauge\n{last} -1\n# TYPE {rows} counter\n{rows} \
                 5\n{rows}{{table=\"sales\"}} 5\n"
            )
        );
        assert_eq!(metrics.read()[2], (rows.to_owned(), 5.0));
    }

    #[test]
    #[should_panic(expected = "is declared as another kind")]
    fn a_gauge_is_no_counter() {
        Metrics::default().counter(&stream::LAG, &[]).add(1);
    }

    #[test]
    #[should_panic(expected = "is declared as another kind")]
    fn a_counter_is_no_gauge() {
        Metrics::default().gauge(&stream::ROWS, &[]).set(1);
    }

    #[test]
    #[should_panic(expected = "is computed already")]
    fn what_is_computed_cannot_be_set() {
        let metrics = Metrics::default();
        metrics.computed(&stream::LAG, &[], || Some(1.0));
        metrics.gauge(&stream::LAG, &[]).set(1);
    }

    #[test]
    #[should_panic(expected = "is set already")]
    fn what_is_set_cannot_be_computed() {
        let metrics = Metrics::default();
        metrics.gauge(&stream::LAG, &[]).set(1);
        metrics.computed(&stream::LAG, &[], || Some(1.0));
    }
}
