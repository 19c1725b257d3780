//! A connection from inside the process: the same requests and bounds, no socket.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use poruka_log::Piece;
use tokio::sync::Semaphore;

use super::{Frame, Handle, IN_FLIGHT_REQUESTS_MAX, Outcome, Reply};

/// Bytes of the size prefix, which responses inside the process go without.
const SIZE_BYTES: usize = 4;

/// The connection has ended: a request on it broke the protocol, or the broker is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connection to the broker in this process is closed: open a new one, or the broker")]
pub struct Closed;

/// A connection to a broker in the same process. Cheap to clone; clones are the same connection.
///
/// Requests take effect in the order in which [`LocalConnection::call`]s are first polled, and each call resolves
/// when its own answer is there. At most [`IN_FLIGHT_REQUESTS_MAX`] calls are in flight; more wait.
#[derive(Clone)]
pub struct LocalConnection {
    inner: Arc<Inner>,
}

struct Inner {
    handler: Box<dyn Handle>,
    in_flight: Semaphore,
    closed: AtomicBool,
}

impl LocalConnection {
    pub(crate) fn new(handler: impl Handle) -> LocalConnection {
        let in_flight = Semaphore::new(IN_FLIGHT_REQUESTS_MAX);
        LocalConnection {
            inner: Arc::new(Inner { handler: Box::new(handler), in_flight, closed: AtomicBool::new(false) }),
        }
    }

    /// Handles one request, given without its size prefix. `None` is the answer to a produce with acks=0.
    ///
    /// Dropping the future before it resolves leaves open whether the request took effect.
    ///
    /// # Errors
    /// [`Closed`] when the request is one that ends a connection, when an earlier one did, or after the broker's close.
    pub async fn call(&self, frame: Bytes) -> Result<Option<Bytes>, Closed> {
        let _permit = self.inner.in_flight.acquire().await.map_err(|_| Closed)?;
        if self.inner.closed.load(Ordering::Acquire) {
            return Err(Closed);
        }
        let outcome: Outcome = match self.inner.handler.handle(frame) {
            Reply::Now(outcome) => outcome,
            Reply::Later(waiting) | Reply::Alone(waiting) => waiting.await,
        };
        match outcome {
            Ok(None) => Ok(None),
            Ok(Some(frame)) => joined(frame).map(Some).map_err(|error| {
                tracing::error!(%error, "in-process connection closed: records could not be read");
                self.inner.closed.store(true, Ordering::Release);
                Closed
            }),
            Err(reason) => {
                if reason.is_fault() {
                    tracing::warn!(%reason, "in-process connection closed");
                }
                self.inner.closed.store(true, Ordering::Release);
                Err(Closed)
            }
        }
    }
}

impl std::fmt::Debug for LocalConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalConnection")
            .field("closed", &self.inner.closed.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// The frame in one piece, without its size prefix.
fn joined(frame: Frame) -> io::Result<Bytes> {
    if let [Piece::Memory(only)] = frame.as_slice() {
        return Ok(only.slice(SIZE_BYTES..));
    }
    let mut whole = BytesMut::with_capacity(frame.iter().map(Piece::len).sum());
    for piece in frame {
        whole.extend_from_slice(&piece.into_bytes()?);
    }
    Ok(whole.freeze().slice(SIZE_BYTES..))
}
