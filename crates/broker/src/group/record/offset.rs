//! Record kind 1: one committed offset of one partition (key: group, topic id, partition).

use poruka_wire::Str;

use super::RecordError;
use super::bytes::{Reader, Writer};

const VERSION: u8 = 0;

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OffsetRecord {
    /// The next offset to read.
    pub(crate) offset: i64,
    /// Leader epoch of the record before it, -1 when unknown.
    pub(crate) leader_epoch: i32,
    /// What the client wants to remember with it.
    pub(crate) metadata: Str,
    /// When it was committed, in milliseconds of the wall clock.
    pub(crate) committed_wall_ms: i64,
    /// When it expires if the commit asked for a retention time of its own (OffsetCommit 2-4).
    pub(crate) expires_wall_ms: Option<i64>,
}

impl OffsetRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        out.i64(self.offset);
        out.i32(self.leader_epoch);
        out.str(&self.metadata);
        out.i64(self.committed_wall_ms);
        out.opt_i64(self.expires_wall_ms);
        out.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Reader::new(bytes);
        input.version("offset version", VERSION)?;
        let record = Self {
            offset: input.i64()?,
            leader_epoch: input.i32()?,
            metadata: input.string()?,
            committed_wall_ms: input.i64()?,
            expires_wall_ms: input.opt_i64()?,
        };
        input.end()?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::group::record::any_str;

    proptest! {
        #[test]
        fn offsets_come_back_as_they_were_written(
            offset: i64, leader_epoch: i32, metadata in any_str(), committed_wall_ms: i64, expires_wall_ms: Option<i64>,
        ) {
            let record = OffsetRecord { offset, leader_epoch, metadata, committed_wall_ms, expires_wall_ms };
            prop_assert_eq!(OffsetRecord::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = OffsetRecord::decode(&bytes);
        }
    }

    #[test]
    fn the_layout_of_version_0_is_on_disk() {
        let record = OffsetRecord {
            offset: 258,
            leader_epoch: -1,
            metadata: Str::from("m"),
            committed_wall_ms: 3,
            expires_wall_ms: None,
        };
        let bytes =
            [0, 0, 0, 0, 0, 0, 0, 1, 2, 255, 255, 255, 255, 0, 0, 0, 1, b'm', 0, 0, 0, 0, 0, 0, 0, 3, 0];
        assert_eq!(record.encode(), bytes);
    }

    #[test]
    fn every_cut_of_a_record_is_refused() {
        let record = OffsetRecord {
            offset: 1,
            leader_epoch: 2,
            metadata: Str::from("note"),
            committed_wall_ms: 3,
            expires_wall_ms: Some(4),
        };
        let bytes = record.encode();
        for cut in 0..bytes.len() {
            assert!(OffsetRecord::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
