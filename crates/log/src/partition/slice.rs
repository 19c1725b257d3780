//! Large batches on their way out without passing through memory: a part of a segment's file that holds whole batches.
//!
//! The system sends such a part from its page cache to a socket at about a fifth of what reading and writing it costs
//! (docs/decisions/1001). Only bytes that this process has appended, or has read and checked since it started, go this
//! way: the rest is read, compared with its checksums, and counts as checked from then on.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use poruka_env::DiskFile;

use super::locate::Region;
use super::read::{Found, Wanted, damaged};
use crate::batch::{HEADER_BYTES, Head};
use crate::error::ReadError;
use crate::segment_file::SegmentFile;

/// Smaller batches are read into memory, many at a time: each one that is sliced costs a read of its header.
const SLICED_BATCH_BYTES_MIN: usize = 16 << 10;

/// A part of a segment's file. Its bytes stay as they are for as long as it lives, whatever happens to the segment.
#[derive(Debug, Clone)]
pub struct FileSlice {
    file: Arc<SegmentFile>,
    at: u64,
    len: usize,
    batches: u64,
    records: u64,
}

impl FileSlice {
    /// The file.
    pub fn file(&self) -> &dyn DiskFile {
        &**self.file.file()
    }

    /// Where the part begins.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Batches in the whole part.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Records in the whole part, as the batches count them.
    pub fn records(&self) -> u64 {
        self.records
    }
}

/// Whole batches, in memory or in a file.
#[derive(Debug, Clone)]
pub enum Piece {
    /// In memory.
    Memory(Bytes),
    /// In a file.
    File(FileSlice),
}

impl Piece {
    /// Bytes of it.
    pub fn len(&self) -> usize {
        match self {
            Piece::Memory(bytes) => bytes.len(),
            Piece::File(slice) => slice.len,
        }
    }

    /// True when nothing is left of it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that it keeps.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Piece::Memory(bytes) => bytes.len(),
            Piece::File(_) => 0,
        }
    }

    /// Leaves out the first `count` bytes.
    pub fn advance(&mut self, count: usize) {
        match self {
            Piece::Memory(bytes) => bytes.advance(count),
            Piece::File(slice) => (slice.at, slice.len) = (slice.at + count as u64, slice.len - count),
        }
    }

    /// The bytes, read from the file if they are in one.
    ///
    /// # Errors
    /// As the disk says.
    pub fn into_bytes(self) -> io::Result<Bytes> {
        match self {
            Piece::Memory(bytes) => Ok(bytes),
            Piece::File(slice) => slice.file().read_range(slice.at, slice.len).map(Bytes::from),
        }
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Piece {
        Piece::Memory(bytes)
    }
}

impl Wanted {
    /// The large and checked batches that are wanted first, if there are any.
    pub(super) fn slice(&self, region: &Region) -> Result<Option<Found>, ReadError> {
        let (mut at, mut start, mut next) = (region.from, None, self.from);
        let (mut batches, mut records) = (0, 0);
        while at < region.until {
            let mut header = [0; HEADER_BYTES];
            let read = region.file.file().read_exact_at(&mut header, u64::from(at));
            let Some(head) = read.ok().and_then(|()| Head::read(&header)) else {
                return Err(damaged(region, at));
            };
            let end = at as usize + head.size;
            if head.size < SLICED_BATCH_BYTES_MIN || end > region.until as usize {
                break;
            }
            if head.next_offset() > self.from {
                let first = start.unwrap_or(at);
                let fits = end - first as usize <= self.bytes_max || (start.is_none() && self.at_least_one);
                let is_checked = end as u32 <= region.unchecked.start || at >= region.unchecked.end;
                if !fits || !is_checked || head.next_offset() > self.until {
                    break;
                }
                (start, next) = (Some(first), head.next_offset());
                (batches, records) = (batches + 1, records + u64::try_from(head.record_count).unwrap_or(0));
            }
            at = end as u32;
        }
        let Some(start) = start else { return Ok(None) };
        let (file, len) = (Arc::clone(&region.file), (at - start) as usize);
        let slice = FileSlice { file, at: u64::from(start), len, batches, records };
        Ok(Some(Found {
            records: Some(Piece::File(slice)),
            stopped: true,
            resume: Some((next, at)),
            checked: start..at,
        }))
    }
}

/// Takes out of `unchecked` what was checked, where that leaves it in one piece.
pub(crate) fn checked(unchecked: &mut Range<u32>, checked: Range<u32>) {
    if checked.start <= unchecked.start {
        unchecked.start = unchecked.start.max(checked.end);
    } else if checked.end >= unchecked.end {
        unchecked.end = unchecked.end.min(checked.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_checked_leaves_the_unchecked_part_from_either_end() {
        let mut unchecked = 0..100;
        for (part, left) in [(20..30, 0..100), (0..40, 40..100), (30..35, 40..100), (90..100, 40..90)] {
            checked(&mut unchecked, part);
            assert_eq!(unchecked, left);
        }
        checked(&mut unchecked, 40..90);
        assert!(unchecked.is_empty());
        checked(&mut unchecked, 0..10);
        assert!(unchecked.is_empty());
    }
}
