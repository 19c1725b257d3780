//! Why a consumer stopped.

use poruka_client::{ClientError, CommitError};

use crate::receipt::Action;

/// Why a consumer could not be made, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The broker cannot be reached, or refuses.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A position was not committed, or it is not known whether it was.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The group does not take this consumer.
    #[error("consumer group refused: {message} ({code})")]
    Group {
        /// The coordinator's code.
        code: poruka_wire::ErrorCode,
        /// Its words.
        message: String,
    },
    /// A partition cannot be read any further.
    #[error("partition {partition} cannot be read at offset {offset}: {why}")]
    Unreadable {
        /// The partition.
        partition: i32,
        /// The offset of what cannot be read.
        offset: i64,
        /// Why.
        why: String,
    },
    /// At-most-once keeps its word by committed positions.
    #[error("at-most-once needs a consumer group: without one no position is kept, and records come twice")]
    NeedsGroup,
}

impl ConsumeError {
    /// What to do next.
    pub fn action(&self) -> Action {
        match self {
            ConsumeError::Client(error) => error.action().into(),
            // What was handled and not committed comes again.
            ConsumeError::Commit(_) => Action::RetryMayRepeat,
            ConsumeError::Group { .. } | ConsumeError::Unreadable { .. } | ConsumeError::NeedsGroup => {
                Action::Fix
            }
        }
    }
}

impl From<poruka_client::Action> for Action {
    fn from(action: poruka_client::Action) -> Action {
        match action {
            poruka_client::Action::Retry => Action::Retry,
            poruka_client::Action::Fix => Action::Fix,
            poruka_client::Action::Report => Action::Report,
        }
    }
}

/// Why [`crate::Consumer::run`] ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError<E> {
    /// The consumer could not go on.
    #[error(transparent)]
    Consume(#[from] ConsumeError),
    /// The handler failed on a record as often as it may. The record is not committed: it comes again to whoever
    /// reads next, unless the guarantee is at-most-once.
    #[error("handler failed {attempts} time(s) on partition {partition}, offset {offset}")]
    Handler {
        /// The record's partition.
        partition: i32,
        /// The record's offset.
        offset: i64,
        /// How often it was tried.
        attempts: u32,
        /// What the handler said last.
        error: E,
    },
}
