//! How long things take, counted by durations: what quantiles are computed of, across any number of agents.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::metrics::Key;
use indexmap::IndexMap;
use lakewright_config::agents::Metric;
use metrics_exporter_prometheus::LabelSet;
use metrics_exporter_prometheus::formatting::{write_help_line, write_metric_line, write_type_line};

/// The upper bounds of the durations that are counted together, in seconds: from what a commit takes at best to an outage.
const SECONDS: [f64; 18] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0,
];

#[derive(Debug, Default)]
struct Counted {
    /// By bound, the last for what is above all; each counts what isn't counted by the ones before.
    counts: [AtomicU64; SECONDS.len() + 1],
    /// In seconds, the bits of a floating number.
    sum: AtomicU64,
}

/// A histogram of durations. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Histogram(Arc<Counted>);

impl Histogram {
    /// Counts something that happened so many times and took so many seconds each time; less than none is none.
    pub fn record(&self, seconds: f64, times: u64) {
        let seconds = seconds.max(0.0);
        let place = SECONDS.iter().position(|bound| seconds <= *bound).unwrap_or(SECONDS.len());
        self.0.counts[place].fetch_add(times, Ordering::Relaxed);
        let add = |sum| Some((f64::from_bits(sum) + seconds * times as f64).to_bits());
        _ = self.0.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Writes it as Prometheus' text.
    pub(super) fn write(&self, text: &mut String, metric: &Metric) {
        let labels = LabelSet::from_key_and_global(&Key::from_name(metric.name), &IndexMap::new());
        write_help_line(text, metric.name, None, None, metric.help);
        write_type_line(text, metric.name, None, None, "histogram");
        let mut count = 0;
        for (place, of) in self.0.counts.iter().enumerate() {
            count += of.load(Ordering::Relaxed);
            let bound = SECONDS.get(place).map_or_else(|| "+Inf".to_owned(), ToString::to_string);
            write_metric_line(text, metric.name, Some("bucket"), &labels, Some(("le", bound)), count, None);
        }
        let sum = f64::from_bits(self.0.sum.load(Ordering::Relaxed));
        write_metric_line::<&str, f64>(text, metric.name, Some("sum"), &labels, None, sum, None);
        write_metric_line::<&str, u64>(text, metric.name, Some("count"), &labels, None, count, None);
    }
}

#[cfg(test)]
mod tests {
    use lakewright_config::agents::stream;

    use super::*;

    #[test]
    fn durations_are_counted_by_their_bounds_and_summed_up() {
        let histogram = Histogram::default();
        for (seconds, times) in [(0.007_812_5, 1), (0.015_625, 2), (7.0, 1), (100_000.0, 1), (-5.0, 1)] {
            histogram.record(seconds, times);
        }
        let mut text = String::new();
        histogram.write(&mut text, &stream::COMMIT_SECONDS);
        let name = stream::COMMIT_SECONDS.name;
        for line in [
            format!("# TYPE {name} histogram"),
            format!("{name}_bucket{{le=\"0.01\"}} 2"),
            format!("{name}_bucket{{le=\"0.025\"}} 4"),
            format!("{name}_bucket{{le=\"5\"}} 4"),
            format!("{name}_bucket{{le=\"10\"}} 5"),
            format!("{name}_bucket{{le=\"86400\"}} 5"),
            format!("{name}_bucket{{le=\"+Inf\"}} 6"),
            format!("{name}_sum 100007.0390625"),
            format!("{name}_count 6"),
        ] {
            assert!(text.lines().any(|written| written == line), "{line}: {text}");
        }
    }
}
