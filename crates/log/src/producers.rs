//! What a partition remembers of idempotent producers: epoch and the last batches of each, to answer a repeat.
//!
//! Rules as Apache Kafka's (KIP-98, KIP-360), with two that are stronger and that all clients cope with: the whole
//! window survives a crash, and a repeat that is older than the window is told "duplicate" (46) instead of "out of
//! order" (45). Pure; rebuilt at start from the checkpoint and the batches after it.
//!
//! Transactions are not built yet: the place for a producer's first open-transaction offset is [`Producer`].

use std::collections::{HashMap, VecDeque};

use bytes::BufMut;

use crate::batch::{Head, sequence_add};
use crate::codec::{Cursor, Malformed};

/// Batches remembered per producer. Kafka keeps 5, the number that its clients may have in flight.
pub(crate) const WINDOW_BATCHES_MAX: usize = 8;
/// Producers remembered per partition; beyond it, the one whose last batch is oldest is forgotten.
pub(crate) const PRODUCERS_MAX: usize = 65_536;
/// Share of producers forgotten at once when there are too many, so that the search for them is rare.
const EVICT_PART: usize = 16;

/// A batch that was appended before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) base_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) timestamp: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    window: VecDeque<Known>,
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It is there already.
    Duplicate(Known),
}

/// Why a batch may not be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A repeat of a batch that is no longer in the window.
    OldDuplicate,
    OutOfOrder {
        expected: i32,
    },
    OldEpoch {
        current: i16,
    },
}

/// All producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    known: HashMap<i64, Producer>,
}

impl Producers {
    /// Decides about a batch of a client. Changes nothing.
    pub(crate) fn check(&self, head: &Head) -> Result<Verdict, Refused> {
        let Some(producer) = self.known.get(&head.producer_id) else { return Ok(Verdict::Append) };
        if head.producer_epoch < producer.epoch {
            return Err(Refused::OldEpoch { current: producer.epoch });
        }
        if head.producer_epoch > producer.epoch {
            return match head.base_sequence {
                0 => Ok(Verdict::Append),
                _ => Err(Refused::OutOfOrder { expected: 0 }),
            };
        }
        let same = |known: &&Known| {
            known.base_sequence == head.base_sequence && known.last_sequence == head.last_sequence()
        };
        if let Some(known) = producer.window.iter().rev().find(same) {
            return Ok(Verdict::Duplicate(*known));
        }
        let Some(last) = producer.window.back() else { return Ok(Verdict::Append) };
        let expected = sequence_add(last.last_sequence, 1);
        if head.base_sequence == expected {
            return Ok(Verdict::Append);
        }
        if precedes(head.last_sequence(), expected) {
            return Err(Refused::OldDuplicate);
        }
        Err(Refused::OutOfOrder { expected })
    }

    /// Remembers a batch that has been appended.
    pub(crate) fn appended(&mut self, head: &Head) {
        if self.known.len() >= PRODUCERS_MAX && !self.known.contains_key(&head.producer_id) {
            self.forget_oldest();
        }
        let producer = self
            .known
            .entry(head.producer_id)
            .or_insert_with(|| Producer { epoch: head.producer_epoch, window: VecDeque::new() });
        if producer.epoch != head.producer_epoch {
            producer.epoch = head.producer_epoch;
            producer.window.clear();
        }
        if producer.window.len() == WINDOW_BATCHES_MAX {
            producer.window.pop_front();
        }
        producer.window.push_back(Known {
            base_sequence: head.base_sequence,
            last_sequence: head.last_sequence(),
            base_offset: head.base_offset,
            last_offset: head.last_offset(),
            timestamp: head.max_timestamp,
        });
    }

    fn forget_oldest(&mut self) {
        let last = |producer: &Producer| producer.window.back().map_or(-1, |known| known.last_offset);
        let mut ages: Vec<(i64, i64)> =
            self.known.iter().map(|(id, producer)| (last(producer), *id)).collect();
        ages.sort_unstable();
        for (_, id) in ages.into_iter().take(PRODUCERS_MAX / EVICT_PART) {
            self.known.remove(&id);
        }
    }

    /// The last offset of each.
    pub(crate) fn last_offsets(&self) -> HashMap<i64, i64> {
        let last = |(id, producer): (&i64, &Producer)| Some((*id, producer.window.back()?.last_offset));
        self.known.iter().filter_map(last).collect()
    }

    /// Number of producers known.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.known.len() as u32);
        let mut ids: Vec<&i64> = self.known.keys().collect();
        ids.sort_unstable();
        for id in ids {
            let producer = &self.known[id];
            out.put_i64(*id);
            out.put_i16(producer.epoch);
            out.put_u32(producer.window.len() as u32);
            for known in &producer.window {
                out.put_i32(known.base_sequence);
                out.put_i32(known.last_sequence);
                out.put_i64(known.base_offset);
                out.put_i64(known.last_offset);
                out.put_i64(known.timestamp);
            }
        }
    }

    pub(crate) fn decode(from: &mut Cursor<'_>) -> Result<Producers, Malformed> {
        let mut known = HashMap::new();
        for _ in 0..from.count(14)? {
            let (id, epoch) = (from.i64()?, from.i16()?);
            let mut window = VecDeque::new();
            for _ in 0..from.count(32)? {
                window.push_back(Known {
                    base_sequence: from.i32()?,
                    last_sequence: from.i32()?,
                    base_offset: from.i64()?,
                    last_offset: from.i64()?,
                    timestamp: from.i64()?,
                });
            }
            known.insert(id, Producer { epoch, window });
        }
        Ok(Producers { known })
    }
}

/// True when `sequence` comes before `other` on the circle of 2^31 sequences.
fn precedes(sequence: i32, other: i32) -> bool {
    let ahead = other.wrapping_sub(sequence) & i32::MAX;
    ahead != 0 && ahead < 1 << 30
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: i16, base_sequence: i32, count: i32, base_offset: i64) -> Head {
        let raw = crate::batch::gap_end(base_offset, 0, 5);
        let head = Head::read(&raw).expect("a batch");
        Head { producer_id: 7, producer_epoch: epoch, base_sequence, last_offset_delta: count - 1, ..head }
    }

    fn after(batches: &[Head]) -> Producers {
        let mut producers = Producers::default();
        for batch in batches {
            assert_eq!(producers.check(batch), Ok(Verdict::Append));
            producers.appended(batch);
        }
        producers
    }

    #[test]
    fn an_unknown_producer_may_start_anywhere() {
        after(&[batch(3, 77, 1, 0)]);
    }

    #[test]
    fn a_repeat_inside_the_window_returns_its_first_offset() {
        let sent: Vec<Head> = (0..5).map(|n| batch(0, n * 2, 2, i64::from(n) * 2)).collect();
        let producers = after(&sent);
        for head in &sent {
            let Ok(Verdict::Duplicate(known)) = producers.check(head) else { panic!("not a duplicate") };
            assert_eq!(known.base_offset, head.base_offset);
        }
    }

    #[test]
    fn a_repeat_older_than_the_window_is_a_duplicate_and_a_gap_is_out_of_order() {
        let sent: Vec<Head> = (0..20).map(|n| batch(0, n, 1, i64::from(n))).collect();
        let producers = after(&sent);
        assert_eq!(producers.check(&sent[0]), Err(Refused::OldDuplicate));
        assert_eq!(producers.check(&batch(0, 21, 1, 0)), Err(Refused::OutOfOrder { expected: 20 }));
    }

    #[test]
    fn a_higher_epoch_starts_at_zero_and_clears_the_window() {
        let mut producers = after(&[batch(0, 0, 1, 0)]);
        assert_eq!(producers.check(&batch(1, 1, 1, 1)), Err(Refused::OutOfOrder { expected: 0 }));
        let first = batch(1, 0, 1, 1);
        assert_eq!(producers.check(&first), Ok(Verdict::Append));
        producers.appended(&first);
        assert_eq!(producers.check(&batch(0, 1, 1, 2)), Err(Refused::OldEpoch { current: 1 }));
        assert_eq!(producers.check(&batch(1, 1, 1, 2)), Ok(Verdict::Append));
    }

    #[test]
    fn sequences_go_on_past_the_wrap() {
        let producers = after(&[batch(0, i32::MAX - 1, 2, 0), batch(0, 0, 1, 2)]);
        assert_eq!(producers.check(&batch(0, 1, 1, 3)), Ok(Verdict::Append));
        assert!(matches!(producers.check(&batch(0, i32::MAX - 1, 2, 0)), Ok(Verdict::Duplicate(_))));
    }

    #[test]
    fn the_window_survives_encoding() {
        let producers = after(&[batch(0, 0, 3, 0), batch(0, 3, 3, 3)]);
        let mut bytes = Vec::new();
        producers.encode(&mut bytes);
        assert_eq!(Producers::decode(&mut Cursor::new(&bytes)), Ok(producers));
    }

    #[test]
    fn the_number_of_producers_is_bounded_and_the_newest_stay() {
        let mut producers = Producers::default();
        for id in 0..=PRODUCERS_MAX as i64 {
            producers.appended(&Head { producer_id: id, ..batch(0, 0, 1, id) });
        }
        assert!(producers.len() <= PRODUCERS_MAX);
        let newest = Head { producer_id: PRODUCERS_MAX as i64, ..batch(0, 0, 1, 0) };
        assert!(matches!(producers.check(&newest), Ok(Verdict::Duplicate(_))));
    }
}
