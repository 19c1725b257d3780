//! Why a batch is refused, where, and which code says so to the producer.

use std::fmt;

use super::Compression;
use crate::ErrorCode;

/// What is wrong with a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchErrorKind {
    /// The bytes end before the batch does.
    #[error("{need} bytes needed, {left} left")]
    Truncated {
        /// Bytes that are needed.
        need: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// Bytes are left over after the one batch that is expected.
    #[error("{0} bytes follow the batch; one batch per partition is taken")]
    TrailingBytes(usize),
    /// A length field too small for a header, or below zero.
    #[error("batch length {0} is less than a header")]
    Length(i32),
    /// A message format other than 2.
    #[error("message format {0} is not taken, only 2")]
    Magic(i8),
    /// The checksum does not match.
    #[error("checksum is {computed:08x}, the header says {stored:08x}")]
    Crc {
        /// What the header says.
        stored: u32,
        /// What the bytes say.
        computed: u32,
    },
    /// A batch larger than the limit.
    #[error("batch of {size} bytes is larger than {max}")]
    TooLarge {
        /// Bytes of the batch.
        size: usize,
        /// The most that is taken.
        max: usize,
    },
    /// Records that decompress to more than the limit.
    #[error("records decompress to more than {max} bytes")]
    TooLargeDecompressed {
        /// The most that is taken.
        max: usize,
    },
    /// A codec number that the protocol does not define.
    #[error("codec {0} is unknown")]
    Codec(u8),
    /// Bytes that the codec cannot read.
    #[error("{codec} data is malformed: {reason}")]
    Malformed {
        /// The codec.
        codec: Compression,
        /// What it says.
        reason: String,
    },
    /// A count that is not the number of offsets, or below one.
    #[error("record count {count} does not fit last offset delta {last_offset_delta}")]
    Count {
        /// Records, as the header counts them.
        count: i32,
        /// The last record's offset after the base offset, as the header says.
        last_offset_delta: i32,
    },
    /// Producer fields that contradict each other.
    #[error(
        "producer id {producer_id}, epoch {producer_epoch} and sequence {base_sequence} do not fit together"
    )]
    Producer {
        /// The producer id.
        producer_id: i64,
        /// The producer epoch.
        producer_epoch: i16,
        /// The first sequence.
        base_sequence: i32,
    },
    /// A control batch from a client.
    #[error("control batches are written by the broker only")]
    Control,
    /// A delete horizon from a client.
    #[error("delete horizons are set by the broker only")]
    DeleteHorizon,
    /// A timestamp type that only the broker may set.
    #[error("log-append time is set by the broker only")]
    TimestampType,
    /// A length within a record that does not fit the record.
    #[error("{field} length {length} does not fit the record")]
    FieldLength {
        /// Which length.
        field: &'static str,
        /// Its value.
        length: i64,
    },
    /// Bytes of a record that none of its fields uses.
    #[error("{0} bytes of the record are left over")]
    RecordBytes(usize),
    /// A variable-length integer that does not end in time.
    #[error("variable-length integer is too long")]
    VarintTooLong,
    /// An offset that does not follow the one before.
    #[error("offset delta {found} where {expected} is due")]
    OffsetDelta {
        /// What the record says.
        found: i32,
        /// What it should say.
        expected: i32,
    },
    /// A timestamp beyond 64 bits.
    #[error("timestamp delta {0} leaves the range of timestamps")]
    TimestampDelta(i64),
}

/// A batch that is refused: why, in which record, at which byte.
///
/// What to do: a broker refuses the whole batch with [`BatchError::code`]; a reader of stored batches treats it as
/// damage at that place; sending the same bytes again will not help.
#[derive(Clone, PartialEq, Eq)]
pub struct BatchError(Box<Fault>);

#[derive(Clone, PartialEq, Eq)]
struct Fault {
    kind: BatchErrorKind,
    at: usize,
    record: Option<i32>,
}

impl BatchError {
    #[cold]
    pub(crate) fn new(kind: BatchErrorKind, at: usize) -> Self {
        Self(Box::new(Fault { kind, at, record: None }))
    }

    pub(crate) fn in_record(mut self, index: i32) -> Self {
        self.0.record = Some(index);
        self
    }

    /// What is wrong.
    pub fn kind(&self) -> &BatchErrorKind {
        &self.0.kind
    }

    /// The byte at which it was noticed: in the batch, or in its decompressed records if a record is named in a
    /// compressed batch.
    pub fn position(&self) -> usize {
        self.0.at
    }

    /// The record at fault, counted from 0, if it is one record's fault.
    pub fn record(&self) -> Option<i32> {
        self.0.record
    }

    /// Whether the batch is only cut short: at the end of a fetch that is how a size limit looks, at the end of a log a
    /// torn write.
    pub fn is_truncated(&self) -> bool {
        self.0.record.is_none() && matches!(self.0.kind, BatchErrorKind::Truncated { .. })
    }

    /// What to answer the producer.
    pub fn code(&self) -> ErrorCode {
        use BatchErrorKind as K;
        match &self.0.kind {
            K::Truncated { .. } | K::Length(_) | K::Crc { .. } | K::Malformed { .. }
                if self.0.record.is_none() =>
            {
                ErrorCode::CorruptMessage
            }
            K::TooLarge { .. } | K::TooLargeDecompressed { .. } => ErrorCode::MessageTooLarge,
            K::Codec(_) => ErrorCode::UnsupportedCompressionType,
            K::TimestampType => ErrorCode::InvalidTimestamp,
            _ => ErrorCode::InvalidRecord,
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.record {
            Some(record) => write!(f, "record batch: record {record} at byte {}: {}", self.0.at, self.0.kind),
            None => write!(f, "record batch: at byte {}: {}", self.0.at, self.0.kind),
        }
    }
}

impl fmt::Debug for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BatchError {}
