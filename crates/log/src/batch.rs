//! The header of a record batch (magic 2), as far as storage needs it, in place.
//!
//! Storage reads batches back from files that a crash may have torn, so it checks lengths and the checksum by itself;
//! what is *inside* a batch was validated before the append (design: validation belongs to the wire crate).
//! Source: Kafka's record batch format. Base offset, length and leader epoch are outside of the batch's checksum.

use bytes::Bytes;
use poruka_wire::records::{ControlType, NO_TIMESTAMP, control_batch};

use crate::codec::crc32c;

/// Size of a batch header.
pub(crate) const HEADER_BYTES: usize = 61;
/// Bytes before the ones that the length counts.
pub(crate) const LENGTH_PREFIX_BYTES: usize = 12;
/// Longest batch that a segment may hold; the largest request is 100 MiB.
pub(crate) const BATCH_BYTES_MAX: usize = 128 << 20;

const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// A batch header, decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) base_offset: i64,
    /// Of the whole batch, header included.
    pub(crate) size: usize,
    pub(crate) leader_epoch: i32,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
}

impl Head {
    /// The header at the start of `bytes`; the rest of the batch need not be there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Head> {
        let header: &[u8; HEADER_BYTES] = bytes.get(..HEADER_BYTES)?.try_into().ok()?;
        let head = Head {
            base_offset: i64::from_be_bytes(part(header, 0)),
            size: LENGTH_PREFIX_BYTES + usize::try_from(i32::from_be_bytes(part(header, 8))).ok()?,
            leader_epoch: i32::from_be_bytes(part(header, 12)),
            crc: u32::from_be_bytes(part(header, 17)),
            attributes: i16::from_be_bytes(part(header, 21)),
            last_offset_delta: i32::from_be_bytes(part(header, 23)),
            max_timestamp: i64::from_be_bytes(part(header, 35)),
            producer_id: i64::from_be_bytes(part(header, 43)),
            producer_epoch: i16::from_be_bytes(part(header, 51)),
            base_sequence: i32::from_be_bytes(part(header, 53)),
            record_count: i32::from_be_bytes(part(header, 57)),
        };
        let sane = header[16] == 2
            && (HEADER_BYTES..=BATCH_BYTES_MAX).contains(&head.size)
            && head.base_offset >= 0
            && head.last_offset_delta >= 0
            && head.base_offset.checked_add(i64::from(head.last_offset_delta) + 1).is_some();
        sane.then_some(head)
    }

    /// The first batch in `bytes`, complete and with a right checksum.
    pub(crate) fn read_whole(bytes: &[u8]) -> Option<Head> {
        let head = Head::read(bytes)?;
        let body = bytes.get(21..head.size)?;
        (crc32c(body) == head.crc).then_some(head)
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// The offset after the batch.
    pub(crate) fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Compaction took all its records.
    pub(crate) fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Its largest timestamp, as an index takes it: a batch without records has no moment in time.
    pub(crate) fn newest_timestamp(&self) -> i64 {
        if self.is_empty() { NO_TIMESTAMP } else { self.max_timestamp }
    }

    /// Stamped by an idempotent producer.
    pub(crate) fn has_producer(&self) -> bool {
        self.producer_id >= 0
    }

    /// The last sequence of the batch; sequences wrap from 2^31 - 1 to 0.
    pub(crate) fn last_sequence(&self) -> i32 {
        sequence_add(self.base_sequence, self.last_offset_delta)
    }
}

fn part<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&header[at..at + N]);
    part
}

/// `sequence + by`, modulo 2^31.
pub(crate) fn sequence_add(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

/// Puts the offset and the leader epoch of the broker into a batch. Neither is under the batch's checksum.
pub(crate) fn assign(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    batch[..8].copy_from_slice(&base_offset.to_be_bytes());
    batch[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// A control batch of one record that carries nothing, at `offset`. It ends a gap: consumers take its offset as
/// passed and never show it. librdkafka ignores control types that it does not know, the Java consumer skips every
/// control record; type and value are those of a KRaft leader change, so that Kafka's dump tool can print them.
pub(crate) fn gap_end(offset: i64, leader_epoch: i32, timestamp: i64) -> Bytes {
    // Version 0, leader id 0, no voters, no granting voters, no tagged fields.
    let value = [0, 0, 0, 0, 0, 0, 1, 1, 0];
    let batch = control_batch(ControlType::LeaderChange, &value, timestamp);
    batch.base_offset(offset).leader_epoch(leader_epoch).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_gap_is_a_whole_control_batch_of_one_offset() {
        let batch = gap_end(4095, 3, 1_700_000_000_000);
        let head = Head::read_whole(&batch).expect("whole");
        assert!(head.is_control() && !head.is_transactional() && !head.has_producer());
        assert_eq!((head.base_offset, head.next_offset(), head.leader_epoch), (4095, 4096, 3));
        assert_eq!(head.size, batch.len());
    }

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(sequence_add(i32::MAX, 1), 0);
        assert_eq!(sequence_add(i32::MAX - 1, 3), 1);
    }

    #[test]
    fn a_torn_batch_is_not_whole() {
        let batch = gap_end(1, 0, 0);
        for cut in 0..batch.len() {
            assert!(Head::read_whole(&batch[..cut]).is_none());
        }
    }
}
