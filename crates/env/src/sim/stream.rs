//! One simulated connection: two pipes in which bytes take their time.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::net::Network;
use crate::mono::Mono;
use crate::net::Stream;

/// Bytes that may be under way in one direction before the writer has to wait.
const WINDOW_BYTES_MAX: usize = 256 * 1024;

#[derive(Default)]
struct Pipe {
    pieces: VecDeque<(Mono, VecDeque<u8>)>,
    bytes: usize,
    /// When the newest piece arrives; later ones do not overtake it.
    newest: Mono,
    /// The writer said that nothing follows; the reader learns it then.
    closed: Option<Mono>,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

#[derive(Default)]
pub(super) struct Connection {
    pipes: [Pipe; 2],
    reset: bool,
}

impl Connection {
    pub(super) fn reset(connection: &Mutex<Connection>) {
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.reset = true;
        connection.pipes.iter_mut().for_each(Pipe::wake);
    }
}

/// One end of a connection: writes into the pipe `side`, reads from the other.
pub(super) struct SimStream {
    connection: Arc<Mutex<Connection>>,
    side: usize,
    network: Arc<Network>,
}

impl SimStream {
    pub(super) fn pair(network: &Arc<Network>) -> (SimStream, SimStream, Weak<Mutex<Connection>>) {
        let connection = Arc::new(Mutex::new(Connection::default()));
        let end =
            |side| SimStream { connection: Arc::clone(&connection), side, network: Arc::clone(network) };
        (end(0), end(1), Arc::downgrade(&connection))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let arrives = self.network.executor().now() + self.network.draw_latency();
        let mut connection = self.lock();
        let pipe = &mut connection.pipes[self.side];
        if pipe.closed.is_none() {
            pipe.closed = Some(arrives.max(pipe.newest));
            pipe.wake();
        }
    }
}

impl AsyncRead for SimStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let now = self.network.executor().now();
        let wanted = self.network.draw_piece(into.remaining());
        let mut connection = self.lock();
        if connection.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let pipe = &mut connection.pipes[1 - self.side];
        let mut taken = 0;
        while taken < wanted {
            let Some((_, piece)) = pipe.pieces.front_mut().filter(|(arrives, _)| *arrives <= now) else {
                break;
            };
            let (head, _) = piece.as_slices();
            let part = head.len().min(wanted - taken);
            into.put_slice(&head[..part]);
            piece.drain(..part);
            taken += part;
            if piece.is_empty() {
                pipe.pieces.pop_front();
            }
        }
        pipe.bytes -= taken;
        if taken > 0 {
            if let Some(writer) = pipe.writer.take() {
                writer.wake();
            }
            return Poll::Ready(Ok(()));
        }
        if wanted == 0 || (pipe.pieces.is_empty() && pipe.closed.is_some_and(|closed| closed <= now)) {
            return Poll::Ready(Ok(()));
        }
        let next = pipe.pieces.front().map(|(arrives, _)| *arrives).or(pipe.closed);
        pipe.reader = Some(cx.waker().clone());
        drop(connection);
        if let Some(next) = next {
            self.network.executor().add_timer(next, cx.waker().clone());
        }
        Poll::Pending
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let arrives = self.network.executor().now() + self.network.draw_latency();
        let wanted = self.network.draw_piece(bytes.len());
        let mut connection = self.lock();
        if connection.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let pipe = &mut connection.pipes[self.side];
        if pipe.closed.is_some() || pipe.reader_gone {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let part = wanted.min(WINDOW_BYTES_MAX - pipe.bytes);
        if part == 0 && !bytes.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        pipe.newest = pipe.newest.max(arrives);
        pipe.bytes += part;
        pipe.pieces.push_back((pipe.newest, bytes[..part].iter().copied().collect()));
        if let Some(reader) = pipe.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(part))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl Stream for SimStream {}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.close();
        let mut connection = self.lock();
        let pipe = &mut connection.pipes[1 - self.side];
        pipe.reader_gone = true;
        pipe.wake();
    }
}
