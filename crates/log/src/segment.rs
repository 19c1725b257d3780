//! One segment of a partition: a `.log` file of batches with its sparse offset and time indexes, in Kafka's formats.
//!
//! The index of the segment that is being written lives in memory; checkpoints save what is new of it and drop it once
//! the segment is sealed. An index is a shortcut, never the truth: where an entry is missing, a lookup walks further.
//! Assumes S1 and S3. Index entries are Kafka's: an offset entry (8 bytes) has the last offset of a batch, relative to
//! the base, and the batch's position; a time entry (12 bytes) has the largest timestamp so far and its offset.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BufMut;
use poruka_env::{Disk, DiskFile, OpenMode};

use crate::batch::Head;
use crate::clean::retention::Aged;
use crate::codec::{Cursor, Malformed};
use crate::layout::{INDEX, LOG, TIME_INDEX, cleaned_path, segment_path};
use crate::segment_file::SegmentFile;
use crate::walk::{Step, Walk};

const OFFSET_ENTRY_BYTES: usize = 8;
const TIME_ENTRY_BYTES: usize = 12;
/// No record yet.
pub(crate) const NO_TIMESTAMP: i64 = -1;

/// What a checkpoint says of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentRecord {
    pub(crate) base: i64,
    /// Synced length of the `.log` file.
    pub(crate) len: u32,
    /// The offset after its last batch.
    pub(crate) end: i64,
    pub(crate) max_timestamp: i64,
    /// Last offset of the batch with the largest timestamp.
    pub(crate) max_timestamp_offset: i64,
    /// Synced entries of `.index` and `.timeindex`.
    pub(crate) offsets: u32,
    pub(crate) times: u32,
}

/// Bytes of an encoded [`SegmentRecord`].
pub(crate) const SEGMENT_BYTES: usize = 8 + 4 + 8 + 8 + 8 + 4 + 4;

impl SegmentRecord {
    pub(crate) fn encode(&self, out: &mut impl BufMut) {
        out.put_i64(self.base);
        out.put_u32(self.len);
        out.put_i64(self.end);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.max_timestamp_offset);
        out.put_u32(self.offsets);
        out.put_u32(self.times);
    }

    pub(crate) fn decode(from: &mut Cursor<'_>) -> Result<SegmentRecord, Malformed> {
        Ok(SegmentRecord {
            base: from.i64()?,
            len: from.u32()?,
            end: from.i64()?,
            max_timestamp: from.i64()?,
            max_timestamp_offset: from.i64()?,
            offsets: from.u32()?,
            times: from.u32()?,
        })
    }

    pub(crate) fn empty(base: i64) -> Self {
        Self {
            base,
            len: 0,
            end: base,
            max_timestamp: NO_TIMESTAMP,
            max_timestamp_offset: -1,
            offsets: 0,
            times: 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OffsetEntry {
    delta: u32,
    position: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimeEntry {
    timestamp: i64,
    delta: u32,
}

/// What an index says of one batch. Indexes are not proven: compare the batch before relying on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexedBatch {
    pub(crate) position: u32,
    pub(crate) last_offset: i64,
}

/// Index bytes to be written and synced by a checkpoint, outside of the partition's lock.
#[derive(Debug)]
pub(crate) struct IndexSave {
    offsets_path: PathBuf,
    times_path: PathBuf,
    offsets_at: u64,
    offsets: Vec<u8>,
    times_at: u64,
    times: Vec<u8>,
}

impl IndexSave {
    pub(crate) fn run(&self, disk: &dyn Disk) -> io::Result<()> {
        for (path, at, bytes) in [
            (&self.offsets_path, self.offsets_at, &self.offsets),
            (&self.times_path, self.times_at, &self.times),
        ] {
            let file = disk.open(path, OpenMode::Create)?;
            file.write_at(bytes, at)?;
            file.set_len(at + bytes.len() as u64)?;
            file.sync_data()?;
        }
        self.offsets_path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Segment {
    dir: PathBuf,
    file: Option<Arc<SegmentFile>>,
    record: SegmentRecord,
    /// Entries in memory; those before have been dropped because the segment is sealed and saved.
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
    in_memory: bool,
    bytes_since_entry: u32,
    /// Largest timestamp of its first batch; none for a segment of an earlier life.
    first_timestamp: Option<i64>,
    /// When the cleaner took its age from; none before it looked.
    since_ms: Option<i64>,
    /// Its files do not have their own names yet, but those of this generation of compacted segments.
    generation: Option<u64>,
    /// The part that nobody has compared with its checksums since the start of this process.
    unchecked: Range<u32>,
    /// Everything of it is in a checkpoint.
    pub(crate) is_proven: bool,
}

impl Segment {
    /// A new segment in `dir`. Its name is not durable yet.
    pub(crate) fn create(disk: &dyn Disk, dir: &Path, base: i64) -> io::Result<Segment> {
        let segment = Segment::adopt(disk, dir, base)?;
        if let Some(file) = &segment.file {
            file.file().set_len(0)?;
        }
        Ok(segment)
    }

    /// As a new segment, whatever the file holds stays in it for the moment.
    pub(crate) fn adopt(disk: &dyn Disk, dir: &Path, base: i64) -> io::Result<Segment> {
        let path = segment_path(dir, base, LOG);
        let file = disk.open(&path, OpenMode::Create)?;
        let mut segment = Segment::known(dir, SegmentRecord::empty(base));
        segment.in_memory = true;
        segment.is_proven = false;
        segment.file = Some(SegmentFile::new(path, file, false));
        Ok(segment)
    }

    /// A compacted segment that is to take the place of others. Its files have names of their own until
    /// [`Segment::take_names`].
    pub(crate) fn create_cleaned(
        disk: &dyn Disk,
        dir: &Path,
        base: i64,
        generation: u64,
    ) -> io::Result<Segment> {
        let mut segment = Segment::known(dir, SegmentRecord::empty(base));
        (segment.in_memory, segment.is_proven, segment.generation) = (true, false, Some(generation));
        let path = segment.path();
        let file = disk.open(&path, OpenMode::Create)?;
        file.set_len(0)?;
        segment.file = Some(SegmentFile::new(path, file, false));
        Ok(segment)
    }

    /// Its files have the names of that generation.
    pub(crate) fn is_cleaned(&mut self, generation: u64) {
        self.generation = Some(generation);
    }

    /// Gives the files of a compacted segment their final names, over those of the segment that they replace. The names
    /// are durable once the folder is synced.
    pub(crate) fn take_names(&mut self, disk: &dyn Disk) -> io::Result<()> {
        if let Some(generation) = self.generation {
            // The log last: until then, it is found under the name that it is looked for.
            for ending in [INDEX, TIME_INDEX, LOG] {
                let (dir, base) = (&self.dir, self.record.base);
                let aside = cleaned_path(dir, base, ending, generation);
                match disk.rename(&aside, &segment_path(dir, base, ending)) {
                    // An earlier try got that far.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other?,
                }
            }
            self.generation = None;
        }
        Ok(())
    }

    /// A sealed segment that a checkpoint knows; nothing is opened.
    pub(crate) fn known(dir: &Path, record: SegmentRecord) -> Segment {
        Segment {
            dir: dir.to_owned(),
            file: None,
            record,
            offsets: Vec::new(),
            times: Vec::new(),
            in_memory: false,
            bytes_since_entry: 0,
            first_timestamp: None,
            since_ms: None,
            generation: None,
            unchecked: 0..record.len,
            is_proven: true,
        }
    }

    /// Makes a known segment writable again: its saved index comes into memory. An index that does not fit the
    /// record is left behind, for lookups walk further then.
    pub(crate) fn reopen(&mut self, disk: &dyn Disk) -> io::Result<()> {
        let path = self.path();
        let named = disk.exists(&path);
        self.file = Some(SegmentFile::new(path.clone(), disk.open(&path, OpenMode::Create)?, named));
        self.is_proven &= named;
        let offsets = self.saved_offsets(disk).unwrap_or_default();
        let times = self.saved_times(disk).unwrap_or_default();
        self.record.offsets = offsets.len() as u32;
        self.record.times = times.len() as u32;
        (self.offsets, self.times, self.in_memory) = (offsets, times, true);
        Ok(())
    }

    fn saved_offsets(&self, disk: &dyn Disk) -> io::Result<Vec<OffsetEntry>> {
        let raw = self.saved(disk, INDEX, self.record.offsets as usize * OFFSET_ENTRY_BYTES)?;
        let entries: Vec<_> = raw
            .chunks_exact(OFFSET_ENTRY_BYTES)
            .filter_map(|raw| raw.try_into().ok())
            .map(offset_entry)
            .collect();
        let sane = entries.is_sorted_by(|a, b| a.delta < b.delta && a.position < b.position)
            && entries.last().is_none_or(|last| last.position < self.record.len);
        Ok(if sane { entries } else { Vec::new() })
    }

    fn saved_times(&self, disk: &dyn Disk) -> io::Result<Vec<TimeEntry>> {
        let raw = self.saved(disk, TIME_INDEX, self.record.times as usize * TIME_ENTRY_BYTES)?;
        let entries: Vec<_> = raw
            .chunks_exact(TIME_ENTRY_BYTES)
            .filter_map(|raw| raw.try_into().ok())
            .map(time_entry)
            .collect();
        let sane = entries.is_sorted_by(|a, b| a.timestamp < b.timestamp && a.delta <= b.delta);
        Ok(if sane { entries } else { Vec::new() })
    }

    /// What the proven part of the offset index says: last offset of a batch, its position.
    pub(crate) fn proven_offsets(&self, disk: &dyn Disk) -> io::Result<Vec<(i64, i64)>> {
        let raw = self.saved(disk, INDEX, self.record.offsets as usize * OFFSET_ENTRY_BYTES)?;
        let entries =
            raw.chunks_exact(OFFSET_ENTRY_BYTES).filter_map(|raw| raw.try_into().ok()).map(offset_entry);
        Ok(entries
            .map(|entry| (self.record.base + i64::from(entry.delta), i64::from(entry.position)))
            .collect())
    }

    /// What the proven part of the time index says: largest timestamp, last offset of its batch.
    pub(crate) fn proven_times(&self, disk: &dyn Disk) -> io::Result<Vec<(i64, i64)>> {
        let raw = self.saved(disk, TIME_INDEX, self.record.times as usize * TIME_ENTRY_BYTES)?;
        let entries =
            raw.chunks_exact(TIME_ENTRY_BYTES).filter_map(|raw| raw.try_into().ok()).map(time_entry);
        Ok(entries.map(|entry| (entry.timestamp, self.record.base + i64::from(entry.delta))).collect())
    }

    /// Writes both index files of a known segment anew; its record with their counts.
    pub(crate) fn rebuild_index(
        disk: &dyn Disk,
        dir: &Path,
        record: SegmentRecord,
        index_interval_bytes: u32,
    ) -> io::Result<SegmentRecord> {
        let mut segment = Segment::known(dir, SegmentRecord::empty(record.base));
        segment.in_memory = true;
        let file = disk.open(&segment.path(), OpenMode::Read)?;
        let mut walk = Walk::new(&*file, 0, u64::from(record.len), false);
        while let Step::Batch { head, .. } = walk.step()? {
            segment.appended(&head, index_interval_bytes);
        }
        segment.seal();
        let empty = IndexSave {
            offsets_path: segment_path(dir, record.base, INDEX),
            times_path: segment_path(dir, record.base, TIME_INDEX),
            offsets_at: 0,
            offsets: Vec::new(),
            times_at: 0,
            times: Vec::new(),
        };
        let save = segment.index_to_save(1).unwrap_or(empty);
        save.run(disk)?;
        segment.index_saved(&save);
        let SegmentRecord { offsets, times, .. } = segment.record;
        Ok(SegmentRecord { offsets, times, ..record })
    }

    fn saved(&self, disk: &dyn Disk, ending: &str, bytes: usize) -> io::Result<Vec<u8>> {
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let mut raw = vec![0; bytes];
        disk.open(&self.file_path(ending), OpenMode::Read)?.read_exact_at(&mut raw, 0)?;
        Ok(raw)
    }

    /// The `.log` file. A sealed segment's is opened anew each time, so that descriptors are bounded by the segments
    /// that are being written.
    pub(crate) fn open(&self, disk: &dyn Disk) -> io::Result<Arc<SegmentFile>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let path = self.path();
        let file = disk.open(&path, OpenMode::Read)?;
        Ok(SegmentFile::new(path, file, true))
    }

    /// The `.log` file, if it is open.
    pub(crate) fn file(&self) -> Option<&Arc<SegmentFile>> {
        self.file.as_ref()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.file_path(LOG)
    }

    fn file_path(&self, ending: &str) -> PathBuf {
        match self.generation {
            None => segment_path(&self.dir, self.record.base, ending),
            Some(generation) => cleaned_path(&self.dir, self.record.base, ending, generation),
        }
    }

    pub(crate) fn base(&self) -> i64 {
        self.record.base
    }

    pub(crate) fn len(&self) -> u32 {
        self.record.len
    }

    pub(crate) fn end(&self) -> i64 {
        self.record.end
    }

    pub(crate) fn record(&self) -> SegmentRecord {
        self.record
    }

    /// The part that has not been compared with its checksums yet.
    pub(crate) fn unchecked(&self) -> Range<u32> {
        self.unchecked.clone()
    }

    /// A part was compared with its checksums.
    pub(crate) fn checked(&mut self, part: Range<u32>) {
        crate::partition::checked(&mut self.unchecked, part);
    }

    /// True when a batch of that size and last offset may still go in.
    pub(crate) fn has_room(&self, bytes: usize, last_offset: i64, segment_bytes: u32) -> bool {
        let room = u64::from(self.record.len) + bytes as u64 <= u64::from(segment_bytes.min(i32::MAX as u32));
        let fits = last_offset - self.record.base <= i64::from(i32::MAX);
        fits && (room || self.record.len == 0)
    }

    /// True when a batch with that timestamp is so much younger than the first one that it belongs into another segment.
    pub(crate) fn spans(&self, timestamp: i64, roll_ms: i64) -> bool {
        self.first_timestamp.is_some_and(|first| first >= 0 && timestamp.saturating_sub(first) > roll_ms)
    }

    /// Since when it is there, as far as this process can tell. The first call of a segment's life decides.
    pub(crate) fn since(&mut self, now_ms: i64) -> i64 {
        let newest = self.record.max_timestamp;
        let is_older = self.first_timestamp.is_none() && (0..now_ms).contains(&newest);
        *self.since_ms.get_or_insert(if is_older { newest } else { now_ms })
    }

    /// What retention goes by. A segment without timestamps is as old as it is known to be.
    pub(crate) fn aged(&mut self, now_ms: i64) -> Aged {
        let newest_ms = match self.record.max_timestamp {
            NO_TIMESTAMP => self.since(now_ms),
            newest => newest,
        };
        Aged { bytes: u64::from(self.record.len), end: self.record.end, newest_ms }
    }

    /// Takes note of a batch that was written at the end of the file.
    pub(crate) fn appended(&mut self, head: &Head, index_interval_bytes: u32) {
        let newest = head.newest_timestamp();
        if newest > self.record.max_timestamp {
            self.record.max_timestamp = newest;
            self.record.max_timestamp_offset = head.last_offset();
        }
        if self.record.len == 0 {
            self.first_timestamp = Some(newest);
        }
        if self.bytes_since_entry > index_interval_bytes {
            let delta = (head.last_offset() - self.record.base) as u32;
            self.offsets.push(OffsetEntry { delta, position: self.record.len });
            self.note_time();
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry = self.bytes_since_entry.saturating_add(head.size as u32);
        self.record.len += head.size as u32;
        self.record.end = head.next_offset();
        self.is_proven = false;
    }

    fn note_time(&mut self) {
        let newest = self.times.last().map_or(NO_TIMESTAMP, |last| last.timestamp);
        if self.record.max_timestamp > newest {
            let delta = (self.record.max_timestamp_offset - self.record.base) as u32;
            self.times.push(TimeEntry { timestamp: self.record.max_timestamp, delta });
        }
    }

    /// Nothing of it is in memory, and a checkpoint, or a journal entry, speaks of all of it.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_proven && self.file.is_none() && !self.in_memory
    }

    /// Takes over since when the records of a segment that it replaces are there.
    pub(crate) fn is_as_old_as(&mut self, other: &Segment) {
        self.since_ms = self.since_ms.max(other.since_ms);
    }

    /// No batch will be added: the time index gets its last entry.
    pub(crate) fn seal(&mut self) {
        self.note_time();
    }

    /// Index bytes that are not on the disk yet, if they are at least `bytes_min`.
    pub(crate) fn index_to_save(&self, bytes_min: usize) -> Option<IndexSave> {
        let (saved_offsets, saved_times) = (self.record.offsets as usize, self.record.times as usize);
        let (mut offsets, mut times) = (Vec::new(), Vec::new());
        for entry in self.offsets.get(saved_offsets..)? {
            offsets.put_u32(entry.delta);
            offsets.put_u32(entry.position);
        }
        for entry in self.times.get(saved_times..)? {
            times.put_i64(entry.timestamp);
            times.put_u32(entry.delta);
        }
        let bytes = offsets.len() + times.len();
        // A compacted segment's index takes the place of another one, even when it is empty.
        let is_due = self.generation.is_some() || (bytes > 0 && bytes >= bytes_min);
        (self.in_memory && is_due).then(|| IndexSave {
            offsets_path: self.file_path(INDEX),
            times_path: self.file_path(TIME_INDEX),
            offsets_at: (saved_offsets * OFFSET_ENTRY_BYTES) as u64,
            offsets,
            times_at: (saved_times * TIME_ENTRY_BYTES) as u64,
            times,
        })
    }

    /// The save was written and synced.
    pub(crate) fn index_saved(&mut self, save: &IndexSave) {
        self.record.offsets =
            (save.offsets_at as usize + save.offsets.len()).div_euclid(OFFSET_ENTRY_BYTES) as u32;
        self.record.times = (save.times_at as usize + save.times.len()).div_euclid(TIME_ENTRY_BYTES) as u32;
    }

    /// A sealed segment that is on the disk needs neither memory nor a descriptor.
    pub(crate) fn let_go(&mut self) {
        self.file = None;
        (self.offsets, self.times, self.in_memory) = (Vec::new(), Vec::new(), false);
    }

    /// A batch at or before the one that holds `offset`, as the index has it.
    pub(crate) fn batch_before(&self, disk: &dyn Disk, offset: i64) -> Option<IndexedBatch> {
        let base = self.record.base;
        let before = |entry: &OffsetEntry| base + i64::from(entry.delta) <= offset;
        let found = if self.in_memory {
            let after = self.offsets.partition_point(before);
            after.checked_sub(1).map(|at| self.offsets[at])
        } else {
            search(disk, &self.file_path(INDEX), self.record.offsets, |raw| {
                Some(offset_entry(raw)).filter(before)
            })
        };
        found.filter(|entry| entry.position < self.record.len).map(|entry| IndexedBatch {
            position: entry.position,
            last_offset: base + i64::from(entry.delta),
        })
    }

    /// An offset such that every batch that ends before it is older than `timestamp`.
    pub(crate) fn offset_before_time(&self, disk: &dyn Disk, timestamp: i64) -> i64 {
        let before = |entry: &TimeEntry| entry.timestamp < timestamp;
        let delta = if self.in_memory {
            let after = self.times.partition_point(before);
            after.checked_sub(1).map(|at| self.times[at].delta)
        } else {
            search(disk, &self.file_path(TIME_INDEX), self.record.times, |raw| {
                Some(time_entry(raw)).filter(before)
            })
            .map(|entry| entry.delta)
        };
        self.record.base + i64::from(delta.unwrap_or(0))
    }
}

/// Binary search in an index file: the value of the last entry for which `matches` gives one.
fn search<const N: usize, Entry>(
    disk: &dyn Disk,
    path: &Path,
    entries: u32,
    matches: impl Fn(&[u8; N]) -> Option<Entry>,
) -> Option<Entry> {
    if entries == 0 {
        return None;
    }
    let file: Arc<dyn DiskFile> = disk.open(path, OpenMode::Read).ok()?;
    let (mut low, mut high, mut found) = (0, entries, None);
    while low < high {
        let middle = low + (high - low) / 2;
        let mut raw = [0; N];
        file.read_exact_at(&mut raw, u64::from(middle) * N as u64).ok()?;
        match matches(&raw) {
            Some(value) => (low, found) = (middle + 1, Some(value)),
            None => high = middle,
        }
    }
    found
}

fn offset_entry(raw: &[u8; OFFSET_ENTRY_BYTES]) -> OffsetEntry {
    let [a, b, c, d, e, f, g, h] = *raw;
    OffsetEntry { delta: u32::from_be_bytes([a, b, c, d]), position: u32::from_be_bytes([e, f, g, h]) }
}

fn time_entry(raw: &[u8; TIME_ENTRY_BYTES]) -> TimeEntry {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *raw;
    TimeEntry {
        timestamp: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        delta: u32::from_be_bytes([i, j, k, l]),
    }
}
