//! Small state as a log: keys and values in a Synced partition of its own, folded when it is opened.
//!
//! Every change is one batch, hence atomic. When most of the log is garbage, all living keys are written again at its
//! end, and the log start moves up to them once they are durable: a crash at any point leaves the old records, or both,
//! never less. Records are plain Kafka records; a missing value is a deletion.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use poruka_wire::Uuid;
use poruka_wire::records::BatchFull;

use crate::config::{Class, LogSpec, SegmentConfig};
use crate::engine::LogEngine;
use crate::error::{AppendError, CreateError, ReadError};
use crate::partition::{Origin, PartitionLog};
use crate::progress::{StorageFailed, Ticket};
use crate::records::{build_batch, for_each_record};

/// Below this, garbage is left alone.
const REWRITE_BYTES_MIN: u64 = 1 << 20;
/// The log is rewritten when it is this many times as large as what lives in it.
const GARBAGE_FACTOR: u64 = 4;
/// Records of a rewrite are put into batches of about this size.
const REWRITE_BATCH_BYTES: usize = 256 << 10;
/// A log is folded in reads of this size.
const FOLD_BYTES: usize = 1 << 20;
const SEGMENT_BYTES: u32 = 16 << 20;

/// Why a state log could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StateLogError {
    /// Its partition could not be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing was appended.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A change that is larger than a batch may be.
    #[error("the change does not fit into a batch")]
    TooLarge(#[from] BatchFull),
    /// A batch in it is not one of records.
    #[error("state log {0:?} holds a batch that cannot be read at offset {1}")]
    Malformed(String, i64),
}

struct State {
    live: BTreeMap<Bytes, Bytes>,
    live_bytes: u64,
    bytes: u64,
    /// A rewrite is on its way: the log may start here once the ticket is reached.
    trim: Option<(i64, Ticket)>,
}

/// A map that survives.
pub struct StateLog {
    log: Arc<PartitionLog>,
    engine: Arc<LogEngine>,
    state: Mutex<State>,
}

impl StateLog {
    /// Opens the state log `name` (Kafka's characters for topic names), and returns what lives in it, by key.
    ///
    /// # Errors
    /// See [`StateLogError`].
    pub fn open(
        engine: &Arc<LogEngine>,
        name: &str,
    ) -> Result<(StateLog, Vec<(Bytes, Bytes)>), StateLogError> {
        let spec = LogSpec {
            topic: format!("__poruka_{name}"),
            topic_id: state_id(name),
            partition: 0,
            durability: Class::Synced,
            config: SegmentConfig { segment_bytes: SEGMENT_BYTES, ..SegmentConfig::default() },
        };
        let log = engine.create(spec)?;
        let mut state = State { live: BTreeMap::new(), live_bytes: 0, bytes: log.size_bytes(), trim: None };
        let mut offset = log.log_start();
        while offset < log.high_watermark() {
            let read = log.read(offset, FOLD_BYTES, true)?;
            let before = offset;
            for chunk in &read.records {
                offset = for_each_record(chunk, |key, value| state.set(key, value))
                    .ok_or_else(|| StateLogError::Malformed(name.to_owned(), before))?;
            }
            if offset == before {
                return Err(StateLogError::Malformed(name.to_owned(), before));
            }
        }
        let living = state.live.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok((StateLog { log, engine: Arc::clone(engine), state: Mutex::new(state) }, living))
    }

    /// Sets and deletes keys, all or none. Show the change to nobody before [`StateLog::wait`] returned.
    ///
    /// # Errors
    /// See [`StateLogError`]; nothing was changed.
    pub fn append(&self, changes: Vec<(Bytes, Option<Bytes>)>) -> Result<Ticket, StateLogError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = build_batch(&changes, self.engine.env().wall_ms())?;
        let bytes = batch.len() as u64;
        let appended = self.log.append(batch, Origin::Internal)?;
        state.bytes += bytes;
        for (key, value) in changes {
            state.set(key, value);
        }
        self.trim(&mut state);
        if state.trim.is_none() && state.is_mostly_garbage() {
            self.rewrite(&mut state);
        }
        Ok(appended.durable)
    }

    /// Waits until a change is durable.
    ///
    /// # Errors
    /// [`StorageFailed`]: it is unknown whether the change survives.
    pub async fn wait(&self, ticket: Ticket) -> Result<(), StorageFailed> {
        self.log.wait_durable(ticket).await
    }

    /// The partition under it.
    pub fn partition(&self) -> &Arc<PartitionLog> {
        &self.log
    }

    /// Writes all that lives again. If that fails half-way, the old records still stand before it.
    fn rewrite(&self, state: &mut State) {
        let mut start = None;
        let mut last = None;
        let mut chunk = Vec::new();
        let mut chunk_bytes = 0;
        let mut flush = |chunk: &mut Vec<(Bytes, Option<Bytes>)>| {
            if chunk.is_empty() {
                return Ok(0);
            }
            let batch = build_batch(chunk, self.engine.env().wall_ms())?;
            let size = batch.len() as u64;
            chunk.clear();
            let appended = self.log.append(batch, Origin::Internal)?;
            start.get_or_insert(appended.base_offset);
            last = Some(appended.durable);
            Ok::<u64, StateLogError>(size)
        };
        let mut written = 0;
        for (key, value) in &state.live {
            chunk_bytes += key.len() + value.len();
            chunk.push((key.clone(), Some(value.clone())));
            if chunk_bytes >= REWRITE_BATCH_BYTES {
                chunk_bytes = 0;
                match flush(&mut chunk) {
                    Ok(size) => written += size,
                    Err(_) => return,
                }
            }
        }
        match flush(&mut chunk) {
            Ok(size) => written += size,
            Err(_) => return,
        }
        state.bytes += written;
        state.trim = match (start, last) {
            (Some(start), Some(last)) => Some((start, last)),
            _ => {
                // Nothing lives: everything before the end is garbage.
                let end = self.log.log_end();
                Some((end, Ticket(end)))
            }
        };
    }

    fn trim(&self, state: &mut State) {
        let Some((start, ticket)) = state.trim else { return };
        if self.log.reached(ticket) {
            state.trim = None;
            if self.log.start_at(start).is_ok() {
                state.bytes = self.log.size_bytes().min(state.live_bytes * 2 + REWRITE_BYTES_MIN / 2);
            }
        }
    }
}

impl State {
    fn set(&mut self, key: Bytes, value: Option<Bytes>) {
        let size = |value: &Bytes| (key.len() + value.len() + 16) as u64;
        self.live_bytes += value.as_ref().map_or(0, size);
        let old = match value {
            Some(value) => self.live.insert(key.clone(), value),
            None => self.live.remove(&key),
        };
        self.live_bytes -= old.as_ref().map_or(0, size);
    }

    fn is_mostly_garbage(&self) -> bool {
        self.bytes > REWRITE_BYTES_MIN && self.bytes > self.live_bytes * GARBAGE_FACTOR
    }
}

/// The same name has the same topic id in every folder.
fn state_id(name: &str) -> Uuid {
    let mut id = *b"poruka-state\0\0\0\0";
    let crc = crate::codec::crc32c(name.as_bytes());
    id[12..].copy_from_slice(&crc.to_be_bytes());
    Uuid(id)
}
