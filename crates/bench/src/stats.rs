//! Percentiles and medians: pure functions over what was measured. Every sample is kept, so nothing is rounded into
//! buckets; a run has a few hundred thousand of them at most.

use serde::{Deserialize, Serialize};

/// The middle of several runs and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle value; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// The spread of these values; `None` of none.
pub(crate) fn spread(values: &[f64]) -> Option<Spread> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    };
    Some(Spread { median, min, max })
}

/// Latencies of one run, in nanoseconds, and the percentiles of them by nearest rank.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    sorted: Vec<u64>,
}

impl Latencies {
    /// Takes the samples in any order.
    pub(crate) fn new(mut nanos: Vec<u64>) -> Latencies {
        nanos.sort_unstable();
        Latencies { sorted: nanos }
    }

    /// The smallest sample that `per_mille` thousandths of all samples do not exceed, in milliseconds; 0 of no samples.
    pub(crate) fn at_per_mille(&self, per_mille: usize) -> f64 {
        let rank = (self.sorted.len() * per_mille).div_ceil(1000).max(1);
        self.sorted.get(rank - 1).or(self.sorted.last()).map_or(0.0, |nanos| *nanos as f64 / 1e6)
    }

    /// The percentiles that a report shows, with the ending of their names.
    pub(crate) fn told(&self) -> [(&'static str, f64); 4] {
        [("p50_ms", 500), ("p99_ms", 990), ("p999_ms", 999), ("max_ms", 1000)]
            .map(|(name, per_mille)| (name, self.at_per_mille(per_mille)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle_whatever_the_order() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn percentiles_are_samples_that_were_seen() {
        let latencies = Latencies::new((1..=1000).rev().map(|n| n * 1_000_000).collect());
        assert_eq!(latencies.told().map(|(_, value)| value), [500.0, 990.0, 999.0, 1000.0]);
        let one = Latencies::new(vec![7_000_000]);
        assert_eq!(one.told().map(|(_, value)| value), [7.0; 4]);
        assert_eq!(Latencies::default().at_per_mille(500), 0.0);
    }

    #[test]
    fn one_slow_sample_in_a_thousand_shows_in_the_last_percentile_only() {
        let mut nanos = vec![1_000_000; 998];
        nanos.extend([9_000_000; 2]);
        let latencies = Latencies::new(nanos);
        assert_eq!((latencies.at_per_mille(990), latencies.at_per_mille(999)), (1.0, 9.0));
    }
}
