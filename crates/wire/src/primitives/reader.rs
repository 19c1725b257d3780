//! The bounded reader: the only place where bytes from outside become values.
//!
//! Fault model: every byte is hostile. A length is compared with the bytes that are left before it is used; a count is
//! compared with the bytes left divided by the smallest element; memory taken for decoded values is charged against a
//! budget that follows from the size of the input. Nesting needs no counter: it follows the schema, which is fixed.

use bytes::Bytes;

use super::{DecodeError, DecodeErrorKind, Str, Uuid};

/// Longest string that the protocol carries, in bytes.
pub const STRING_BYTES_MAX: usize = i16::MAX as usize;
/// Most tagged fields in one struct; the protocol defines fewer than ten anywhere.
pub const TAGS_MAX: u32 = 256;
/// Bytes in the longest 32-bit variable-length integer.
pub const VARINT_BYTES_MAX: usize = 5;
/// Bytes in the longest 64-bit variable-length integer.
pub const VARLONG_BYTES_MAX: usize = 10;
/// The most memory that decoding takes, as a multiple of the bytes that arrived. A null array is one byte on the wire and
/// 24 in memory, and no struct of the protocol is worse than this.
pub const DECODE_MEMORY_RATIO_MAX: usize = 64;
/// Memory up to which [`DECODE_MEMORY_RATIO_MAX`] alone decides, in bytes.
pub const DECODE_BASE_BYTES_MAX: usize = 1 << 20;
/// Memory that decoding may take beyond the base, as a multiple of the bytes that arrived.
pub const DECODE_MEMORY_FACTOR_MAX: usize = 8;

/// Heap bytes that a string costs beside its text, for the budget.
const STRING_OVERHEAD_BYTES: usize = 32;

type Result<T> = std::result::Result<T, DecodeError>;

/// Reads values from the bytes of one frame. Byte fields are slices of the frame and share its memory.
#[derive(Debug)]
pub struct Reader {
    bytes: Bytes,
    at: usize,
    /// Memory that decoded values may still take.
    budget: usize,
}

impl Reader {
    /// A reader at the first byte.
    pub fn new(bytes: Bytes) -> Self {
        let budget = Self::budget_for(bytes.len());
        Self { bytes, at: 0, budget }
    }

    fn budget_for(length: usize) -> usize {
        let large = DECODE_BASE_BYTES_MAX.saturating_add(length.saturating_mul(DECODE_MEMORY_FACTOR_MAX));
        large.min(length.saturating_mul(DECODE_MEMORY_RATIO_MAX))
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Refuses left-over bytes.
    pub fn finish(&self) -> Result<()> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.error(DecodeErrorKind::TrailingBytes(left))),
        }
    }

    #[cold]
    pub(crate) fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind, self.at)
    }

    #[inline]
    fn need(&self, need: usize) -> Result<()> {
        let left = self.remaining();
        if need > left { Err(self.error(DecodeErrorKind::Truncated { need, left })) } else { Ok(()) }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.bytes[self.at..].first_chunk::<N>() {
            Some(array) => {
                self.at += N;
                Ok(*array)
            }
            None => Err(self.error(DecodeErrorKind::Truncated { need: N, left: self.remaining() })),
        }
    }

    /// A byte that is 0 for false; any other is true, as Apache Kafka reads it.
    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.i8()? != 0)
    }

    /// A signed byte.
    pub fn i8(&mut self) -> Result<i8> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// A 16-bit integer.
    pub fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// An unsigned 16-bit integer.
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// A 32-bit integer.
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// An unsigned 32-bit integer.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A 64-bit integer.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A 64-bit floating-point number.
    pub fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    /// Sixteen bytes of id.
    pub fn uuid(&mut self) -> Result<Uuid> {
        Ok(Uuid(self.array()?))
    }

    /// An unsigned 32-bit integer of one to five bytes, seven bits each, lowest first.
    pub fn uvarint(&mut self) -> Result<u32> {
        let mut value = 0u64;
        for index in 0..VARINT_BYTES_MAX {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| self.error(DecodeErrorKind::VarintTooLong));
            }
        }
        Err(self.error(DecodeErrorKind::VarintTooLong))
    }

    /// A slice of the frame, without a copy.
    pub fn slice(&mut self, length: usize) -> Result<Bytes> {
        self.need(length)?;
        let slice = self.bytes.slice(self.at..self.at + length);
        self.at += length;
        Ok(slice)
    }

    /// Steps over bytes.
    pub fn skip(&mut self, length: usize) -> Result<()> {
        self.need(length)?;
        self.at += length;
        Ok(())
    }

    /// A string of known length; it gets memory of its own, so that a kept name does not keep its frame.
    pub(crate) fn text(&mut self, length: usize) -> Result<Str> {
        if length > STRING_BYTES_MAX {
            return Err(self.error(DecodeErrorKind::StringTooLong(length)));
        }
        self.need(length)?;
        let Ok(text) = std::str::from_utf8(&self.bytes[self.at..self.at + length]) else {
            return Err(self.error(DecodeErrorKind::NotUtf8));
        };
        let text = Str::from(text);
        if length > 0 {
            self.charge(length + STRING_OVERHEAD_BYTES)?;
        }
        self.at += length;
        Ok(text)
    }

    /// The length of a string, or none for null: two bytes, or compact.
    pub(crate) fn text_length(&mut self, compact: bool) -> Result<Option<usize>> {
        if compact { self.compact_length() } else { self.length_of(|r| r.i16().map(i64::from)) }
    }

    /// The length of bytes or the count of an array, or none for null: four bytes, or compact.
    pub(crate) fn length(&mut self, compact: bool) -> Result<Option<usize>> {
        if compact { self.compact_length() } else { self.length_of(|r| r.i32().map(i64::from)) }
    }

    fn compact_length(&mut self) -> Result<Option<usize>> {
        Ok((self.uvarint()? as usize).checked_sub(1))
    }

    fn length_of(&mut self, read: impl FnOnce(&mut Self) -> Result<i64>) -> Result<Option<usize>> {
        let start = self.at;
        match read(self)? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) => Ok(Some(length)),
                Err(_) => Err(DecodeError::new(DecodeErrorKind::NegativeLength(length), start)),
            },
        }
    }

    /// An empty vector with room for `count` elements, once it is certain that they can be there.
    pub(crate) fn vec_for<T>(&mut self, count: usize, element_bytes_min: usize) -> Result<Vec<T>> {
        let left = self.remaining();
        if count > left / element_bytes_min.max(1) {
            return Err(self.error(DecodeErrorKind::CountTooLarge { count: count as u64, left }));
        }
        self.charge(count.saturating_mul(size_of::<T>()))?;
        Ok(Vec::with_capacity(count))
    }

    /// Memory that decoded values took, in bytes.
    #[cfg(test)]
    pub(crate) fn memory_spent(&self) -> usize {
        Self::budget_for(self.bytes.len()) - self.budget
    }

    fn charge(&mut self, bytes: usize) -> Result<()> {
        match self.budget.checked_sub(bytes) {
            Some(budget) => {
                self.budget = budget;
                Ok(())
            }
            None => Err(self.error(DecodeErrorKind::TooMuchMemory)),
        }
    }

    /// The tagged fields at the end of a flexible struct: `known` reads a tag that it knows and says so; others are
    /// stepped over.
    pub(crate) fn tags(&mut self, mut known: impl FnMut(u32, &mut Self) -> Result<bool>) -> Result<()> {
        let count = self.uvarint()?;
        if count > TAGS_MAX {
            return Err(self.error(DecodeErrorKind::TooManyTags(count)));
        }
        let mut previous = None;
        for _ in 0..count {
            let tag = self.uvarint()?;
            if let Some(previous) = previous.filter(|&previous| previous >= tag) {
                return Err(self.error(DecodeErrorKind::TagOrder { tag, previous }));
            }
            previous = Some(tag);
            let declared = self.uvarint()? as usize;
            self.need(declared)?;
            let start = self.at;
            if known(tag, self)? {
                let used = self.at - start;
                if used != declared {
                    return Err(self.error(DecodeErrorKind::TagSize { declared, used }));
                }
            } else {
                self.skip(declared)?;
            }
        }
        Ok(())
    }
}
