//! Frames: a four-byte size, a header, a body. Writing whole frames, reading headers, and cutting a stream of bytes
//! into frames ([`FrameDecoder`]).
//!
//! Headers: requests have header v1, or v2 (with tags) from the request's first flexible version on. Responses have v0,
//! or v1 (with tags); the response to ApiVersions always has v0, so that a client can read it whatever the broker
//! speaks (KIP-511).

mod decoder;

use bytes::{BufMut, Bytes, BytesMut};

pub use decoder::{FrameDecoder, FrameError, OWN_BUFFER_BYTES_MIN, READ_AHEAD_FACTOR_MAX, READ_BYTES_MIN};

use crate::{
    ApiKey, DecodeError, EncodeError, EncodeErrorKind, Message, Reader, Request, Str, Writer,
    primitives::{ErrorContext, Step},
    schema::{Cx, NullableWire},
};

/// Largest frame that is accepted, in bytes, without its size prefix; Apache Kafka's `socket.request.max.bytes`.
pub const FRAME_BYTES_MAX: usize = 100 * 1024 * 1024;
/// Bytes of the size in front of a frame.
pub const SIZE_BYTES: usize = 4;

/// What stands in front of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The kind of request, as sent; see [`ApiKey::from_code`].
    pub api_key: i16,
    /// The version of the request, as sent.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// Who the client says it is.
    pub client_id: Option<Str>,
}

impl RequestHeader {
    /// The kind of request, if it can be spoken.
    pub fn key(&self) -> Option<ApiKey> {
        ApiKey::from_code(self.api_key)
    }

    /// Whether both kind and version can be spoken.
    pub fn is_spoken(&self) -> bool {
        self.key().is_some_and(|key| key.versions().contains(&self.api_version))
    }
}

/// Strings in headers are never compact.
const HEADER: Cx = Cx { version: 0, flexible: false };

/// Reads the header of a request and leaves the reader at its body.
///
/// An unknown kind or version is no error here, since the answer to it differs by kind: look at
/// [`RequestHeader::is_spoken`]. For an unknown kind the tags, if there are any, are left unread.
pub fn decode_request_header(reader: &mut Reader) -> Result<RequestHeader, DecodeError> {
    let mut read = || {
        let (api_key, api_version, correlation_id) = (reader.i16()?, reader.i16()?, reader.i32()?);
        let client_id = Str::read_nullable(reader, HEADER).within(Step::Field("client_id"))?;
        if ApiKey::from_code(api_key).is_some_and(|key| api_version >= key.flexible_from()) {
            reader.tags(|_, _| Ok(false))?;
        }
        Ok(RequestHeader { api_key, api_version, correlation_id, client_id })
    };
    read().within(Step::Field("RequestHeader"))
}

/// Reads the body of a request of kind `R`, to the last byte.
pub fn decode_request<R: Request>(reader: &mut Reader, version: i16) -> Result<R, DecodeError> {
    let body = R::decode(reader, version)?;
    reader.finish().within(Step::Field(R::NAME))?;
    Ok(body)
}

/// A whole request frame, with its size.
pub fn encode_request<R: Request>(
    correlation_id: i32,
    client_id: Option<&str>,
    request: &R,
    version: i16,
) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    writer.i16(R::KEY.code());
    writer.i16(version);
    writer.i32(correlation_id);
    let client_id = client_id.map(Str::from);
    Str::write_nullable(client_id.as_ref(), &mut writer, HEADER).within(Step::Field("client_id"))?;
    if version >= R::FLEXIBLE_FROM {
        writer.uvarint(0);
    }
    request.encode(&mut writer, version)?;
    sized(writer).map(|chunks| join(&chunks))
}

/// A whole response frame, with its size, in as many pieces as copy least.
pub fn encode_response_chunks<R: Request>(
    correlation_id: i32,
    response: &R::Response,
    version: i16,
) -> Result<Vec<Bytes>, EncodeError> {
    let mut writer = Writer::new();
    writer.i32(correlation_id);
    if response_has_tags::<R>(version) {
        writer.uvarint(0);
    }
    response.encode(&mut writer, version)?;
    sized(writer)
}

/// A whole response frame, with its size, in one piece.
pub fn encode_response<R: Request>(
    correlation_id: i32,
    response: &R::Response,
    version: i16,
) -> Result<Bytes, EncodeError> {
    encode_response_chunks::<R>(correlation_id, response, version).map(|chunks| join(&chunks))
}

/// Reads a response frame (without its size) to the request `R`: the correlation id and the body, to the last byte.
pub fn decode_response<R: Request>(frame: Bytes, version: i16) -> Result<(i32, R::Response), DecodeError> {
    let mut reader = Reader::new(frame);
    let mut header = || {
        let correlation_id = reader.i32()?;
        if response_has_tags::<R>(version) {
            reader.tags(|_, _| Ok(false))?;
        }
        Ok(correlation_id)
    };
    let correlation_id = header().within(Step::Field("ResponseHeader"))?;
    let body = R::Response::decode(&mut reader, version)?;
    reader.finish().within(Step::Field(R::Response::NAME))?;
    Ok((correlation_id, body))
}

/// The correlation id of a response frame (without its size), to find out what it answers.
pub fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

fn response_has_tags<R: Request>(version: i16) -> bool {
    version >= R::FLEXIBLE_FROM && R::KEY != ApiKey::ApiVersions
}

/// Puts the size in front.
fn sized(writer: Writer) -> Result<Vec<Bytes>, EncodeError> {
    let length = writer.len();
    let Ok(size) = i32::try_from(length) else {
        return Err(EncodeError::new(EncodeErrorKind::TooLong { length, max: i32::MAX as usize }));
    };
    let mut chunks = writer.into_chunks();
    let mut first = BytesMut::with_capacity(SIZE_BYTES + chunks[0].len());
    first.put_i32(size);
    first.put_slice(&chunks[0]);
    chunks[0] = first.freeze();
    Ok(chunks)
}

fn join(chunks: &[Bytes]) -> Bytes {
    match chunks {
        [whole] => whole.clone(),
        many => many.concat().into(),
    }
}
