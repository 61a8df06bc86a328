//! Sampling: weighted choices, skewed popularity and identifiers, from one seedable generator.

use rand::Rng;
use rand::rngs::SmallRng;
use uuid::Uuid;

/// A discrete distribution, sampled by binary search over its cumulative weights.
#[derive(Debug)]
pub struct Cumulative {
    sums: Vec<f32>,
}

impl Cumulative {
    /// The distribution with these weights; there must be at least one, all positive.
    pub fn new(weights: impl IntoIterator<Item = f32>) -> Self {
        let mut sum = 0.0;
        let sums = weights
            .into_iter()
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Self { sums }
    }

    /// Zipf's law over so many ranks: the weight of rank r is r to the power of minus the exponent.
    pub fn zipf(count: usize, exponent: f32) -> Self {
        Self::new((1..=count).map(|rank| (rank as f32).powf(-exponent)))
    }

    /// An index, each as often as its weight says.
    pub fn sample(&self, rng: &mut SmallRng) -> usize {
        let total = self.sums.last().copied().unwrap_or(0.0);
        let at = rng.random::<f32>() * total;
        self.sums.partition_point(|sum| *sum <= at).min(self.sums.len().saturating_sub(1))
    }
}

/// One of the values, each as likely.
pub fn pick<T: Copy>(rng: &mut SmallRng, values: &[T]) -> T {
    values[rng.random_range(0..values.len())]
}

/// A version 4 UUID from the generator.
pub fn uuid(rng: &mut SmallRng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn zipf_is_skewed_as_its_exponent_says() {
        let mut rng = SmallRng::seed_from_u64(1);
        let popularity = Cumulative::zipf(1000, 1.0);
        let mut counts = vec![0_u32; 1000];
        for _ in 0..100_000 {
            counts[popularity.sample(&mut rng)] += 1;
        }
        // The harmonic number of 1000 is 7.485: the first rank has 13.4 % and the second half of that.
        assert!((12_800..14_000).contains(&counts[0]), "{}", counts[0]);
        assert!((6_300..7_100).contains(&counts[1]), "{}", counts[1]);
    }
}
