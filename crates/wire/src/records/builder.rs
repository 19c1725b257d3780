//! Building batches: what a producer sends, and what the broker writes of its own.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    BatchHeader, Compression, HEADER_BYTES, Header, LENGTH_PREFIX_BYTES, MAGIC, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, compression::compress, header::crc_of, varint,
};

/// Most bytes that a batch can have at all: its length is a signed 32-bit number.
const BATCH_BYTES_MAX: usize = i32::MAX as usize;

/// The record does not fit into the batch any more. What to do: build this batch and begin another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("batch is full")]
pub struct BatchFull;

/// Collects records and makes one batch of them.
///
/// ```
/// # use poruka_wire::records::{BatchBuilder, Compression, records};
/// let mut builder = BatchBuilder::new(Compression::Zstd);
/// builder.push(1_700_000_000_000, Some(b"key"), Some(b"value"), &[])?;
/// let batch = builder.build();
/// assert_eq!(records(&batch)?.next().unwrap()?.value.unwrap(), "value");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    header: BatchHeader,
    compression: Compression,
    transactional: bool,
    control: bool,
    /// Room for the header, then the records.
    buffer: BytesMut,
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new(compression: Compression) -> Self {
        let header = BatchHeader {
            base_offset: 0,
            batch_length: 0,
            partition_leader_epoch: -1,
            magic: MAGIC,
            crc: 0,
            attributes: 0,
            last_offset_delta: -1,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            record_count: 0,
        };
        let buffer = BytesMut::zeroed(HEADER_BYTES);
        Self { header, compression, transactional: false, control: false, buffer }
    }

    /// Stamps the batch with a producer's id, epoch and the sequence of its first record.
    #[must_use]
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.set_producer(id, epoch, base_sequence);
        self
    }

    /// [`BatchBuilder::producer`], after records were pushed.
    pub fn set_producer(&mut self, id: i64, epoch: i16, base_sequence: i32) {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
    }

    /// Makes the batch part of the producer's transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.transactional = true;
        self
    }

    /// Makes it a control batch.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.control = true;
        self
    }

    /// Sets the offset of the first record, for a batch that is written by the log itself.
    #[must_use]
    pub fn base_offset(mut self, base_offset: i64) -> Self {
        self.header.base_offset = base_offset;
        self
    }

    /// Sets the leader epoch, for a batch that is written by the log itself.
    #[must_use]
    pub fn leader_epoch(mut self, leader_epoch: i32) -> Self {
        self.header.partition_leader_epoch = leader_epoch;
        self
    }

    /// Adds a record. `timestamp` is in ms since 1970.
    pub fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> Result<(), BatchFull> {
        let first = self.header.record_count == 0;
        let base_timestamp = if first { timestamp } else { self.header.base_timestamp };
        let timestamp_delta = timestamp.checked_sub(base_timestamp).ok_or(BatchFull)?;
        let offset_delta = self.header.last_offset_delta + 1;
        let length = record_length(timestamp_delta, offset_delta, key, value, headers);
        if length > BATCH_BYTES_MAX - self.buffer.len() {
            return Err(BatchFull);
        }
        self.header.base_timestamp = base_timestamp;
        self.header.max_timestamp = self.header.max_timestamp.max(timestamp);
        self.header.last_offset_delta = offset_delta;
        self.header.record_count += 1;

        let buffer = &mut self.buffer;
        buffer.reserve(length + varint::size(length as i64));
        varint::put(buffer, length as i64);
        buffer.put_i8(0);
        varint::put(buffer, timestamp_delta);
        varint::put(buffer, offset_delta.into());
        put_nullable(buffer, key);
        put_nullable(buffer, value);
        varint::put(buffer, headers.len() as i64);
        for header in headers {
            put_nullable(buffer, Some(header.key.as_bytes()));
            put_nullable(buffer, header.value.as_deref());
        }
        Ok(())
    }

    /// Records so far.
    pub fn count(&self) -> usize {
        self.header.record_count as usize
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Bytes of the batch so far, before compression.
    pub fn size(&self) -> usize {
        self.buffer.len()
    }

    /// The most bytes that a record can add, before compression.
    pub fn record_bytes_max(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> usize {
        varint::size(i32::MAX.into()) + record_length(i64::MIN, i32::MAX, key, value, headers)
    }

    /// The batch. If the codec fails, the records are left uncompressed, which every reader takes too.
    pub fn build(mut self) -> Bytes {
        let mut codec = self.compression;
        if codec != Compression::None {
            match compress(codec, &self.buffer[HEADER_BYTES..]) {
                Ok(compressed) if compressed.len() <= BATCH_BYTES_MAX - HEADER_BYTES => {
                    self.buffer.truncate(HEADER_BYTES);
                    self.buffer.extend_from_slice(&compressed);
                }
                _ => codec = Compression::None,
            }
        }
        let mut header = self.header.with_attributes(codec, false, self.transactional, self.control);
        header.batch_length = (self.buffer.len() - LENGTH_PREFIX_BYTES) as i32;
        self.buffer[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        header.crc = crc_of(&self.buffer);
        self.buffer[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        self.buffer.freeze()
    }
}

/// Bytes of a record after its own length.
fn record_length(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header],
) -> usize {
    let headers_length: usize = headers
        .iter()
        .map(|header| nullable_length(Some(header.key.as_bytes())) + nullable_length(header.value.as_deref()))
        .sum();
    1 + varint::size(timestamp_delta)
        + varint::size(offset_delta.into())
        + nullable_length(key)
        + nullable_length(value)
        + varint::size(headers.len() as i64)
        + headers_length
}

fn nullable_length(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::size(bytes.len() as i64) + bytes.len())
}

fn put_nullable(buffer: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varint::put(buffer, bytes.len() as i64);
            buffer.put_slice(bytes);
        }
        None => varint::put(buffer, -1),
    }
}
