//! Leader-epoch history of a partition: which epoch began at which offset (KIP-101, KIP-320).
//!
//! One node has no elections; the epoch rises when a Cached partition lost its tail, so that consumers and tools can
//! see where. Also rebuilt from batch headers.

use bytes::BufMut;

use crate::codec::{Cursor, Malformed};

/// Epochs remembered; the oldest go first.
const EPOCHS_MAX: usize = 1024;

/// Pairs of (epoch, first offset), both rising.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    starts: Vec<(i32, i64)>,
}

impl Epochs {
    /// The current epoch; a new partition is in epoch 0.
    pub(crate) fn current(&self) -> i32 {
        self.starts.last().map_or(0, |(epoch, _)| *epoch)
    }

    /// Takes note of a batch of `epoch` at `offset`.
    pub(crate) fn note(&mut self, epoch: i32, offset: i64) {
        if self.starts.last().is_some_and(|(last, _)| *last >= epoch) {
            return;
        }
        if self.starts.len() == EPOCHS_MAX {
            self.starts.remove(0);
        }
        self.starts.push((epoch, offset));
    }

    /// The epoch of the batch at `offset`, if it is still known.
    pub(crate) fn of(&self, offset: i64) -> Option<i32> {
        let after = self.starts.partition_point(|(_, start)| *start <= offset);
        after.checked_sub(1).map(|at| self.starts[at].0)
    }

    /// As Kafka's OffsetForLeaderEpoch: the largest known epoch that is at most `epoch`, and where it ended; the end
    /// of the current one is `log_end`. `None` for an epoch below all that are known or above the current one.
    pub(crate) fn end_of(&self, epoch: i32, log_end: i64) -> Option<(i32, i64)> {
        if epoch > self.current() || epoch < 0 {
            return None;
        }
        let after = self.starts.partition_point(|(known, _)| *known <= epoch);
        let found = match after.checked_sub(1) {
            Some(at) => self.starts[at].0,
            None if self.starts.is_empty() => 0,
            None => return None,
        };
        Some((found, self.starts.get(after).map_or(log_end, |(_, start)| *start)))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.starts.len() as u32);
        for (epoch, start) in &self.starts {
            out.put_i32(*epoch);
            out.put_i64(*start);
        }
    }

    pub(crate) fn decode(from: &mut Cursor<'_>) -> Result<Epochs, Malformed> {
        let starts =
            (0..from.count(12)?).map(|_| Ok((from.i32()?, from.i64()?))).collect::<Result<_, _>>()?;
        Ok(Epochs { starts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_ends_where_the_next_one_begins() {
        let mut epochs = Epochs::default();
        for (epoch, start) in [(0, 0), (0, 5), (2, 10), (1, 12)] {
            epochs.note(epoch, start);
        }
        assert_eq!(epochs.current(), 2);
        assert_eq!(epochs.end_of(0, 20), Some((0, 10)));
        assert_eq!(epochs.end_of(1, 20), Some((0, 10)));
        assert_eq!(epochs.end_of(2, 20), Some((2, 20)));
        assert_eq!(epochs.end_of(3, 20), None);
    }
}
