//! Record batches of magic 2 (KIP-98): headers, full validation, iteration, building, compression, control batches.
//!
//! ```text
//!  0 base offset        8   21 attributes        2   43 producer id     8
//!  8 length after this  4   23 last offset delta 4   51 producer epoch  2
//! 12 leader epoch       4   27 base timestamp    8   53 base sequence   4
//! 16 magic = 2          1   35 max timestamp     8   57 record count    4
//! 17 CRC-32C from 21 on 4                            61 records, compressed as a whole
//! ```
//! A batch travels byte for byte from producer to consumer, so it is validated in full once, on the way in
//! ([`validate`]); base offset and leader epoch lie outside the checksum and are set in place.
//!
//! Not here: message formats 0 and 1, which Apache Kafka 4 no longer takes either; sequence windows and offsets, which
//! belong to the log.

mod builder;
mod compression;
mod control;
mod error;
mod header;
mod iterate;
mod lz4;
mod partitioner;
mod rewrite;
mod source;
mod validate;
mod varint;
mod xerial;
mod zstd_frames;

pub use builder::{BatchBuilder, BatchFull};
pub use compression::{
    Compression, DECOMPRESS_WORK_BYTES_MAX, DECOMPRESSED_BASE_BYTES, DECOMPRESSED_BYTES_MAX,
    DECOMPRESSED_RATIO_MAX, ParseCompressionError, decompress,
};
pub use control::{ControlType, control_batch, end_txn_marker, end_txn_marker_epoch};
pub use error::{BatchError, BatchErrorKind};
pub use header::{
    BatchHeader, Batches, batches, batches_of, crc_ok, set_base_offset, set_leader_epoch, set_max_timestamp,
};
pub use iterate::{Header, HeaderViews, Record, RecordView, Records, records};
pub use partitioner::{murmur2, partition_for_key};
pub use validate::{BatchInfo, Limits, Origin, RECORD_BATCH_BYTES_MAX, validate};
pub use zstd_frames::{ZSTD_WINDOW_BASE_BYTES, ZSTD_WINDOW_LOG_MAX, ZSTD_WINDOW_RATIO};

/// Bytes of a batch's header.
pub const HEADER_BYTES: usize = 61;
/// Bytes in front of what the length field counts: base offset and length.
pub const LENGTH_PREFIX_BYTES: usize = 12;
/// The only message format that is taken.
pub const MAGIC: i8 = 2;
/// Bytes of the smallest record: length, attributes, two deltas, two null lengths, no headers.
pub const RECORD_BYTES_MIN: usize = 7;
/// The producer id of a batch that has none.
pub const NO_PRODUCER_ID: i64 = -1;
/// The producer epoch of a batch that has none.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// The sequence of a batch that has none.
pub const NO_SEQUENCE: i32 = -1;
/// The timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;
