//! Where in a partition's files an offset or a moment is to be looked for.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use poruka_env::Disk;

use super::{Files, Inner};
use crate::batch::{HEADER_BYTES, Head};
use crate::segment::{IndexedBatch, Segment};
use crate::segment_file::SegmentFile;

/// A region of one segment to walk.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) file: Arc<SegmentFile>,
    pub(super) base: i64,
    pub(super) from: u32,
    pub(super) until: u32,
    /// What of the segment has not been compared with its checksums yet.
    pub(super) unchecked: Range<u32>,
    /// The offset after the segment's last batch.
    pub(super) end: i64,
    /// Of the partition's compacted segments, when the region was looked up.
    pub(super) generation: u64,
}

impl Region {
    /// The region from the batch that the index names, if that batch is there; the whole segment otherwise.
    fn from_index(
        segment: &Segment,
        disk: &dyn Disk,
        indexed: Option<IndexedBatch>,
        generation: u64,
    ) -> io::Result<Region> {
        let whole = Region::new(segment, disk, 0, generation)?;
        let Some(indexed) = indexed else { return Ok(whole) };
        let mut header = [0; HEADER_BYTES];
        let read = whole.file.file().read_exact_at(&mut header, u64::from(indexed.position));
        let found = read.ok().and_then(|()| Head::read(&header));
        if found.is_some_and(|head| head.last_offset() == indexed.last_offset) {
            return Ok(Region { from: indexed.position, ..whole });
        }
        tracing::warn!(segment = %whole.file.path().display(), "the index is damaged; the segment is walked instead");
        Ok(whole)
    }

    fn new(segment: &Segment, disk: &dyn Disk, from: u32, generation: u64) -> io::Result<Region> {
        let file = segment.open(disk)?;
        let (until, unchecked) = (segment.len(), segment.unchecked());
        Ok(Region { file, base: segment.base(), from, until, unchecked, end: segment.end(), generation })
    }
}

impl Files {
    /// The segment that holds `offset`, or the first one after it.
    fn segment_of(&mut self, offset: i64) -> Option<&mut Segment> {
        let base = self
            .sealed
            .range(..=offset)
            .next_back()
            .filter(|(_, found)| offset < found.end())
            .map(|(b, _)| *b);
        let in_active = self.active.as_ref().is_some_and(|active| active.base() <= offset);
        match (base, in_active) {
            (Some(base), _) => self.sealed.get_mut(&base),
            (None, true) => self.active.as_mut(),
            (None, false) => match self.sealed.range_mut(offset..).next() {
                Some((_, after)) => Some(after),
                None => self.active.as_mut(),
            },
        }
    }

    /// All segments, oldest first.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Segment> {
        self.sealed.values_mut().chain(self.active.as_mut())
    }
}

impl Inner {
    /// Where the batch that holds `offset`, or the next one, is to be found.
    pub(super) fn locate(&mut self, disk: &dyn Disk, offset: i64) -> io::Result<Option<Region>> {
        let generation = self.cleaned.generation;
        let resume = self.resume.iter().find(|(known, _, _)| *known == offset).copied();
        let Some(segment) = self.files.as_mut().and_then(|files| files.segment_of(offset)) else {
            return Ok(None);
        };
        match resume {
            Some((_, base, position)) if base == segment.base() && position < segment.len() => {
                Region::new(segment, disk, position, generation).map(Some)
            }
            _ => {
                let indexed = segment.batch_before(disk, offset);
                Region::from_index(segment, disk, indexed, generation).map(Some)
            }
        }
    }

    /// A reader will probably go on from `offset`, which is at that position of the region's segment.
    pub(super) fn remember(&mut self, offset: i64, region: &Region, position: u32) {
        // In a segment that took the place of the region's, something else is there.
        if region.generation == self.cleaned.generation {
            self.resume.rotate_right(1);
            self.resume[0] = (offset, region.base, position);
        }
    }

    /// A part of the region's segment was compared with its checksums.
    pub(super) fn checked(&mut self, region: &Region, part: Range<u32>) {
        let Some(files) = self.files.as_mut().filter(|_| region.generation == self.cleaned.generation) else {
            return;
        };
        if let Some(segment) = files.all_mut().find(|segment| segment.base() == region.base) {
            segment.checked(part);
        }
    }

    /// Where the first batch with a record of at least `timestamp` is to be looked for.
    pub(super) fn locate_time(&mut self, disk: &dyn Disk, timestamp: i64) -> io::Result<Vec<Region>> {
        let generation = self.cleaned.generation;
        let Some(files) = &mut self.files else { return Ok(Vec::new()) };
        let mut regions = Vec::new();
        for segment in files.all_mut().filter(|segment| segment.record().max_timestamp >= timestamp) {
            let from = segment.offset_before_time(disk, timestamp);
            let indexed = segment.batch_before(disk, from);
            regions.push(Region::from_index(segment, disk, indexed, generation)?);
        }
        Ok(regions)
    }
}
