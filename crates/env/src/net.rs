//! Byte streams and listeners, as traits, so that a socket and a simulated connection look the same.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// A connected byte stream. Vectored writes reach the socket as one system call.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// What [`Listener::accept`] returns: the stream and the peer's address in text.
pub type Accepting<'a> = Pin<Box<dyn Future<Output = io::Result<(Box<dyn Stream>, String)>> + Send + 'a>>;

/// A bound address that connections arrive at. Dropping it stops the listening.
pub trait Listener: Send + Sync + 'static {
    /// The address in the form "host:port"; with the port that the system chose when 0 was asked for.
    fn local_addr(&self) -> io::Result<String>;

    /// The next connection. An error is about that one connection or about a lack of file descriptors: the
    /// listener stays usable. Cancelling the future loses no connection.
    fn accept(&self) -> Accepting<'_>;
}
