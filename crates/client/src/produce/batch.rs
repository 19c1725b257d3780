//! A record as the caller hands it over, and a batch of them on its way: pure data, sizes and the stamp.

use std::sync::Arc;

use bytes::Bytes;
use poruka_env::Mono;
use poruka_wire::Str;
use poruka_wire::records::Header;

use super::attempts::Attempts;

/// Estimated framing of one record inside a batch: length, attributes, deltas, key, value and header counts.
const RECORD_OVERHEAD_BYTES: usize = 24;
/// Estimated framing of one header.
const HEADER_OVERHEAD_BYTES: usize = 10;
/// Size of a record batch's own header.
pub(crate) const BATCH_HEADER_BYTES: usize = 61;

/// A topic and one of its partitions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Str,
    /// The partition's number, from 0.
    pub partition: i32,
}

/// What a record carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The key, if any.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// Headers in order; names may repeat.
    pub headers: Vec<Header>,
    /// Milliseconds since 1970; `None` takes the time at which the record is handed over.
    pub timestamp_ms: Option<i64>,
}

impl Payload {
    /// What the record counts against the producer's memory, and about what it takes on the wire uncompressed.
    pub fn bytes(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|header| {
                HEADER_OVERHEAD_BYTES + header.key.len() + header.value.as_ref().map_or(0, Bytes::len)
            })
            .sum();
        RECORD_OVERHEAD_BYTES
            + self.key.as_ref().map_or(0, Bytes::len)
            + self.value.as_ref().map_or(0, Bytes::len)
            + headers
    }
}

/// Producer id, epoch and first sequence: what makes a repeat recognisable. Fixed over all retries of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The producer's id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Sequence of the first record.
    pub sequence: i32,
}

/// A batch on its way. `K` is what the caller gave to recognise each record by.
pub(crate) struct Batch<K> {
    /// Order of creation, over all partitions.
    pub(crate) id: u64,
    pub(crate) records: Arc<Vec<Payload>>,
    /// One per record; empty once the outcome was told.
    pub(crate) tokens: Vec<K>,
    pub(crate) bytes: usize,
    pub(crate) created: Mono,
    pub(crate) deadline: Mono,
    pub(crate) stamp: Option<Stamp>,
    /// Which stamped batch of its partition it is, counted from 1.
    pub(crate) ordinal: u64,
    pub(crate) attempts: Attempts,
    /// The connection that carries it, while it is in flight.
    pub(crate) connection: u64,
}

impl<K> Batch<K> {
    pub(crate) fn new(id: u64, now: Mono, deadline: Mono) -> Self {
        Batch {
            id,
            records: Arc::new(Vec::new()),
            tokens: Vec::new(),
            bytes: BATCH_HEADER_BYTES,
            created: now,
            deadline,
            stamp: None,
            ordinal: 0,
            attempts: Attempts::default(),
            connection: 0,
        }
    }

    /// Adds a record. Only while nothing else holds the records, that is before the first attempt.
    pub(crate) fn push(&mut self, payload: Payload, token: K) {
        self.bytes += payload.bytes();
        if let Some(records) = Arc::get_mut(&mut self.records) {
            records.push(payload);
            self.tokens.push(token);
        }
        assert_eq!(self.records.len(), self.tokens.len(), "a batch that has been sent takes no more records");
    }

    /// Whether its outcome was told already, and only its answer is still awaited.
    pub(crate) fn is_told(&self) -> bool {
        self.tokens.is_empty()
    }

    pub(crate) fn record_count(&self) -> i32 {
        i32::try_from(self.records.len()).unwrap_or(i32::MAX)
    }
}
