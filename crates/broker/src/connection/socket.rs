//! One socket connection: a single task that reads, handles, waits and writes, as its poll function.
//!
//! Each turn does what can be done without waiting: take the oldest outcome, write, handle what has been read, read.
//! It ends when nothing moves. A full socket stops the taking of outcomes, which fills the pipeline, which stops the
//! reading: back-pressure reaches the peer through TCP.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use poruka_env::{Env, Stream};
use poruka_wire::frame::{FrameDecoder, FrameError};
use tokio::io::AsyncReadExt;

use super::held::{Held, Share};
use super::outbound::Outbound;
use super::pipeline::Pipeline;
use super::{Boxed, CloseReason, Handle, IDLE_MS_MAX, Reply};

/// Serves one connection until it ends. `draining` resolves when the broker shuts down.
pub(crate) async fn serve<H: Handle>(
    env: Env,
    stream: Box<dyn Stream>,
    handler: H,
    held: &Held,
    draining: Boxed<()>,
) -> CloseReason {
    let mut socket = Socket {
        idle: idle_timer(&env),
        env,
        stream,
        handler,
        draining,
        share: held.share(),
        inbound: FrameDecoder::default(),
        pipeline: Pipeline::default(),
        outbound: Outbound::default(),
        closing: None,
        active: false,
    };
    poll_fn(|cx| socket.poll(cx)).await
}

fn idle_timer(env: &Env) -> Boxed<()> {
    let env = env.clone();
    Box::pin(async move { env.sleep(Duration::from_millis(IDLE_MS_MAX)).await })
}

struct Socket<H> {
    env: Env,
    stream: Box<dyn Stream>,
    handler: H,
    draining: Boxed<()>,
    idle: Boxed<()>,
    share: Share,
    inbound: FrameDecoder,
    pipeline: Pipeline,
    outbound: Outbound,
    /// No more is read; what is in flight is still answered.
    closing: Option<CloseReason>,
    /// Something was read or written since the idle timer was set.
    active: bool,
}

impl<H: Handle> Socket<H> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if self.closing.is_none() && self.draining.as_mut().poll(cx).is_ready() {
            self.closing = Some(CloseReason::Draining);
        }
        self.poll_idle(cx);
        loop {
            let mut moved = self.take_outcomes(cx);
            let (unwritten, had_room) = (self.outbound.bytes(), self.outbound.has_room());
            match self.outbound.poll_write(&mut *self.stream, cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(CloseReason::Socket(error.to_string())),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            self.active |= self.outbound.bytes() < unwritten;
            // Responses that waited for this room wake nobody: they are ready already.
            moved |= !had_room && self.outbound.has_room();
            moved |= self.handle_frames();
            moved |= self.poll_read(cx);
            let held = self.inbound.buffered() + self.pipeline.bytes() + self.outbound.memory_bytes();
            if !self.share.set(held) {
                return Poll::Ready(CloseReason::Crowded);
            }
            if let Some(reason) = &self.closing
                && self.pipeline.is_empty()
                && self.outbound.is_empty()
            {
                return Poll::Ready(reason.clone());
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) {
        while self.idle.as_mut().poll(cx).is_ready() {
            if !self.active && self.pipeline.is_empty() {
                // A peer that is not reading either will not be waited for any longer.
                self.outbound.clear();
                self.closing.get_or_insert(CloseReason::Idle);
            }
            self.active = false;
            self.idle = idle_timer(&self.env);
        }
    }

    fn take_outcomes(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while self.outbound.has_room() {
            let Poll::Ready(outcome) = self.pipeline.poll_oldest(cx) else { break };
            moved = true;
            match outcome {
                Ok(Some(frame)) => self.outbound.push(frame),
                Ok(None) => {}
                // Nothing after it is answered; what was before it still leaves.
                Err(reason) => {
                    self.closing = Some(reason);
                    self.pipeline.clear();
                }
            }
        }
        moved
    }

    fn handle_frames(&mut self) -> bool {
        let mut moved = false;
        while self.closing.is_none() && self.pipeline.has_room() {
            match self.inbound.next() {
                Ok(Some(frame)) => {
                    moved = true;
                    let bytes = frame.len();
                    match self.handler.handle(frame) {
                        Reply::Now(Err(reason)) => self.closing = Some(reason),
                        reply => self.pipeline.push(reply, bytes),
                    }
                }
                Ok(None) => break,
                Err(error) => self.closing = Some(not_frames(error)),
            }
        }
        moved
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.closing.is_some() || !self.pipeline.has_room() {
            return false;
        }
        let Poll::Ready(read) = pin!(self.stream.read_buf(&mut self.inbound.read_buffer())).poll(cx) else {
            self.inbound.release();
            return false;
        };
        self.active = true;
        match read {
            Ok(0) if self.inbound.buffered() == 0 => self.closing = Some(CloseReason::PeerClosed),
            Ok(0) => {
                self.closing = Some(CloseReason::Socket("peer closed in the middle of a frame".to_owned()))
            }
            Ok(_) => {}
            Err(error) => self.closing = Some(CloseReason::Socket(error.to_string())),
        }
        true
    }
}

fn not_frames(error: FrameError) -> CloseReason {
    match error {
        FrameError::Http | FrameError::Tls => CloseReason::NotKafka(error.to_string()),
        FrameError::Size { .. } => CloseReason::BadFrame(error.to_string()),
    }
}
