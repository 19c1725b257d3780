//! Responses on their way to the socket, written in as few calls as their pieces allow.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use poruka_env::Stream;

use super::Frame;

/// Unwritten bytes from which no further response is taken; the next ones wait as requests in flight.
const UNWRITTEN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Pieces per call; the system takes 1024 at most.
const PIECES_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Outbound {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbound {
    /// Bytes that are not written yet.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
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
            self.pieces.push_back(piece);
        }
    }

    /// Writes until everything is out or the socket is full.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut dyn Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES_MAX];
            let mut count = 0;
            for (slot, piece) in slices.iter_mut().zip(&self.pieces) {
                *slot = IoSlice::new(piece);
                count += 1;
            }
            let written = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.consume(written);
        }
        Pin::new(stream).poll_flush(cx)
    }

    fn consume(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(first) = self.pieces.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.pieces.pop_front();
        }
    }
}
