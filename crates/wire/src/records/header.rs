//! The 61 bytes in front of every batch: reading them, changing what the broker may change, walking from batch to batch.

use bytes::Bytes;

use super::{
    BatchError, BatchErrorKind, Compression, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC, NO_PRODUCER_ID,
    NO_TIMESTAMP,
};

/// Where the bytes begin that the checksum covers: at the attributes.
pub(crate) const CRC_FROM: usize = 21;

const COMPRESSION_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// The header of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; 0 or anything from a producer, set by the log.
    pub base_offset: i64,
    /// Bytes after this field.
    pub batch_length: i32,
    /// Leader epoch at the append; -1 or anything from a producer, set by the log.
    pub partition_leader_epoch: i32,
    /// Message format: 2.
    pub magic: i8,
    /// CRC-32C (Castagnoli) of everything from the attributes on.
    pub crc: u32,
    /// Codec in bits 0-2, log-append time in 3, transactional in 4, control in 5, delete horizon in 6.
    pub attributes: i16,
    /// Offset of the last record after the base offset; compaction may have taken that record away.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas count from, in ms; the delete horizon, if that bit is set.
    pub base_timestamp: i64,
    /// Largest timestamp in ms, or the time of the append if that bit is set.
    pub max_timestamp: i64,
    /// -1 if there is none.
    pub producer_id: i64,
    /// -1 if there is none.
    pub producer_epoch: i16,
    /// Sequence of the first record, -1 if there is none.
    pub base_sequence: i32,
    /// Records in the batch.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads a header. Checks that 61 bytes are there, the format, and that the length covers a header; nothing else.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            let kind = BatchErrorKind::Truncated { need: HEADER_BYTES, left: bytes.len() };
            return Err(BatchError::new(kind, 0));
        };
        let header = Self {
            base_offset: i64::from_be_bytes(field(header, 0)),
            batch_length: i32::from_be_bytes(field(header, 8)),
            partition_leader_epoch: i32::from_be_bytes(field(header, 12)),
            magic: i8::from_be_bytes(field(header, 16)),
            crc: u32::from_be_bytes(field(header, 17)),
            attributes: i16::from_be_bytes(field(header, 21)),
            last_offset_delta: i32::from_be_bytes(field(header, 23)),
            base_timestamp: i64::from_be_bytes(field(header, 27)),
            max_timestamp: i64::from_be_bytes(field(header, 35)),
            producer_id: i64::from_be_bytes(field(header, 43)),
            producer_epoch: i16::from_be_bytes(field(header, 51)),
            base_sequence: i32::from_be_bytes(field(header, 53)),
            record_count: i32::from_be_bytes(field(header, 57)),
        };
        if header.magic != MAGIC {
            return Err(BatchError::new(BatchErrorKind::Magic(header.magic), 16));
        }
        if header.batch_length < (HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32 {
            return Err(BatchError::new(BatchErrorKind::Length(header.batch_length), 8));
        }
        Ok(header)
    }

    /// Writes the header as it stands, checksum included.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.batch_length.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        bytes[16..17].copy_from_slice(&self.magic.to_be_bytes());
        bytes[17..21].copy_from_slice(&self.crc.to_be_bytes());
        bytes[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        bytes[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        bytes[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        bytes[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        bytes[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        bytes[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        bytes[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        bytes
    }

    /// Bytes of the whole batch.
    pub fn size(&self) -> usize {
        LENGTH_PREFIX_BYTES + self.batch_length as usize
    }

    /// Offset of the last record. Saturates, so that a damaged header cannot wrap below its base.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(self.last_offset_delta.into())
    }

    /// The offset after the batch.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// The codec of the records.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        let code = (self.attributes & COMPRESSION_MASK) as u8;
        Compression::from_code(code).ok_or_else(|| BatchError::new(BatchErrorKind::Codec(code), CRC_FROM))
    }

    /// Whether the records' timestamps are the time of the append.
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch holds a message of the broker to readers instead of records.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether the base timestamp is a delete horizon.
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON != 0
    }

    /// Whether a producer id is set.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id != NO_PRODUCER_ID
    }

    /// Sequence of the last record: sequences go on at 0 after 2^31-1.
    pub fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }

    /// The same batch with a delete horizon as its base timestamp.
    pub(super) fn with_delete_horizon(mut self) -> Self {
        self.attributes |= DELETE_HORIZON;
        self
    }

    /// The same batch with its records under another codec.
    pub(super) fn with_codec(mut self, codec: Compression) -> Self {
        self.attributes = self.attributes & !COMPRESSION_MASK | i16::from(codec.code());
        self
    }

    /// The same batch once all of its records are gone.
    pub(super) fn without_records(mut self) -> Self {
        self.attributes &= !DELETE_HORIZON;
        self.base_timestamp = NO_TIMESTAMP;
        self.record_count = 0;
        self
    }

    pub(crate) fn with_attributes(
        mut self,
        codec: Compression,
        log_append_time: bool,
        transactional: bool,
        control: bool,
    ) -> Self {
        let flags = [(log_append_time, LOG_APPEND_TIME), (transactional, TRANSACTIONAL), (control, CONTROL)];
        self.attributes =
            flags.iter().filter(|(set, _)| *set).fold(i16::from(codec.code()), |all, (_, bit)| all | bit);
        self
    }
}

/// The sequence `delta` records after `sequence`.
fn sequence_after(sequence: i32, delta: i32) -> i32 {
    sequence.wrapping_add(delta) & i32::MAX
}

fn field<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

pub(crate) fn crc_of(batch: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[CRC_FROM..]) as u32
}

/// Whether a whole batch matches its checksum.
pub fn crc_ok(header: &BatchHeader, batch: &[u8]) -> bool {
    batch.len() > CRC_FROM && crc_of(batch) == header.crc
}

/// Sets the base offset in place; the checksum does not cover it.
///
/// # Panics
/// If the slice is shorter than a header.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    batch[0..8].copy_from_slice(&base_offset.to_be_bytes());
}

/// Sets the leader epoch in place; the checksum does not cover it.
///
/// # Panics
/// If the slice is shorter than a header.
pub fn set_leader_epoch(batch: &mut [u8], leader_epoch: i32) {
    batch[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// Sets the largest timestamp of a whole batch in place, marks it as the time of the append or not, and renews the
/// checksum.
///
/// # Panics
/// If the slice is shorter than a header.
pub fn set_max_timestamp(batch: &mut [u8], max_timestamp: i64, log_append_time: bool) {
    let attributes = i16::from_be_bytes([batch[21], batch[22]]);
    let attributes =
        if log_append_time { attributes | LOG_APPEND_TIME } else { attributes & !LOG_APPEND_TIME };
    batch[21..23].copy_from_slice(&attributes.to_be_bytes());
    batch[35..43].copy_from_slice(&max_timestamp.to_be_bytes());
    let crc = crc_of(batch);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// Walks over the batches in `bytes`. Only lengths and formats are checked; a batch cut short at the end is an error
/// that [is truncated](BatchError::is_truncated). After an error the walk ends.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { bytes, at: 0 }
}

/// [`batches`] that share memory with `bytes`.
pub fn batches_of(bytes: &Bytes) -> impl Iterator<Item = Result<(BatchHeader, Bytes), BatchError>> + '_ {
    batches(bytes).map(|found| found.map(|(header, batch)| (header, bytes.slice_ref(batch))))
}

/// See [`batches`].
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Batches<'_> {
    /// Bytes walked over so far: where the next batch begins, or after an error the bad one.
    pub fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<(BatchHeader, &'a [u8]), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.bytes);
        Some(BatchHeader::parse(rest).and_then(|header| {
            let Some((batch, after)) = rest.split_at_checked(header.size()) else {
                let kind = BatchErrorKind::Truncated { need: header.size(), left: rest.len() };
                return Err(BatchError::new(kind, 0));
            };
            self.bytes = after;
            self.at += batch.len();
            Ok((header, batch))
        }))
    }
}
