//! Moving the log start, and forgetting the segments before it.
//!
//! Files are not removed here: a checkpoint may still name them. The engine removes them after the next checkpoint.

use std::sync::Weak;

use poruka_env::Disk;

use super::{Inner, PartitionLog};
use crate::clean::counters::Counters;
use crate::config::Class;
use crate::context::{Discarded, remove};
use crate::error::{ReadError, StorageError};
use crate::journal::entry::Entry;
use crate::layout::{INDEX, LOG, TIME_INDEX, segment_path};
use crate::segment::Segment;

/// Why records could not be deleted.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    /// The offset is not one that may be read, or the end of them.
    #[error(transparent)]
    Offset(#[from] ReadError),
    /// Storage does not take it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl PartitionLog {
    /// Deletes the records below `offset`, or below the high watermark when it is -1. Returns the new log start, once
    /// it is durable.
    ///
    /// # Errors
    /// See [`TrimError`].
    pub async fn delete_records_before(&self, offset: i64) -> Result<i64, TrimError> {
        let offset = if offset == -1 { self.high_watermark() } else { offset };
        if let Some(index) = self.start_at(offset)? {
            self.context.journal.wait_durable(index).await.map_err(|_| StorageError::Poisoned)?;
        }
        Ok(self.log_start())
    }

    /// As above, without waiting; the index of the journal entry that has to be durable.
    pub(crate) fn start_at(&self, offset: i64) -> Result<Option<u64>, TrimError> {
        let marks = self.progress.marks();
        let (log_start, high_watermark) = (marks.log_start, marks.high_watermark);
        if offset < 0 || offset > high_watermark {
            return Err(ReadError::OffsetOutOfRange { log_start, high_watermark }.into());
        }
        if offset <= log_start {
            return Ok(None);
        }
        let (index, _) = self.move_start(&mut self.lock(), offset)?;
        Ok(index)
    }

    /// Moves the log start to `offset`, if that is not behind it, and lets go of segments below it. The index of the
    /// journal entry that has to be durable, and whether there were any.
    pub(super) fn move_start(
        &self,
        inner: &mut Inner,
        offset: i64,
    ) -> Result<(Option<u64>, bool), StorageError> {
        let index = match self.class {
            Class::Cached | Class::Synced if offset > inner.log_start => {
                let entry = Entry::LogStart { partition: self.id, offset };
                Some(self.context.journal.record(&entry, None)?)
            }
            _ => None,
        };
        let gone = inner.start_at(offset);
        let cleaned = &self.context.cleaned;
        Counters::add(&cleaned.segments_dropped, gone.len() as u64);
        Counters::add(&cleaned.bytes_dropped, gone.iter().map(|segment| u64::from(segment.len())).sum());
        let dropped = !gone.is_empty();
        let me = |segment: Segment| Discarded::Segment(Weak::clone(&self.me), segment.base());
        self.context.discard(gone.into_iter().map(me));
        self.progress.log_start(offset);
        Ok((index, dropped))
    }

    /// No append is taken any more. The index of the journal entry that has to be durable.
    pub(crate) fn mark_deleted(&self) -> Result<Option<u64>, StorageError> {
        let mut inner = self.lock();
        let index = match self.class {
            Class::Memory => None,
            _ => Some(self.context.journal.record(&Entry::Delete { partition: self.id }, None)?),
        };
        inner.deleted = true;
        Ok(index)
    }

    /// Removes the files of a segment that is no part of the log any more. Under the lock: once the partition is marked
    /// as deleted, its folder's name may soon be another's.
    pub(crate) fn remove_segment(&self, disk: &dyn Disk, base: i64) {
        let inner = self.lock();
        if !inner.deleted {
            for ending in [LOG, INDEX, TIME_INDEX] {
                remove(disk, &segment_path(&self.dir, base, ending));
            }
        }
    }
}

impl Inner {
    /// Moves the log start; returns the segments that are wholly below it.
    fn start_at(&mut self, offset: i64) -> Vec<Segment> {
        self.log_start = self.log_start.max(offset);
        self.tail.drop_below(offset);
        let Some(files) = &mut self.files else { return Vec::new() };
        let gone: Vec<i64> = files
            .sealed
            .values()
            .filter(|sealed| sealed.end() <= offset)
            .map(|sealed| sealed.base())
            .collect();
        gone.iter().filter_map(|base| files.sealed.remove(base)).collect()
    }
}
