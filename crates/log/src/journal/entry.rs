//! What one journal entry says, and its bytes.
//!
//! An entry is the atom of the journal: recovery takes all of it or none. Layout (docs/storage-format.md §Journal):
//! a header of [`ENTRY_HEADER_BYTES`] (length, checksum, index, lap, previous entry's checksum, kind), then the payload.
//! The header is written blank when the entry is pushed and stamped when its group is taken, because the lap is only
//! known then.

use bytes::{BufMut, BytesMut};

use crate::codec::{Cursor, Malformed, crc32c, put_string};
use crate::config::{Class, PartitionKey};
use crate::segment::{SEGMENT_BYTES, SegmentRecord};

/// Size of an entry's header.
pub(crate) const ENTRY_HEADER_BYTES: usize = 32;

/// Longest payload of one entry; larger batches always go by reference.
pub(crate) const ENTRY_PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Identity of a partition inside one data folder; never used twice.
pub(crate) type PartitionId = u32;

/// Where bytes lie in a partition's segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Base offset of the segment, which is its file name.
    pub(crate) segment: i64,
    /// First byte in the segment's `.log` file.
    pub(crate) position: u32,
}

/// One fact that the engine must not forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// A batch, complete.
    Append { partition: PartitionId, place: Place, batch: &'a [u8] },
    /// A batch whose bytes lie only in the segment, synced by the same group commit.
    AppendRef { partition: PartitionId, place: Place, length: u32, crc: u32 },
    /// A partition came into being. `reserved` is its first offset reservation (Cached only).
    Create { partition: PartitionId, key: PartitionKey, topic: &'a str, class: Class, reserved: i64 },
    /// A partition is gone.
    Delete { partition: PartitionId },
    /// Records below `offset` are gone.
    LogStart { partition: PartitionId, offset: i64 },
    /// Offsets below `until` may be handed out by a Cached partition.
    Reserve { partition: PartitionId, until: i64 },
    /// One segment took the place of all that lay between its base and its end.
    Replace { partition: PartitionId, cleaned: Cleaned, segment: SegmentRecord },
}

/// How far compaction has come in a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cleaned {
    /// Rises with every segment that took the place of others; part of the new file's name until it has the old one's.
    pub(crate) generation: u64,
    /// Everything below was compacted.
    pub(crate) until: i64,
}

impl<'a> Entry<'a> {
    fn kind(&self) -> u8 {
        match self {
            Entry::Append { .. } => 1,
            Entry::AppendRef { .. } => 2,
            Entry::Create { .. } => 3,
            Entry::Delete { .. } => 4,
            Entry::LogStart { .. } => 5,
            Entry::Reserve { .. } => 6,
            Entry::Replace { .. } => 7,
        }
    }

    /// Whom it is about.
    pub(crate) fn partition(&self) -> PartitionId {
        let (Entry::Append { partition, .. }
        | Entry::AppendRef { partition, .. }
        | Entry::Create { partition, .. }
        | Entry::Delete { partition }
        | Entry::LogStart { partition, .. }
        | Entry::Reserve { partition, .. }
        | Entry::Replace { partition, .. }) = self;
        *partition
    }

    /// Bytes that the entry will take, header included.
    pub(crate) fn size(&self) -> usize {
        ENTRY_HEADER_BYTES
            + match self {
                Entry::Append { batch, .. } => 16 + batch.len(),
                Entry::AppendRef { .. } => 24,
                Entry::Create { topic, .. } => 4 + 16 + 4 + 1 + 8 + 2 + topic.len(),
                Entry::Delete { .. } => 4,
                Entry::LogStart { .. } | Entry::Reserve { .. } => 12,
                Entry::Replace { .. } => 4 + CLEANED_BYTES + SEGMENT_BYTES,
            }
    }

    /// Appends the entry with a blank header.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_bytes(0, ENTRY_HEADER_BYTES);
        match self {
            Entry::Append { partition, place, batch } => {
                put_place(out, *partition, *place);
                out.put_slice(batch);
            }
            Entry::AppendRef { partition, place, length, crc } => {
                put_place(out, *partition, *place);
                out.put_u32(*length);
                out.put_u32(*crc);
            }
            Entry::Create { partition, key, topic, class, reserved } => {
                out.put_u32(*partition);
                out.put_slice(&key.topic_id.0);
                out.put_i32(key.partition);
                out.put_u8(class.code());
                out.put_i64(*reserved);
                put_string(out, topic);
            }
            Entry::Delete { partition } => out.put_u32(*partition),
            Entry::LogStart { partition, offset: value } | Entry::Reserve { partition, until: value } => {
                out.put_u32(*partition);
                out.put_i64(*value);
            }
            Entry::Replace { partition, cleaned, segment } => {
                out.put_u32(*partition);
                cleaned.encode(out);
                segment.encode(out);
            }
        }
        let payload = (out.len() - start - ENTRY_HEADER_BYTES) as u32;
        out[start..start + 4].copy_from_slice(&payload.to_be_bytes());
        out[start + 28] = self.kind();
    }

    /// Reads the payload of an entry of that kind.
    pub(crate) fn decode(kind: u8, payload: &'a [u8]) -> Result<Entry<'a>, Malformed> {
        let mut from = Cursor::new(payload);
        let partition = from.u32()?;
        let entry = match kind {
            1 => Entry::Append { partition, place: place(&mut from)?, batch: from.rest() },
            2 => Entry::AppendRef {
                partition,
                place: place(&mut from)?,
                length: from.u32()?,
                crc: from.u32()?,
            },
            3 => {
                let topic_id = poruka_wire::Uuid(from.array()?);
                let key = PartitionKey { topic_id, partition: from.i32()? };
                let class = Class::from_code(from.u8()?).ok_or(Malformed)?;
                Entry::Create { partition, key, class, reserved: from.i64()?, topic: from.string()? }
            }
            4 => Entry::Delete { partition },
            5 => Entry::LogStart { partition, offset: from.i64()? },
            6 => Entry::Reserve { partition, until: from.i64()? },
            7 => Entry::Replace {
                partition,
                cleaned: Cleaned::decode(&mut from)?,
                segment: SegmentRecord::decode(&mut from)?,
            },
            _ => return Err(Malformed),
        };
        from.end()?;
        Ok(entry)
    }
}

/// Bytes of an encoded [`Cleaned`].
const CLEANED_BYTES: usize = 16;

impl Cleaned {
    pub(crate) fn encode(&self, out: &mut impl BufMut) {
        out.put_u64(self.generation);
        out.put_i64(self.until);
    }

    pub(crate) fn decode(from: &mut Cursor<'_>) -> Result<Cleaned, Malformed> {
        Ok(Cleaned { generation: from.u64()?, until: from.i64()? })
    }
}

fn put_place(out: &mut BytesMut, partition: PartitionId, place: Place) {
    out.put_u32(partition);
    out.put_i64(place.segment);
    out.put_u32(place.position);
}

fn place(from: &mut Cursor<'_>) -> Result<Place, Malformed> {
    Ok(Place { segment: from.i64()?, position: from.u32()? })
}

/// What ties an entry to its neighbours and to its lap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u64,
    pub(crate) lap: u64,
    pub(crate) previous_crc: u32,
}

/// Stamps the entry at the start of `bytes`; returns its checksum and its size.
pub(crate) fn stamp(bytes: &mut [u8], link: Link) -> (u32, usize) {
    let size = ENTRY_HEADER_BYTES + u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    bytes[8..16].copy_from_slice(&link.index.to_be_bytes());
    bytes[16..24].copy_from_slice(&link.lap.to_be_bytes());
    bytes[24..28].copy_from_slice(&link.previous_crc.to_be_bytes());
    let crc = crc_of_entry(&bytes[..size]);
    bytes[4..8].copy_from_slice(&crc.to_be_bytes());
    (crc, size)
}

/// The length is covered too: it is hashed by its place in the header that follows the checksum's own four bytes.
fn crc_of_entry(entry: &[u8]) -> u32 {
    crc32c(&entry[8..]) ^ crc32c(&entry[..4]).rotate_left(1)
}

/// An entry found in a file.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) entry: Entry<'a>,
    pub(crate) crc: u32,
    pub(crate) size: usize,
}

/// Reads the entry at the start of `bytes`, if it is whole, unharmed and the expected one.
pub(crate) fn read(bytes: &[u8], expected: Link) -> Option<Found<'_>> {
    let mut header = Cursor::new(bytes);
    let length = header.u32().ok()? as usize;
    let crc = header.u32().ok()?;
    let link = Link { index: header.u64().ok()?, lap: header.u64().ok()?, previous_crc: header.u32().ok()? };
    let kind = header.u8().ok()?;
    let size = ENTRY_HEADER_BYTES.checked_add(length)?;
    if link != expected || bytes.len() < size || crc != crc_of_entry(&bytes[..size]) {
        return None;
    }
    let entry = Entry::decode(kind, &bytes[ENTRY_HEADER_BYTES..size]).ok()?;
    Some(Found { entry, crc, size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use poruka_wire::Uuid;

    fn every_kind() -> Vec<Entry<'static>> {
        let place = Place { segment: 1 << 40, position: 4096 };
        let key = PartitionKey { topic_id: Uuid([7; 16]), partition: 3 };
        vec![
            Entry::Append { partition: 1, place, batch: b"a batch" },
            Entry::AppendRef { partition: 2, place, length: 65_536, crc: 0xdead_beef },
            Entry::Create { partition: 3, key, topic: "orders", class: Class::Cached, reserved: 4096 },
            Entry::Delete { partition: 4 },
            Entry::LogStart { partition: 5, offset: 77 },
            Entry::Reserve { partition: 6, until: 1 << 33 },
            Entry::Replace {
                partition: 7,
                cleaned: Cleaned { generation: 3, until: 90 },
                segment: SegmentRecord { len: 77, end: 90, ..SegmentRecord::empty(5) },
            },
        ]
    }

    #[test]
    fn every_kind_of_entry_comes_back_as_it_was_pushed() {
        for entry in every_kind() {
            let mut bytes = BytesMut::new();
            entry.encode(&mut bytes);
            assert_eq!(bytes.len(), entry.size());
            let link = Link { index: 9, lap: 2, previous_crc: 5 };
            let (crc, size) = stamp(&mut bytes, link);
            let found = read(&bytes, link).expect("readable");
            assert_eq!((found.entry, found.crc, found.size), (entry, crc, size));
        }
    }

    #[test]
    fn an_entry_of_another_lap_index_or_chain_is_not_read() {
        let mut bytes = BytesMut::new();
        every_kind()[0].encode(&mut bytes);
        let link = Link { index: 9, lap: 2, previous_crc: 5 };
        stamp(&mut bytes, link);
        for wrong in [Link { lap: 1, ..link }, Link { index: 10, ..link }, Link { previous_crc: 6, ..link }] {
            assert!(read(&bytes, wrong).is_none());
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let link = Link { index: 9, lap: 2, previous_crc: 5 };
        for entry in every_kind() {
            let mut bytes = BytesMut::new();
            entry.encode(&mut bytes);
            stamp(&mut bytes, link);
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.to_vec();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(read(&damaged, link).is_none(), "bit {bit} of {entry:?}");
            }
        }
    }
}
