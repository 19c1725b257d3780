//! What the engine is told: durability classes, partition identities, sizes.

use std::time::Duration;

use poruka_wire::Uuid;

use crate::clean::config::CleanConfig;

/// How much a partition promises about its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Gone with the process; bounded, the oldest records are dropped first.
    Memory,
    /// In the page cache when acknowledged: survives a killed process, not a power cut.
    Cached,
    /// On the medium before it is acknowledged or seen.
    Synced,
}

impl Class {
    pub(crate) fn code(self) -> u8 {
        match self {
            Class::Memory => 0,
            Class::Cached => 1,
            Class::Synced => 2,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Class> {
        [Class::Memory, Class::Cached, Class::Synced].into_iter().find(|class| class.code() == code)
    }
}

/// A partition of one incarnation of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartitionKey {
    /// Identity of the topic; a topic that is made again gets another.
    pub topic_id: Uuid,
    /// Number of the partition, from 0.
    pub partition: i32,
}

/// A partition to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSpec {
    /// Name of the topic: Kafka's characters (`a-z A-Z 0-9 . _ -`), at most 249.
    pub topic: String,
    /// Identity of the topic.
    pub topic_id: Uuid,
    /// Number of the partition, from 0.
    pub partition: i32,
    /// What is promised about its records. Fixed for life.
    pub durability: Class,
    /// Sizes of its segments.
    pub config: SegmentConfig,
}

impl LogSpec {
    /// The partition's identity.
    pub fn key(&self) -> PartitionKey {
        PartitionKey { topic_id: self.topic_id, partition: self.partition }
    }
}

/// Sizes of one partition's segments, and how it is cleaned. May change at any time; it is not stored by the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentConfig {
    /// A segment is closed before it grows beyond this (`segment.bytes`). At most 2^31 - 1.
    pub segment_bytes: u32,
    /// One index entry for about this many bytes (`index.interval.bytes`).
    pub index_interval_bytes: u32,
    /// A Memory partition keeps at most this many bytes.
    pub memory_bytes_max: usize,
    /// What happens to old records.
    pub clean: CleanConfig,
}

impl Default for SegmentConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            index_interval_bytes: 4096,
            memory_bytes_max: 16 << 20,
            clean: CleanConfig::default(),
        }
    }
}

/// Sizes of the engine as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// Size of one journal file, a multiple of 4 KiB. Recovery reads at most [`LogConfig::journal_files`] of them.
    pub journal_file_bytes: usize,
    /// Number of journal files in the ring, at least 3.
    pub journal_files: u64,
    /// Batches of at least this size are written once, into the segment, and the group commit syncs the segment.
    pub reference_bytes_min: usize,
    /// A group commit syncs at most this many segments; further large batches travel in the journal.
    pub reference_segments_max: usize,
    /// Memory for the newest records of all partitions together, from which reads are served first.
    pub tail_bytes_max: usize,
    /// A checkpoint is made after this many bytes were appended to Cached partitions.
    pub cached_unsynced_bytes_max: u64,
    /// A checkpoint is made after the journal referred to this many bytes: a start reads them all.
    pub referred_bytes_max: u64,
    /// How often all partitions are looked at for what retention drops and compaction can gain.
    pub clean_interval: Duration,
    /// Compaction's memory for keys: 24 bytes each. What does not fit is left for another pass.
    pub clean_map_bytes: usize,
    /// Compaction reads and writes at most this much per second.
    pub clean_bytes_per_s: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            journal_file_bytes: 16 << 20,
            journal_files: 4,
            reference_bytes_min: 64 << 10,
            reference_segments_max: 4,
            tail_bytes_max: 64 << 20,
            cached_unsynced_bytes_max: 256 << 20,
            referred_bytes_max: 128 << 20,
            clean_interval: Duration::from_secs(15),
            clean_map_bytes: 16 << 20,
            clean_bytes_per_s: 64 << 20,
        }
    }
}
