//! Responses on their way to the socket, written in as few calls as their pieces allow.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use poruka_env::Stream;
use poruka_log::Piece;

use super::Frame;

/// Unwritten bytes, in memory or in files, from which no further response is taken; the next ones wait as requests in
/// flight.
const UNWRITTEN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Pieces per call; the system takes 1024 at most.
const PIECES_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Outbound {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// Those of `bytes` that are in memory.
    memory_bytes: usize,
}

impl Outbound {
    /// Bytes that are not written yet, in memory or in files.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory that wait to be written.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Drops what is not written yet.
    pub(super) fn clear(&mut self) {
        *self = Outbound::default();
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes < UNWRITTEN_BYTES_MAX
    }

    pub(super) fn push(&mut self, frame: Frame) {
        for piece in frame.into_iter().filter(|piece| !piece.is_empty()) {
            self.bytes += piece.len();
            self.memory_bytes += piece.memory_bytes();
            self.pieces.push_back(piece);
        }
    }

    /// Writes until everything is out or the socket is full.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut dyn Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(first) = self.pieces.front() {
            let written = match first {
                Piece::File(slice) => {
                    let count = first.len();
                    ready!(Pin::new(&mut *stream).poll_send_file(cx, slice.file(), slice.at(), count))?
                }
                Piece::Memory(_) => ready!(self.poll_write_memory(stream, cx))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.consume(written);
        }
        Pin::new(stream).poll_flush(cx)
    }

    /// Writes the pieces up to the first one that is in a file.
    fn poll_write_memory(&self, stream: &mut dyn Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let mut count = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.pieces) {
            let Piece::Memory(bytes) = piece else { break };
            *slot = IoSlice::new(bytes);
            count += 1;
        }
        Pin::new(stream).poll_write_vectored(cx, &slices[..count])
    }

    fn consume(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(first) = self.pieces.front_mut() {
            let part = written.min(first.len());
            self.memory_bytes -= part.min(first.memory_bytes());
            if part < first.len() {
                first.advance(part);
                return;
            }
            written -= part;
            self.pieces.pop_front();
        }
    }
}
