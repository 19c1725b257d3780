//! Why a measurement has no result. A bench that cannot trust what it saw says so and prints no figure.

use std::io;
use std::path::PathBuf;

use poruka_wire::records::BatchError;
use poruka_wire::{DecodeError, EncodeError, ErrorCode};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// There is no case of that name.
    #[error("there is no case {0:?}")]
    UnknownCase(String),
    /// No case is left to run.
    #[error("no chosen case can be run: {0}")]
    NothingToRun(&'static str),
    /// The folder for data cannot be used.
    #[error("use the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program of ours cannot be started.
    #[error("start {what}")]
    Start {
        /// Which one.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A program of ours ended, or said nothing, before it was ready.
    #[error("{what} is not ready ({why}); it said: {log}")]
    NotReady {
        /// Which one.
        what: &'static str,
        /// What happened instead.
        why: &'static str,
        /// The end of its log.
        log: String,
    },
    /// Nobody listens at the address.
    #[error("connect to {addr}")]
    Connect {
        /// The address.
        addr: String,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke, or nothing came in time.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The process to measure is gone, or its figures cannot be read.
    #[error("read the figures of process {pid}")]
    Process {
        /// The process.
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
    /// The broker answered with an error.
    #[error("the broker refused {what}: {}{}", code.name(), message.as_ref().map(|m| format!(" ({m})")).unwrap_or_default())]
    Refused {
        /// What it was asked for.
        what: &'static str,
        /// Its answer.
        code: ErrorCode,
        /// Its words.
        message: Option<String>,
    },
    /// What came back is not what was sent: nothing that was measured means anything.
    #[error("the measurement is worthless: {0}")]
    Wrong(String),
    /// An answer that cannot be read.
    #[error("read an answer")]
    Decode(#[from] DecodeError),
    /// A request that cannot be written.
    #[error("write a request")]
    Encode(#[from] EncodeError),
    /// A batch that does not hold what it should.
    #[error("read a batch")]
    Batch(#[from] BatchError),
    /// It was asked to stop.
    #[error("stopped before the measurement was done")]
    Stopped,
}

pub(crate) type Result<T> = std::result::Result<T, BenchError>;

/// Names what was being done when the system refused.
pub(crate) trait During<T> {
    fn during(self, what: &'static str) -> Result<T>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, what: &'static str) -> Result<T> {
        self.map_err(|source| BenchError::Io { what, source })
    }
}
