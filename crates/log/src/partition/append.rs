//! The way in: check the producer, give offsets, write the segment, push the journal.
//!
//! Runs on the caller's thread under the partition's lock. Synced: the batch is in the segment (page cache) and in the
//! journal's open group when it returns, and becomes visible when the group commit returns. Cached: visible at once, as
//! far as the offsets are reserved. Memory: visible at once. Whatever is refused leaves nothing behind: bytes that reached
//! the file past the segment's length are overwritten by the next append or cut by recovery.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Inner, PartitionLog};
use crate::batch::{self, Head};
use crate::config::Class;
use crate::error::{AppendError, StorageError};
use crate::journal::entry::{Entry, Place};
use crate::journal::{self, Told};
use crate::producers::{Refused, Verdict};
use crate::progress::Ticket;
use crate::segment::Segment;

/// First reservation of a Cached partition, in offsets. Each one that is used up doubles the next.
const RESERVE_OFFSETS_MIN: i64 = 1 << 14;
const RESERVE_OFFSETS_MAX: i64 = 1 << 22;
/// A larger batch is not kept in memory: the system sends it from its page cache for less, and its buffer is free for the
/// next request while it is still in the processor's cache.
const TAIL_BATCH_BYTES_MAX: usize = 16 << 10;

/// Who sends a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client: sequences are checked, transactional and control batches refused.
    Client,
    /// The broker itself.
    Internal,
}

/// A batch that is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its first offset.
    pub base_offset: i64,
    /// Its last offset.
    pub last_offset: i64,
    /// Its largest timestamp.
    pub timestamp: i64,
    /// It had been appended before; offsets and timestamp are those of the original.
    pub duplicate: bool,
    /// Answer only once this is reached.
    pub durable: Ticket,
}

impl PartitionLog {
    /// Appends one batch that was validated before; sets its base offset and leader epoch. The buffer is used as it is
    /// when nobody else holds it, and copied once otherwise.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing was appended then.
    pub fn append(&self, batch: Bytes, origin: Origin) -> Result<Appended, AppendError> {
        let mut head =
            Head::read(&batch).filter(|head| head.size == batch.len()).ok_or(AppendError::Malformed)?;
        if origin == Origin::Client && (head.is_transactional() || head.is_control()) {
            return Err(AppendError::NotAllowed);
        }
        let mut batch = owned(batch);
        let mut inner = self.lock();
        let inner = &mut *inner;
        if inner.deleted {
            return Err(AppendError::Deleted);
        }
        if inner.closed {
            return Err(StorageError::Closed.into());
        }
        self.context.journal.check().map_err(StorageError::from)?;
        if head.has_producer()
            && let Verdict::Duplicate(known) = check_producer(inner, &head)?
        {
            let durable = Ticket(known.last_offset + 1);
            let (base_offset, last_offset) = (known.base_offset, known.last_offset);
            let timestamp = known.timestamp;
            return Ok(Appended { base_offset, last_offset, timestamp, duplicate: true, durable });
        }
        let epoch = inner.epochs.current();
        (head.base_offset, head.leader_epoch) = (inner.end, epoch);
        batch::assign(&mut batch, head.base_offset, epoch);
        match self.class {
            Class::Memory => self.append_memory(inner, &head, &batch),
            Class::Cached => self.append_cached(inner, &head, &batch)?,
            Class::Synced => self.append_synced(inner, &head, &batch)?,
        }
        let (base_offset, last_offset, timestamp) =
            (head.base_offset, head.last_offset(), head.max_timestamp);
        let durable = Ticket(last_offset + 1);
        Ok(Appended { base_offset, last_offset, timestamp, duplicate: false, durable })
    }

    fn append_memory(&self, inner: &mut Inner, head: &Head, batch: &[u8]) {
        if head.max_timestamp > inner.memory_max_timestamp.0 {
            inner.memory_max_timestamp = (head.max_timestamp, head.last_offset());
        }
        let bytes = inner.tail.bytes() + batch.len();
        note(inner, head, batch);
        if let Some(first) = inner.tail.first_offset()
            && first > inner.log_start
            && inner.end > first
        {
            let stats = &self.context.journal.stats;
            stats.memory_records_dropped.add(first.abs_diff(inner.log_start));
            stats.memory_bytes_dropped.add((bytes - inner.tail.bytes()) as u64);
            inner.log_start = first;
            self.progress.log_start(first);
        }
        self.progress.visible(inner.end);
    }

    fn append_cached(&self, inner: &mut Inner, head: &Head, batch: &[u8]) -> Result<(), AppendError> {
        self.reserve(inner, head.next_offset())?;
        self.write(inner, head, batch)?;
        note(inner, head, batch);
        self.progress.appended(inner.end);
        self.context.cached_appended(batch.len() as u64);
        Ok(())
    }

    /// Makes sure that offsets below `next` are reserved, or asked to be; asks early, so that it is rarely waited for.
    fn reserve(&self, inner: &mut Inner, next: i64) -> Result<(), StorageError> {
        if next + inner.reserve_step / 2 <= inner.reserved {
            return Ok(());
        }
        let step = (inner.reserve_step * 2).clamp(RESERVE_OFFSETS_MIN, RESERVE_OFFSETS_MAX);
        let until = next + step;
        let told = Told::Reserved(Arc::clone(&self.progress), until);
        let asked = self.context.journal.record(&Entry::Reserve { partition: self.id, until }, Some(told));
        match asked {
            Ok(_) => {
                (inner.reserved, inner.reserve_step) = (until, step);
                Ok(())
            }
            Err(_) if next <= inner.reserved => Ok(()),
            Err(refused) => Err(refused.into()),
        }
    }

    fn append_synced(&self, inner: &mut Inner, head: &Head, batch: &[u8]) -> Result<(), AppendError> {
        let place = self.write(inner, head, batch)?;
        let Some(segment) = inner.files.as_ref().and_then(|files| files.active.as_ref()) else {
            return Err(StorageError::Closed.into());
        };
        let segment = segment.file().ok_or(StorageError::Closed)?;
        let append = journal::Append { partition: self.id, place, batch, segment };
        let told = Told::Visible(Arc::clone(&self.progress), head.next_offset());
        let appended = self.context.journal.append(append, &mut inner.hint, told);
        if appended.map_err(StorageError::from)? {
            self.context.referred(batch.len() as u64);
        }
        note(inner, head, batch);
        Ok(())
    }

    /// Writes the batch at the end of the active segment, which is rolled first when the batch does not fit. The
    /// segment's length is not moved yet.
    fn write(&self, inner: &mut Inner, head: &Head, batch: &[u8]) -> Result<Place, StorageError> {
        let disk = self.context.disk();
        let Some(files) = &mut inner.files else { return Err(StorageError::Closed) };
        let config = &inner.config;
        let fits = files.active.as_ref().is_some_and(|active| {
            active.has_room(head.size, head.last_offset(), config.segment_bytes)
                && !active.spans(head.max_timestamp, config.clean.roll_ms(self.salt(active.base())))
        });
        if !fits {
            let dir = &self.dir;
            let created =
                Segment::create(disk, dir, head.base_offset).map_err(|error| StorageError::io(dir, error))?;
            files.seal();
            files.active = Some(created);
        }
        let Some(active) = &mut files.active else { return Err(StorageError::Closed) };
        let place = Place { segment: active.base(), position: active.len() };
        let file = active.open(disk).map_err(|error| StorageError::io(active.path(), error))?;
        let written = file.file().write_at(batch, u64::from(place.position));
        written.map_err(|error| StorageError::io(file.path(), error))?;
        Ok(place)
    }
}

/// The last step: everything that cannot fail.
fn note(inner: &mut Inner, head: &Head, batch: &[u8]) {
    if let Some(active) = inner.files.as_mut().and_then(|files| files.active.as_mut()) {
        active.appended(head, inner.config.index_interval_bytes);
    }
    if head.has_producer() {
        inner.producers.appended(head);
    }
    inner.epochs.note(head.leader_epoch, head.base_offset);
    inner.end = head.next_offset();
    if inner.files.is_some() && batch.len() > TAIL_BATCH_BYTES_MAX {
        inner.tail.clear();
    } else {
        // A copy: the bytes are part of a request, which must not be kept alive with all that is in it.
        inner.tail.push(head.base_offset, inner.end, Bytes::copy_from_slice(batch));
    }
}

fn check_producer(inner: &Inner, head: &Head) -> Result<Verdict, AppendError> {
    inner.producers.check(head).map_err(|refused| match refused {
        // The original may still be on its way to the disk, and the answer reveals that it is there.
        Refused::OldDuplicate => AppendError::DuplicateSequence { durable: Ticket(inner.end) },
        Refused::OutOfOrder { expected } => AppendError::OutOfOrderSequence { expected },
        Refused::OldEpoch { current } => AppendError::InvalidProducerEpoch { current },
    })
}

/// The bytes for us alone: as they are when nobody else holds them, else a copy.
fn owned(batch: Bytes) -> BytesMut {
    batch.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]))
}
