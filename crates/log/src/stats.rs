//! Counters and histograms: what the engine did since it was opened, for whoever watches it.
//!
//! Relaxed atomics, touched once per batch, group or checkpoint, never per record; no locks. What is read while others
//! write may be a moment old, and a histogram's sum may be a little ahead of its counts. Nothing is kept over a restart.
//!
//! Not here: names, labels and the page that shows them (broker).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets for durations, in microseconds: 25 µs to 10 s.
pub const MICROS: &[u64] = &[
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000,
];
/// Upper bounds of the buckets for sizes, in bytes: 4 KiB (the smallest group) to 64 MiB.
pub const BYTES: &[u64] = &[4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20];
/// Upper bounds of the buckets for numbers of things.
pub const COUNTS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many observations fell into each of a few fixed buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above the last.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// An empty histogram over [`MICROS`], [`BYTES`] or [`COUNTS`].
    pub fn new(bounds: &'static [u64]) -> Histogram {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { bounds, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts one observation.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a duration in microseconds.
    pub fn observe_micros(&self, took: Duration) {
        self.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Upper bounds with the number of observations at or below each; the last is of all of them, without a bound.
    pub fn cumulative(&self) -> Vec<(Option<u64>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        let mut total = 0;
        bounds
            .zip(&self.buckets)
            .map(|(bound, bucket)| {
                total += bucket.load(Ordering::Relaxed);
                (bound, total)
            })
            .collect()
    }

    /// How many observations there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// The sum of all observations.
    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

/// What an engine did since it was opened.
#[derive(Debug)]
pub struct LogStats {
    /// Entries of each group commit.
    pub group_entries: Histogram,
    /// Bytes of each group commit, with header and padding.
    pub group_bytes: Histogram,
    /// Writing and syncing a group, in microseconds.
    pub group_micros: Histogram,
    /// Making a checkpoint, in microseconds.
    pub checkpoint_micros: Histogram,
    /// Checkpoints that could not be made.
    pub checkpoints_failed: Counter,
    /// Oldest records that Memory partitions gave up for new ones.
    pub memory_records_dropped: Counter,
    /// Bytes of the batches that held them.
    pub memory_bytes_dropped: Counter,
}

impl Default for LogStats {
    fn default() -> LogStats {
        LogStats {
            group_entries: Histogram::new(COUNTS),
            group_bytes: Histogram::new(BYTES),
            group_micros: Histogram::new(MICROS),
            checkpoint_micros: Histogram::new(MICROS),
            checkpoints_failed: Counter::default(),
            memory_records_dropped: Counter::default(),
            memory_bytes_dropped: Counter::default(),
        }
    }
}

/// How the journal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalFigures {
    /// Bytes pushed and not durable yet.
    pub backlog_bytes: usize,
    /// How often the ring of journal files was gone through.
    pub lap: u64,
    /// Laps begun since the last checkpoint; when the ring is full of them, appends wait.
    pub laps_since_checkpoint: u64,
    /// A sync failed: nothing is acknowledged until a restart.
    pub poisoned: bool,
}

/// The size of a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartitionFigures {
    /// Bytes of its segments, or of its memory.
    pub bytes: u64,
    /// Its segments; none of a Memory partition.
    pub segments: usize,
    /// Bytes of records that it holds in memory.
    pub memory_bytes: usize,
    /// Producers that it remembers.
    pub producers: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_is_counted_in_every_bucket_that_it_fits() {
        let histogram = Histogram::new(COUNTS);
        for value in [0, 1, 2, 3, 16_384, 16_385] {
            histogram.observe(value);
        }
        let cumulative = histogram.cumulative();
        assert_eq!(cumulative[..3], [(Some(1), 2), (Some(2), 3), (Some(4), 4)]);
        assert_eq!(cumulative[COUNTS.len() - 1..], [(Some(16_384), 5), (None, 6)]);
        assert_eq!((histogram.count(), histogram.sum()), (6, 32_775));
    }

    #[test]
    fn bounds_rise() {
        for bounds in [MICROS, BYTES, COUNTS] {
            assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{bounds:?}");
        }
    }
}
