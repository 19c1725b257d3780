//! The segment that compaction writes: batches into its `.log` file, its indexes behind it, all of it synced at the end.

use bytes::{BufMut, Bytes, BytesMut};
use poruka_env::Disk;

use super::compaction::CompactError;
use crate::batch::Head;
use crate::segment::Segment;

/// Batches are gathered to writes of about this size.
const GATHER_BYTES: usize = 256 << 10;

/// A segment in the making.
pub(super) struct Target {
    segment: Segment,
    pub(super) generation: u64,
    gathered: BytesMut,
    written: u64,
    index_interval_bytes: u32,
}

impl Target {
    pub(super) fn new((segment, generation): (Segment, u64), index_interval_bytes: u32) -> Target {
        Target { segment, generation, gathered: BytesMut::new(), written: 0, index_interval_bytes }
    }

    pub(super) fn base(&self) -> i64 {
        self.segment.base()
    }

    /// Bytes of batches so far.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.segment.len())
    }

    /// Adds a batch.
    pub(super) fn put(&mut self, disk: &dyn Disk, batch: &Bytes) -> Result<(), CompactError> {
        let head = Head::read(batch).ok_or(CompactError::Lost)?;
        self.segment.appended(&head, self.index_interval_bytes);
        self.gathered.put_slice(batch);
        if self.gathered.len() >= GATHER_BYTES { self.flush(disk) } else { Ok(()) }
    }

    fn flush(&mut self, disk: &dyn Disk) -> Result<(), CompactError> {
        let file = self.segment.open(disk).map_err(CompactError::io(self.segment.path()))?;
        file.file().write_at(&self.gathered, self.written).map_err(CompactError::io(file.path()))?;
        self.written += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    /// Makes all of it durable, names included.
    pub(super) fn finish(mut self, disk: &dyn Disk) -> Result<Segment, CompactError> {
        self.flush(disk)?;
        let Target { mut segment, .. } = self;
        segment.seal();
        let path = segment.path();
        let file = segment.open(disk).map_err(CompactError::io(&path))?;
        file.sync(disk).map_err(CompactError::io(&path))?;
        if let Some(index) = segment.index_to_save(0) {
            index.run(disk).map_err(CompactError::io(&path))?;
            segment.index_saved(&index);
        }
        segment.let_go();
        segment.is_proven = true;
        Ok(segment)
    }
}
