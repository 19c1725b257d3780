//! Errors, one enum per operation, and what to do about each.

use std::io;
use std::path::PathBuf;

use crate::journal::state::Refused;
use crate::progress::Ticket;

/// What whoever gets the error should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The same call may succeed later.
    Retry,
    /// The call itself is wrong.
    Fix,
    /// The machine needs help (room, permissions, another process), then a restart.
    Operate,
    /// Data was damaged by something outside of us: `poruka check` names all of it, and repairs what can be.
    Restore,
}

/// Why a data folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("data folder {dir} is in use by process {pid}; stop it first")]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The process.
        pid: u32,
    },
    /// It was written by a later release.
    #[error(
        "{file} has format version {found}, and this release reads up to {supported}; use a newer release"
    )]
    NewerFormat {
        /// The file that says so.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that can be read.
        supported: u32,
    },
    /// A file is damaged where it had been proven to be on the medium.
    #[error("{file} is damaged at byte {at}: it should have {what}")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The first bad byte, as far as it can be told.
        at: u64,
        /// What was expected there; reads after "it should have".
        what: &'static str,
    },
    /// A file that must be there is not.
    #[error("{file} is missing")]
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// A repair was interrupted: only it may go on.
    #[error("{file} says that a repair was interrupted; finish it with `poruka check --repair`")]
    Unfinished {
        /// The plan of the repair.
        file: PathBuf,
    },
    /// The folder holds something else.
    #[error("{dir} is not an empty folder and not a Poruka data folder")]
    NotOurs {
        /// The folder.
        dir: PathBuf,
    },
    /// The system refused.
    #[error("open {file}: {error}")]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl OpenError {
    /// What to do about it.
    pub fn action(&self) -> Action {
        match self {
            OpenError::InUse { .. } | OpenError::NewerFormat { .. } | OpenError::Io { .. } => Action::Operate,
            OpenError::NotOurs { .. } => Action::Fix,
            OpenError::Damaged { .. } | OpenError::Missing { .. } | OpenError::Unfinished { .. } => {
                Action::Restore
            }
        }
    }
}

/// Attaches a path to an I/O error.
pub(crate) fn at(file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> OpenError {
    let file = file.into();
    move |error| match error.kind() {
        io::ErrorKind::NotFound => OpenError::Missing { file },
        _ => OpenError::Io { file, error },
    }
}

/// Why a partition could not be made or deleted.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Kafka's rules for topic names are not kept.
    #[error("topic name {0:?} is not allowed")]
    BadName(String),
    /// A partition of another topic id with that name is still there.
    #[error("topic {0:?} is still there under another id; delete it first")]
    NameTaken(String),
    /// The partition exists with another durability.
    #[error("partition exists with another durability")]
    OtherClass,
    /// Storage failed, or the disk is full.
    #[error("make the partition: {0}")]
    Storage(#[from] StorageError),
}

/// Storage does not take anything at the moment, or any more.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A sync failed earlier.
    #[error("storage stopped after a failed sync; check the disk and restart")]
    Poisoned,
    /// The disk is full.
    #[error("the disk is full; free some room")]
    Full,
    /// The engine is closed.
    #[error("the log is closed")]
    Closed,
    /// The system refused; nothing was appended.
    #[error("write {file}: {error}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl StorageError {
    /// What to do about it.
    pub fn action(&self) -> Action {
        match self {
            StorageError::Full => Action::Retry,
            _ => Action::Operate,
        }
    }

    pub(crate) fn io(file: impl Into<PathBuf>, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageError::Full,
            _ => StorageError::Io { file: file.into(), error },
        }
    }
}

impl From<Refused> for StorageError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Poisoned => StorageError::Poisoned,
            Refused::Full => StorageError::Full,
            Refused::Closed => StorageError::Closed,
        }
    }
}

/// Why a batch was not appended. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The bytes are not exactly one batch of magic 2 (its content is validated before, by the wire crate).
    #[error("not exactly one record batch")]
    Malformed,
    /// A batch of a transaction, or a control batch, from a client.
    #[error("transactional and control batches are not taken here")]
    NotAllowed,
    /// The producer skipped a sequence (Kafka: OUT_OF_ORDER_SEQUENCE_NUMBER, 45).
    #[error("sequence out of order: expected {expected}")]
    OutOfOrderSequence {
        /// The sequence that would have been taken.
        expected: i32,
    },
    /// The producer was superseded (Kafka: INVALID_PRODUCER_EPOCH, 47).
    #[error("producer epoch is older than {current}")]
    InvalidProducerEpoch {
        /// The newest epoch.
        current: i16,
    },
    /// A repeat of a batch that was appended long ago (Kafka: DUPLICATE_SEQUENCE_NUMBER, 46). Answer it only once
    /// the ticket is reached.
    #[error("a repeat of an older batch")]
    DuplicateSequence {
        /// Reached when the original is durable.
        durable: Ticket,
    },
    /// The partition is deleted.
    #[error("the partition is deleted")]
    Deleted,
    /// Storage does not take it (Kafka: KAFKA_STORAGE_ERROR, 56).
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Outside of what the log holds (Kafka: OFFSET_OUT_OF_RANGE, 1).
    #[error("offset is outside of {log_start}..={high_watermark}")]
    OffsetOutOfRange {
        /// The first offset that may be read.
        log_start: i64,
        /// The end of what may be read.
        high_watermark: i64,
    },
    /// A file is damaged (Kafka: KAFKA_STORAGE_ERROR, 56).
    #[error("{file} is damaged at byte {at}; restore it from a copy")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The first bad byte.
        at: u64,
    },
    /// The system refused.
    #[error("read {file}: {error}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}
