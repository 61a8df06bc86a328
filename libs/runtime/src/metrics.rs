//! What an agent measures: counters, gauges and histograms made from their declarations, read by name or as Prometheus' text.
//!
//! The registry and the handles are those of the `metrics` crates, the text is written by their exporter for Prometheus.
//! `docs/decisions/metrics.md` says why the exporter's recorder isn't used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::metrics::{Key, Label};
use indexmap::IndexMap;
use lakewright_config::agents::{Kind, Metric};
use metrics_exporter_prometheus::LabelSet;
use metrics_exporter_prometheus::formatting::{write_help_line, write_metric_line, write_type_line};
use metrics_util::registry::{AtomicStorage, Registry};
use parking_lot::Mutex;

pub use ::metrics::{Counter, Gauge};

use crate::histogram::Histogram;

/// A gauge whose value is computed when it is asked for; `None` leaves it out.
struct Computed {
    key: Key,
    compute: Box<dyn Fn() -> Option<f64> + Send + Sync>,
}

/// Values with the labels that they have at the time.
pub type Labelled = Vec<(Vec<(&'static str, String)>, f64)>;

/// Gauges whose labels and values are computed when they are asked for.
struct ComputedEach {
    metric: &'static Metric,
    compute: Box<dyn Fn() -> Labelled + Send + Sync>,
}

/// What the registry doesn't keep.
#[derive(Default)]
struct Made {
    /// The declarations of all that was made, by name.
    declared: BTreeMap<&'static str, &'static Metric>,
    computed: Vec<Computed>,
    each: Vec<ComputedEach>,
    histograms: Vec<(Key, Histogram)>,
}

struct Inner {
    registry: Registry<Key, AtomicStorage>,
    /// Held while something is made or read, so that a gauge is never both set and computed.
    made: Mutex<Made>,
}

/// A metric with the value that it has now.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Its declaration.
    pub metric: &'static Metric,
    /// Its labels.
    pub labels: LabelSet,
    /// Its value.
    pub value: f64,
}

impl Reading {
    fn new(metric: &'static Metric, key: &Key, value: f64) -> Self {
        Self { metric, labels: LabelSet::from_key_and_global(key, &IndexMap::new()), value }
    }

    /// `name`, or `name{label="v"}` as Prometheus writes it.
    pub fn name(&self) -> String {
        let labels: Vec<String> = self.labels.to_strings().collect();
        match labels.as_slice() {
            [] => self.metric.name.to_owned(),
            labels => format!("{}{{{}}}", self.metric.name, labels.join(",")),
        }
    }
}

/// The metrics of an agent, made from what the table of agents declares. Clones are the same registry.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Inner { registry: Registry::atomic(), made: Mutex::default() }))
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.read()).finish()
    }
}

impl Metrics {
    /// The counter with these labels, made at 0 when it is new. Keep it: this takes a lock.
    ///
    /// # Panics
    /// The metric isn't declared as a counter, or another one of that name was made before.
    pub fn counter(&self, metric: &'static Metric, labels: &[(&str, &str)]) -> Counter {
        self.0.made.lock().declare(metric, Kind::Counter);
        self.0.registry.get_or_create_counter(&key(metric, labels), |counter| Counter::from_arc(Arc::clone(counter)))
    }

    /// The gauge with these labels, made at 0 when it is new. Keep it: this takes a lock.
    ///
    /// # Panics
    /// The metric isn't declared as a gauge, another one of that name was made before, or it is computed.
    pub fn gauge(&self, metric: &'static Metric, labels: &[(&str, &str)]) -> Gauge {
        let mut made = self.0.made.lock();
        made.declare(metric, Kind::Gauge);
        let key = key(metric, labels);
        let computed = made.computed.iter().any(|computed| computed.key == key);
        assert!(!computed, "this is a bug in lakewright: the metric {} is computed already", metric.name);
        self.0.registry.get_or_create_gauge(&key, |gauge| Gauge::from_arc(Arc::clone(gauge)))
    }

    /// Adds a gauge whose value is computed when it is asked for. It replaces one that was computed before.
    ///
    /// # Panics
    /// The metric isn't declared as a gauge, another one of that name was made before, or it is set: whoever sets it
    /// would go on with a gauge that nobody reads.
    pub fn computed(
        &self,
        metric: &'static Metric,
        labels: &[(&str, &str)],
        compute: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        let mut made = self.0.made.lock();
        made.declare(metric, Kind::Gauge);
        let key = key(metric, labels);
        let set = self.0.registry.get_gauge(&key).is_some();
        assert!(!set, "this is a bug in lakewright: the metric {} is set already", metric.name);
        made.computed.retain(|computed| computed.key != key);
        made.computed.push(Computed { key, compute: Box::new(compute) });
    }

    /// Adds gauges whose labels and values are computed when they are asked for; whoever computes them bounds their number.
    ///
    /// # Panics
    /// The metric isn't declared as a gauge, or another one of that name was made before.
    pub fn computed_each(&self, metric: &'static Metric, compute: impl Fn() -> Labelled + Send + Sync + 'static) {
        let mut made = self.0.made.lock();
        made.declare(metric, Kind::Gauge);
        made.each.push(ComputedEach { metric, compute: Box::new(compute) });
    }

    /// The histogram with these labels, made empty when it is new. Keep it: this takes a lock. It stands in
    /// [`Metrics::prometheus`] and among no readings.
    ///
    /// # Panics
    /// The metric isn't declared as a histogram, or another one of that name was made before.
    pub fn histogram(&self, metric: &'static Metric, labels: &[(&str, &str)]) -> Histogram {
        let mut made = self.0.made.lock();
        made.declare(metric, Kind::Histogram);
        let key = key(metric, labels);
        if let Some((_, histogram)) = made.histograms.iter().find(|(known, _)| *known == key) {
            return histogram.clone();
        }
        let histogram = Histogram::default();
        made.histograms.push((key, histogram.clone()));
        made.histograms.sort_by(|(one, _), (other, _)| one.cmp(other));
        histogram
    }

    /// All that have a value, sorted by name and labels.
    pub fn readings(&self) -> Vec<Reading> {
        let made = self.0.made.lock();
        let mut readings = Vec::new();
        let mut read = |key: &Key, value: f64| readings.push(Reading::new(made.declared[key.name()], key, value));
        self.0.registry.visit_counters(|key, counter| read(key, counter.load(Ordering::Relaxed) as f64));
        self.0.registry.visit_gauges(|key, gauge| read(key, f64::from_bits(gauge.load(Ordering::Relaxed))));
        for Computed { key, compute } in &made.computed {
            if let Some(value) = compute() {
                read(key, value);
            }
        }
        for ComputedEach { metric, compute } in &made.each {
            for (labels, value) in compute() {
                let labels: Vec<(&str, &str)> = labels.iter().map(|(label, text)| (*label, text.as_str())).collect();
                read(&key(metric, &labels), value);
            }
        }
        // All of a metric stand together, whatever follows its name in another one's.
        readings.sort_by_cached_key(|reading| (reading.metric.name, reading.name()));
        readings
    }

    /// The value of a metric without labels; `None` while it has none.
    pub fn value(&self, metric: &Metric) -> Option<f64> {
        let readings = self.readings();
        let found = readings.iter().find(|reading| reading.metric == metric && reading.labels.is_empty());
        found.map(|reading| reading.value)
    }

    /// All of them as `name` or `name{label="v"}` with their values, sorted.
    pub fn read(&self) -> Vec<(String, f64)> {
        self.readings().iter().map(|reading| (reading.name(), reading.value)).collect()
    }

    /// All of them in Prometheus' text format, version 0.0.4, the histograms last.
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        let mut last = None;
        for Reading { metric, labels, value } in self.readings() {
            if last != Some(metric.name) {
                let kind = if metric.kind == Kind::Counter { "counter" } else { "gauge" };
                write_help_line(&mut text, metric.name, None, None, metric.help);
                write_type_line(&mut text, metric.name, None, None, kind);
                last = Some(metric.name);
            }
            write_metric_line::<&str, f64>(&mut text, metric.name, None, &labels, None, value, None);
        }
        let made = self.0.made.lock();
        for (key, histogram) in &made.histograms {
            let metric = made.declared[key.name()];
            if last != Some(metric.name) {
                write_help_line(&mut text, metric.name, None, None, metric.help);
                write_type_line(&mut text, metric.name, None, None, "histogram");
                last = Some(metric.name);
            }
            histogram.write(&mut text, metric.name, &LabelSet::from_key_and_global(key, &IndexMap::new()));
        }
        text
    }
}

impl Made {
    /// Notes what is made, once it is known to be what its declaration says and no other one's namesake.
    fn declare(&mut self, metric: &'static Metric, kind: Kind) {
        let (name, declared) = (metric.name, metric.kind);
        assert_eq!(declared, kind, "this is a bug in lakewright: the metric {name} is declared as another kind");
        let before = *self.declared.entry(name).or_insert(metric);
        assert_eq!(before, metric, "this is a bug in lakewright: two metrics are named {name}");
    }
}

fn key(metric: &'static Metric, labels: &[(&str, &str)]) -> Key {
    // The exporter takes a doubled backslash for one that is escaped already, and drops one that stands before a quote
    // or a new line: doubled, each of them is written as the format wants it.
    let label = |(label, value): &(&str, &str)| Label::new((*label).to_owned(), value.replace('\\', "\\\\"));
    Key::from_parts(metric.name, labels.iter().map(label).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use lakewright_config::agents::{Role, stream};

    use super::*;

    #[test]
    fn metrics_are_shared_and_written_sorted_each_with_its_help() {
        let metrics = Metrics::default();
        let sales = [(stream::TABLE, "sales")];
        metrics.counter(&stream::ROWS, &sales).increment(2);
        metrics.counter(&stream::ROWS, &sales).increment(3);
        metrics.counter(&stream::ROWS, &[]).increment(5);
        metrics.gauge(&stream::LAST_COMMIT, &[]).set(-1);
        metrics.computed(&stream::FRESHNESS, &[], || Some(1.5));
        metrics.computed(&stream::LAG, &[], || None);
        let [age, last, rows] = [&stream::FRESHNESS, &stream::LAST_COMMIT, &stream::ROWS].map(|metric| metric.name);
        let [about_age, about_last, about_rows] =
            [&stream::FRESHNESS, &stream::LAST_COMMIT, &stream::ROWS].map(|metric| metric.help);
        assert_eq!(
            metrics.prometheus(),
            format!(
                "# HELP {age} {about_age}\n# TYPE {age} gauge\n{age} 1.5\n# HELP {last} {about_last}\n# TYPE {last} \
                 gauge\n{last} -1\n# HELP {rows} {about_rows}\n# TYPE {rows} counter\n{rows} \
                 5\n{rows}{{table=\"sales\"}} 5\n"
            )
        );
        assert_eq!(metrics.read()[2], (rows.to_owned(), 5.0));
        assert_eq!(metrics.value(&stream::ROWS), Some(5.0));
        assert_eq!(metrics.value(&stream::LAG), None);
        assert_eq!(metrics.value(&stream::FILES), None);
    }

    #[test]
    fn a_value_that_is_unknown_again_is_left_out_again() {
        let metrics = Metrics::default();
        let known = Arc::new(Mutex::new(Some(7.0)));
        let asked = Arc::clone(&known);
        metrics.computed(&stream::LAG, &[], move || *asked.lock());
        assert_eq!(metrics.value(&stream::LAG), Some(7.0));
        *known.lock() = None;
        assert_eq!(metrics.prometheus(), "");
    }

    #[test]
    fn agents_in_one_process_count_apart() {
        let (one, other) = (Metrics::default(), Metrics::default());
        one.counter(&stream::RECORDS, &[]).increment(1);
        other.counter(&stream::RECORDS, &[]).increment(0);
        assert_eq!((one.value(&stream::RECORDS), other.value(&stream::RECORDS)), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn the_values_of_labels_are_escaped() {
        let metrics = Metrics::default();
        for value in ["a\\b", "\\\"", "\\\n", "\\\\", "\\n", "a \"b\"\n{c}=,"] {
            metrics.gauge(&stream::LAG, &[(stream::TABLE, value)]).set(1);
            // The format's rule: a backslash, a double quote and a line feed are `\\`, `\"` and `\n`.
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let line = format!("{}{{table=\"{escaped}\"}} 1", stream::LAG.name);
            let text = metrics.prometheus();
            assert!(text.lines().any(|written| written == line), "{value:?}: {text}");
        }
        assert_eq!(metrics.readings().len(), 6);
    }

    #[test]
    fn a_histogram_is_written_by_buckets_with_its_sum_and_count() {
        static WAITED: Metric = Metric {
            name: "waited_seconds",
            help: "How long something waited, in seconds.",
            kind: Kind::Histogram,
            role: Role::Detail,
        };
        let metrics = Metrics::default();
        for (place, millis) in [("b", 5), ("a", 3), ("a", 20_000)] {
            metrics.histogram(&WAITED, &[("place", place)]).observe(std::time::Duration::from_millis(millis));
        }
        metrics.gauge(&stream::LAG, &[]).set(1);
        let text = metrics.prometheus();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(WAITED.name)).collect();
        assert_eq!(lines.len(), 2 + 2 * (crate::histogram::BOUNDS.len() + 3), "{text}");
        assert_eq!(
            lines[..2],
            [format!("# HELP waited_seconds {}", WAITED.help), "# TYPE waited_seconds histogram".to_owned()]
        );
        for line in [
            r#"waited_seconds_bucket{place="a",le="0.0025"} 0"#,
            r#"waited_seconds_bucket{place="a",le="0.005"} 1"#,
            r#"waited_seconds_bucket{place="a",le="10"} 1"#,
            r#"waited_seconds_bucket{place="a",le="25"} 2"#,
            r#"waited_seconds_bucket{place="a",le="+Inf"} 2"#,
            r#"waited_seconds_sum{place="a"} 20.003"#,
            r#"waited_seconds_count{place="a"} 2"#,
            r#"waited_seconds_count{place="b"} 1"#,
        ] {
            assert!(lines.contains(&line), "{line}: {text}");
        }
        assert_eq!(metrics.readings().len(), 1);
    }

    #[test]
    #[should_panic(expected = "is declared as another kind")]
    fn a_gauge_is_no_counter() {
        Metrics::default().counter(&stream::LAG, &[]).increment(1);
    }

    #[test]
    #[should_panic(expected = "is declared as another kind")]
    fn a_counter_is_no_gauge() {
        Metrics::default().gauge(&stream::ROWS, &[]).set(1);
    }

    #[test]
    #[should_panic(expected = "two metrics are named")]
    fn a_name_stands_for_one_metric() {
        static NAMESAKE: Metric =
            Metric { name: stream::ROWS.name, help: "Rows.", kind: Kind::Gauge, role: Role::Detail };
        let metrics = Metrics::default();
        metrics.counter(&stream::ROWS, &[]).increment(1);
        metrics.gauge(&NAMESAKE, &[(stream::TABLE, "sales")]).set(1);
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
