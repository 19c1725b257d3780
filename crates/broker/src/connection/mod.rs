//! The connection core: frames in, responses out in request order, one task per connection.
//!
//! Requests are handled in the order they arrive and a request does not wait for the syncs of those before it: its
//! effect is had at once, and only its response waits its turn. A connection has at most [`IN_FLIGHT_REQUESTS_MAX`]
//! requests and about [`IN_FLIGHT_BYTES_MAX`] bytes in flight; past either, reading stops until responses have left.
//! A frame that cannot be understood ends its own connection with one logged line, and no other.
//!
//! The same requests arrive over sockets ([`socket`]) and from inside the process ([`local`]).

mod frame;
mod held;
mod local;
mod outbound;
mod pipeline;
mod socket;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

pub(crate) use frame::{Frame, filled, stand_in};
pub use held::HELD_BYTES_MAX;
pub(crate) use held::Held;
pub use local::{Closed, LocalConnection};
pub(crate) use socket::serve;

/// The most requests of one connection whose responses have not left yet.
pub const IN_FLIGHT_REQUESTS_MAX: usize = 256;

/// Bytes of requests in flight from which a connection is not read further. One frame may exceed it alone.
pub const IN_FLIGHT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a connection may be silent before it is closed, in milliseconds; as Kafka's connections.max.idle.ms.
pub const IDLE_MS_MAX: u64 = 600_000;

/// A boxed future that a handler leaves behind.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What becomes of a request: a response, no response (acks=0), or the end of its connection.
pub(crate) type Outcome = Result<Option<Frame>, CloseReason>;

/// What a handler gives back for a request.
pub(crate) enum Reply {
    /// Done.
    Now(Outcome),
    /// The effect is had; the response is still waiting for something.
    Later(Boxed<Outcome>),
    /// The effect is still to come: the next request of this connection is not read before it.
    Alone(Boxed<Outcome>),
}

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CloseReason {
    #[error("peer closed")]
    PeerClosed,
    #[error("silent for {} s", IDLE_MS_MAX / 1000)]
    Idle,
    #[error("broker is shutting down")]
    Draining,
    #[error(
        "connections hold more than {HELD_BYTES_MAX} bytes together, and this one is among the large ones"
    )]
    Crowded,
    #[error("{0}")]
    NotKafka(String),
    #[error("bad frame: {0}")]
    BadFrame(String),
    #[error("{0}")]
    Refused(String),
    #[error("socket failed: {0}")]
    Socket(String),
}

impl CloseReason {
    /// True for an end that an operator should read about.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(
            self,
            CloseReason::Crowded
                | CloseReason::NotKafka(_)
                | CloseReason::BadFrame(_)
                | CloseReason::Refused(_)
        )
    }
}

/// What stands behind a connection and handles its frames (without the size prefix).
pub(crate) trait Handle: Send + Sync + 'static {
    /// Handles one frame: has its effect and says what to answer.
    fn handle(&self, frame: Bytes) -> Reply;
}
