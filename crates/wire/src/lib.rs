//! The Kafka wire protocol: bounded decoding, one short file per API, record batches. Pure, no I/O.
//!
//! Everything that arrives here was written by someone else, so hostile input is the normal case: every length,
//! count, tag and version is checked against what really arrived before memory is taken for it, and every refusal
//! names the message, the field and the byte ([`DecodeError`]).
//!
//! - [`primitives`]: the reader and the writer, strings, ids.
//! - [`api`]: one file per request, with its answer; [`api_table`] lists what can be spoken.
//! - [`frame`]: sizes, headers, and the push parser that cuts a byte stream into frames.
//! - [`records`]: record batches (magic 2): headers, full validation, iteration, building, compression.
//! - [`ErrorCode`]: every error that the protocol can carry.
//!
//! Versions are those of Apache Kafka 4.3.1. Not here: sockets, retries, any opinion on what an answer should be.

#[macro_use]
mod schema;

pub mod api;
pub mod consumer_protocol;
mod error_code;
pub mod frame;
pub mod primitives;
pub mod records;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
#[cfg(test)]
mod tests;

pub use api::{ApiInfo, ApiKey, api_info, api_table};
pub use error_code::ErrorCode;
pub use primitives::{
    CHUNK_BYTES_MIN, DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, Reader, Str, Uuid, Writer,
};
pub use schema::{Message, Request};

pub use bytes::Bytes;
