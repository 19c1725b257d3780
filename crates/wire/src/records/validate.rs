//! Full validation of one batch, on its way into a log: after it, no reader can be hurt by the batch.
//!
//! Fault model: the producer is anyone. Checked: header, length, checksum, format, codec, count against offsets, producer
//! fields, and every record: its length, its deltas, the lengths of key, value and headers, nothing left over. Inside
//! compression too, streamed through one small buffer and bounded in output. An uncompressed batch is one pass over its
//! records and takes no memory.
//!
//! As Apache Kafka validates (LogValidator), and beyond it: records must fill the batch to the last byte, offsets must
//! count up by one in uncompressed batches too, a delete horizon is refused.

use std::io::Read;

use super::{
    BatchError, BatchErrorKind, BatchHeader, Compression, HEADER_BYTES, NO_PRODUCER_ID, NO_TIMESTAMP,
    RECORD_BYTES_MIN,
    compression::{decompressed_bytes_max, reader},
    header::crc_of,
    source::{Slice, Source, Stream},
};

/// Largest batch that is taken unless a topic says otherwise, in bytes; Apache Kafka's `message.max.bytes`.
pub const RECORD_BATCH_BYTES_MAX: usize = 1024 * 1024 + 12;

type Result<T> = std::result::Result<T, BatchError>;

/// Who wrote a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A producer: what only a broker may write is refused.
    Client,
    /// A broker: control batches, append times and compacted batches are fine.
    Broker,
}

/// What a batch may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest batch as it arrives, in bytes: the topic's `max.message.bytes`.
    pub batch_bytes_max: usize,
    /// Most bytes that the records may decompress to; [`super::DECOMPRESSED_RATIO_MAX`] bounds them too.
    pub decompressed_bytes_max: usize,
    /// Who wrote it.
    pub origin: Origin,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_bytes_max: RECORD_BATCH_BYTES_MAX,
            decompressed_bytes_max: super::DECOMPRESSED_BYTES_MAX,
            origin: Origin::Client,
        }
    }
}

/// What validation found out about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchInfo {
    /// The header.
    pub header: BatchHeader,
    /// The codec of the records.
    pub compression: Compression,
    /// Smallest timestamp of a record, in ms.
    pub min_timestamp: i64,
    /// Largest timestamp of a record, in ms; the header may claim another.
    pub max_timestamp: i64,
    /// Offset after the base offset of the first record with that timestamp.
    pub max_timestamp_delta: i32,
    /// The first record without a key, counted from 0: a compacted topic takes none.
    pub keyless: Option<i32>,
    /// Bytes of the records, decompressed.
    pub record_bytes: usize,
}

/// Checks that `batch` is exactly one batch and that all of it is sound.
pub fn validate(batch: &[u8], limits: &Limits) -> Result<BatchInfo> {
    let header = check_header(batch, limits)?;
    let compression = header.compression()?;
    let body = &batch[HEADER_BYTES..];
    let mut records = RecordCheck::new(&header, limits.origin);
    let record_bytes = if compression == Compression::None {
        let mut source = Slice::new(batch, HEADER_BYTES);
        if header.record_count as usize > body.len() / RECORD_BYTES_MIN {
            let need = header.record_count as usize * RECORD_BYTES_MIN;
            return Err(BatchError::new(BatchErrorKind::Truncated { need, left: body.len() }, 57));
        }
        records.all(&mut source)?;
        body.len()
    } else {
        let max = decompressed_bytes_max(body.len(), limits.decompressed_bytes_max);
        let mut source = Stream::new(reader(compression, body, max)?, compression, max);
        records.all_of_stream(&mut source)?
    };
    Ok(BatchInfo {
        header,
        compression,
        min_timestamp: records.min_timestamp,
        max_timestamp: records.max_timestamp,
        max_timestamp_delta: records.max_timestamp_delta,
        keyless: records.keyless,
        record_bytes,
    })
}

fn check_header(batch: &[u8], limits: &Limits) -> Result<BatchHeader> {
    let header = BatchHeader::parse(batch)?;
    let size = header.size();
    if size > limits.batch_bytes_max {
        return Err(BatchError::new(BatchErrorKind::TooLarge { size, max: limits.batch_bytes_max }, 8));
    }
    if batch.len() < size {
        return Err(BatchError::new(BatchErrorKind::Truncated { need: size, left: batch.len() }, 8));
    }
    if batch.len() > size {
        return Err(BatchError::new(BatchErrorKind::TrailingBytes(batch.len() - size), size));
    }
    let computed = crc_of(batch);
    if computed != header.crc {
        return Err(BatchError::new(BatchErrorKind::Crc { stored: header.crc, computed }, 17));
    }
    check_count(&header, limits.origin)?;
    check_producer(&header)?;
    if limits.origin == Origin::Client {
        if header.is_control() {
            return Err(BatchError::new(BatchErrorKind::Control, 21));
        }
        if header.is_log_append_time() {
            return Err(BatchError::new(BatchErrorKind::TimestampType, 21));
        }
        if header.has_delete_horizon() {
            return Err(BatchError::new(BatchErrorKind::DeleteHorizon, 21));
        }
    }
    Ok(header)
}

/// A producer's batch has one record for every offset; compaction may leave fewer, or none.
fn check_count(header: &BatchHeader, origin: Origin) -> Result<()> {
    let (count, last_offset_delta) = (header.record_count, header.last_offset_delta);
    let offsets = i64::from(last_offset_delta) + 1;
    let fits = match origin {
        Origin::Client => count >= 1 && i64::from(count) == offsets,
        Origin::Broker => last_offset_delta >= 0 && (0..=offsets).contains(&count.into()),
    };
    if fits { Ok(()) } else { Err(BatchError::new(BatchErrorKind::Count { count, last_offset_delta }, 57)) }
}

/// A producer id needs an epoch and, but for control batches, a sequence; a transaction needs a producer id.
fn check_producer(header: &BatchHeader) -> Result<()> {
    let fits = if header.producer_id == NO_PRODUCER_ID {
        !header.is_transactional()
    } else {
        header.producer_id >= 0
            && header.producer_epoch >= 0
            && (header.base_sequence >= 0 || header.is_control())
    };
    if fits {
        return Ok(());
    }
    let BatchHeader { producer_id, producer_epoch, base_sequence, .. } = *header;
    Err(BatchError::new(BatchErrorKind::Producer { producer_id, producer_epoch, base_sequence }, 43))
}

/// The walk over the records.
struct RecordCheck {
    count: i32,
    base_timestamp: i64,
    last_offset_delta: i32,
    /// Whether every offset must be there.
    dense: bool,
    min_timestamp: i64,
    max_timestamp: i64,
    max_timestamp_delta: i32,
    keyless: Option<i32>,
}

impl RecordCheck {
    fn new(header: &BatchHeader, origin: Origin) -> Self {
        Self {
            count: header.record_count,
            base_timestamp: header.base_timestamp,
            last_offset_delta: header.last_offset_delta,
            dense: origin == Origin::Client,
            min_timestamp: i64::MAX,
            max_timestamp: NO_TIMESTAMP,
            max_timestamp_delta: -1,
            keyless: None,
        }
    }

    fn all(&mut self, source: &mut impl Source) -> Result<()> {
        let mut due = 0;
        for index in 0..self.count {
            due = self.one(source, index, due).map_err(|error| error.in_record(index))? + 1;
        }
        if self.count == 0 {
            self.min_timestamp = NO_TIMESTAMP;
        } else if self.max_timestamp_delta < 0 {
            self.max_timestamp_delta = 0;
        }
        source.finish()
    }

    fn all_of_stream<R: Read>(&mut self, source: &mut Stream<R>) -> Result<usize> {
        self.all(source)?;
        Ok(source.position())
    }

    /// Checks one record whose offset delta is `due`, or at least that; returns its offset delta.
    #[inline]
    fn one(&mut self, source: &mut impl Source, index: i32, due: i32) -> Result<i32> {
        let length = source.varint()?;
        let start = source.position();
        let Ok(size) = usize::try_from(length) else {
            return Err(BatchError::new(
                BatchErrorKind::FieldLength { field: "record", length: length.into() },
                start,
            ));
        };
        let end = start.saturating_add(size);
        source.byte()?; // Attributes of a record: none are defined.
        let timestamp_delta = source.varlong()?;
        let offset_delta = source.varint()?;
        let in_order = if self.dense { offset_delta == due } else { offset_delta >= due };
        if !in_order || offset_delta > self.last_offset_delta {
            let kind = BatchErrorKind::OffsetDelta { found: offset_delta, expected: due };
            return Err(BatchError::new(kind, source.position()));
        }
        self.timestamp(timestamp_delta, offset_delta, source.position())?;
        if !skip_field(source, end, "key", true)? && self.keyless.is_none() {
            self.keyless = Some(index);
        }
        skip_field(source, end, "value", true)?;
        skip_headers(source, end)?;
        match end.checked_sub(source.position()) {
            Some(0) => Ok(offset_delta),
            Some(left) => Err(BatchError::new(BatchErrorKind::RecordBytes(left), source.position())),
            None => Err(BatchError::new(
                BatchErrorKind::FieldLength { field: "record", length: length.into() },
                start,
            )),
        }
    }

    #[inline]
    fn timestamp(&mut self, delta: i64, offset_delta: i32, at: usize) -> Result<()> {
        let Some(timestamp) = self.base_timestamp.checked_add(delta) else {
            return Err(BatchError::new(BatchErrorKind::TimestampDelta(delta), at));
        };
        self.min_timestamp = self.min_timestamp.min(timestamp);
        if timestamp > self.max_timestamp {
            (self.max_timestamp, self.max_timestamp_delta) = (timestamp, offset_delta);
        }
        Ok(())
    }
}

/// Steps over a length and that many bytes, which must lie before `end`; says whether there were any, null being none.
#[inline]
fn skip_field(source: &mut impl Source, end: usize, field: &'static str, nullable: bool) -> Result<bool> {
    let length = source.varint()?;
    if length == -1 && nullable {
        return Ok(false);
    }
    match usize::try_from(length) {
        Ok(size) if size <= end.saturating_sub(source.position()) => source.skip(size).map(|()| true),
        _ => {
            let kind = BatchErrorKind::FieldLength { field, length: length.into() };
            Err(BatchError::new(kind, source.position()))
        }
    }
}

#[inline]
fn skip_headers(source: &mut impl Source, end: usize) -> Result<()> {
    let count = source.varint()?;
    // A header takes two bytes at least.
    if count < 0 || count as usize > end.saturating_sub(source.position()) / 2 {
        let kind = BatchErrorKind::FieldLength { field: "header count", length: count.into() };
        return Err(BatchError::new(kind, source.position()));
    }
    for _ in 0..count {
        skip_field(source, end, "header key", false)?;
        skip_field(source, end, "header value", true)?;
    }
    Ok(())
}
