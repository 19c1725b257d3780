//! The journal read as far as it can be, past damage: every entry that is still whole, and every place where one is not.
//!
//! A start stops at the first damage. Here reading goes on: at the next entry of the same group that is whole and carries a
//! later index, else at the next group. Nothing is taken from what its own checksum does not prove.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use poruka_env::{Disk, OpenMode};

use crate::error::{OpenError, at};
use crate::journal::entry::{self, ENTRY_HEADER_BYTES, Entry, Link};
use crate::journal::group::{GROUP_ALIGN_BYTES, GROUP_HEADER_BYTES, GroupHeader};
use crate::journal::recover::{Applied, Ring};
use crate::journal::state::{Position, Shape};
use crate::journal::writer::lap_path;

/// What reading comes upon, in order.
#[derive(Debug)]
pub(super) enum Heard<'a> {
    Entry(&'a Entry<'a>),
    Damage(Damage<'a>),
}

/// A place in the journal that should be readable and is not.
#[derive(Debug)]
pub(super) struct Damage<'a> {
    pub(super) file: PathBuf,
    pub(super) at: u64,
    pub(super) what: &'static str,
    /// What the damaged entry seems to say, if just one is damaged.
    pub(super) claim: Option<Entry<'a>>,
    /// Entries are missing, and it is not known which.
    pub(super) is_open: bool,
}

/// How the journal ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) groups: u64,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    /// Bytes of the group that was torn: a start cuts them.
    pub(super) torn_bytes: u64,
    /// Whole entries in it, after the last one that counts.
    pub(super) torn_at: Option<(u64, u64)>,
}

/// Reads all files of the ring; those that are missing and must be there are told.
pub(super) fn load(
    disk: &dyn Disk,
    dir: &Path,
    shape: Shape,
    from: Position,
) -> Result<(Ring, Vec<PathBuf>), OpenError> {
    let (mut ring, mut missing) = (Ring::new(shape, from), Vec::new());
    for slot in 0..shape.files {
        let path = lap_path(dir, shape, slot);
        let bytes = match disk.open(&path, OpenMode::Read) {
            Ok(file) => ring.load_file(&*file, slot).map_err(at(&path))?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if from.lap % shape.files == slot {
                    missing.push(path.clone());
                }
                Vec::new()
            }
            Err(error) => return Err(OpenError::Io { file: path, error }),
        };
        ring.files.push((path, bytes));
    }
    ring.look_for_proofs();
    Ok((ring, missing))
}

/// Gives everything to `hear`, in order. Where writing goes on, and how it ended.
pub(super) fn read_all(
    ring: &Ring,
    hear: &mut dyn FnMut(Heard<'_>) -> Result<Applied, OpenError>,
) -> Result<(Position, End), OpenError> {
    let mut reading = Reading { ring, position: ring.from, end: End::default(), after_damage: false };
    while reading.group(hear)? {}
    let Reading { position, end, .. } = reading;
    let group = position.group.max(group_max(ring)) + 1;
    Ok((Position { lap: ring.lap_max + 1, at: 0, group, ..position }, end))
}

fn group_max(ring: &Ring) -> u64 {
    headers(ring).map(|(_, header)| header.group).max().unwrap_or(0)
}

/// Every group header of the ring that counts, with its place in its file.
fn headers(ring: &Ring) -> impl Iterator<Item = (u64, GroupHeader)> {
    ring.files.iter().flat_map(move |(_, bytes)| {
        let blocks = bytes.chunks(GROUP_ALIGN_BYTES).enumerate();
        blocks.filter_map(move |(number, block)| {
            let header = GroupHeader::read(block, ring.shape.mark)?;
            ring.counts(&header).then_some(((number * GROUP_ALIGN_BYTES) as u64, header))
        })
    })
}

struct Reading<'a> {
    ring: &'a Ring,
    position: Position,
    end: End,
    /// The chain of checksums starts anew at the next group.
    after_damage: bool,
}

impl<'a> Reading<'a> {
    /// Reads one group, or what stands in its place; false at the end.
    fn group(
        &mut self,
        hear: &mut dyn FnMut(Heard<'_>) -> Result<Applied, OpenError>,
    ) -> Result<bool, OpenError> {
        let ring = self.ring;
        let next_lap = Position { lap: self.position.lap + 1, at: 0, ..self.position };
        let found = ring
            .group_at(self.position)
            .map(|found| (self.position, found))
            .or_else(|| ring.group_at(next_lap).map(|found| (next_lap, found)));
        if let Some((place, (header, bytes))) = found {
            self.position = place;
            let is_proven = ring.proven >= header.group;
            let whole =
                self.entries(&bytes[..bytes.len().min(header.bytes as usize)], &header, is_proven, hear)?;
            if !whole && !is_proven {
                self.end.torn_bytes += header.span() as u64;
                self.end.torn_at = Some((self.position.at, self.position.lap));
                return Ok(false);
            }
            self.end.groups += 1;
            self.end.bytes += header.span() as u64;
            self.position.at += header.span() as u64;
            self.position.group = header.group + 1;
            return Ok(true);
        }
        if ring.proven < self.position.group {
            return Ok(false);
        }
        self.damaged_group(hear)
    }

    /// Nothing readable stands where a group was proven: its header, or more of it, is damaged.
    fn damaged_group(
        &mut self,
        hear: &mut dyn FnMut(Heard<'_>) -> Result<Applied, OpenError>,
    ) -> Result<bool, OpenError> {
        let (file, bytes) = self.ring.file(self.position.lap);
        let next = headers(self.ring)
            .filter(|(_, header)| header.group >= self.position.group && !header.is_proof())
            .min_by_key(|(_, header)| header.group);
        let at = self.position.at;
        // With the header gone, its entries may still be whole, and prove themselves.
        let until = match next {
            Some((next_at, header)) if header.lap == self.position.lap => next_at as usize,
            _ => bytes.len(),
        };
        let rest = bytes.get(at as usize + GROUP_HEADER_BYTES..until).unwrap_or_default();
        self.while_whole(rest, hear)?;
        let missing = next.is_none_or(|(_, header)| header.first_index > self.position.index);
        // Without a group behind it, nothing says how many entries there were.
        let what = "a journal group that was synced";
        hear(Heard::Damage(Damage { file: file.clone(), at, what, claim: None, is_open: missing }))?;
        let Some((next_at, header)) = next else { return Ok(false) };
        self.position = Position {
            lap: header.lap,
            at: next_at,
            group: header.group,
            index: header.first_index,
            previous_crc: header.previous_crc,
        };
        Ok(true)
    }

    /// Entries from the start of `rest` on, while each is whole and follows.
    fn while_whole(
        &mut self,
        mut rest: &[u8],
        hear: &mut dyn FnMut(Heard<'_>) -> Result<Applied, OpenError>,
    ) -> Result<(), OpenError> {
        let Position { lap, .. } = self.position;
        loop {
            let link = Link { index: self.position.index, lap, previous_crc: self.position.previous_crc };
            let Some(found) = entry::read(rest, link) else { return Ok(()) };
            self.hear_entry(&found.entry, true, hear)?;
            self.position.index += 1;
            self.position.previous_crc = found.crc;
            rest = &rest[found.size..];
        }
    }

    /// The entries of a group whose header is whole; false when one of them is not.
    fn entries(
        &mut self,
        mut rest: &[u8],
        header: &GroupHeader,
        is_proven: bool,
        hear: &mut dyn FnMut(Heard<'_>) -> Result<Applied, OpenError>,
    ) -> Result<bool, OpenError> {
        let after = header.first_index + u64::from(header.entries);
        let mut whole = true;
        while self.position.index < after {
            let link = Link {
                index: self.position.index,
                lap: header.lap,
                previous_crc: self.position.previous_crc,
            };
            let here =
                self.position.at + GROUP_HEADER_BYTES as u64 + u64::from(header.bytes) - rest.len() as u64;
            if let Some(found) = entry::read(rest, link) {
                if !self.hear_entry(&found.entry, is_proven, hear)? {
                    return Ok(false);
                }
                self.position.index += 1;
                self.position.previous_crc = found.crc;
                rest = &rest[found.size..];
                continue;
            }
            whole = false;
            if !is_proven {
                return Ok(false);
            }
            let next = next_entry(rest, link);
            let claim = next.filter(|(_, found)| found.index == link.index + 1);
            let claim = claim.and_then(|(size, _)| {
                Entry::decode(*rest.get(28)?, rest.get(ENTRY_HEADER_BYTES..size)?).ok()
            });
            let file = self.ring.file(self.position.lap).0.clone();
            let what = "a journal entry that was synced";
            hear(Heard::Damage(Damage { file, at: here, what, claim, is_open: true }))?;
            match next {
                Some((size, link)) => {
                    self.position.index = link.index;
                    self.position.previous_crc = link.previous_crc;
                    rest = &rest[size..];
                }
                None => {
                    self.position.index = after;
                    self.after_damage = true;
                    break;
                }
            }
        }
        if std::mem::take(&mut self.after_damage) {
            // What the next header says of the last entry's checksum is as good as the entry.
            let next_group = headers(self.ring).find(|(_, next)| next.group == header.group + 1);
            if let Some((_, next)) = next_group {
                self.position.previous_crc = next.previous_crc;
            }
        }
        Ok(whole)
    }

    /// False when the bytes that it refers to are not there, and nothing says that they ever were.
    fn hear_entry(
        &mut self,
        entry: &Entry<'_>,
        is_proven: bool,
        hear: &mut dyn FnMut(Heard<'_>) -> Result<Applied, OpenError>,
    ) -> Result<bool, OpenError> {
        match hear(Heard::Entry(entry))? {
            Applied::Good => self.end.entries += 1,
            Applied::Broken(..) if !is_proven => return Ok(false),
            Applied::Broken(file, at) => {
                let what = "the batch that the journal refers to";
                hear(Heard::Damage(Damage { file, at, what, claim: Some(entry.clone()), is_open: true }))?;
            }
        }
        Ok(true)
    }
}

/// The next whole entry of that lap behind a damaged one: where it starts, and its link.
fn next_entry(rest: &[u8], damaged: Link) -> Option<(usize, Link)> {
    let lap = damaged.lap.to_be_bytes();
    for size in 1..rest.len().saturating_sub(ENTRY_HEADER_BYTES) {
        let bytes = &rest[size..];
        if bytes[16..24] != lap {
            continue;
        }
        let number = |from: usize, count: usize| {
            bytes[from..from + count].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let link = Link { index: number(8, 8), lap: damaged.lap, previous_crc: number(24, 4) as u32 };
        if link.index > damaged.index && entry::read(bytes, link).is_some() {
            return Some((size, link));
        }
    }
    None
}
