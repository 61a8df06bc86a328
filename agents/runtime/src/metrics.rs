//! Counters and gauges by name and labels.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

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

    fn prometheus_type(&self) -> &'static str {
        if matches!(self, Self::Counter(_)) { "counter" } else { "gauge" }
    }
}

/// A metric's name, then its labels as Prometheus writes them (`table="sales"`), or nothing.
type Key = (String, String);

/// The metrics of an agent. Clones are the same registry.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<Key, Value>>>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.read()).finish()
    }
}

impl Metrics {
    /// The counter of that name and these labels, made at 0 when it is new. Keep it: this takes a lock.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Counter {
        let mut metrics = self.0.lock();
        let value = metrics.entry(key(name, labels)).or_insert_with(|| Value::Counter(Counter::default()));
        match value {
            Value::Counter(counter) => counter.clone(),
            other => panic!("this is a bug in lakewright: the metric {name} is a {} already", other.prometheus_type()),
        }
    }

    /// The gauge of that name and these labels, made at 0 when it is new. Keep it: this takes a lock.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Gauge {
        let mut metrics = self.0.lock();
        let value = metrics.entry(key(name, labels)).or_insert_with(|| Value::Gauge(Gauge::default()));
        match value {
            Value::Gauge(gauge) => gauge.clone(),
            Value::Counter(_) => panic!("this is a bug in lakewright: the metric {name} is a counter already"),
            Value::Computed(_) => panic!("this is a bug in lakewright: the metric {name} is computed already"),
        }
    }

    /// Adds a gauge whose value is computed when it is asked for. It replaces what had that name and labels.
    pub fn computed(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        compute: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        self.0.lock().insert(key(name, labels), Value::Computed(Box::new(compute)));
    }

    /// All of them as `name` or `name{label="v"}` with their values, sorted.
    pub fn read(&self) -> Vec<(String, f64)> {
        self.0
            .lock()
            .iter()
            .filter_map(|((name, labels), value)| Some((full_name(name, labels), value.read()?)))
            .collect()
    }

    /// All of them in Prometheus' text format.
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        let mut last = None;
        for ((name, labels), value) in self.0.lock().iter() {
            let Some(number) = value.read() else { continue };
            if last != Some(name) {
                _ = writeln!(text, "# TYPE {name} {}", value.prometheus_type());
                last = Some(name);
            }
            _ = writeln!(text, "{} {number}", full_name(name, labels));
        }
        text
    }
}

fn key(name: &str, labels: &[(&str, &str)]) -> Key {
    let mut text = String::new();
    for (label, value) in labels {
        let comma = if text.is_empty() { "" } else { "," };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        _ = write!(text, "{comma}{label}=\"{value}\"");
    }
    (name.to_owned(), text)
}

fn full_name(name: &str, labels: &str) -> String {
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{labels}}}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_shared_and_written_sorted() {
        let metrics = Metrics::default();
        metrics.counter("rows_total", &[("table", "sales")]).add(2);
        metrics.counter("rows_total", &[("table", "sales")]).add(3);
        metrics.counter("rows_total", &[]).add(5);
        metrics.gauge("lag", &[]).set(-1);
        metrics.computed("age", &[], || Some(1.5));
        metrics.computed("unknown", &[], || None);
        assert_eq!(
            metrics.prometheus(),
            "# TYPE age gauge\nage 1.5\n# TYPE lag gauge\nlag -1\n# TYPE rows_total counter\nrows_total \
             5\nrows_total{table=\"sales\"} 5\n"
        );
        assert_eq!(metrics.read()[2], ("rows_total".into(), 5.0));
    }

    #[test]
    #[should_panic(expected = "the metric lag is a gauge already")]
    fn a_gauge_is_no_counter() {
        let metrics = Metrics::default();
        metrics.gauge("lag", &[]).set(1);
        metrics.counter("lag", &[]).add(1);
    }

    #[test]
    #[should_panic(expected = "the metric rows_total is a counter already")]
    fn a_counter_is_no_gauge() {
        let metrics = Metrics::default();
        metrics.counter("rows_total", &[]).add(1);
        metrics.gauge("rows_total", &[]).set(1);
    }
}
