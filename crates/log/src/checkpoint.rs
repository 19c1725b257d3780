//! A checkpoint: what is proven to be in the segments, and from where the journal must be read.
//!
//! One file, replaced as a whole (written aside, synced, renamed, folder synced): a crash leaves the old one or the
//! new one. Format: docs/storage-format.md §Checkpoint. Assumes S1 and S3.

use std::io;
use std::path::Path;

use bytes::BufMut;
use poruka_env::{Disk, OpenMode};
use poruka_wire::Uuid;

use crate::codec::{BadFrame, Cursor, Malformed, frame, put_string, unframe, version_of};
use crate::config::{Class, PartitionKey};
use crate::epochs::Epochs;
use crate::journal::entry::{Cleaned, PartitionId};
use crate::journal::state::Position;
use crate::layout::FORMAT_VERSION;
use crate::producers::Producers;
use crate::segment::{SEGMENT_BYTES, SegmentRecord};

const MAGIC: [u8; 8] = *b"PRKCHECK";

/// What is proven of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionRecord {
    pub(crate) id: PartitionId,
    pub(crate) topic: String,
    pub(crate) key: PartitionKey,
    pub(crate) class: Class,
    pub(crate) log_start: i64,
    pub(crate) end: i64,
    /// Cached: offsets below this may have been handed out.
    pub(crate) reserved: i64,
    pub(crate) epochs: Epochs,
    pub(crate) producers: Producers,
    /// How far compaction has come.
    pub(crate) cleaned: Cleaned,
    /// Oldest first; the last one is being written. Empty: no file was ever made.
    pub(crate) segments: Vec<SegmentRecord>,
}

/// The whole of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Mark of this folder's journal groups; random, so that no record can look like one.
    pub(crate) mark: u64,
    pub(crate) position: Position,
    pub(crate) next_partition: PartitionId,
    pub(crate) partitions: Vec<PartitionRecord>,
}

impl Checkpoint {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u64(self.mark);
        let Position { lap, at, group, index, previous_crc } = self.position;
        for number in [lap, at, group, index] {
            out.put_u64(number);
        }
        out.put_u32(previous_crc);
        out.put_u32(self.next_partition);
        out.put_u32(self.partitions.len() as u32);
        for partition in &self.partitions {
            partition.encode(&mut out);
        }
        out
    }

    fn decode(bytes: &[u8], version: u32) -> Result<Checkpoint, Malformed> {
        let mut from = Cursor::new(bytes);
        let mark = from.u64()?;
        let position = Position {
            lap: from.u64()?,
            at: from.u64()?,
            group: from.u64()?,
            index: from.u64()?,
            previous_crc: from.u32()?,
        };
        let next_partition = from.u32()?;
        let partitions = (0..from.count(PARTITION_BYTES_MIN)?)
            .map(|_| PartitionRecord::decode(&mut from, version))
            .collect::<Result<_, _>>()?;
        from.end()?;
        Ok(Checkpoint { mark, position, next_partition, partitions })
    }

    /// Replaces the checkpoint in `path`, and its copy beside it; durable when it returns.
    pub(crate) fn write(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        let bytes = frame(MAGIC, FORMAT_VERSION, &self.encode());
        write_aside(disk, path, &bytes)?;
        write_aside(disk, &copy_path(path), &bytes)
    }

    /// The first checkpoint of a folder: nothing is in it that a copy could save.
    pub(crate) fn write_first(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        write_aside(disk, path, &frame(MAGIC, FORMAT_VERSION, &self.encode()))
    }

    /// Reads a checkpoint. The outer error is the disk's.
    pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Result<Checkpoint, BadFrame>> {
        let bytes = read_whole(disk, path)?;
        Ok(unframe(MAGIC, FORMAT_VERSION, &bytes).and_then(|body| {
            Checkpoint::decode(body, version_of(&bytes)).map_err(|Malformed| BadFrame::Damaged)
        }))
    }
}

const PARTITION_BYTES_MIN: usize = 4 + 2 + 16 + 4 + 1 + 24 + 12;
/// The format version that began to say how far compaction has come.
const CLEANED_FROM: u32 = 2;

impl PartitionRecord {
    /// A partition that was just made.
    pub(crate) fn new(id: PartitionId, topic: &str, key: PartitionKey, class: Class, reserved: i64) -> Self {
        Self {
            id,
            topic: topic.to_owned(),
            key,
            class,
            log_start: 0,
            end: 0,
            reserved,
            epochs: Epochs::default(),
            producers: Producers::default(),
            cleaned: Cleaned::default(),
            segments: Vec::new(),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.id);
        put_string(out, &self.topic);
        out.put_slice(&self.key.topic_id.0);
        out.put_i32(self.key.partition);
        out.put_u8(self.class.code());
        for offset in [self.log_start, self.end, self.reserved] {
            out.put_i64(offset);
        }
        self.epochs.encode(out);
        self.producers.encode(out);
        out.put_u32(self.segments.len() as u32);
        for segment in &self.segments {
            segment.encode(out);
        }
        self.cleaned.encode(out);
    }

    fn decode(from: &mut Cursor<'_>, version: u32) -> Result<PartitionRecord, Malformed> {
        let id = from.u32()?;
        let topic = from.string()?.to_owned();
        let key = PartitionKey { topic_id: Uuid(from.array()?), partition: from.i32()? };
        let class = Class::from_code(from.u8()?).ok_or(Malformed)?;
        let (log_start, end, reserved) = (from.i64()?, from.i64()?, from.i64()?);
        let epochs = Epochs::decode(from)?;
        let producers = Producers::decode(from)?;
        let mut segments = Vec::new();
        for _ in 0..from.count(SEGMENT_BYTES)? {
            segments.push(SegmentRecord::decode(from)?);
        }
        let cleaned = match version {
            ..CLEANED_FROM => Cleaned::default(),
            _ => Cleaned::decode(from)?,
        };
        Ok(PartitionRecord {
            id,
            topic,
            key,
            class,
            log_start,
            end,
            reserved,
            epochs,
            producers,
            cleaned,
            segments,
        })
    }
}

/// Where the copy of a checkpoint lies, for a repair. It may be one checkpoint older or newer than the other.
pub(crate) fn copy_path(path: &Path) -> std::path::PathBuf {
    path.with_extension("copy")
}

/// Replaces a small file as a whole: the old or the new content survives a crash, never a mix.
pub(crate) fn write_aside(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    let file = disk.open(&aside, OpenMode::Create)?;
    file.set_len(0)?;
    file.write_at(bytes, 0)?;
    file.sync_all()?;
    drop(file);
    disk.rename(&aside, path)?;
    match path.parent() {
        Some(folder) => disk.sync_dir(folder),
        None => Ok(()),
    }
}

/// A small file's bytes.
pub(crate) fn read_whole(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(|_| io::ErrorKind::InvalidData)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_as_it_was() {
        let key = PartitionKey { topic_id: Uuid([9; 16]), partition: 2 };
        let mut partition = PartitionRecord::new(3, "orders", key, Class::Cached, 4096);
        partition.epochs.note(1, 100);
        partition.segments.push(SegmentRecord { len: 77, ..SegmentRecord::empty(5) });
        let checkpoint = Checkpoint {
            mark: 42,
            position: Position::START,
            next_partition: 4,
            partitions: vec![partition],
        };
        assert_eq!(Checkpoint::decode(&checkpoint.encode(), FORMAT_VERSION), Ok(checkpoint));
    }

    #[test]
    fn a_checkpoint_of_before_compaction_is_read() {
        let key = PartitionKey { topic_id: Uuid([9; 16]), partition: 2 };
        let partition = PartitionRecord::new(3, "orders", key, Class::Cached, 4096);
        let checkpoint = Checkpoint {
            mark: 42,
            position: Position::START,
            next_partition: 4,
            partitions: vec![partition],
        };
        let bytes = checkpoint.encode();
        assert_eq!(Checkpoint::decode(&bytes[..bytes.len() - 16], 1), Ok(checkpoint));
    }

    #[test]
    fn bytes_that_end_early_are_malformed() {
        let checkpoint =
            Checkpoint { mark: 42, position: Position::START, next_partition: 4, partitions: vec![] };
        let bytes = checkpoint.encode();
        for cut in 0..bytes.len() {
            assert_eq!(Checkpoint::decode(&bytes[..cut], FORMAT_VERSION), Err(Malformed));
        }
    }
}
