//! Byte streams and listeners, as traits, so that a socket and a simulated connection look the same.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::disk::DiskFile;

/// Bytes of a file that pass through memory at a time, where the system does not send them by itself.
const COPY_BYTES_MAX: usize = 64 * 1024;

/// A connected byte stream. Vectored writes reach the socket as one system call.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Sends at most `count` bytes of `file`, beginning at `at`, and says how many; `UnexpectedEof` when the file ends
    /// there. On a real socket and a real file the bytes do not pass through this process.
    fn poll_send_file(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        file: &dyn DiskFile,
        at: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        copy_file(self, cx, file, at, count)
    }
}

/// Sends a part of a file through memory.
pub(crate) fn copy_file<T: AsyncWrite + ?Sized>(
    stream: Pin<&mut T>,
    cx: &mut Context<'_>,
    file: &dyn DiskFile,
    at: u64,
    count: usize,
) -> Poll<io::Result<usize>> {
    let mut piece = vec![0; count.min(COPY_BYTES_MAX)];
    match file.read_at(&mut piece, at)? {
        0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
        read => stream.poll_write(cx, &piece[..read]),
    }
}

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
