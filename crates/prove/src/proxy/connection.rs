//! One client connection: requests one way, answers the other, and the faults between.
//!
//! Both ways run as one task; when either returns, both sockets are dropped: that is what a cut is.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use poruka_env::{Env, Stream};
use poruka_wire::frame::FrameDecoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};

use super::director::{Director, Taken};
use super::frames::{self, Asked, What};
use super::repeat;
use crate::faults::FaultKind;

/// Pieces of a dribbled request at most; the rest goes in one.
const PIECES_MAX: usize = 48;
/// Pieces of a dribbled request between two waits.
const PIECES_PER_WAIT: usize = 8;
/// How long an answer is delayed at most, in milliseconds.
const DELAY_MS_MAX: u64 = 120;

/// A request that was passed on and whose answer has not come.
enum Awaited {
    /// A client's request.
    Client(Asked),
    /// The proxy's own question before an unanswered produce.
    EndsBefore,
    /// The same question behind it.
    EndsBehind { asked: Asked, fault: Taken },
}

struct Connection<'a> {
    env: &'a Env,
    director: &'a Arc<Director>,
    awaited: Mutex<VecDeque<Awaited>>,
    /// A fault closed the way to the broker.
    upstream_closed: AtomicBool,
}

/// Leads one client to the broker until either side ends or a fault cuts it.
pub(crate) async fn run(env: &Env, director: &Arc<Director>, client: Box<dyn Stream>) {
    let Some(upstream) = director.upstream() else { return };
    // A broker that is not there looks to the client like one that closed the connection.
    let Ok(server) = env.connect(&upstream).await else { return };
    let (client_read, client_write) = split(client);
    let (server_read, server_write) = split(server);
    let connection =
        Connection { env, director, awaited: Mutex::default(), upstream_closed: AtomicBool::new(false) };
    // How it ended makes no difference: both sockets are dropped.
    let _ended: io::Result<()> = tokio::select! {
        biased;
        ended = connection.answers(server_read, client_write) => ended,
        ended = connection.requests(client_read, server_write) => ended,
    };
    director.settled(connection.produces_awaited());
}

type Reader = ReadHalf<Box<dyn Stream>>;
type Writer = WriteHalf<Box<dyn Stream>>;

impl Connection<'_> {
    fn expect(&self, awaited: Awaited) {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).push_back(awaited);
    }

    fn next_awaited(&self) -> Option<Awaited> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn produces_awaited(&self) -> u64 {
        let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.iter().filter(|one| matches!(one, Awaited::Client(asked) if asked.is_produce())).count()
            as u64
    }

    async fn requests(&self, mut from: Reader, mut to: Writer) -> io::Result<()> {
        let mut decoder = FrameDecoder::default();
        loop {
            let Some(frame) = next_frame(&mut decoder, &mut from).await? else {
                // The client is done sending; what the broker still answers goes on to it.
                to.shutdown().await?;
                return std::future::pending().await;
            };
            self.director.frame(true, &frame);
            self.request(frame, &mut to).await?;
            if self.upstream_closed.load(Ordering::Relaxed) {
                return self.swallow(decoder, from).await;
            }
        }
    }

    /// The way to the broker is closed: what the client still sends goes nowhere, until it gives up.
    async fn swallow(&self, mut decoder: FrameDecoder, mut from: Reader) -> io::Result<()> {
        while next_frame(&mut decoder, &mut from).await?.is_some() {}
        Ok(())
    }

    async fn request(&self, frame: Bytes, to: &mut Writer) -> io::Result<()> {
        let asked = frames::asked(&frame);
        if !asked.is_produce() {
            self.expect(Awaited::Client(asked));
            return to.write_all_buf(&mut sized(&frame)).await;
        }
        if let Some(fault) = self.director.take(FaultKind::RequestCut) {
            return self.cut(&frame, fault, to).await;
        }
        if !asked.is_answered() {
            self.unanswered(frame.clone(), asked, to).await?;
        } else {
            self.expect(Awaited::Client(asked.clone()));
            self.pass_on(&frame, to).await?;
            self.director.passed_on();
        }
        self.close_upstream(to).await?;
        if let Some(fault) = self.director.take(FaultKind::RequestRepeated) {
            repeat::later(self.env, self.director, frame, fault);
        }
        Ok(())
    }

    /// Passes a part of the request on and ends the connection.
    async fn cut(&self, frame: &Bytes, fault: Taken, to: &mut Writer) -> io::Result<()> {
        let length = frame.len() + 4;
        // At least the size and a byte of the header, at most all but the last byte.
        let part = 5 + usize::try_from(fault.salt() % (length as u64 - 5).max(1)).unwrap_or(0);
        let bytes = sized(frame).copy_to_bytes(part.min(length - 1));
        let written = async {
            to.write_all(&bytes).await?;
            to.flush().await
        };
        if written.await.is_ok() {
            fault.took_effect(&format!("after byte {part} of {length}"));
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    async fn pass_on(&self, frame: &Bytes, to: &mut Writer) -> io::Result<()> {
        let Some(fault) = self.director.take(FaultKind::Dribbled) else {
            return to.write_all_buf(&mut sized(frame)).await;
        };
        let mut rest = sized(frame);
        let mut random = fastrand::Rng::with_seed(fault.salt());
        for piece in 1..=PIECES_MAX {
            if !rest.has_remaining() {
                break;
            }
            let bytes = rest.copy_to_bytes(random.usize(1..=7).min(rest.remaining()));
            to.write_all(&bytes).await?;
            to.flush().await?;
            if piece % PIECES_PER_WAIT == 0 {
                self.env.sleep(Duration::from_millis(1)).await;
            }
        }
        to.write_all_buf(&mut rest).await?;
        fault.took_effect("");
        Ok(())
    }

    /// Half of the half-closes: the broker hears that nothing follows and still has to answer.
    async fn close_upstream(&self, to: &mut Writer) -> io::Result<()> {
        let Some(fault) = self.director.take(FaultKind::HalfClosed) else { return Ok(()) };
        if fault.salt().is_multiple_of(2) {
            to.shutdown().await?;
            self.upstream_closed.store(true, Ordering::Relaxed);
            fault.took_effect("towards the broker");
        }
        Ok(())
    }

    /// The other half: the client hears that nothing follows, though what it sends still arrives.
    async fn close_downstream(&self, from: &mut Reader, to: &mut Writer) -> io::Result<()> {
        let Some(fault) = self.director.take(FaultKind::HalfClosed) else { return Ok(()) };
        if fault.salt().is_multiple_of(2) {
            return Ok(());
        }
        to.shutdown().await?;
        fault.took_effect("towards the client, before an answer");
        tokio::io::copy(from, &mut tokio::io::sink()).await.map(drop)?;
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// A produce with acks=0. When an answer is to be dropped, there is none: the ends of the log tell instead.
    async fn unanswered(&self, frame: Bytes, asked: Asked, to: &mut Writer) -> io::Result<()> {
        let What::Produce { records, .. } = &asked.what else { return Ok(()) };
        let question = || frames::ask_ends(self.director.topic(), records.keys());
        let fault = self.director.take(FaultKind::ResponseDropped);
        if let (Some(_), Some(question)) = (&fault, question()) {
            self.expect(Awaited::EndsBefore);
            to.write_all(&question).await?;
        }
        self.pass_on(&frame, to).await?;
        self.director.passed_on_unanswered();
        if let (Some(fault), Some(question)) = (fault, question()) {
            self.expect(Awaited::EndsBehind { asked, fault });
            to.write_all(&question).await?;
        }
        Ok(())
    }

    async fn answers(&self, mut from: Reader, mut to: Writer) -> io::Result<()> {
        let mut decoder = FrameDecoder::default();
        let mut before = Default::default();
        while let Some(frame) = next_frame(&mut decoder, &mut from).await? {
            self.director.frame(false, &frame);
            match self.next_awaited() {
                Some(Awaited::Client(asked)) => self.answer(frame, &asked, &mut from, &mut to).await?,
                Some(Awaited::EndsBefore) => before = frames::ends(&frame),
                Some(Awaited::EndsBehind { asked, fault }) => {
                    self.judge_ends(&before, &frames::ends(&frame), &asked, fault)?;
                }
                // The broker answers what nobody asked: the client may judge it.
                None => to.write_all_buf(&mut sized(&frame)).await?,
            }
        }
        Ok(())
    }

    async fn answer(
        &self,
        frame: Bytes,
        asked: &Asked,
        from: &mut Reader,
        to: &mut Writer,
    ) -> io::Result<()> {
        match asked.what {
            What::Produce { .. } => {
                let appended = frames::appended(&frame, asked.version);
                // From here on the request is no longer in the list of this connection.
                let settled = Settle(self.director);
                if appended {
                    self.drop_answer(FaultKind::ResponseDropped)?;
                    self.close_downstream(from, to).await?;
                }
                self.delay().await?;
                if !self.director.may_pass(appended).await {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                self.hand_back(&frame, to).await?;
                drop(settled);
                Ok(())
            }
            What::OffsetCommit => {
                if frames::committed(&frame, asked.version) {
                    self.drop_answer(FaultKind::CommitResponseDropped)?;
                }
                self.delay().await?;
                self.hand_back(&frame, to).await
            }
            What::Other => self.hand_back(&frame, to).await,
        }
    }

    async fn hand_back(&self, frame: &Bytes, to: &mut Writer) -> io::Result<()> {
        to.write_all_buf(&mut sized(frame)).await?;
        if let Some(fault) = self.director.take(FaultKind::AnswerRepeated) {
            to.write_all_buf(&mut sized(frame)).await?;
            fault.took_effect("");
        }
        Ok(())
    }

    /// Swallows an answer and cuts the connection, when that is due.
    fn drop_answer(&self, kind: FaultKind) -> io::Result<()> {
        let Some(fault) = self.director.take(kind) else { return Ok(()) };
        fault.took_effect("");
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// An answer of a broker that was ended meanwhile is not delivered: it would pass for one of the broker that runs
    /// now, and what the ending made forgotten would look lost without a reason.
    async fn delay(&self) -> io::Result<()> {
        let Some(fault) = self.director.take(FaultKind::Delayed) else { return Ok(()) };
        let (generation, ms) = (self.director.generation(), fault.salt() % DELAY_MS_MAX);
        self.env.sleep(Duration::from_millis(ms)).await;
        if self.director.generation() != generation {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        fault.took_effect(&format!("by {ms} ms"));
        Ok(())
    }

    fn judge_ends(
        &self,
        before: &std::collections::BTreeMap<i32, i64>,
        behind: &std::collections::BTreeMap<i32, i64>,
        asked: &Asked,
        fault: Taken,
    ) -> io::Result<()> {
        let What::Produce { records, .. } = &asked.what else { return Ok(()) };
        let moved = |(partition, count): (&i32, &i64)| {
            let ends = before.get(partition).zip(behind.get(partition));
            *count > 0 && ends.is_some_and(|(before, behind)| behind - before >= *count)
        };
        if records.is_empty() || !records.iter().all(moved) {
            return Ok(());
        }
        fault.took_effect("acks=0, the end of the log moved");
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

/// Settles one request when it goes out of scope, also when its connection is cut at a wait.
struct Settle<'a>(&'a Director);

impl Drop for Settle<'_> {
    fn drop(&mut self) {
        self.0.settled(1);
    }
}

/// The frame with its size in front.
pub(crate) fn sized(frame: &Bytes) -> impl Buf + use<> {
    let size = u32::try_from(frame.len()).unwrap_or(u32::MAX).to_be_bytes();
    Bytes::copy_from_slice(&size).chain(frame.clone())
}

/// The next whole frame without its size; `None` at the end of the stream.
pub(crate) async fn next_frame(decoder: &mut FrameDecoder, from: &mut Reader) -> io::Result<Option<Bytes>> {
    loop {
        if let Some(frame) = decoder.next().map_err(io::Error::other)? {
            return Ok(Some(frame));
        }
        if from.read_buf(&mut decoder.read_buffer()).await? == 0 {
            return Ok(None);
        }
    }
}
