//! What a send returns: where the record is, and what it survives there; or why it is not known to be there.

use std::fmt;
use std::sync::Arc;

use poruka_client::produce::Failure;
use poruka_guarantee::Durability;

/// How far a record has provably come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Handed to the network, or to the producer's queue, once. Nothing more is claimed.
    Sent,
    /// Acked by the broker, and as durable as its topic is.
    Acked(Durability),
}

/// Where a record went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition; `None` when the record was only queued.
    pub partition: Option<i32>,
    /// The offset. `None` when no ack was asked for, or when the broker recognised a repeat and no longer knows where
    /// the first one went.
    pub offset: Option<i64>,
    /// How far it has provably come.
    pub reached: Reached,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.topic)?;
        if let Some(partition) = self.partition {
            write!(f, "-{partition}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, "@{offset}")?;
        }
        match self.reached {
            Reached::Sent => f.write_str(" sent"),
            Reached::Acked(durability) => write!(f, " {durability}"),
        }
    }
}

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Do the same again: it had no effect.
    Retry,
    /// Doing the same again makes sure of it, and may do it twice.
    RetryMayRepeat,
    /// Change something first: the record, the settings, the rights, or the cluster.
    Fix,
    /// A defect of this library or of the broker.
    Report,
}

/// Why a send has no receipt.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// Best-effort only: there was no room, and the caller does not wait. Counted in [`crate::Producer::dropped`].
    #[error("dropped, since the producer has no room: {why}")]
    Dropped {
        /// What was missing.
        why: String,
    },
    /// The record was refused before it was sent.
    #[error("not sent: {why}")]
    NotTaken {
        /// Why.
        why: String,
    },
    /// Proven not to be in the log.
    #[error("not written to {topic}: {failure}")]
    NotWritten {
        /// The topic.
        topic: Arc<str>,
        /// What went wrong.
        failure: Failure,
        /// Whether the same record may be taken later.
        transient: bool,
    },
    /// In the log or not: nobody can tell.
    #[error("may or may not be written to {topic}: {failure}")]
    Unknown {
        /// The topic.
        topic: Arc<str>,
        /// What went wrong.
        failure: Failure,
    },
}

impl SendError {
    /// Whether the record may be in the log all the same.
    pub fn may_be_written(&self) -> bool {
        matches!(self, SendError::Unknown { .. })
    }

    /// What to do next.
    pub fn action(&self) -> Action {
        match self {
            SendError::Dropped { .. } | SendError::NotWritten { transient: true, .. } => Action::Retry,
            SendError::NotTaken { .. } | SendError::NotWritten { .. } => Action::Fix,
            SendError::Unknown { .. } => Action::RetryMayRepeat,
        }
    }

    /// What a person can do about it.
    pub fn remedy(&self) -> &str {
        match self {
            SendError::Dropped { .. } => {
                "send more slowly, give the producer more memory, or choose a guarantee that waits"
            }
            SendError::NotTaken { .. } => "change what the message names",
            SendError::NotWritten { failure, .. } | SendError::Unknown { failure, .. } => failure.remedy(),
        }
    }
}
