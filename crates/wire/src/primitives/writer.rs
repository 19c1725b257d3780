//! The writer: values become bytes. Large byte fields are kept as chunks of their own, so that records on their way
//! from the log to a socket need not be copied.

use bytes::{BufMut, Bytes, BytesMut};

use super::{EncodeError, EncodeErrorKind, STRING_BYTES_MAX, Uuid};

/// Byte fields of at least this size become a chunk of their own instead of being copied.
pub const CHUNK_BYTES_MIN: usize = 16 * 1024;

type Result<T> = std::result::Result<T, EncodeError>;

/// Collects the bytes of one frame.
#[derive(Debug, Default)]
pub struct Writer {
    chunks: Vec<Bytes>,
    chunk_bytes: usize,
    tail: BytesMut,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.chunk_bytes + self.tail.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything in one piece.
    pub fn into_bytes(self) -> Bytes {
        if self.chunks.is_empty() {
            return self.tail.freeze();
        }
        let mut whole = BytesMut::with_capacity(self.len());
        for chunk in self.into_chunks() {
            whole.put_slice(&chunk);
        }
        whole.freeze()
    }

    /// Everything in as many pieces as copy least, for a vectored write.
    pub fn into_chunks(self) -> Vec<Bytes> {
        let mut chunks = self.chunks;
        if !self.tail.is_empty() || chunks.is_empty() {
            chunks.push(self.tail.freeze());
        }
        chunks
    }

    /// A byte that is 1 for true.
    pub fn bool(&mut self, value: bool) {
        self.tail.put_u8(value.into());
    }

    /// A signed byte.
    pub fn i8(&mut self, value: i8) {
        self.tail.put_i8(value);
    }

    /// A 16-bit integer.
    pub fn i16(&mut self, value: i16) {
        self.tail.put_i16(value);
    }

    /// An unsigned 16-bit integer.
    pub fn u16(&mut self, value: u16) {
        self.tail.put_u16(value);
    }

    /// A 32-bit integer.
    pub fn i32(&mut self, value: i32) {
        self.tail.put_i32(value);
    }

    /// An unsigned 32-bit integer.
    pub fn u32(&mut self, value: u32) {
        self.tail.put_u32(value);
    }

    /// A 64-bit integer.
    pub fn i64(&mut self, value: i64) {
        self.tail.put_i64(value);
    }

    /// A 64-bit floating-point number.
    pub fn f64(&mut self, value: f64) {
        self.tail.put_f64(value);
    }

    /// Sixteen bytes of id.
    pub fn uuid(&mut self, value: Uuid) {
        self.tail.put_slice(&value.0);
    }

    /// An unsigned integer of one to five bytes, seven bits each, lowest first.
    pub fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.tail.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.tail.put_u8(value as u8);
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.tail.put_slice(bytes);
    }

    /// Bytes as they are, shared instead of copied if they are many.
    pub fn shared(&mut self, bytes: &Bytes) {
        if bytes.len() < CHUNK_BYTES_MIN {
            self.tail.put_slice(bytes);
            return;
        }
        let before = self.tail.split().freeze();
        self.chunk_bytes += before.len() + bytes.len();
        self.chunks.extend([before, bytes.clone()].into_iter().filter(|chunk| !chunk.is_empty()));
    }

    /// The length of a string, or null: two bytes, or compact.
    pub(crate) fn text_length(&mut self, length: Option<usize>, compact: bool) -> Result<()> {
        check_length(length.unwrap_or(0), STRING_BYTES_MAX)?;
        if compact {
            self.compact_length(length);
        } else {
            self.i16(length.map_or(-1, |length| length as i16));
        }
        Ok(())
    }

    /// The length of bytes or the count of an array, or null: four bytes, or compact.
    pub(crate) fn length(&mut self, length: Option<usize>, compact: bool) -> Result<()> {
        check_length(length.unwrap_or(0), i32::MAX as usize)?;
        if compact {
            self.compact_length(length);
        } else {
            self.i32(length.map_or(-1, |length| length as i32));
        }
        Ok(())
    }

    fn compact_length(&mut self, length: Option<usize>) {
        self.uvarint(length.map_or(0, |length| length as u32 + 1));
    }
}

fn check_length(length: usize, max: usize) -> Result<()> {
    if length > max { Err(EncodeError::new(EncodeErrorKind::TooLong { length, max })) } else { Ok(()) }
}

/// The tagged fields of one struct: they are counted first and each carries its size.
#[derive(Default)]
pub(crate) struct TagWriter {
    count: u32,
    fields: Writer,
}

impl TagWriter {
    /// Adds one field; tags must be added in ascending order.
    pub(crate) fn with(mut self, tag: u32, content: impl FnOnce(&mut Writer) -> Result<()>) -> Result<Self> {
        let mut field = Writer::new();
        content(&mut field)?;
        check_length(field.len(), i32::MAX as usize)?;
        self.count += 1;
        self.fields.uvarint(tag);
        self.fields.uvarint(field.len() as u32);
        for chunk in field.into_chunks() {
            self.fields.shared(&chunk);
        }
        Ok(self)
    }

    pub(crate) fn finish(self, writer: &mut Writer) {
        writer.uvarint(self.count);
        if self.count > 0 {
            for chunk in self.fields.into_chunks() {
                writer.shared(&chunk);
            }
        }
    }
}
