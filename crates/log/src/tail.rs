//! The hot tail: the newest batches of a partition in memory, from which most reads are served.
//!
//! Bounded per partition and, by a shared count, over all partitions of an engine. Losing it costs a read from the
//! segment, nothing else. The Memory class keeps its whole log in one (with a bound of its own).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// A partition keeps this much even when all of them together are over the bound.
const KEPT_BYTES_MIN: usize = 64 << 10;

/// Memory for tails, shared by all partitions.
#[derive(Debug)]
pub(crate) struct TailBudget {
    bytes_max: usize,
    used: AtomicUsize,
}

impl TailBudget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, used: AtomicUsize::new(0) })
    }
}

#[derive(Debug)]
struct Held {
    base_offset: i64,
    next_offset: i64,
    batch: Bytes,
}

/// Contiguous newest batches.
#[derive(Debug)]
pub(crate) struct Tail {
    batches: VecDeque<Held>,
    bytes: usize,
    bytes_max: usize,
    budget: Arc<TailBudget>,
}

impl Tail {
    pub(crate) fn new(bytes_max: usize, budget: Arc<TailBudget>) -> Self {
        Self { batches: VecDeque::new(), bytes: 0, bytes_max, budget }
    }

    pub(crate) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Adds the newest batch; drops the oldest ones over the bounds, but never the newest.
    /// Returns the first offset held.
    pub(crate) fn push(&mut self, base_offset: i64, next_offset: i64, batch: Bytes) -> i64 {
        self.bytes += batch.len();
        self.budget.used.fetch_add(batch.len(), Ordering::Relaxed);
        self.batches.push_back(Held { base_offset, next_offset, batch });
        while self.batches.len() > 1 && self.is_over() {
            self.drop_first();
        }
        self.first_offset().unwrap_or(next_offset)
    }

    fn is_over(&self) -> bool {
        self.bytes > self.bytes_max
            || (self.bytes > KEPT_BYTES_MIN
                && self.budget.used.load(Ordering::Relaxed) > self.budget.bytes_max)
    }

    fn drop_first(&mut self) {
        if let Some(first) = self.batches.pop_front() {
            self.bytes -= first.batch.len();
            self.budget.used.fetch_sub(first.batch.len(), Ordering::Relaxed);
        }
    }

    /// Drops batches that end at or below `offset`.
    pub(crate) fn drop_below(&mut self, offset: i64) {
        while self.batches.front().is_some_and(|first| first.next_offset <= offset) {
            self.drop_first();
        }
    }

    /// Drops everything: what comes next does not follow.
    pub(crate) fn clear(&mut self) {
        while !self.batches.is_empty() {
            self.drop_first();
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// First offset held.
    pub(crate) fn first_offset(&self) -> Option<i64> {
        self.batches.front().map(|first| first.base_offset)
    }

    /// Whole batches from the one that holds `from` (or the next one), below `until`, within `bytes_max`; the first
    /// one is given even when it is larger, if `at_least_one`. `None` when `from` is below what is held.
    pub(crate) fn read(
        &self,
        from: i64,
        until: i64,
        bytes_max: usize,
        at_least_one: bool,
    ) -> Option<Vec<Bytes>> {
        self.first_offset().filter(|first| *first <= from)?;
        let start = self.batches.partition_point(|held| held.next_offset <= from);
        let (mut taken, mut bytes) = (Vec::new(), 0);
        for held in self.batches.iter().skip(start).take_while(|held| held.next_offset <= until) {
            bytes += held.batch.len();
            if bytes > bytes_max && !(taken.is_empty() && at_least_one) {
                break;
            }
            taken.push(held.batch.clone());
        }
        Some(taken)
    }

    /// The batches held, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.batches.iter().map(|held| &held.batch)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(bytes_max: usize, budget: &Arc<TailBudget>) -> Tail {
        Tail::new(bytes_max, Arc::clone(budget))
    }

    fn fill(tail: &mut Tail, count: i64, size: usize) {
        for n in 0..count {
            tail.push(n * 10, n * 10 + 10, Bytes::from(vec![n as u8; size]));
        }
    }

    #[test]
    fn reads_give_whole_batches_below_the_limit_only() {
        let budget = TailBudget::new(1 << 20);
        let mut tail = tail(1 << 20, &budget);
        fill(&mut tail, 5, 100);
        assert_eq!(tail.read(15, 40, 1000, true).map(|read| read.len()), Some(3));
        assert_eq!(tail.read(15, 39, 1000, true).map(|read| read.len()), Some(2));
        assert_eq!(tail.read(0, 50, 250, true).map(|read| read.len()), Some(2));
        assert_eq!(tail.read(0, 50, 1, true).map(|read| read.len()), Some(1));
        assert_eq!(tail.read(0, 50, 1, false).map(|read| read.len()), Some(0));
    }

    #[test]
    fn memory_is_bounded_per_partition_and_over_all() {
        let budget = TailBudget::new(300 << 10);
        let (mut one, mut two) = (tail(200 << 10, &budget), tail(1 << 20, &budget));
        fill(&mut one, 100, 10 << 10);
        assert!(one.bytes <= 200 << 10);
        assert_eq!(one.read(0, 1000, 100, true), None, "the oldest are gone");
        fill(&mut two, 100, 10 << 10);
        assert!(budget.used.load(Ordering::Relaxed) <= 300 << 10);
        drop((one, two));
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
