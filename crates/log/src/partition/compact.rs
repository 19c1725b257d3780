//! Compaction, as far as it needs the partition's lock: what may be rewritten, and the step in which one segment takes the
//! place of others.
//!
//! The step is a journal entry, pushed under the lock together with the change in memory, like an append. Until the entry is
//! durable the new files keep names of their own; only then they take those of the old ones. So whatever a crash leaves, the
//! entry, or a checkpoint after it, says which files count, and both kinds are there (docs/storage-format.md).

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};

use super::{Files, PartitionLog};
use crate::clean::config::CleanConfig;
use crate::clean::plan::{Closed, Plan, State, plan};
use crate::config::Class;
use crate::context::{Discarded, remove};
use crate::error::StorageError;
use crate::journal::entry::{Cleaned, Entry};
use crate::layout::{INDEX, LOG, TIME_INDEX, cleaned_path};
use crate::segment::{Segment, SegmentRecord};
use crate::segment_file::SegmentFile;

/// What a pass of compaction takes from the partition at its start.
pub(crate) struct Start {
    pub(crate) plan: Plan,
    pub(crate) clean: CleanConfig,
    pub(crate) segment_bytes: u32,
    pub(crate) index_interval_bytes: u32,
    pub(crate) clean_until: i64,
    pub(crate) last_of_producer: HashMap<i64, i64>,
}

impl PartitionLog {
    /// What compaction could do; none for partitions that are not compacted.
    pub(crate) fn compaction_plan(&self, now_ms: i64) -> Option<Plan> {
        let high_watermark = self.high_watermark();
        let mut inner = self.lock();
        let inner = &mut *inner;
        let clean = inner.config.clean;
        if !clean.compact
            || self.class == Class::Memory
            || inner.closed
            || inner.deleted
            || inner.names_unsure
        {
            return None;
        }
        let (published_end, clean_until) = (inner.published_end, inner.cleaned.until);
        let closed = |segment: &mut Segment| Closed {
            record: segment.record(),
            proven: segment.is_settled() && segment.end() <= published_end,
            since_ms: segment.since(now_ms),
        };
        let closed: Vec<Closed> = inner.files.as_mut()?.sealed.values_mut().map(closed).collect();
        Some(plan(&closed, &State { now_ms, high_watermark, clean_until }, &clean))
    }

    /// As above, with all that a pass needs.
    pub(crate) fn begin_compaction(&self, now_ms: i64) -> Option<Start> {
        let plan = self.compaction_plan(now_ms)?;
        let inner = self.lock();
        Some(Start {
            plan,
            clean: inner.config.clean,
            segment_bytes: inner.config.segment_bytes,
            index_interval_bytes: inner.config.index_interval_bytes,
            clean_until: inner.cleaned.until,
            last_of_producer: inner.producers.last_offsets(),
        })
    }

    /// Opens a closed segment, if it is still what it was.
    pub(crate) fn open_closed(&self, record: &SegmentRecord) -> io::Result<Option<Arc<SegmentFile>>> {
        let inner = self.lock();
        let known = inner.files.as_ref().and_then(|files| files.sealed.get(&record.base));
        match known.filter(|known| known.record() == *record && !inner.deleted) {
            Some(segment) => segment.open(self.context.disk()).map(Some),
            None => Ok(None),
        }
    }

    /// Makes the files of a segment that is to take the place of others, and their generation. Under the lock: the
    /// folder's name may soon be another partition's once this one is marked as deleted.
    pub(crate) fn create_cleaned(&self, base: i64) -> io::Result<Option<(Segment, u64)>> {
        let inner = self.lock();
        if inner.deleted || inner.closed {
            return Ok(None);
        }
        let generation = inner.cleaned.generation + 1;
        let segment = Segment::create_cleaned(self.context.disk(), &self.dir, base, generation)?;
        Ok(Some((segment, generation)))
    }

    /// Removes what [`PartitionLog::create_cleaned`] made: it is not needed after all.
    pub(crate) fn remove_cleaned(&self, base: i64, generation: u64) {
        let inner = self.lock();
        if !inner.deleted {
            for ending in [LOG, INDEX, TIME_INDEX] {
                remove(self.context.disk(), &cleaned_path(&self.dir, base, ending, generation));
            }
        }
    }

    /// Puts a segment, all of which is synced, in the place of others. The journal entry to wait for before
    /// [`PartitionLog::take_names`]; none: the partition has changed meanwhile, and nothing was done.
    pub(crate) fn replace(
        &self,
        old: &[SegmentRecord],
        mut new: Segment,
        generation: u64,
    ) -> Result<Option<u64>, StorageError> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let Some(files) = &mut inner.files else { return Ok(None) };
        let unchanged =
            |old: &SegmentRecord| files.sealed.get(&old.base).is_some_and(|now| now.record() == *old);
        if inner.deleted || inner.closed || !old.iter().all(unchanged) {
            return Ok(None);
        }
        let cleaned = Cleaned { generation, ..inner.cleaned };
        let entry = Entry::Replace { partition: self.id, cleaned, segment: new.record() };
        let index = self.context.journal.record(&entry, None)?;
        for record in old {
            if let Some(gone) = files.sealed.remove(&record.base) {
                new.is_as_old_as(&gone);
            }
        }
        let left = old.iter().map(|old| old.base).filter(|base| *base != new.base());
        self.context.discard(left.map(|base| Discarded::Segment(Weak::clone(&self.me), base)));
        files.sealed.insert(new.base(), new);
        inner.cleaned = cleaned;
        inner.resume = super::NO_RESUME;
        Ok(Some(index))
    }

    /// The entry of [`PartitionLog::replace`] is durable: the new files get their final names, durably.
    pub(crate) fn take_names(&self, base: i64) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.deleted {
            return Ok(());
        }
        let disk = self.context.disk();
        // Until it is known which names last, no other generation may be begun.
        inner.names_unsure = true;
        match inner.files.as_mut().and_then(|files| files.sealed.get_mut(&base)) {
            Some(segment) => segment.take_names(disk)?,
            // Dropped by retention meanwhile. A checkpoint that still names it may be in force.
            None => {
                let mut gone = Segment::known(&self.dir, SegmentRecord::empty(base));
                gone.is_cleaned(inner.cleaned.generation);
                gone.take_names(disk)?;
                self.context.discard([Discarded::Segment(Weak::clone(&self.me), base)]);
            }
        }
        drop(inner);
        disk.sync_dir(&self.dir)?;
        self.lock().names_unsure = false;
        Ok(())
    }

    /// Everything below was compacted.
    pub(crate) fn set_clean_until(&self, until: i64) {
        let mut inner = self.lock();
        inner.cleaned.until = inner.cleaned.until.max(until);
    }

    /// A checkpoint that has everything below `end` in proven segments is in force.
    pub(crate) fn published(&self, end: i64) {
        self.lock().published_end = end;
    }
}

impl Files {
    /// Closes the segment that is being written. The next append makes another.
    pub(super) fn seal(&mut self) {
        if let Some(mut full) = self.active.take() {
            full.seal();
            self.sealed.insert(full.base(), full);
        }
    }
}
