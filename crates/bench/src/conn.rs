//! One blocking connection of the load generator: frames out, frames in, one buffer that is used again.
//!
//! Plain sockets and threads instead of the client's machines: what is measured is the broker, and every hop and every
//! copy in the generator would run on the same processors. Memory is never taken per frame, since fresh memory can cost
//! more than the work itself (docs/performance.md).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use poruka_wire::api::{ApiVersionsRequest, ApiVersionsResponse};
use poruka_wire::frame::{FRAME_BYTES_MAX, decode_response, encode_request};
use poruka_wire::{ApiKey, ErrorCode, Message, Request};

use crate::error::{BenchError, During, Result};

/// How long the other side may say nothing before a run is given up.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// Small frames come out of this buffer, several at a call; large ones go around it.
const READ_BYTES: usize = 64 * 1024;
const CLIENT_ID: &str = "poruka-bench";
/// Spoken by every broker with flexible versions, which is every one that is measured here.
const API_VERSIONS_VERSION: i16 = 3;

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    /// The buffer of the frame before; empty while somebody still holds that frame.
    spare: Bytes,
    correlation: i32,
    versions: Vec<(i16, i16, i16)>,
}

impl Conn {
    /// Connects, and asks nothing.
    pub(crate) fn bare(addr: &str) -> Result<Conn> {
        let connected = TcpStream::connect(addr).and_then(Conn::over);
        connected.map_err(|source| BenchError::Connect { addr: addr.to_owned(), source })
    }

    /// A connection over a socket that is there.
    pub(crate) fn over(writer: TcpStream) -> io::Result<Conn> {
        writer.set_nodelay(true)?;
        writer.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        writer.set_write_timeout(Some(ANSWER_TIME_MAX))?;
        let reader = BufReader::with_capacity(READ_BYTES, writer.try_clone()?);
        Ok(Conn { reader, writer, spare: Bytes::new(), correlation: 0, versions: Vec::new() })
    }

    /// Connects and asks for the versions that the broker speaks.
    pub(crate) fn open(addr: &str) -> Result<Conn> {
        let mut conn = Conn::bare(addr)?;
        let request = ApiVersionsRequest {
            client_software_name: CLIENT_ID.into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
        };
        let answer: ApiVersionsResponse = conn.call_in(&request, API_VERSIONS_VERSION)?;
        refused("ApiVersions", answer.error_code, None)?;
        let spoken = answer.api_keys.iter().map(|row| (row.api_key, row.min_version, row.max_version));
        conn.versions = spoken.collect();
        Ok(conn)
    }

    /// The highest version of a request that both sides speak.
    pub(crate) fn version<R: Request>(&self) -> Result<i16> {
        self.version_of(R::KEY, *R::VERSIONS.start(), *R::VERSIONS.end())
    }

    fn version_of(&self, key: ApiKey, min: i16, max: i16) -> Result<i16> {
        let theirs = self.versions.iter().find(|(code, ..)| *code == key.code());
        let common = theirs.map(|(_, low, high)| (min.max(*low), max.min(*high)));
        common.filter(|(low, high)| low <= high).map(|(_, high)| high).ok_or(BenchError::Refused {
            what: key.name(),
            code: ErrorCode::UnsupportedVersion,
            message: None,
        })
    }

    /// The number of the next request.
    pub(crate) fn next_correlation(&mut self) -> i32 {
        self.correlation = self.correlation.wrapping_add(1);
        self.correlation
    }

    /// Sends a request and waits for its answer; no other may be under way.
    pub(crate) fn call<R: Request>(&mut self, request: &R) -> Result<R::Response> {
        let version = self.version::<R>()?;
        self.call_in(request, version)
    }

    fn call_in<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        self.ask(request, version)?;
        let frame = self.frame()?;
        let (answered, response) = decode_response::<R>(frame, version)?;
        in_order(self.correlation, answered)?;
        Ok(response)
    }

    /// Sends a request.
    pub(crate) fn ask<R: Request>(&mut self, request: &R, version: i16) -> Result<i32> {
        let correlation = self.next_correlation();
        let frame = encode_request(correlation, Some(CLIENT_ID), request, version)?;
        self.send(&frame)?;
        Ok(correlation)
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).during("send to the broker")
    }

    /// [`Conn::frame`], or none where the other side has closed between two frames.
    pub(crate) fn frame_or_end(&mut self) -> Result<Option<Bytes>> {
        if self.reader.fill_buf().during("wait for a frame")?.is_empty() {
            Ok(None)
        } else {
            self.frame().map(Some)
        }
    }

    /// The next frame, without its size. Drop it before the next one is read, so that its memory is used again.
    pub(crate) fn frame(&mut self) -> Result<Bytes> {
        let mut size = [0; 4];
        self.reader.read_exact(&mut size).during("wait for an answer")?;
        let size = usize::try_from(i32::from_be_bytes(size)).ok().filter(|size| *size <= FRAME_BYTES_MAX);
        let size = size.ok_or_else(|| BenchError::Wrong("a frame of an impossible size came".to_owned()))?;
        let mut buffer = std::mem::take(&mut self.spare).try_into_mut().unwrap_or_default();
        if buffer.len() < size {
            buffer = BytesMut::zeroed(size.next_power_of_two());
        }
        self.reader.read_exact(&mut buffer[..size]).during("read an answer")?;
        let whole = buffer.freeze();
        self.spare = whole.clone();
        Ok(whole.slice(..size))
    }

    /// Whether bytes have arrived that were not taken yet.
    pub(crate) fn has_buffered(&self) -> bool {
        !self.reader.buffer().is_empty()
    }

    /// The socket, to wait on.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.writer
    }
}

/// An error that says what was asked for, unless the answer is good.
pub(crate) fn refused(what: &'static str, code: ErrorCode, message: Option<&str>) -> Result<()> {
    match code {
        ErrorCode::None => Ok(()),
        code => Err(BenchError::Refused { what, code, message: message.map(str::to_owned) }),
    }
}

/// Answers come in the order of the requests.
pub(crate) fn in_order(asked: i32, answered: i32) -> Result<()> {
    if asked == answered {
        return Ok(());
    }
    Err(BenchError::Wrong(format!("request {asked} was answered by the answer to {answered}")))
}

/// A request frame with room that can be stamped.
pub(crate) fn request_frame<R: Request + Message>(request: &R, version: i16) -> Result<Bytes> {
    Ok(encode_request(0, Some(CLIENT_ID), request, version)?)
}
