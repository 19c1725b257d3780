//! One connection as a pipe of frames: request in, response out, in order.
//!
//! Everything above speaks through [`Transport`], so that a socket, a broker in the same process, a scripted fake and a
//! faulty link are interchangeable. The one thing a transport must never get wrong is the difference between
//! [`TransportError::NotSent`] and [`TransportError::Lost`]: outcomes are decided by it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

/// Why a request has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Provably never processed: refused before its first byte was written. Safe to send again.
    #[error("not sent: {0}")]
    NotSent(String),
    /// May have been processed: the connection broke, or was closed, after writing began.
    #[error("sent, but the answer was lost: {0}")]
    Lost(String),
}

/// The response to one request: `None` when none was asked for, once the request is written.
pub type FrameReply = Pin<Box<dyn Future<Output = Result<Option<Bytes>, TransportError>> + Send>>;

/// One connection. Requests take their place in the order in which `call` is called, not in which the returned futures
/// are polled; responses come back in the same order.
///
/// Dropping the future of a call does not take the request back: only its response is ignored.
pub trait Transport: Send + Sync + 'static {
    /// Takes one whole request frame, size prefix included. The response frame comes without its size prefix, starting at
    /// the correlation id. `expects_response` is false for a produce request with `acks=0`.
    fn call(&self, frame: Bytes, expects_response: bool) -> FrameReply;

    /// Closes the connection. Requests that wait for a response end as lost, those not yet written as not sent.
    fn close(&self);

    /// Whether the connection is closed or broken: every further call ends as not sent.
    fn is_closed(&self) -> bool;

    /// Ready once the connection is closed or broken.
    fn closed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A connection being made.
pub type Dial = Pin<Box<dyn Future<Output = Result<Arc<dyn Transport>, String>> + Send>>;

/// Makes connections to addresses "host:port".
pub trait Dialer: Send + Sync + 'static {
    /// Connects. The error is a fragment fit for "cannot connect to ADDRESS: …".
    fn dial(&self, address: &str) -> Dial;
}
