//! One segment read whole, up to its synced length: every batch's checksum, place, offsets and epoch, and every index entry.
//!
//! Below the synced length nothing may be wrong (S1), so whatever is wrong here is damage. A batch's checksum does not
//! cover its base offset and its leader epoch; both are known from its neighbours and the checkpoint, and are put back.
//! Offsets may have holes (compaction, gaps), but never go back, and the last batch ends where the checkpoint says.

use std::io;

use poruka_env::DiskFile;

use crate::batch::{BATCH_BYTES_MAX, HEADER_BYTES, Head};
use crate::epochs::Epochs;
use crate::segment::{NO_TIMESTAMP, SegmentRecord};
use crate::walk::Window;

/// Bytes read at a time while the next whole batch after damage is looked for.
const SEARCH_BYTES: usize = 1 << 20;

/// Something wrong in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: u64,
    pub(super) what: &'static str,
    /// Offsets whose records cannot be read: from, until.
    pub(super) lost: Option<(i64, i64)>,
}

/// A stretch of the segment that stays, or what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Bytes as they are: from, until.
    Good(u64, u64),
    /// A batch whose header is put right: its place, its size, the offset and the epoch.
    Mended { at: u64, size: u64, base_offset: i64, leader_epoch: i32 },
    /// The records up to this offset are lost; that of the last one, and the epoch there.
    Lost { last_offset: i64, leader_epoch: i32 },
}

/// What was found in a segment.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    pub(super) wrong: Vec<Wrong>,
    pub(super) parts: Vec<Part>,
    pub(super) batches: u64,
    /// Wrong entries of the two indexes: place in the file.
    pub(super) wrong_offset_entry: Option<u64>,
    pub(super) wrong_time_entry: Option<u64>,
}

/// Entries of the two indexes, as they are in their files: (last offset, position) and (timestamp, last offset).
#[derive(Debug, Default)]
pub(super) struct Indexes {
    pub(super) offsets: Vec<(i64, u32)>,
    pub(super) times: Vec<(i64, i64)>,
}

/// Reads the whole segment. `file` is `None` when it is missing.
pub(super) fn inspect(
    file: Option<&dyn DiskFile>,
    record: &SegmentRecord,
    epochs: &Epochs,
    indexes: &Indexes,
) -> io::Result<Inspection> {
    let Some(file) = file else {
        let mut found = Inspection::default();
        found.lose(0, "the file", (record.base, record.end), epochs);
        return Ok(found);
    };
    let mut reader = Reader::new(file, file.len()?, record, epochs);
    let mut checker = IndexChecker { indexes, offset: 0, time: 0, newest: NO_TIMESTAMP };
    while reader.at < reader.until {
        match reader.next()? {
            Some((at, head)) => checker.check(at, &head, &mut reader.found),
            None => reader.skip_damage()?,
        }
    }
    if reader.expected < record.end {
        let at = reader.until;
        let what = if reader.len < reader.synced {
            "more bytes, which were synced"
        } else {
            "batches up to the end that the checkpoint names"
        };
        reader.lose(at, what, record.end);
    }
    checker.finish(&mut reader.found);
    Ok(reader.found)
}

impl Inspection {
    /// Something is wrong at that place, which costs the offsets from `from` to `until`, if there are any.
    fn lose(&mut self, at: u64, what: &'static str, (from, until): (i64, i64), epochs: &Epochs) {
        let lost = (until > from).then_some((from, until));
        self.wrong.push(Wrong { at, what, lost });
        if lost.is_some() {
            let leader_epoch = epochs.of(until - 1).unwrap_or(0);
            self.parts.push(Part::Lost { last_offset: until - 1, leader_epoch });
        }
    }
}

struct Reader<'a> {
    window: Window<'a>,
    len: u64,
    synced: u64,
    /// The synced length, or what is there of it.
    until: u64,
    at: u64,
    /// The next offset.
    expected: i64,
    end: i64,
    epochs: &'a Epochs,
    found: Inspection,
}

impl<'a> Reader<'a> {
    fn new(file: &'a dyn DiskFile, len: u64, record: &SegmentRecord, epochs: &'a Epochs) -> Self {
        let until = len.min(u64::from(record.len));
        Self {
            window: Window::new(file, until, SEARCH_BYTES),
            len,
            synced: u64::from(record.len),
            until,
            at: 0,
            expected: record.base,
            end: record.end,
            epochs,
            found: Inspection::default(),
        }
    }

    /// The whole batch at the current place, put right if only its offset or epoch is wrong. `None`: no batch is there.
    fn next(&mut self) -> io::Result<Option<(u64, Head)>> {
        let at = self.at;
        let Some(mut head) = self.whole(at)? else { return Ok(None) };
        let size = head.size as u64;
        let following = self.window.bytes(at + size, HEADER_BYTES)?.and_then(Head::read);
        let next_base = match following {
            Some(following) => Some(following.base_offset),
            // The last batch of a segment ends where the segment does.
            None => (at + size == self.synced).then_some(self.end),
        };
        let leaves_hole = head.base_offset > self.expected
            && next_base.is_none_or(|next| match following {
                Some(_) => head.next_offset() <= next,
                None => head.next_offset() == next,
            });
        let mut mended = None;
        if head.next_offset() > self.end || !(head.base_offset == self.expected || leaves_hole) {
            // The body is whole, and if it fills the place between its neighbours, that is its offset.
            if next_base != Some(self.expected + i64::from(head.last_offset_delta) + 1) {
                return Ok(None);
            }
            mended = Some((at, "the offset that follows the batch before"));
            head.base_offset = self.expected;
        }
        if let Some(epoch) = self.epochs.of(head.base_offset).filter(|epoch| *epoch != head.leader_epoch) {
            mended = mended.or(Some((at + 12, "the leader epoch of its offset")));
            head.leader_epoch = epoch;
        }
        match mended {
            None => match self.found.parts.last_mut() {
                Some(Part::Good(_, until)) if *until == at => *until = at + size,
                _ => self.found.parts.push(Part::Good(at, at + size)),
            },
            Some((place, what)) => {
                self.found.wrong.push(Wrong { at: place, what, lost: None });
                let Head { base_offset, leader_epoch, .. } = head;
                self.found.parts.push(Part::Mended { at, size, base_offset, leader_epoch });
            }
        }
        self.found.batches += 1;
        self.expected = head.next_offset();
        self.at = at + size;
        Ok(Some((at, head)))
    }

    /// Goes on at the next whole batch, or at the end.
    fn skip_damage(&mut self) -> io::Result<()> {
        let damaged_at = self.at;
        let mut at = damaged_at;
        if let Some(head) = self.window.bytes(at, HEADER_BYTES)?.and_then(Head::read) {
            // Mostly the length is right.
            let after = at + head.size as u64;
            if after < self.until && self.fitting(after)?.is_some() {
                at = after - 1;
            }
        }
        loop {
            at += 1;
            if at + HEADER_BYTES as u64 > self.until {
                self.at = self.until;
                self.lose(damaged_at, "a whole batch", self.end);
                return Ok(());
            }
            if let Some(head) = self.fitting(at)? {
                self.at = at;
                self.lose(damaged_at, "a whole batch", head.base_offset);
                return Ok(());
            }
        }
    }

    /// A whole batch that may stand here.
    fn fitting(&mut self, at: u64) -> io::Result<Option<Head>> {
        let (expected, end) = (self.expected, self.end);
        let fits = |head: &Head| head.base_offset >= expected && head.next_offset() <= end;
        let Some(head) = self.window.bytes(at, HEADER_BYTES)?.and_then(Head::read).filter(fits) else {
            return Ok(None);
        };
        if at + head.size as u64 > self.until {
            return Ok(None);
        }
        self.whole(at)
    }

    fn lose(&mut self, at: u64, what: &'static str, until: i64) {
        self.found.lose(at, what, (self.expected, until), self.epochs);
        self.expected = self.expected.max(until);
    }

    fn whole(&mut self, at: u64) -> io::Result<Option<Head>> {
        let Some(head) = self.window.bytes(at, HEADER_BYTES)?.and_then(Head::read) else { return Ok(None) };
        if head.size > BATCH_BYTES_MAX || at + head.size as u64 > self.until {
            return Ok(None);
        }
        Ok(self.window.bytes(at, head.size)?.and_then(Head::read_whole))
    }
}

/// Compares index entries with the batches as they come by.
struct IndexChecker<'a> {
    indexes: &'a Indexes,
    offset: usize,
    time: usize,
    newest: i64,
}

impl IndexChecker<'_> {
    fn check(&mut self, at: u64, head: &Head, found: &mut Inspection) {
        self.newest = self.newest.max(head.newest_timestamp());
        let bytes_of = |number: usize, size: usize| Some((number * size) as u64);
        if let Some((last_offset, position)) = self.indexes.offsets.get(self.offset)
            && (*last_offset <= head.last_offset() || u64::from(*position) <= at)
        {
            if (*last_offset, u64::from(*position)) != (head.last_offset(), at) {
                found.wrong_offset_entry = found.wrong_offset_entry.or(bytes_of(self.offset, 8));
            }
            self.offset += 1;
        }
        if let Some((timestamp, last_offset)) = self.indexes.times.get(self.time)
            && *last_offset <= head.last_offset()
        {
            if (*timestamp, *last_offset) != (self.newest, head.last_offset())
                || head.newest_timestamp() != *timestamp
            {
                found.wrong_time_entry = found.wrong_time_entry.or(bytes_of(self.time, 12));
            }
            self.time += 1;
        }
    }

    fn finish(&self, found: &mut Inspection) {
        if self.offset < self.indexes.offsets.len() {
            found.wrong_offset_entry = found.wrong_offset_entry.or(Some((self.offset * 8) as u64));
        }
        if self.time < self.indexes.times.len() {
            found.wrong_time_entry = found.wrong_time_entry.or(Some((self.time * 12) as u64));
        }
    }
}
