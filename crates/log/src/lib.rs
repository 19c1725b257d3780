//! The storage engine: journal, segments, memory logs, recovery, producer state. Knows nothing of sockets.
//!
//! A [`LogEngine`] owns one data folder. A [`PartitionLog`] is one partition of a topic, in one of three durability
//! classes ([`Class`]): Memory, Cached, Synced. [`PartitionLog::append`] returns a [`Ticket`]; nothing that reveals the
//! append may be answered before [`PartitionLog::wait_durable`] returned for it. [`PartitionLog::read`] never gives
//! anything above the high watermark, so what a reader saw is never lost. A [`StateLog`] keeps small state (keys and
//! values) in a Synced partition.
//!
//! All Synced partitions share one journal: one `fdatasync` makes a group of appends durable, however many partitions
//! they went to. Segments are Kafka's own files, written behind the journal and synced at checkpoints.
//!
//! Fault model, byte layout and the crash argument: docs/storage-format.md. Not here: validation of what is inside a
//! batch (wire), topics, requests and policies (broker).

mod batch;
mod check;
mod checkpoint;
mod checkpointer;
mod clean;
mod codec;
mod config;
mod context;
mod doorbell;
mod engine;
mod epochs;
mod error;
mod journal;
mod layout;
mod open;
mod partition;
mod producers;
mod progress;
mod records;
mod registry;
mod root;
mod segment;
mod segment_file;
mod state_log;
mod stats;
mod tail;
mod walk;
mod workers;

pub use check::{CheckError, Finding, FolderCheck, PartitionCheck, Repaired, Soundness, check, repair};
pub use clean::config::CleanConfig;
pub use clean::counters::CleanStats;
pub use config::{Class, LogConfig, LogSpec, PartitionKey, SegmentConfig};
pub use engine::LogEngine;
pub use error::{Action, AppendError, CreateError, OpenError, ReadError, StorageError};
pub use open::OpenReport;
pub use partition::trim::TrimError;
pub use partition::{Appended, FileSlice, Origin, PartitionLog, Piece, Read};
pub use progress::{StorageFailed, Ticket, Watermarks};
pub use state_log::{StateLog, StateLogError};
pub use stats::{BYTES, COUNTS, Counter, Histogram, JournalFigures, LogStats, MICROS, PartitionFigures};
