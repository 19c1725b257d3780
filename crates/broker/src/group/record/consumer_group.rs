//! Record kind 4: the epochs of one consumer-protocol group (key: group).

use super::RecordError;
use super::bytes::{Reader, Writer};

const VERSION: u8 = 0;

/// The part of a consumer group that is not about one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ConsumerGroupRecord {
    /// Grows with every change of members, subscriptions or subscribed topics.
    pub(crate) epoch: i32,
    /// The epoch for which the target assignment was computed.
    pub(crate) assignment_epoch: i32,
    /// Fingerprint of the subscribed topics (ids and partition counts) at `epoch`.
    pub(crate) topics_hash: u64,
}

impl ConsumerGroupRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        out.i32(self.epoch);
        out.i32(self.assignment_epoch);
        out.u64(self.topics_hash);
        out.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Reader::new(bytes);
        input.version("consumer group version", VERSION)?;
        let record = Self { epoch: input.i32()?, assignment_epoch: input.i32()?, topics_hash: input.u64()? };
        input.end()?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn epochs_come_back_as_they_were_written(epoch: i32, assignment_epoch: i32, topics_hash: u64) {
            let record = ConsumerGroupRecord { epoch, assignment_epoch, topics_hash };
            prop_assert_eq!(ConsumerGroupRecord::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..32)) {
            let _ = ConsumerGroupRecord::decode(&bytes);
        }
    }
}
