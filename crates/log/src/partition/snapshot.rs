//! What a checkpoint takes from a partition: its record, and the files that must be synced before the record is true.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use poruka_env::Disk;

use super::PartitionLog;
use crate::checkpoint::PartitionRecord;
use crate::config::Class;
use crate::segment::IndexSave;
use crate::segment_file::SegmentFile;

/// A segment that is being written gets its index saved when at least this much of it is new.
const INDEX_SAVE_BYTES_MIN: usize = 16 << 10;

/// A partition at one moment.
pub(crate) struct Snapshot {
    pub(crate) record: PartitionRecord,
    work: Vec<Work>,
}

/// What could not be synced.
#[derive(Debug)]
pub(crate) enum SyncError {
    /// Records: the system may have dropped them, and a second sync would say that all is well.
    Log(PathBuf, io::Error),
    /// Only a shortcut.
    Index(io::Error),
}

struct Work {
    base: i64,
    file: Option<Arc<SegmentFile>>,
    index: Option<IndexSave>,
}

/// How exact a snapshot has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In the middle of things.
    Running,
    /// Nothing will be appended any more: indexes are saved whole, and reservations given back.
    Final,
}

impl Snapshot {
    /// Makes true what the record says. Long; call it without the partition's lock.
    pub(crate) fn sync(&self, disk: &dyn Disk) -> Result<(), SyncError> {
        for work in &self.work {
            if let Some(file) = &work.file {
                file.sync(disk).map_err(|error| SyncError::Log(file.path().to_owned(), error))?;
            }
            if let Some(index) = &work.index {
                index.run(disk).map_err(SyncError::Index)?;
            }
        }
        Ok(())
    }
}

impl PartitionLog {
    /// The partition as it is now. `None`: nothing of it is kept (Memory, or deleted).
    pub(crate) fn snapshot(&self, kind: Kind) -> Option<Snapshot> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if self.class == Class::Memory || inner.deleted {
            return None;
        }
        let files = inner.files.as_mut()?;
        let mut work = Vec::new();
        let active_base = files.active.as_ref().map(|active| active.base());
        for segment in files.all_mut() {
            let is_active = active_base == Some(segment.base());
            let bytes_min = if is_active && kind == Kind::Running { INDEX_SAVE_BYTES_MIN } else { 1 };
            let index = segment.index_to_save(bytes_min);
            let file = (!segment.is_proven).then(|| segment.file().cloned()).flatten();
            let lets_go = !is_active && !segment.is_settled();
            if file.is_some() || index.is_some() || lets_go {
                work.push(Work { base: segment.base(), file, index });
            }
            // Appends from now on make it unproven again.
            segment.is_proven = true;
        }
        if kind == Kind::Final {
            inner.reserved = inner.end;
        }
        let record = PartitionRecord {
            id: self.id,
            topic: self.topic.clone(),
            key: self.key,
            class: self.class,
            log_start: inner.log_start,
            end: inner.end,
            reserved: inner.reserved,
            epochs: inner.epochs.clone(),
            producers: inner.producers.clone(),
            cleaned: inner.cleaned,
            segments: files.all_mut().map(|segment| segment.record()).collect(),
        };
        Some(Snapshot { record, work })
    }

    /// The snapshot's files are synced: indexes count as saved, those of sealed segments leave the memory.
    pub(crate) fn synced(&self, snapshot: &mut Snapshot) {
        let mut inner = self.lock();
        let Some(files) = inner.files.as_mut() else { return };
        let active_base = files.active.as_ref().map(|active| active.base());
        for work in &snapshot.work {
            let Some(segment) = files.all_mut().find(|segment| segment.base() == work.base) else { continue };
            if let Some(index) = &work.index {
                segment.index_saved(index);
                let counts = segment.record();
                if let Some(record) =
                    snapshot.record.segments.iter_mut().find(|record| record.base == work.base)
                {
                    (record.offsets, record.times) = (counts.offsets, counts.times);
                }
            }
            if active_base != Some(work.base) && segment.is_proven && segment.index_to_save(1).is_none() {
                segment.let_go();
            }
        }
    }

    /// The snapshot could not be synced: the next checkpoint has to try again.
    pub(crate) fn not_synced(&self, snapshot: &Snapshot) {
        let mut inner = self.lock();
        let Some(files) = inner.files.as_mut() else { return };
        for segment in files.all_mut() {
            segment.is_proven &= !snapshot.work.iter().any(|work| work.base == segment.base());
        }
    }
}
