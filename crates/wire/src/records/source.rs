//! Where records are read from: bytes in memory, or a decompressor that is never given room for more than one buffer.

use std::io::Read;

use super::{BatchError, BatchErrorKind, Compression, varint};

/// Bytes that are decompressed at a time.
const BUFFER_BYTES: usize = 16 * 1024;

type Result<T> = std::result::Result<T, BatchError>;

/// Bytes in order.
pub(crate) trait Source {
    /// Bytes taken so far.
    fn position(&self) -> usize;
    /// The next byte.
    fn byte(&mut self) -> Result<u8>;
    /// Steps over bytes.
    fn skip(&mut self, count: usize) -> Result<()>;
    /// Refuses bytes that are left.
    fn finish(&mut self) -> Result<()>;

    /// A signed integer of at most 32 bits.
    #[inline]
    fn varint(&mut self) -> Result<i32> {
        let value = self.uvarint(5)?;
        match u32::try_from(value) {
            Ok(value) => Ok(varint::unzigzag(value.into()) as i32),
            Err(_) => Err(BatchError::new(BatchErrorKind::VarintTooLong, self.position())),
        }
    }

    /// A signed integer of at most 64 bits.
    #[inline]
    fn varlong(&mut self) -> Result<i64> {
        Ok(varint::unzigzag(self.uvarint(10)?))
    }

    #[inline]
    fn uvarint(&mut self, bytes_max: u32) -> Result<u64> {
        let first = self.byte()?;
        if first & 0x80 == 0 {
            return Ok(first.into());
        }
        let mut value = u64::from(first & 0x7f);
        for index in 1..bytes_max {
            let byte = self.byte()?;
            // The tenth byte has room for the last bit only.
            if index == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BatchError::new(BatchErrorKind::VarintTooLong, self.position()))
    }
}

/// Records in memory.
pub(crate) struct Slice<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Slice<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next bytes themselves.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let start = self.at;
        self.skip(count)?;
        Ok(&self.bytes[start..self.at])
    }

    #[cold]
    fn truncated(&self, need: usize) -> BatchError {
        BatchError::new(BatchErrorKind::Truncated { need, left: self.bytes.len() - self.at }, self.at)
    }
}

impl Source for Slice<'_> {
    fn position(&self) -> usize {
        self.at
    }

    #[inline]
    fn byte(&mut self) -> Result<u8> {
        match self.bytes.get(self.at) {
            Some(byte) => {
                self.at += 1;
                Ok(*byte)
            }
            None => Err(self.truncated(1)),
        }
    }

    #[inline]
    fn skip(&mut self, count: usize) -> Result<()> {
        if count > self.bytes.len() - self.at {
            return Err(self.truncated(count));
        }
        self.at += count;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            left => Err(BatchError::new(BatchErrorKind::TrailingBytes(left), self.at)),
        }
    }
}

/// Records behind a decompressor.
pub(crate) struct Stream<R> {
    reader: R,
    codec: Compression,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes that came out of the decompressor before this buffer.
    before: usize,
    bytes_max: usize,
}

impl<R: Read> Stream<R> {
    pub(crate) fn new(reader: R, codec: Compression, bytes_max: usize) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { reader, codec, buffer, start: 0, end: 0, before: 0, bytes_max }
    }

    /// Decompresses the next piece and says whether there was one.
    fn refill(&mut self) -> Result<bool> {
        self.before += self.end;
        (self.start, self.end) = (0, 0);
        let read = self.reader.read(&mut self.buffer).map_err(|error| {
            BatchError::new(
                BatchErrorKind::Malformed { codec: self.codec, reason: error.to_string() },
                self.before,
            )
        })?;
        self.end = read;
        if self.before + self.end > self.bytes_max {
            let kind = BatchErrorKind::TooLargeDecompressed { max: self.bytes_max };
            return Err(BatchError::new(kind, self.before));
        }
        Ok(read > 0)
    }

    #[cold]
    fn truncated(&self, need: usize) -> BatchError {
        BatchError::new(BatchErrorKind::Truncated { need, left: 0 }, self.position())
    }
}

impl<R: Read> Source for Stream<R> {
    fn position(&self) -> usize {
        self.before + self.start
    }

    #[inline]
    fn byte(&mut self) -> Result<u8> {
        if self.start == self.end && !self.refill()? {
            return Err(self.truncated(1));
        }
        self.start += 1;
        Ok(self.buffer[self.start - 1])
    }

    #[inline]
    fn skip(&mut self, mut count: usize) -> Result<()> {
        while count > self.end - self.start {
            count -= self.end - self.start;
            if !self.refill()? {
                return Err(self.truncated(count));
            }
        }
        self.start += count;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.start == self.end && !self.refill()? {
            return Ok(());
        }
        Err(BatchError::new(BatchErrorKind::TrailingBytes(self.end - self.start), self.position()))
    }
}
