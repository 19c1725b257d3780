//! What every message is made of: a bounded [`Reader`], a [`Writer`], strings, ids, and the two errors.

mod error;
mod reader;
mod string;
mod uuid;
mod writer;

pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub(crate) use error::{ErrorContext, Step};
pub use reader::{
    DECODE_BASE_BYTES_MAX, DECODE_MEMORY_FACTOR_MAX, DECODE_MEMORY_RATIO_MAX, Reader, STRING_BYTES_MAX,
    TAGS_MAX, VARINT_BYTES_MAX, VARLONG_BYTES_MAX,
};
pub use string::Str;
pub use uuid::{ParseUuidError, Uuid};
pub(crate) use writer::TagWriter;
pub use writer::{CHUNK_BYTES_MIN, Writer};
