//! Histograms of durations: counts by fixed buckets, so that one costs the same memory however much it observes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::LabelSet;
use metrics_exporter_prometheus::formatting::write_metric_line;

/// The upper bounds of the buckets, in seconds; what is longer than the last is counted in one more.
pub const BOUNDS: [f64; 21] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1000.0,
    3600.0, 14_400.0, 86_400.0,
];

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// Microseconds observed, all together.
    micros: AtomicU64,
}

/// Counts durations by their length. Clones are the same histogram.
#[derive(Debug, Clone, Default)]
pub struct Histogram(Arc<Buckets>);

impl Histogram {
    /// Counts a duration.
    #[inline]
    pub fn observe(&self, duration: Duration) {
        self.observe_all(duration, 1);
    }

    /// Counts so many equal durations.
    pub fn observe_all(&self, duration: Duration, times: u64) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        self.0.counts[bucket].fetch_add(times, Ordering::Relaxed);
        let micros = (duration.as_micros() as u64).saturating_mul(times);
        self.0.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The bound in seconds that the given share of all durations doesn't exceed, 0.99 for the 99th percentile: infinite
    /// beyond the last bound, `None` before the first duration.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let counts = self.0.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let total: u64 = counts.iter().sum();
        let wanted = ((total as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        let bucket = counts.iter().position(|count| {
            below += count;
            below >= wanted
        })?;
        Some(BOUNDS.get(bucket).copied().unwrap_or(f64::INFINITY))
    }

    /// Appends its lines in Prometheus' text format: buckets, sum in seconds and count.
    pub(crate) fn write(&self, text: &mut String, name: &str, labels: &LabelSet) {
        let mut below = 0;
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&self.0.counts) {
            below += count.load(Ordering::Relaxed);
            write_metric_line(text, name, Some("bucket"), labels, Some(("le", bound)), below, None);
        }
        let sum = self.0.micros.load(Ordering::Relaxed) as f64 / 1e6;
        write_metric_line::<&str, f64>(text, name, Some("sum"), labels, None, sum, None);
        write_metric_line::<&str, u64>(text, name, Some("count"), labels, None, below, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_by_their_length() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for millis in [1, 2, 30, 40, 600_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        assert_eq!(histogram.count(), 5);
        assert_eq!(histogram.quantile(0.0), Some(0.001));
        assert_eq!(histogram.quantile(0.5), Some(0.05));
        assert_eq!(histogram.quantile(0.8), Some(0.05));
        assert_eq!(histogram.quantile(0.99), Some(1000.0));
        histogram.observe_all(Duration::from_hours(48), 3);
        assert_eq!((histogram.count(), histogram.quantile(0.9)), (8, Some(f64::INFINITY)));
    }
}
