//! Reading the journal after a start: which entries count, and whether what follows is a torn tail or damage.
//!
//! Entries count from the checkpoint on, as long as each is whole, of the expected lap, with the expected index and its
//! predecessor's checksum. Where that ends, the group there is *damaged* if some later group says that its sync had
//! returned (assumption S1), and *torn* otherwise. Nothing is written here, so a crash during recovery changes nothing.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use poruka_env::{Disk, DiskFile, OpenMode};

use super::entry::{self, Entry, Link};
use super::group::{GROUP_ALIGN_BYTES, GROUP_HEADER_BYTES, GroupHeader};
use super::state::{Position, Shape};
use super::writer::lap_path;
use crate::error::{OpenError, at};

/// Journal files are read in pieces of this size.
const LOAD_BYTES: usize = 1 << 20;

/// What whoever applies entries says of one.
pub(crate) enum Applied {
    Good,
    /// The bytes that it refers to, in that file at that position, are not what they were.
    Broken(PathBuf, u64),
}

/// All journal files that matter, in memory for the time of recovery (bounded by the ring).
pub(crate) struct Ring {
    pub(crate) shape: Shape,
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
    pub(crate) from: Position,
    /// The last group that is known to have been synced.
    pub(crate) proven: u64,
    /// The largest lap that any group carries.
    pub(crate) lap_max: u64,
}

/// How far the journal could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// Where writing goes on: a lap that was never used.
    pub(crate) next: Position,
    /// Entries that were applied.
    pub(crate) entries: u64,
    /// A group was cut.
    pub(crate) torn: bool,
}

impl Ring {
    pub(crate) fn new(shape: Shape, from: Position) -> Ring {
        Ring { shape, files: Vec::new(), from, proven: from.group - 1, lap_max: from.lap }
    }

    pub(crate) fn load(
        disk: &dyn Disk,
        dir: &std::path::Path,
        shape: Shape,
        from: Position,
    ) -> Result<Ring, OpenError> {
        let mut ring = Ring::new(shape, from);
        for slot in 0..shape.files {
            let path = lap_path(dir, shape, slot);
            let bytes = match disk.open(&path, OpenMode::Read) {
                Ok(file) => ring.load_file(&*file, slot).map_err(at(&path))?,
                // The file of the checkpoint's lap was made before the checkpoint was.
                Err(error) if error.kind() == ErrorKind::NotFound && from.lap % shape.files != slot => {
                    Vec::new()
                }
                Err(error) => return Err(at(&path)(error)),
            };
            ring.files.push((path, bytes));
        }
        ring.look_for_proofs();
        Ok(ring)
    }

    /// The file up to the end of the last group that matters.
    pub(crate) fn load_file(&self, file: &dyn DiskFile, slot: u64) -> io::Result<Vec<u8>> {
        let len = file.len()?;
        let start = if self.from.lap % self.shape.files == slot { self.from.at } else { 0 };
        let (mut bytes, mut end) = (Vec::new(), 0);
        let mut at = start as usize;
        while at + GROUP_HEADER_BYTES <= len as usize {
            if bytes.len() < at + GROUP_HEADER_BYTES {
                let from = bytes.len();
                bytes.resize((at + LOAD_BYTES).min(len as usize), 0);
                // What lies before the checkpoint's position is not looked at.
                let from = from.max(start as usize);
                file.read_exact_at(&mut bytes[from..], from as u64)?;
            }
            match GroupHeader::read(&bytes[at..], self.shape.mark) {
                Some(found) if self.counts(&found) => end = (at + found.span()).min(len as usize),
                // A new lap overwrites its file from the start: an old group there means that none has begun.
                Some(_) if at == start as usize => break,
                _ => {}
            }
            at += GROUP_ALIGN_BYTES;
        }
        if bytes.len() < end {
            let from = bytes.len();
            bytes.resize(end, 0);
            file.read_exact_at(&mut bytes[from..], from as u64)?;
        }
        bytes.truncate(end);
        Ok(bytes)
    }

    pub(crate) fn counts(&self, header: &GroupHeader) -> bool {
        header.lap >= self.from.lap && header.group >= self.from.group
    }

    /// Groups start at aligned places, so those behind a damaged one are found too.
    pub(crate) fn look_for_proofs(&mut self) {
        for (_, bytes) in &self.files {
            for block in bytes.chunks(GROUP_ALIGN_BYTES) {
                let Some(header) = GroupHeader::read(block, self.shape.mark) else { continue };
                if self.counts(&header) {
                    self.proven = self.proven.max(header.proven);
                    self.lap_max = self.lap_max.max(header.lap);
                }
            }
        }
    }

    pub(crate) fn file(&self, lap: u64) -> &(PathBuf, Vec<u8>) {
        &self.files[(lap % self.shape.files) as usize]
    }

    pub(crate) fn group_at(&self, position: Position) -> Option<(GroupHeader, &[u8])> {
        let bytes = self.file(position.lap).1.get(usize::try_from(position.at).ok()?..)?;
        let header = GroupHeader::read(bytes, self.shape.mark)?;
        let fits = !header.is_proof()
            && header.lap == position.lap
            && header.group == position.group
            && header.first_index == position.index
            && header.previous_crc == position.previous_crc;
        fits.then(|| (header, bytes.get(GROUP_HEADER_BYTES..).unwrap_or_default()))
    }

    /// Gives every entry that counts to `apply`, in order.
    pub(crate) fn replay(
        &self,
        mut apply: impl FnMut(&Entry<'_>) -> Result<Applied, OpenError>,
    ) -> Result<Replayed, OpenError> {
        let mut position = self.from;
        let mut entries = 0;
        let mut broken = None;
        while broken.is_none() {
            let next_lap = Position { lap: position.lap + 1, at: 0, ..position };
            let found = match self.group_at(position) {
                Some(found) => Some(found),
                None => self.group_at(next_lap).inspect(|_| position = next_lap),
            };
            let Some((header, bytes)) = found else { break };
            let mut rest = &bytes[..bytes.len().min(header.bytes as usize)];
            for index in (header.first_index..).take(header.entries as usize) {
                let link = Link { index, lap: header.lap, previous_crc: position.previous_crc };
                let here =
                    position.at + GROUP_HEADER_BYTES as u64 + (header.bytes as usize - rest.len()) as u64;
                let Some(found) = entry::read(rest, link) else {
                    broken = Some((self.file(position.lap).0.clone(), here));
                    break;
                };
                if let Applied::Broken(file, at) = apply(&found.entry)? {
                    broken = Some((file, at));
                    break;
                }
                entries += 1;
                position.index = index + 1;
                position.previous_crc = found.crc;
                rest = &rest[found.size..];
            }
            if broken.is_none() {
                position.at += header.span() as u64;
                position.group = header.group + 1;
            }
        }
        if self.proven >= position.group {
            let (file, at) = broken.unwrap_or_else(|| (self.file(position.lap).0.clone(), position.at));
            return Err(OpenError::Damaged { file, at, what: "a journal group that was synced" });
        }
        let torn = broken.is_some();
        let next = Position { lap: self.lap_max + 1, at: 0, group: position.group + 1, ..position };
        Ok(Replayed { next, entries, torn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::entry::Place;
    use crate::journal::state::JournalState;

    const SHAPE: Shape = Shape { file_bytes: 32 * 1024, files: 3, mark: 0x5eed };

    /// Journal files as a driver would have written them: `count` groups of one entry each.
    fn written(count: u64) -> Vec<Vec<u8>> {
        written_and_proven(count, false)
    }

    /// The same, and perhaps the proof that an idle driver writes.
    fn written_and_proven(count: u64, proven: bool) -> Vec<Vec<u8>> {
        let mut state: JournalState<(), ()> = JournalState::new(SHAPE, Position::START);
        let mut files = vec![vec![0; SHAPE.file_bytes]; SHAPE.files as usize];
        for number in 0..count {
            let batch = number.to_be_bytes();
            let place = Place { segment: 0, position: 0 };
            state.push(&Entry::Append { partition: 1, place, batch: &batch }).expect("pushed");
            let group = state.take_group().expect("a group");
            let file = &mut files[(group.lap % SHAPE.files) as usize];
            file[group.at as usize..][..group.bytes.len()].copy_from_slice(&group.bytes);
            state.group_done(group.bytes);
            state.checkpointed(group.lap);
        }
        if let Some(proof) = proven.then(|| state.take_proof()).flatten() {
            let file = &mut files[(proof.lap % SHAPE.files) as usize];
            file[proof.at as usize..][..proof.bytes.len()].copy_from_slice(&proof.bytes);
        }
        files
    }

    fn ring(files: Vec<Vec<u8>>, from: Position) -> Ring {
        let files =
            files.into_iter().enumerate().map(|(slot, bytes)| (format!("{slot}").into(), bytes)).collect();
        let mut ring = Ring { files, ..Ring::new(SHAPE, from) };
        ring.look_for_proofs();
        ring
    }

    fn numbers(ring: &Ring) -> Result<Vec<u64>, OpenError> {
        let mut numbers = Vec::new();
        ring.replay(|entry| {
            let Entry::Append { batch, .. } = entry else { panic!("another entry") };
            numbers.push(u64::from_be_bytes((*batch).try_into().expect("8 bytes")));
            Ok(Applied::Good)
        })?;
        Ok(numbers)
    }

    #[test]
    fn everything_that_was_written_is_read_over_the_end_of_a_file() {
        let ring = ring(written(20), Position::START);
        assert_eq!(numbers(&ring).expect("readable"), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_torn_last_group_is_cut_and_every_group_before_it_stays() {
        let whole = written(5);
        for sector in 0..8 {
            let mut files = whole.clone();
            let at = 4 * 4096 + sector * 512;
            files[1][at..at + 512].fill(0xee);
            let numbers = numbers(&ring(files, Position::START)).expect("a torn tail is no damage");
            assert!(numbers == [0, 1, 2, 3] || numbers == [0, 1, 2, 3, 4], "{numbers:?}");
        }
    }

    #[test]
    fn a_flipped_bit_below_the_proven_end_is_refused_by_name() {
        let whole = written(5);
        for group in 0..4 {
            for byte in 0..96 {
                let mut files = whole.clone();
                files[1][group * 4096 + byte] ^= 1;
                let found = numbers(&ring(files, Position::START));
                // The last 16 bytes of a group header are padding that only its checksum covers.
                let Err(OpenError::Damaged { at, .. }) = found else {
                    panic!("group {group} byte {byte}: {found:?}")
                };
                assert!((group * 4096..(group + 1) * 4096).contains(&(at as usize)));
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_the_newest_group_is_refused_once_a_proof_stands_behind_it() {
        for byte in 0..96 {
            for proven in [false, true] {
                let mut files = written_and_proven(5, proven);
                files[1][4 * 4096 + byte] ^= 1;
                match (proven, numbers(&ring(files, Position::START))) {
                    (true, Err(OpenError::Damaged { at, .. })) => assert!(at >= 4 * 4096),
                    (false, Ok(numbers)) => assert_eq!(numbers, [0, 1, 2, 3]),
                    other => panic!("byte {byte}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_group_that_was_torn_over_a_proof_is_cut_and_everything_before_it_stays() {
        let (proof, whole) = (written_and_proven(5, true), written(6));
        for sectors in 0..=0xff_u8 {
            let mut files = proof.clone();
            for sector in (0..8).filter(|sector| sectors & (1 << sector) != 0) {
                let at = 5 * 4096 + sector * 512;
                files[1][at..at + 512].copy_from_slice(&whole[1][at..at + 512]);
            }
            let numbers = numbers(&ring(files, Position::START)).expect("a torn tail is no damage");
            let wanted = if sectors & 1 == 0 { 5 } else { 6 };
            assert_eq!(numbers, (0..wanted).collect::<Vec<_>>(), "{sectors:08b}");
        }
    }

    #[test]
    fn a_proof_is_no_group_and_the_next_lap_is_read_behind_it() {
        // 8 groups fill a file: the proof would stand behind the last one, where there is no room.
        for count in 1..20 {
            let ring = ring(written_and_proven(count, true), Position::START);
            assert_eq!(numbers(&ring).expect("readable"), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn entries_of_an_old_lap_are_never_read_as_new() {
        // 8 groups fit in a file: after 28, lap 4 has overwritten half of lap 1's file.
        let files = written(28);
        let mut state_of_lap_4 = Position { lap: 4, at: 0, group: 25, index: 25, previous_crc: 0 };
        let header = GroupHeader::read(&files[1], SHAPE.mark).expect("lap 4 begins in file 1");
        state_of_lap_4.previous_crc = header.previous_crc;
        assert_eq!((header.lap, header.group), (4, 25));
        let numbers = numbers(&ring(files, state_of_lap_4)).expect("readable");
        assert_eq!(numbers, [24, 25, 26, 27]);
    }

    #[test]
    fn writing_goes_on_in_a_lap_that_was_never_used() {
        let replayed = ring(written(20), Position::START).replay(|_| Ok(Applied::Good)).expect("readable");
        assert_eq!(
            (replayed.next.lap, replayed.next.index, replayed.entries, replayed.torn),
            (4, 21, 20, false)
        );
    }
}
