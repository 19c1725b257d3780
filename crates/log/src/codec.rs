//! Byte codec of our own files (journal, checkpoint, meta): big-endian integers, counted strings and bytes.
//!
//! Reads are bounded by the bytes that are there: a count never leads to an allocation by itself, and a value that runs
//! past the end is an error, never a panic. Checksums are CRC32C, as in Kafka's batches.

use bytes::{BufMut, Bytes};
use crc_fast::{CrcAlgorithm, checksum};

/// CRC32C (Castagnoli) of `bytes`.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    // The library hands out every width as 64 bits; a 32-bit algorithm leaves the upper half zero.
    checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Bytes that do not follow the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bytes end in the middle of a value, or a value is outside of its range")]
pub(crate) struct Malformed;

/// A cursor over bytes that may be hostile.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

macro_rules! integers {
    ($($name:ident: $type:ty),*) => {$(
        pub(crate) fn $name(&mut self) -> Result<$type, Malformed> {
            let raw = self.take(size_of::<$type>())?;
            Ok(<$type>::from_be_bytes(raw.try_into().map_err(|_| Malformed)?))
        }
    )*};
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    integers!(u8: u8, u16: u16, u32: u32, u64: u64, i16: i16, i32: i32, i64: i64);

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(crate) fn string(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::from(self.u16()?);
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    /// A count of elements that each take at least `element_bytes`: refused when the rest cannot hold them.
    pub(crate) fn count(&mut self, element_bytes: usize) -> Result<usize, Malformed> {
        let count = self.u32()? as usize;
        if count.saturating_mul(element_bytes) > self.rest.len() {
            return Err(Malformed);
        }
        Ok(count)
    }

    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// Writes a string of at most 65,535 bytes (topic names are far shorter; longer ones are cut at a character).
pub(crate) fn put_string(out: &mut impl BufMut, text: &str) {
    let mut length = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    out.put_u16(length as u16);
    out.put_slice(&text.as_bytes()[..length]);
}

/// Puts `body` behind a frame of magic, format version, length and checksum. The opposite of [`unframe`].
pub(crate) fn frame(magic: [u8; 8], version: u32, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + FRAME_BYTES);
    out.put_slice(&magic);
    out.put_u32(version);
    out.put_u32(body.len() as u32);
    out.put_u32(0);
    out.put_slice(body);
    let crc = crc_of_frame(&out);
    out[16..20].copy_from_slice(&crc.to_be_bytes());
    out.into()
}

const FRAME_BYTES: usize = 20;

fn crc_of_frame(framed: &[u8]) -> u32 {
    crc32c(&framed[..16]) ^ crc32c(&framed[FRAME_BYTES..]).rotate_left(1)
}

/// Why a framed file could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadFrame {
    /// The magic, the length or the checksum is wrong.
    Damaged,
    /// Written by a later format version, given here.
    Newer(u32),
}

/// The body of a framed file, checked.
pub(crate) fn unframe(magic: [u8; 8], version_max: u32, framed: &[u8]) -> Result<&[u8], BadFrame> {
    if framed.len() < FRAME_BYTES || framed[..8] != magic {
        return Err(BadFrame::Damaged);
    }
    let word = |at: usize| u32::from_be_bytes([framed[at], framed[at + 1], framed[at + 2], framed[at + 3]]);
    let body = &framed[FRAME_BYTES..];
    if word(12) as usize != body.len() || word(16) != crc_of_frame(framed) {
        return Err(BadFrame::Damaged);
    }
    if word(8) > version_max {
        return Err(BadFrame::Newer(word(8)));
    }
    Ok(body)
}

/// The format version that a framed body says it has; call it once [`unframe`] took it.
pub(crate) fn version_of(framed: &[u8]) -> u32 {
    framed.get(8..12).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: [u8; 8] = *b"TESTFILE";

    #[test]
    fn a_framed_body_comes_back_and_any_flipped_bit_is_noticed() {
        let framed = frame(MAGIC, 1, b"some body");
        assert_eq!(unframe(MAGIC, 1, &framed), Ok(&b"some body"[..]));
        for bit in 0..framed.len() * 8 {
            let mut damaged = framed.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unframe(MAGIC, 1, &damaged), Err(BadFrame::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_told_by_number() {
        assert_eq!(unframe(MAGIC, 1, &frame(MAGIC, 7, b"")), Err(BadFrame::Newer(7)));
    }

    #[test]
    fn a_count_larger_than_the_bytes_is_refused_before_any_allocation() {
        let raw = u32::MAX.to_be_bytes();
        assert_eq!(Cursor::new(&raw).count(1), Err(Malformed));
    }
}
