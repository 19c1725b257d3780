//! Control batches: what a broker tells the readers of a partition. One record; its key holds a version and a type.
//!
//! Clients skip control batches, whatever their type, and go on after them. Only the end of a transaction means something
//! to them.

use bytes::{BufMut, Bytes, BytesMut};

use super::{BatchBuilder, Compression};

/// What a control record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    /// The producer's transaction is aborted.
    Abort,
    /// The producer's transaction is committed.
    Commit,
    /// A new leader begins.
    LeaderChange,
    /// Anything else.
    Other(i16),
}

impl ControlType {
    /// The number in a control record's key.
    pub const fn code(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
            Self::LeaderChange => 2,
            Self::Other(code) => code,
        }
    }

    /// The type with this number.
    pub const fn from_code(code: i16) -> Self {
        match code {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            other => Self::Other(other),
        }
    }

    /// The type in the key of a control record; none if it is too short to have one.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let code = key.get(2..4)?;
        Some(Self::from_code(i16::from_be_bytes([code[0], code[1]])))
    }

    /// The key of a control record.
    pub fn key(self) -> [u8; 4] {
        let [high, low] = self.code().to_be_bytes();
        [0, 0, high, low]
    }
}

/// A batch that ends a producer's transaction in a partition.
pub fn end_txn_marker(
    producer_id: i64,
    producer_epoch: i16,
    coordinator_epoch: i32,
    committed: bool,
    timestamp: i64,
) -> Bytes {
    let kind = if committed { ControlType::Commit } else { ControlType::Abort };
    let mut value = BytesMut::with_capacity(6);
    value.put_i16(0);
    value.put_i32(coordinator_epoch);
    let mut builder = BatchBuilder::new(Compression::None)
        .producer(producer_id, producer_epoch, super::NO_SEQUENCE)
        .transactional()
        .control();
    // One small record always fits.
    let _ = builder.push(timestamp, Some(&kind.key()), Some(&value), &[]);
    builder.build()
}

/// The coordinator epoch in the value of a transaction's end; none if it is too short to have one.
pub fn end_txn_marker_epoch(value: &[u8]) -> Option<i32> {
    value.get(2..6)?.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

/// A control batch of any type, for the log's own messages.
pub fn control_batch(kind: ControlType, value: &[u8], timestamp: i64) -> BatchBuilder {
    let mut builder = BatchBuilder::new(Compression::None).control();
    // One small record always fits.
    let _ = builder.push(timestamp, Some(&kind.key()), Some(value), &[]);
    builder
}
