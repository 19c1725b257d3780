//! The way out: whole batches below the high watermark, from the hot tail or by `pread`.
//!
//! Batches of a file that this process has not seen yet are checked against their checksums, so that damage in a segment is
//! told by name (file, position) instead of reaching a consumer. Large ones that need no check stay in the file (`slice`).

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::PartitionLog;
use super::locate::Region;
use super::slice::Piece;
use crate::batch::{HEADER_BYTES, Head};
use crate::error::ReadError;
use crate::records::first_record_at;
use crate::walk::{Step, Walk};

/// Read at least this much from a file at a time.
const READ_BYTES_MIN: usize = 16 << 10;
/// Read this much more than asked for: lookups start up to an index interval before the wanted batch.
const READ_BYTES_BEFORE: usize = 8 << 10;
/// One read from a file takes at most this much (plus one batch, if that is larger).
const READ_BYTES_MAX: usize = 16 << 20;

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<T = Bytes> {
    /// Whole batches, in order; each element holds one or more. The first batch may begin before the offset asked for.
    pub records: Vec<T>,
    /// Readers see records below this offset only.
    pub high_watermark: i64,
    /// Readers of committed records see records below this offset only.
    pub last_stable_offset: i64,
    /// The first offset that may be read.
    pub log_start: i64,
}

impl Read {
    /// Bytes of all batches.
    pub fn bytes(&self) -> usize {
        self.records.iter().map(Bytes::len).sum()
    }
}

impl PartitionLog {
    /// Whole batches from the one that holds `from` (or the next one), up to `bytes_max`; the first one also when it is
    /// larger, if `at_least_one`. Never anything at or above the high watermark.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(&self, from: i64, bytes_max: usize, at_least_one: bool) -> Result<Read, ReadError> {
        let Read { records, high_watermark, last_stable_offset, log_start } =
            self.find(from, bytes_max, at_least_one)?;
        let read: io::Result<Vec<Bytes>> = records.into_iter().map(Piece::into_bytes).collect();
        let records = read.map_err(|error| ReadError::Io { file: self.dir.clone(), error })?;
        Ok(Read { records, high_watermark, last_stable_offset, log_start })
    }

    /// As [`PartitionLog::read`], but large batches are left where they are.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn find(&self, from: i64, bytes_max: usize, at_least_one: bool) -> Result<Read<Piece>, ReadError> {
        let marks = self.progress.marks();
        let (high_watermark, log_start) = (marks.high_watermark, marks.log_start);
        if from < log_start || from > high_watermark {
            return Err(ReadError::OffsetOutOfRange { log_start, high_watermark });
        }
        let mut read =
            Read { records: Vec::new(), high_watermark, last_stable_offset: high_watermark, log_start };
        if from == high_watermark {
            return Ok(read);
        }
        let mut offset = from;
        // Each round either returns or moves to the next segment, so it ends with the segments.
        loop {
            let region = {
                let mut inner = self.lock();
                if let Some(records) = inner.tail.read(offset, high_watermark, bytes_max, at_least_one) {
                    read.records = records.into_iter().map(Piece::Memory).collect();
                    return Ok(read);
                }
                let region = inner.locate(self.context.disk(), offset);
                region.map_err(|error| ReadError::Io { file: self.dir.clone(), error })?
            };
            let Some(region) = region else { return Ok(read) };
            let wanted = Wanted { from: offset, until: high_watermark, bytes_max, at_least_one };
            let found = match wanted.slice(&region)? {
                Some(sliced) => sliced,
                None => wanted.read(&region)?,
            };
            if let Some((next, position)) = found.resume {
                self.lock().remember(next, &region, position);
            }
            if !found.checked.is_empty() && !region.unchecked.is_empty() {
                self.lock().checked(&region, found.checked.clone());
            }
            if found.records.is_some() || found.stopped || region.end <= offset {
                read.records.extend(found.records);
                return Ok(read);
            }
            offset = region.end;
            if offset >= high_watermark {
                return Ok(read);
            }
        }
    }

    /// The first record at or after `timestamp`: (offset, timestamp).
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<(i64, i64)>, ReadError> {
        let marks = self.progress.marks();
        let visible =
            |head: &Head| head.next_offset() > marks.log_start && head.next_offset() <= marks.high_watermark;
        let wanted = |head: &Head| visible(head) && head.max_timestamp >= timestamp && !head.is_control();
        let regions = {
            let mut inner = self.lock();
            if inner.files.is_none() {
                let mut batches = inner.tail.iter();
                let found = batches.find_map(|batch| {
                    Head::read(batch).filter(wanted)?;
                    first_record_at(batch, timestamp, marks.log_start)
                });
                return Ok(found);
            }
            let regions = inner.locate_time(self.context.disk(), timestamp);
            regions.map_err(|error| ReadError::Io { file: self.dir.clone(), error })?
        };
        for region in regions {
            if let Some(found) = search_time(&region, timestamp, marks.log_start, wanted)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The largest timestamp and the offset of its record: (offset, timestamp).
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn max_timestamp(&self) -> Result<Option<(i64, i64)>, ReadError> {
        let newest = {
            let mut inner = self.lock();
            let memory = inner.memory_max_timestamp.0;
            let files = inner.files.as_mut();
            files.map_or(memory, |files| {
                files.all_mut().map(|segment| segment.record().max_timestamp).max().unwrap_or(-1)
            })
        };
        match newest {
            // A record that is not visible yet may be the newest: the search below then finds nothing.
            0.. => self.offset_for_timestamp(newest),
            _ => Ok(None),
        }
    }
}

fn search_time(
    region: &Region,
    timestamp: i64,
    log_start: i64,
    wanted: impl Fn(&Head) -> bool,
) -> Result<Option<(i64, i64)>, ReadError> {
    let broken = |error| ReadError::Io { file: region.file.path().to_owned(), error };
    let file = &**region.file.file();
    let mut walk = Walk::new(file, u64::from(region.from), u64::from(region.until), false);
    loop {
        match walk.step().map_err(broken)? {
            Step::Batch { at, head } if wanted(&head) => {
                let mut batch = vec![0; head.size];
                file.read_exact_at(&mut batch, at).map_err(broken)?;
                if let Some(found) = first_record_at(&Bytes::from(batch), timestamp, log_start) {
                    return Ok(Some(found));
                }
            }
            Step::Batch { .. } => {}
            Step::End => return Ok(None),
            Step::Bad { at } => return Err(ReadError::Damaged { file: region.file.path().to_owned(), at }),
        }
    }
}

pub(super) struct Wanted {
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) bytes_max: usize,
    pub(super) at_least_one: bool,
}

#[derive(Default)]
pub(super) struct Found {
    pub(super) records: Option<Piece>,
    /// There is more in the segment, but not for this read.
    pub(super) stopped: bool,
    /// Where to go on: (offset, position).
    pub(super) resume: Option<(i64, u32)>,
    /// What was compared with its checksums on the way.
    pub(super) checked: Range<u32>,
}

impl Wanted {
    fn read(&self, region: &Region) -> Result<Found, ReadError> {
        let mut at = region.from;
        let mut size = self.bytes_max.clamp(READ_BYTES_MIN, READ_BYTES_MAX) + READ_BYTES_BEFORE;
        // Every round moves `at` on, or makes `size` as large as the batch at `at`.
        while at < region.until {
            let chunk = self.chunk(region, at, size)?;
            match self.take(region, at, &chunk)? {
                Taken::Found(found) => return Ok(found),
                Taken::GoOn { at: next, size: needed } => (at, size) = (next, size.max(needed)),
            }
        }
        Ok(Found::default())
    }

    fn chunk(&self, region: &Region, at: u32, size: usize) -> Result<Bytes, ReadError> {
        let size = size.min((region.until - at) as usize);
        match region.file.file().read_range(u64::from(at), size) {
            Ok(chunk) => Ok(chunk.into()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(damaged(region, at)),
            Err(error) => Err(ReadError::Io { file: region.file.path().to_owned(), error }),
        }
    }

    fn take(&self, region: &Region, at: u32, chunk: &Bytes) -> Result<Taken, ReadError> {
        let (mut here, mut first, mut next_offset) = (0, None, self.from);
        loop {
            let is_last_chunk = at as usize + chunk.len() == region.until as usize;
            let rest = &chunk[here..];
            let place = at + here as u32;
            if rest.len() < HEADER_BYTES && first.is_none() && !(is_last_chunk && rest.is_empty()) {
                return match is_last_chunk {
                    true => Err(damaged(region, place)),
                    false => Ok(Taken::GoOn { at: place, size: 0 }),
                };
            }
            let Some(head) = Head::read(rest) else {
                return match first {
                    Some(start) => Ok(self.found(chunk, start, here, place, next_offset, region)),
                    None if rest.is_empty() => Ok(Taken::Found(Found::default())),
                    None => Err(damaged(region, place)),
                };
            };
            if head.next_offset() <= self.from {
                if head.size > rest.len() {
                    return Ok(Taken::GoOn { at: place + head.size as u32, size: 0 });
                }
                here += head.size;
                continue;
            }
            let start = first.unwrap_or(here);
            let fits = here + head.size - start <= self.bytes_max || (start == here && self.at_least_one);
            if !fits || head.next_offset() > self.until {
                return Ok(self.found(chunk, start, here, place, next_offset, region));
            }
            if head.size > rest.len() {
                return Ok(match first {
                    Some(start) => self.found(chunk, start, here, place, next_offset, region),
                    None => Taken::GoOn { at: place, size: head.size },
                });
            }
            if Head::read_whole(rest).is_none() {
                return match first {
                    Some(start) => Ok(self.found(chunk, start, here, place, next_offset, region)),
                    None => Err(damaged(region, place)),
                };
            }
            first = Some(start);
            next_offset = head.next_offset();
            here += head.size;
        }
    }

    fn found(
        &self,
        chunk: &Bytes,
        start: usize,
        end: usize,
        place: u32,
        next: i64,
        region: &Region,
    ) -> Taken {
        if end == start {
            return Taken::Found(Found { stopped: true, ..Found::default() });
        }
        Taken::Found(Found {
            records: Some(Piece::Memory(chunk.slice(start..end))),
            stopped: true,
            resume: (place < region.until).then_some((next, place)),
            checked: place - (end - start) as u32..place,
        })
    }
}

enum Taken {
    Found(Found),
    GoOn { at: u32, size: usize },
}

pub(super) fn damaged(region: &Region, at: u32) -> ReadError {
    ReadError::Damaged { file: region.file.path().to_owned(), at: u64::from(at) }
}
