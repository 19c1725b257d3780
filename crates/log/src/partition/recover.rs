//! Building a partition again: from its checkpoint record, the journal's entries, and (Cached) the bytes past them.
//!
//! Synced: the journal holds, or proves, every batch past the checkpoint. What the file has beyond the last of them is
//! a torn tail and is cut. Cached: past the checkpoint the file may hold any mix after a power cut; it is read batch by
//! batch and cut at the first bad one. If offsets had been reserved past that end, the log goes on above the reservation,
//! in a new leader epoch, behind a control batch that ends the gap. Sealed segments are never scanned.
//! Assumes S1, S2 and S3; every step may be repeated after a crash in its middle.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::{BufMut, BytesMut};
use poruka_env::{Disk, OpenMode};

use super::salvage::Salvage;
use super::{Files, replaced};
use crate::batch::{self, Head};
use crate::checkpoint::PartitionRecord;
use crate::codec::crc32c;
use crate::config::{Class, SegmentConfig};
use crate::error::{OpenError, at};
use crate::journal::entry::{Cleaned, Place};
use crate::journal::recover::Applied;
use crate::layout::{INDEX, LOG, TIME_INDEX, parse_segment_name, segment_path};
use crate::segment::{Segment, SegmentRecord};
use crate::walk::{Step, Walk};

/// Batches of the journal are gathered to writes of about this size.
const GATHER_BYTES: usize = 1 << 20;

/// What recovery did to one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mended {
    /// Bytes past the proven end that were cut.
    pub(crate) torn_bytes: u64,
    /// Offsets that were left out because they may have been seen.
    pub(crate) gap_offsets: i64,
}

/// A partition that is back.
pub(crate) struct Recovered {
    pub(crate) record: PartitionRecord,
    pub(crate) files: Files,
    pub(crate) mended: Mended,
    /// Offsets whose records are lost, and whether that is all: only a repair goes on after such.
    pub(crate) lost: Vec<(i64, i64)>,
    pub(crate) uncertain: bool,
    /// Files below the log start, to be removed once the checkpoint does not name them.
    pub(crate) below: Vec<PathBuf>,
}

/// A partition on its way back.
pub(crate) struct Recovering<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) dir: PathBuf,
    pub(crate) record: PartitionRecord,
    pub(super) files: Files,
    config: SegmentConfig,
    /// The segments of the checkpoint, also those that were replaced since.
    checkpointed: Vec<SegmentRecord>,
    /// Bytes of the journal that are not in the active segment's file yet, and where they go.
    gathered: BytesMut,
    gathered_at: u32,
    /// Only in a repair.
    pub(super) salvage: Option<Salvage<'a>>,
}

impl<'a> Recovering<'a> {
    /// `replaced`: segments that took the place of others since the checkpoint, in order.
    pub(crate) fn new(
        disk: &'a dyn Disk,
        dir: PathBuf,
        mut record: PartitionRecord,
        replaced: &[(Cleaned, SegmentRecord)],
    ) -> Result<Self, OpenError> {
        let checkpointed = record.segments.clone();
        for (cleaned, segment) in replaced {
            replaced::apply(&mut record, *cleaned, segment);
        }
        replaced::settle_names(disk, &dir, &record)?;
        let mut files = Files { sealed: std::collections::BTreeMap::new(), active: None };
        for (number, known) in record.segments.iter().enumerate() {
            let mut segment = Segment::known(&dir, *known);
            check_length(disk, &segment)?;
            if number + 1 == record.segments.len() {
                segment.reopen(disk).map_err(at(segment.path()))?;
                files.active = Some(segment);
            } else {
                files.sealed.insert(known.base, segment);
            }
        }
        let config = SegmentConfig::default();
        let gathered = BytesMut::new();
        let salvage = None;
        Ok(Self { disk, dir, record, files, config, checkpointed, gathered, gathered_at: 0, salvage })
    }

    /// A batch that the journal carries.
    pub(crate) fn append(&mut self, place: Place, bytes: &[u8]) -> Result<Applied, OpenError> {
        let Some(head) = Head::read(bytes).filter(|head| head.size == bytes.len()) else {
            return Ok(Applied::Broken(self.path_of(place), u64::from(place.position)));
        };
        if head.base_offset < self.record.end {
            // The checkpoint has it already.
            return Ok(Applied::Good);
        }
        self.close_gap(&head)?;
        self.make_room(place, &head)?;
        self.gather(bytes);
        self.took(&head);
        self.took_from(place, bytes.len());
        if self.gathered.len() >= GATHER_BYTES {
            self.flush()?;
        }
        Ok(Applied::Good)
    }

    pub(super) fn gather(&mut self, bytes: &[u8]) {
        if self.gathered.is_empty() {
            self.gathered_at = self.files.active.as_ref().map_or(0, Segment::len);
        }
        self.gathered.put_slice(bytes);
    }

    /// A batch that the journal only refers to.
    pub(crate) fn append_reference(
        &mut self,
        place: Place,
        length: u32,
        crc: u32,
    ) -> Result<Applied, OpenError> {
        let end = place.position.saturating_add(length);
        let known = match &self.salvage {
            Some(salvage) => salvage.known.iter().any(|(base, len)| *base == place.segment && end <= *len),
            None => self.checkpointed.iter().any(|known| known.base == place.segment && end <= known.len),
        };
        if known {
            return Ok(Applied::Good);
        }
        let path = self.path_of(place);
        let mut bytes = vec![0; length as usize];
        let disk = self.salvage.as_ref().map_or(self.disk, |salvage| salvage.originals);
        let read = disk
            .open(&path, OpenMode::Read)
            .and_then(|file| file.read_exact_at(&mut bytes, u64::from(place.position)));
        if let Err(error) = &read
            && !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof)
        {
            // Whether the bytes are there is not known: to call them torn could cost what was acknowledged.
            return read.map(|()| Applied::Good).map_err(at(path));
        }
        let head = Head::read(&bytes).filter(|head| head.size == bytes.len());
        match (read, head) {
            (Ok(()), Some(head)) if crc32c(&bytes) == crc => {
                if head.base_offset < self.record.end {
                    return Ok(Applied::Good);
                }
                self.close_gap(&head)?;
                self.make_room(place, &head)?;
                if self.is_moved() {
                    self.gather(&bytes);
                } else {
                    self.flush()?;
                }
                self.took(&head);
                self.took_from(place, bytes.len());
                Ok(Applied::Good)
            }
            _ => Ok(Applied::Broken(path, u64::from(place.position))),
        }
    }

    fn path_of(&self, place: Place) -> PathBuf {
        segment_path(&self.dir, place.segment, LOG)
    }

    /// Rolls the segment where the original append did, and checks that the batch belongs here.
    fn make_room(&mut self, place: Place, head: &Head) -> Result<(), OpenError> {
        let active = self.files.active.as_ref();
        if self.is_moved() {
            let has_room =
                active.is_some_and(|active| active.has_room(head.size, head.last_offset(), i32::MAX as u32));
            return if has_room { Ok(()) } else { self.roll(head.base_offset) };
        }
        let goes_on =
            active.is_some_and(|active| (active.base(), active.len()) == (place.segment, place.position));
        let rolls = place.position == 0 && place.segment == head.base_offset && !goes_on;
        if head.base_offset != self.record.end || !(goes_on || rolls) {
            let (file, at) = (self.path_of(place), u64::from(place.position));
            return Err(OpenError::Damaged { file, at, what: "the batch that the journal places here" });
        }
        if rolls {
            self.roll(place.segment)?;
        }
        Ok(())
    }

    pub(super) fn roll(&mut self, base: i64) -> Result<(), OpenError> {
        self.flush()?;
        self.disk.create_dir_all(&self.dir).map_err(at(&self.dir))?;
        // The file may hold a batch that an entry refers to: it is cut at the end, not here.
        let path = segment_path(&self.dir, base, LOG);
        let segment = Segment::adopt(self.disk, &self.dir, base).map_err(at(&path))?;
        if let Some(mut full) = self.files.active.replace(segment) {
            full.seal();
            let path = full.path();
            cut(self.disk, &path, u64::from(full.len()))?;
            self.files.sealed.insert(full.base(), full);
        }
        Ok(())
    }

    pub(super) fn took(&mut self, head: &Head) {
        if let Some(active) = &mut self.files.active {
            active.appended(head, self.config.index_interval_bytes);
        }
        if head.has_producer() {
            self.record.producers.appended(head);
        }
        self.record.epochs.note(head.leader_epoch, head.base_offset);
        self.record.end = head.next_offset();
    }

    pub(super) fn flush(&mut self) -> Result<(), OpenError> {
        let Some(active) = self.files.active.as_mut().filter(|_| !self.gathered.is_empty()) else {
            return Ok(());
        };
        let file = active.open(self.disk).map_err(at(active.path()))?;
        file.file().write_at(&self.gathered, u64::from(self.gathered_at)).map_err(at(active.path()))?;
        self.gathered.clear();
        Ok(())
    }

    /// The journal has no more to say.
    pub(crate) fn finish(mut self, now_ms: i64) -> Result<Recovered, OpenError> {
        self.flush()?;
        let mut mended = Mended::default();
        self.salvage_rest()?;
        if self.record.class == Class::Cached && !self.is_moved() {
            self.scan_cached()?;
        }
        let below;
        (mended.torn_bytes, below) = self.cut_tail()?;
        let (lost, uncertain) =
            self.salvage.take().map_or((Vec::new(), false), |salvage| (salvage.lost, salvage.uncertain));
        let may_be_seen = self.record.class == Class::Cached || uncertain;
        if may_be_seen && self.record.reserved > self.record.end {
            mended.gap_offsets = self.record.reserved - self.record.end;
            self.end_gap(now_ms)?;
        }
        self.record.reserved = self.record.end;
        self.record.log_start = self.record.log_start.min(self.record.end);
        Ok(Recovered { record: self.record, files: self.files, mended, lost, uncertain, below })
    }

    /// Takes in whole batches past the checkpoint, over as many segments as follow each other.
    fn scan_cached(&mut self) -> Result<(), OpenError> {
        loop {
            let from = match &mut self.files.active {
                Some(active) => {
                    let path = active.path();
                    let file = active.open(self.disk).map_err(at(&path))?;
                    let (from, until) = (u64::from(active.len()), file.file().len().map_err(at(&path))?);
                    let mut walk = Walk::new(&**file.file(), from, until.min(i32::MAX as u64), true);
                    let mut clean = false;
                    loop {
                        match walk.step().map_err(at(&path))? {
                            Step::Batch { head, .. } if self.goes_on(&head) => self.took(&head),
                            Step::Batch { .. } | Step::Bad { .. } => break,
                            Step::End => {
                                clean = true;
                                break;
                            }
                        }
                    }
                    if !clean {
                        return Ok(());
                    }
                    self.files.active.as_ref().map(Segment::base)
                }
                None => None,
            };
            // Files of segments that were dropped or replaced may still lie before the end.
            let after = from.unwrap_or(-1).max(self.record.end - 1);
            let next = self.segments_on_disk()?.into_iter().find(|base| *base > after);
            match next {
                Some(base) if base == self.record.end && base <= self.record.reserved => self.roll(base)?,
                _ => return Ok(()),
            }
        }
    }

    /// A batch's checksum does not cover its base offset and its leader epoch: a torn write could mix those of one
    /// batch with the rest of another. Only the end of a gap may leave offsets out.
    pub(super) fn goes_on(&self, head: &Head) -> bool {
        let follows = head.base_offset == self.record.end;
        let ends_gap = head.is_control() && head.base_offset > self.record.end;
        (follows || ends_gap) && head.leader_epoch >= self.record.epochs.current()
    }

    fn segments_on_disk(&self) -> Result<Vec<i64>, OpenError> {
        if !self.disk.exists(&self.dir) {
            return Ok(Vec::new());
        }
        let names = self.disk.list(&self.dir).map_err(at(&self.dir))?;
        Ok(names
            .iter()
            .filter_map(|name| parse_segment_name(name))
            .filter(|(_, e)| *e == LOG)
            .map(|(b, _)| b)
            .collect())
    }

    /// Cuts what lies past the end: the rest of the last segment, and the segments after it. Returns the bytes that were
    /// cut, and the files before the first segment: the log start has passed them, but a checkpoint may name them still.
    fn cut_tail(&mut self) -> Result<(u64, Vec<PathBuf>), OpenError> {
        let mut torn = 0;
        let mut active_base = None;
        if let Some(active) = &mut self.files.active {
            torn += cut(self.disk, &active.path(), u64::from(active.len()))?;
            if torn > 0 {
                // Before anything is written there: after another power cut, a mix of both might look like a batch.
                let file = active.open(self.disk).map_err(at(active.path()))?;
                file.file().sync_all().map_err(at(active.path()))?;
                active.is_proven = false;
            }
            active_base = Some(active.base());
        }
        let first = self.files.sealed.keys().next().copied().or(active_base);
        let (mut below, mut removed) = (Vec::new(), false);
        for base in self.segments_on_disk()? {
            if self.files.sealed.contains_key(&base) || active_base == Some(base) {
                continue;
            }
            for ending in [LOG, INDEX, TIME_INDEX] {
                let path = segment_path(&self.dir, base, ending);
                if first.is_some_and(|first| base < first) || replaced::is_left_over(&self.record, base) {
                    below.push(path);
                } else if active_base.is_some_and(|active| base < active) {
                    // Between two segments: no other file of ours is ever left there, so it is somebody's.
                } else if self.disk.exists(&path) {
                    self.disk.remove(&path).map_err(at(&path))?;
                    removed = true;
                }
            }
        }
        if removed {
            // The same base may be used again: the old file must not come back in its place.
            self.disk.sync_dir(&self.dir).map_err(at(&self.dir))?;
        }
        Ok((torn, below))
    }

    fn end_gap(&mut self, now_ms: i64) -> Result<(), OpenError> {
        let epoch = self.record.epochs.current() + 1;
        let gap_end = batch::gap_end(self.record.reserved - 1, epoch, now_ms);
        let head = Head::read(&gap_end).ok_or(OpenError::Damaged {
            file: self.dir.clone(),
            at: 0,
            what: "an offset reservation inside of Kafka's range",
        })?;
        let has_room = self
            .files
            .active
            .as_ref()
            .is_some_and(|active| active.has_room(gap_end.len(), head.last_offset(), i32::MAX as u32));
        if !has_room {
            self.roll(head.base_offset)?;
        }
        let Some(active) = &mut self.files.active else { return Ok(()) };
        let path = active.path();
        let file = active.open(self.disk).map_err(at(&path))?;
        file.file().write_at(&gap_end, u64::from(active.len())).map_err(at(&path))?;
        self.took(&head);
        Ok(())
    }

    /// Takes note of a new log start.
    pub(crate) fn start_at(&mut self, offset: i64) {
        self.record.log_start = self.record.log_start.max(offset);
        self.files.sealed.retain(|_, sealed| sealed.end() > offset);
    }
}

/// A segment that a checkpoint names must have at least the length that was synced.
fn check_length(disk: &dyn Disk, segment: &Segment) -> Result<(), OpenError> {
    let path = segment.path();
    let len = match disk.open(&path, OpenMode::Read) {
        Ok(file) => file.len().map_err(at(&path))?,
        // Nothing was ever proven to be in it, its name neither.
        Err(error) if error.kind() == ErrorKind::NotFound && segment.len() == 0 => return Ok(()),
        Err(error) => return Err(at(path)(error)),
    };
    if len < u64::from(segment.len()) {
        return Err(OpenError::Damaged { file: path, at: len, what: "more bytes, which were synced" });
    }
    Ok(())
}

/// Cuts a file to `len`; returns what was too much.
fn cut(disk: &dyn Disk, path: &Path, len: u64) -> Result<u64, OpenError> {
    let file = disk.open(path, OpenMode::Create).map_err(at(path))?;
    let found = file.len().map_err(at(path))?;
    if found > len {
        file.set_len(len).map_err(at(path))?;
    }
    Ok(found.saturating_sub(len))
}
