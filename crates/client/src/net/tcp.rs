//! The transport over a byte stream: length-prefixed frames, pipelined, matched by order and correlation id.
//!
//! Fault model: the peer may vanish at any byte, send anything, or not be a Kafka broker. A request counts as not sent
//! only while none of its bytes has been handed to the stream; from then on a break makes it lost. A response that does
//! not belong to the oldest open request closes the connection. Queues and frames are bounded by the constants below.
//! Not here: time limits (the connection above sets them and closes us), TLS, SASL.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use poruka_env::{Env, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};

use super::transport::{Dial, Dialer, FrameReply, Transport, TransportError};

/// Largest response we read.
const RESPONSE_BYTES_MAX: usize = 128 << 20;
/// Requests of one connection that may wait to be written.
const QUEUED_REQUESTS_MAX: usize = 256;
/// Small requests are joined into one write up to this size.
const JOINED_WRITE_BYTES_MAX: usize = 64 << 10;
/// A frame of at least this size is written by itself, without a copy.
const LARGE_FRAME_BYTES: usize = 16 << 10;
/// How much room is made at a time for a response: a hostile length must not cost memory before its bytes arrive.
const READ_STEP_BYTES: usize = 1 << 20;
const READ_FIRST_BYTES: usize = 32 << 10;
/// Where the correlation id stands in a request frame: after size, API key and version.
const CORRELATION_AT: usize = 8;

type Answer = oneshot::Sender<Result<Option<Bytes>, TransportError>>;

struct Job {
    frame: Bytes,
    expects_response: bool,
    answer: Answer,
}

/// A connection over a stream.
pub struct TcpTransport {
    jobs: mpsc::Sender<Job>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Written, or being written, and not answered.
    open: Mutex<VecDeque<(i32, Answer)>>,
    /// Why the connection is closed, once it is.
    closed: watch::Sender<Option<String>>,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(i32, Answer)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, why: &str) {
        self.closed.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(why.to_owned());
            }
            first
        });
        let open = std::mem::take(&mut *self.lock());
        for (_, answer) in open {
            let _ = answer.send(Err(TransportError::Lost(why.to_owned())));
        }
    }

    fn why_closed(&self) -> Option<String> {
        self.closed.borrow().clone()
    }
}

impl TcpTransport {
    /// Speaks over `stream`; two tasks serve it until it is closed or the transport is dropped.
    pub fn start(env: &Env, stream: Box<dyn Stream>) -> TcpTransport {
        let (reader, writer) = tokio::io::split(stream);
        let (jobs, queue) = mpsc::channel(QUEUED_REQUESTS_MAX);
        let shared = Arc::new(Shared { open: Mutex::default(), closed: watch::Sender::new(None) });
        let (write_side, read_side) = (Arc::clone(&shared), Arc::clone(&shared));
        env.spawn("client-write", async move { write_all(writer, queue, &write_side).await });
        env.spawn("client-read", async move { read_all(reader, &read_side).await });
        TcpTransport { jobs, shared }
    }
}

impl Drop for TcpTransport {
    fn drop(&mut self) {
        self.shared.close("the connection was dropped");
    }
}

impl Transport for TcpTransport {
    fn call(&self, frame: Bytes, expects_response: bool) -> FrameReply {
        if let Some(why) = self.shared.why_closed() {
            return Box::pin(std::future::ready(Err(TransportError::NotSent(why))));
        }
        let (answer, receiver) = oneshot::channel();
        let job = Job { frame, expects_response, answer };
        if self.jobs.try_send(job).is_err() {
            let why = "too many requests wait to be written, or the connection is closed".to_owned();
            return Box::pin(std::future::ready(Err(TransportError::NotSent(why))));
        }
        Box::pin(async move {
            let dropped = || Err(TransportError::Lost("the connection's tasks were stopped".to_owned()));
            receiver.await.unwrap_or_else(|_| dropped())
        })
    }

    fn close(&self) {
        self.shared.close("closed by this side");
    }

    fn is_closed(&self) -> bool {
        self.shared.closed.borrow().is_some()
    }

    fn closed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut closed = self.shared.closed.subscribe();
        Box::pin(async move {
            let _ = closed.wait_for(Option::is_some).await;
        })
    }
}

/// Writes queued requests until the connection is closed; then tells the rest that they were not sent.
async fn write_all(mut writer: WriteHalf<Box<dyn Stream>>, mut queue: mpsc::Receiver<Job>, shared: &Shared) {
    let mut closed = shared.closed.subscribe();
    loop {
        let job = tokio::select! {
            biased;
            _ = closed.wait_for(Option::is_some) => break,
            job = queue.recv() => job,
        };
        let Some(job) = job else { break };
        let written = tokio::select! {
            biased;
            _ = closed.wait_for(Option::is_some) => break,
            written = write_group(&mut writer, job, &mut queue, shared) => written,
        };
        if let Err(error) = written {
            shared.close(&format!("write failed: {error}"));
            break;
        }
    }
    shared.close("closed");
    let why = shared.why_closed().unwrap_or_default();
    queue.close();
    while let Ok(job) = queue.try_recv() {
        let _ = job.answer.send(Err(TransportError::NotSent(why.clone())));
    }
    let _ = writer.shutdown().await;
}

/// Writes one request, joined with small ones that wait behind it.
async fn write_group(
    writer: &mut WriteHalf<Box<dyn Stream>>,
    first: Job,
    queue: &mut mpsc::Receiver<Job>,
    shared: &Shared,
) -> std::io::Result<()> {
    let mut written = Unanswered(Vec::new());
    let mut next = Some(first);
    let mut joined = BytesMut::new();
    while let Some(job) = next.take() {
        let frame = begin(job, &mut written.0, shared);
        if frame.len() >= LARGE_FRAME_BYTES {
            writer.write_all(&joined).await?;
            joined.clear();
            writer.write_all(&frame).await?;
        } else {
            joined.extend_from_slice(&frame);
        }
        if joined.len() < JOINED_WRITE_BYTES_MAX {
            next = queue.try_recv().ok();
        }
    }
    writer.write_all(&joined).await?;
    writer.flush().await?;
    for answer in written.0.drain(..) {
        let _ = answer.send(Ok(None));
    }
    Ok(())
}

/// From here on the request counts as possibly processed: its answer is owed by the reader, or by the end of the write.
fn begin(job: Job, written: &mut Vec<Answer>, shared: &Shared) -> Bytes {
    if job.expects_response {
        let correlation =
            job.frame.get(CORRELATION_AT..).map_or(-1, |mut rest| rest.try_get_i32().unwrap_or(-1));
        shared.lock().push_back((correlation, job.answer));
    } else {
        written.push(job.answer);
    }
    job.frame
}

/// Requests without a response that are being written: a break in the middle makes them lost.
struct Unanswered(Vec<Answer>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        for answer in self.0.drain(..) {
            let _ = answer.send(Err(TransportError::Lost("the connection broke while writing".to_owned())));
        }
    }
}

/// Reads responses until the connection is closed.
async fn read_all(mut reader: ReadHalf<Box<dyn Stream>>, shared: &Shared) {
    let mut closed = shared.closed.subscribe();
    let mut buffer = BytesMut::new();
    let why = loop {
        match take_frame(&mut buffer) {
            Ok(Some(frame)) => match hand_over(frame, shared) {
                Ok(()) => continue,
                Err(why) => break why,
            },
            Ok(None) => {}
            Err(why) => break why,
        }
        let read = tokio::select! {
            biased;
            _ = closed.wait_for(Option::is_some) => return,
            read = reader.read_buf(&mut buffer) => read,
        };
        match read {
            Ok(0) => break "the peer closed the connection".to_owned(),
            Ok(_) => {}
            Err(error) => break format!("read failed: {error}"),
        }
    };
    shared.close(&why);
}

/// Takes one whole frame from the front of the buffer, or makes room for more of it.
fn take_frame(buffer: &mut BytesMut) -> Result<Option<Bytes>, String> {
    let Some(mut prefix) = buffer.get(..4) else {
        buffer.reserve(READ_FIRST_BYTES);
        return Ok(None);
    };
    let size = prefix.get_u32();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if !(4..=RESPONSE_BYTES_MAX).contains(&size) {
        return Err(format!(
            "the peer does not speak the Kafka protocol: it announced a response of {size} bytes"
        ));
    }
    if buffer.len() < 4 + size {
        let missing = 4 + size - buffer.len();
        buffer.reserve(missing.clamp(READ_FIRST_BYTES, READ_STEP_BYTES));
        return Ok(None);
    }
    buffer.advance(4);
    Ok(Some(buffer.split_to(size).freeze()))
}

fn hand_over(frame: Bytes, shared: &Shared) -> Result<(), String> {
    let correlation = frame.get(..4).map_or(-1, |mut bytes| bytes.get_i32());
    let Some((expected, answer)) = shared.lock().pop_front() else {
        return Err("the peer sent a response that nobody asked for".to_owned());
    };
    if correlation != expected {
        let _ = answer.send(Err(TransportError::Lost("the peer answered another request".to_owned())));
        return Err(format!("the peer answered request {correlation} where {expected} was due"));
    }
    let _ = answer.send(Ok(Some(frame)));
    Ok(())
}

/// Dials over the host's network.
pub struct TcpDialer {
    env: Env,
    timeout: Duration,
}

impl TcpDialer {
    /// Gives up on a connection that does not stand after `timeout`.
    pub fn new(env: Env, timeout: Duration) -> TcpDialer {
        TcpDialer { env, timeout }
    }
}

impl Dialer for TcpDialer {
    fn dial(&self, address: &str) -> Dial {
        let (env, timeout, address) = (self.env.clone(), self.timeout, address.to_owned());
        Box::pin(async move {
            match env.timeout(timeout, env.connect(&address)).await {
                Ok(Ok(stream)) => Ok(Arc::new(TcpTransport::start(&env, stream)) as Arc<dyn Transport>),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no connection after {timeout:?}")),
            }
        })
    }
}
