//! What can go wrong with a request, and what the caller can do about it.

use poruka_wire::ErrorCode;

use crate::net::{CallError, TransportError, Unsupported};

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The same request may succeed later.
    Retry,
    /// Something must be changed first: the request, the configuration, the rights, or the cluster.
    Fix,
    /// A defect of this client or of the broker.
    Report,
}

/// Why a request to the cluster failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection could be made.
    #[error("cannot connect to {address}: {why}; check that a broker listens there")]
    Connect {
        /// The address tried.
        address: String,
        /// What the system said.
        why: String,
    },
    /// The broker lacks something that this client needs.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// There is no topic of this name.
    #[error("there is no topic {topic:?}; create it first, or check its name")]
    UnknownTopic {
        /// The name.
        topic: String,
    },
    /// The request got no usable answer.
    #[error("{what}: {source}")]
    Call {
        /// The request.
        what: &'static str,
        /// What happened to it.
        source: CallError,
    },
    /// The broker answered with an error.
    #[error("{what}: {code}{}", message.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// What was asked for.
        what: String,
        /// The broker's code.
        code: ErrorCode,
        /// The broker's own words, if any.
        message: Option<String>,
    },
    /// Every attempt failed until the time was up.
    #[error("gave up after {attempts} attempts: {last}")]
    GaveUp {
        /// Attempts made.
        attempts: u32,
        /// The last one's error.
        last: Box<ClientError>,
    },
    /// The client, producer or consumer was closed.
    #[error("closed")]
    Closed,
}

impl ClientError {
    pub(crate) fn refused(what: impl Into<String>, code: ErrorCode, message: Option<&str>) -> ClientError {
        ClientError::Refused { what: what.into(), code, message: message.map(str::to_owned) }
    }

    /// The broker's error code, if it answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Refused { code, .. } => Some(*code),
            ClientError::GaveUp { last, .. } => last.code(),
            ClientError::UnknownTopic { .. } => Some(ErrorCode::UnknownTopicOrPartition),
            _ => None,
        }
    }

    /// Whether the request may have taken effect although it failed.
    pub fn may_be_done(&self) -> bool {
        match self {
            ClientError::Call { source, .. } => source.may_be_processed(),
            // A broker may time out, or fail, with the work half done.
            ClientError::Refused { code, .. } => {
                matches!(
                    code,
                    ErrorCode::RequestTimedOut | ErrorCode::UnknownServerError | ErrorCode::NetworkException
                )
            }
            ClientError::GaveUp { last, .. } => last.may_be_done(),
            _ => false,
        }
    }

    /// What to do about it.
    pub fn action(&self) -> Action {
        match self {
            ClientError::Connect { .. } | ClientError::GaveUp { .. } => Action::Retry,
            ClientError::Call { source, .. } if source.is_transient() => Action::Retry,
            ClientError::Call { source: CallError::Unsupported(_), .. } => Action::Fix,
            ClientError::Call { .. } => Action::Report,
            ClientError::Refused { code, .. } if code.is_retriable() => Action::Retry,
            ClientError::Refused { .. } | ClientError::UnknownTopic { .. } => Action::Fix,
            ClientError::Unsupported(_) | ClientError::Closed => Action::Fix,
        }
    }

    /// Whether the connection, not the request, is to blame.
    pub(crate) fn is_about_the_connection(&self) -> bool {
        matches!(self, ClientError::Connect { .. })
            || matches!(self, ClientError::Call { source: CallError::Transport(_), .. })
    }

    pub(crate) fn from_call(what: &'static str, source: CallError) -> ClientError {
        match source {
            CallError::Unsupported(unsupported) => ClientError::Unsupported(unsupported),
            source => ClientError::Call { what, source },
        }
    }

    pub(crate) fn not_sent(what: &'static str, why: impl Into<String>) -> ClientError {
        ClientError::Call { what, source: CallError::Transport(TransportError::NotSent(why.into())) }
    }
}
