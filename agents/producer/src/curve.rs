//! The curve of a day's sales.

use lakewright_config::SalesDay;

/// How busy the hours of a day are, the busiest being 1: a quiet night, a rise until noon, and the evening.
static HOURS: [f64; 24] = [
    0.30, 0.20, 0.14, 0.11, 0.10, 0.12, 0.18, 0.30, 0.45, 0.58, 0.68, 0.76, 0.85, 0.80, 0.72, 0.70, 0.72, 0.78, 0.86,
    0.95, 1.00, 0.92, 0.70, 0.45,
];

/// How many times the average is sold, by the time of day.
#[derive(Debug)]
pub struct Curve {
    /// Microseconds.
    length: i64,
    factors: [f64; HOURS.len()],
}

impl Curve {
    /// The curve whose mean is 1 and whose greatest value is the day's peak.
    pub fn new(day: &SalesDay) -> Self {
        let peak = f64::from(day.peak);
        let mean = |power: f64| HOURS.iter().map(|hour| hour.powf(power)).sum::<f64>() / HOURS.len() as f64;
        // The mean falls from 1 as the power grows, and the greatest value stays 1.
        let (mut low, mut high) = (0.0, 200.0);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if mean(middle) > 1.0 / peak { low = middle } else { high = middle }
        }
        let mean = mean(low);
        Self { length: day.length_seconds as i64 * 1_000_000, factors: HOURS.map(|hour| hour.powf(low) / mean) }
    }

    /// The value at a time in microseconds since 1970; days begin at 0, and the hours are joined by lines.
    pub fn at(&self, time: i64) -> f64 {
        let hours = time.rem_euclid(self.length) as f64 / self.length as f64 * HOURS.len() as f64;
        let hour = (hours as usize).min(HOURS.len() - 1);
        let (from, to) = (self.factors[hour], self.factors[(hour + 1) % HOURS.len()]);
        from + (to - from) * (hours - hour as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_one_and_the_peak_is_as_asked() {
        for peak in 2..=12 {
            let curve = Curve::new(&SalesDay { length_seconds: 86_400, peak });
            let values: Vec<f64> = (0..86_400).step_by(60).map(|second| curve.at(second * 1_000_000)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let most = values.iter().copied().fold(0.0, f64::max);
            assert!((mean - 1.0).abs() < 1e-6, "{mean}");
            assert!((most - f64::from(peak)).abs() < 1e-3, "{most}");
            assert!(values.iter().all(|value| *value > 0.0));
        }
        let curve = Curve::new(&SalesDay { length_seconds: 86_400, peak: 3 });
        assert!(curve.at(20 * 3_600_000_000) > 2.9 && curve.at(4 * 3_600_000_000) < 0.2);
    }
}
