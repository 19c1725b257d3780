//! One partition: its segments or its memory, its producers, its epochs, and what of it may be seen.
//!
//! [`append`] takes batches in, [`read`] gives them out, [`snapshot`] tells checkpoints what to prove, [`recover`] builds
//! the partition again after a start. One lock per partition; the journal is pushed to under it, so that the order in the
//! segment and the order in the journal are the same.

mod append;
pub(crate) mod compact;
mod locate;
mod read;
pub(crate) mod recover;
pub(crate) mod replaced;
mod retain;
pub(crate) mod salvage;
mod slice;
pub(crate) mod snapshot;
pub(crate) mod trim;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

pub use self::append::{Appended, Origin};
pub use self::read::Read;
pub(crate) use self::slice::checked;
pub use self::slice::{FileSlice, Piece};

use crate::checkpoint::PartitionRecord;
use crate::config::{Class, PartitionKey, SegmentConfig};
use crate::context::Context;
use crate::epochs::Epochs;
use crate::journal::entry::{Cleaned, PartitionId};
use crate::journal::state::Hint;
use crate::producers::Producers;
use crate::progress::{Progress, StorageFailed, Ticket, Watermarks};
use crate::segment::Segment;
use crate::stats::PartitionFigures;
use crate::tail::Tail;

/// Memory for the newest records of one partition on disk.
const TAIL_BYTES_MAX: usize = 4 << 20;

/// A partition's files.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) sealed: BTreeMap<i64, Segment>,
    /// The one being written; none before the first append.
    pub(crate) active: Option<Segment>,
}

/// What the partition's lock protects.
pub(crate) struct Inner {
    pub(crate) config: SegmentConfig,
    pub(crate) log_start: i64,
    /// The next offset.
    pub(crate) end: i64,
    /// Cached: reserved up to here, or asked to be.
    pub(crate) reserved: i64,
    /// Cached: size of the last reservation.
    pub(crate) reserve_step: i64,
    pub(crate) epochs: Epochs,
    pub(crate) producers: Producers,
    /// `None` for Memory.
    pub(crate) files: Option<Files>,
    pub(crate) tail: Tail,
    pub(crate) hint: Hint,
    /// Largest timestamp of a Memory log, with the last offset of its batch.
    pub(crate) memory_max_timestamp: (i64, i64),
    /// Where readers that go on from there will find the next batch: (offset, segment, position).
    pub(crate) resume: [(i64, i64, u32); 4],
    /// How far compaction has come.
    pub(crate) cleaned: Cleaned,
    /// The end of the log in the checkpoint that is in force.
    pub(crate) published_end: i64,
    /// Files of a compacted segment may or may not have taken their final names.
    pub(crate) names_unsure: bool,
    pub(crate) closed: bool,
    pub(crate) deleted: bool,
}

/// Nothing to go on from.
const NO_RESUME: [(i64, i64, u32); 4] = [(-1, 0, 0); 4];

/// One partition of a topic. Cheap to share; all methods may be called from any thread.
pub struct PartitionLog {
    id: PartitionId,
    topic: String,
    key: PartitionKey,
    class: Class,
    dir: PathBuf,
    context: Arc<Context>,
    progress: Arc<Progress>,
    inner: Mutex<Inner>,
    me: Weak<PartitionLog>,
}

impl PartitionLog {
    pub(crate) fn new(
        context: Arc<Context>,
        dir: PathBuf,
        record: PartitionRecord,
        files: Option<Files>,
        config: SegmentConfig,
    ) -> Arc<PartitionLog> {
        let PartitionRecord {
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
            ..
        } = record;
        let tail_bytes_max = if class == Class::Memory { config.memory_bytes_max } else { TAIL_BYTES_MAX };
        let tails = match class {
            // Memory logs have a bound of their own each.
            Class::Memory => crate::tail::TailBudget::new(usize::MAX),
            _ => Arc::clone(&context.tails),
        };
        let durable_reserved = if class == Class::Cached { reserved.min(end) } else { i64::MAX };
        let inner = Inner {
            config,
            log_start,
            end,
            reserved,
            reserve_step: 0,
            epochs,
            producers,
            files,
            tail: Tail::new(tail_bytes_max, tails),
            hint: Hint::default(),
            memory_max_timestamp: (crate::segment::NO_TIMESTAMP, -1),
            resume: NO_RESUME,
            cleaned,
            published_end: -1,
            names_unsure: false,
            closed: false,
            deleted: false,
        };
        let progress = Arc::new(Progress::new(log_start, end, durable_reserved));
        let inner = Mutex::new(inner);
        Arc::new_cyclic(|me| {
            let me = Weak::clone(me);
            PartitionLog { id, topic, key, class, dir, context, progress, inner, me }
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Name of the topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Topic id and partition number.
    pub fn key(&self) -> PartitionKey {
        self.key
    }

    /// What is promised about its records.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Readers see records below this offset only.
    pub fn high_watermark(&self) -> i64 {
        self.progress.marks().high_watermark
    }

    /// The first offset that may be read.
    pub fn log_start(&self) -> i64 {
        self.progress.marks().log_start
    }

    /// The next offset to be given out. Tell it to nobody: what is below may not be durable yet.
    pub fn log_end(&self) -> i64 {
        self.lock().end
    }

    /// Reached when everything that was appended so far is durable and visible.
    pub fn ticket_of_end(&self) -> Ticket {
        Ticket(self.lock().end)
    }

    /// Readers of committed records see records below this offset only. The high watermark, until transactions are
    /// built.
    pub fn last_stable_offset(&self) -> i64 {
        self.high_watermark()
    }

    /// The current leader epoch; rises when a Cached partition lost its tail.
    pub fn leader_epoch(&self) -> i32 {
        self.lock().epochs.current()
    }

    /// As Kafka's OffsetForLeaderEpoch: the largest epoch that is at most `epoch`, and the offset at which it ended.
    pub fn epoch_end_offset(&self, epoch: i32) -> Option<(i32, i64)> {
        let high_watermark = self.high_watermark();
        self.lock().epochs.end_of(epoch, high_watermark)
    }

    /// Changes the sizes of its segments, from the next append on, and how it is cleaned.
    pub fn set_config(&self, config: SegmentConfig) {
        let mut inner = self.lock();
        let cleans_otherwise = std::mem::replace(&mut inner.config, config).clean != config.clean;
        if self.class == Class::Memory {
            inner.tail.set_bytes_max(config.memory_bytes_max);
        }
        drop(inner);
        if cleans_otherwise {
            self.context.cleaner.ring();
        }
    }

    /// True when what the ticket stands for is durable and visible.
    pub fn reached(&self, ticket: Ticket) -> bool {
        self.progress.reached(ticket)
    }

    /// Waits until what the ticket stands for is durable and visible.
    ///
    /// # Errors
    /// [`StorageFailed`]: it is unknown whether the records survive.
    pub async fn wait_durable(&self, ticket: Ticket) -> Result<(), StorageFailed> {
        self.progress.wait(ticket).await
    }

    /// Changes when records become visible, the log start moves, or storage fails. Waiting on it costs nothing.
    pub fn watch(&self) -> watch::Receiver<Watermarks> {
        self.progress.watch()
    }

    /// Waits while the journal is too far behind for more appends. Call it before an append to bound memory.
    pub async fn room(&self) {
        if self.class == Class::Synced {
            self.context.journal.room().await;
        }
    }

    /// Bytes of its segments, or of its memory.
    pub fn size_bytes(&self) -> u64 {
        let inner = self.lock();
        match &inner.files {
            Some(files) => {
                files.sealed.values().chain(&files.active).map(|segment| u64::from(segment.len())).sum()
            }
            None => inner.tail.iter().map(|batch| batch.len() as u64).sum(),
        }
    }

    /// Its sizes, under one lock.
    pub fn figures(&self) -> PartitionFigures {
        let inner = self.lock();
        let memory_bytes = inner.tail.bytes();
        let (bytes, segments) = match &inner.files {
            Some(files) => {
                let segments = files.sealed.values().chain(&files.active);
                segments.fold((0, 0), |(bytes, count), one| (bytes + u64::from(one.len()), count + 1))
            }
            None => (memory_bytes as u64, 0),
        };
        PartitionFigures { bytes, segments, memory_bytes, producers: inner.producers.len() }
    }

    /// Producers that are remembered.
    pub fn producers(&self) -> usize {
        self.lock().producers.len()
    }
}

impl std::fmt::Debug for PartitionLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartitionLog({}-{} {:?})", self.topic, self.key.partition, self.class)
    }
}
