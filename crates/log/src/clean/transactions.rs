//! Which transactions of a stretch of log were aborted, and when the marker that ended one may go.
//!
//! As in Kafka: records of aborted transactions go at once; a marker stays while a batch of its transaction is still in the
//! log, and then for as long as a deletion does. A transaction that is not over inside of the stretch bounds it: nothing
//! from its first record on may be compacted.

use std::collections::{HashMap, HashSet};

/// Ends of transactions remembered per pass; the stretch ends where there are more.
pub(crate) const TRANSACTIONS_MAX: usize = 1 << 17;

/// The transactions of a stretch of log. Tell it of all its batches in order.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    /// By producer: the offsets of its markers, rising, and whether each aborted.
    ends: HashMap<i64, Vec<(i64, bool)>>,
    count: usize,
    /// By producer: first offset of the transaction that is not over.
    open: HashMap<i64, i64>,
    bound: Option<i64>,
}

impl Transactions {
    /// A batch of records of a transaction.
    pub(crate) fn data(&mut self, producer: i64, base_offset: i64) {
        self.open.entry(producer).or_insert(base_offset);
    }

    /// The end of a producer's transaction. False: there are too many, and the stretch ends before this one.
    pub(crate) fn end(&mut self, producer: i64, offset: i64, aborted: bool) -> bool {
        if self.count == TRANSACTIONS_MAX {
            self.bound.get_or_insert(offset);
            return false;
        }
        self.count += 1;
        self.open.remove(&producer);
        self.ends.entry(producer).or_default().push((offset, aborted));
        true
    }

    /// Nothing at or above this offset may be compacted.
    pub(crate) fn bound(&self) -> Option<i64> {
        self.open.values().copied().chain(self.bound).min()
    }

    /// True for a batch of a transaction that was aborted.
    pub(crate) fn is_aborted(&self, producer: i64, offset: i64) -> bool {
        let Some(ends) = self.ends.get(&producer) else { return false };
        let next = ends.partition_point(|(end, _)| *end < offset);
        ends.get(next).is_some_and(|(_, aborted)| *aborted)
    }
}

/// Producers of whose current transaction a batch was met, on the way through the log.
#[derive(Debug, Default)]
pub(crate) struct Met(HashSet<i64>);

impl Met {
    /// A batch of records of a transaction is in the log still.
    pub(crate) fn data(&mut self, producer: i64) {
        self.0.insert(producer);
    }

    /// A marker. True: no batch of its transaction was in the log any more.
    pub(crate) fn marker_is_spent(&mut self, producer: i64) -> bool {
        !self.0.remove(&producer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_marker_of_the_producer_decides() {
        let mut all = Transactions::default();
        all.data(1, 10);
        all.data(2, 11);
        assert_eq!(all.bound(), Some(10));
        assert!(all.end(1, 15, true));
        assert_eq!(all.bound(), Some(11));
        assert!(all.end(2, 16, false));
        all.data(1, 20);
        assert!(all.end(1, 25, false));
        assert_eq!(all.bound(), None);
        assert!(all.is_aborted(1, 10) && !all.is_aborted(2, 11) && !all.is_aborted(1, 20));
        assert!(!all.is_aborted(3, 10));
    }

    #[test]
    fn a_marker_is_spent_once_no_batch_of_its_transaction_is_met() {
        let mut met = Met::default();
        met.data(1);
        assert!(!met.marker_is_spent(1));
        assert!(met.marker_is_spent(1) && met.marker_is_spent(2));
    }
}
