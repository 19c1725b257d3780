//! A group: the entries that one `fdatasync` makes durable, and the header before them.
//!
//! Groups start at multiples of [`GROUP_ALIGN_BYTES`], so that writing one never rewrites a sector of an earlier one
//! (assumption S2 is then enough). The header carries the index of the last group whose sync had returned when this one
//! was written: that is what later tells damage from a torn tail.

use bytes::{BufMut, BytesMut};

use super::entry::{self, Link};
use crate::codec::{Cursor, crc32c};

/// Alignment of groups in a journal file.
pub(crate) const GROUP_ALIGN_BYTES: usize = 4096;
/// Size of a group's header.
pub(crate) const GROUP_HEADER_BYTES: usize = 64;
/// Size of a proof: one sector, so that it is written whole or not at all.
pub(crate) const PROOF_BYTES: usize = 512;
/// A group is closed when it has reached this size; one entry may still exceed it.
pub(crate) const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The header of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    /// The folder's random mark: a record cannot be made to look like a group without knowing it.
    pub(crate) mark: u64,
    /// Length of the entries that follow, without padding.
    pub(crate) bytes: u32,
    pub(crate) entries: u32,
    pub(crate) lap: u64,
    /// Counts groups from 1 over the life of the folder.
    pub(crate) group: u64,
    /// The last group whose sync had returned.
    pub(crate) proven: u64,
    pub(crate) first_index: u64,
    /// Checksum of the entry before the first one.
    pub(crate) previous_crc: u32,
}

impl GroupHeader {
    pub(crate) fn encode(&self, out: &mut [u8]) {
        let mut header = Vec::with_capacity(GROUP_HEADER_BYTES);
        header.put_u64(self.mark);
        header.put_u32(0);
        header.put_u32(self.bytes);
        header.put_u32(self.entries);
        header.put_u32(self.previous_crc);
        header.put_u64(self.lap);
        header.put_u64(self.group);
        header.put_u64(self.proven);
        header.put_u64(self.first_index);
        header.resize(GROUP_HEADER_BYTES, 0);
        let crc = crc32c(&header[12..]);
        header[8..12].copy_from_slice(&crc.to_be_bytes());
        out[..GROUP_HEADER_BYTES].copy_from_slice(&header);
    }

    /// The header at the start of `bytes`, if one of this folder is there and unharmed.
    pub(crate) fn read(bytes: &[u8], mark: u64) -> Option<GroupHeader> {
        let header = bytes.get(..GROUP_HEADER_BYTES)?;
        let mut from = Cursor::new(header);
        if from.u64().ok()? != mark || from.u32().ok()? != crc32c(&header[12..]) {
            return None;
        }
        let (bytes, entries, previous_crc) = (from.u32().ok()?, from.u32().ok()?, from.u32().ok()?);
        Some(GroupHeader {
            mark,
            bytes,
            entries,
            previous_crc,
            lap: from.u64().ok()?,
            group: from.u64().ok()?,
            proven: from.u64().ok()?,
            first_index: from.u64().ok()?,
        })
    }

    /// A proof instead of a group.
    pub(crate) fn is_proof(&self) -> bool {
        self.entries == 0
    }

    /// Bytes that the group takes in the file, padding included.
    pub(crate) fn span(&self) -> usize {
        span(self.bytes as usize)
    }
}

/// Bytes that entries of that total length take in the file, with header and padding.
pub(crate) fn span(entries_bytes: usize) -> usize {
    (GROUP_HEADER_BYTES + entries_bytes).next_multiple_of(GROUP_ALIGN_BYTES)
}

/// A header without entries: it says that the group before the next one, `group`, was synced, and stands where that one
/// will go. Nothing else counts of it.
pub(crate) fn proof(
    mark: u64,
    lap: u64,
    group: u64,
    first_index: u64,
    previous_crc: u32,
) -> [u8; PROOF_BYTES] {
    let mut bytes = [0; PROOF_BYTES];
    let proven = group - 1;
    let header = GroupHeader { mark, bytes: 0, entries: 0, lap, group, proven, first_index, previous_crc };
    header.encode(&mut bytes);
    bytes
}

/// Turns a buffer of blank entries behind a blank header into the bytes to be written.
/// Returns the checksum of the last entry.
pub(crate) fn seal(buffer: &mut BytesMut, mut header: GroupHeader) -> u32 {
    header.bytes = (buffer.len() - GROUP_HEADER_BYTES) as u32;
    let (mut at, mut previous_crc, mut index) = (GROUP_HEADER_BYTES, header.previous_crc, header.first_index);
    while at < buffer.len() {
        let link = Link { index, lap: header.lap, previous_crc };
        let (crc, size) = entry::stamp(&mut buffer[at..], link);
        (at, previous_crc, index) = (at + size, crc, index + 1);
    }
    assert_eq!(index - header.first_index, u64::from(header.entries), "a group's count matches its entries");
    header.encode(buffer);
    buffer.resize(header.span(), 0);
    previous_crc
}
