//! The codecs of records, compressing whole and decompressing in bounded steps.
//!
//! Fault model: compressed bytes are hostile, and a few of them can claim to be gigabytes. Output is counted as it
//! appears and stops at [`DECOMPRESSED_BYTES_MAX`], and earlier for a small input ([`DECOMPRESSED_RATIO_MAX`]).
//!
//! Working memory of a decompressor: gzip 64 KiB; snappy and lz4 one block, for which room is made by the bytes that
//! arrived for it; zstd its window, which grows with what came out ([`zstd_frames`]). What a frame declares about itself
//! takes no memory.

use std::{
    fmt,
    io::{self, Read, Write},
    str::FromStr,
};

use bytes::Bytes;
use flate2::{Compression as GzipLevel, bufread::MultiGzDecoder, write::GzEncoder};
use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};

use super::{BatchError, BatchErrorKind, lz4, xerial, zstd_frames};

/// Most bytes that one batch may decompress to.
pub const DECOMPRESSED_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Most bytes that a batch may decompress to, as a multiple of its compressed bytes, beyond the base.
pub const DECOMPRESSED_RATIO_MAX: usize = 256;
/// Bytes that a batch may decompress to whatever its size: repetitive records compress without limit.
pub const DECOMPRESSED_BASE_BYTES: usize = 16 * 1024 * 1024;
/// Memory that a decompressor takes at most, in bytes, beyond [`DECOMPRESSED_RATIO_MAX`] times what arrived; zstd may take
/// eight times what came out of it instead.
pub const DECOMPRESS_WORK_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy in the blocks of xerial's library, as Kafka's Java client writes it; read without blocks too.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878 (KIP-110).
    Zstd,
}

impl Compression {
    /// Every codec.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The number in a batch's attributes.
    pub const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The name in Kafka's configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Text that names no codec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown codec; use none, gzip, snappy, lz4 or zstd")]
pub struct ParseCompressionError;

impl FromStr for Compression {
    type Err = ParseCompressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|codec| codec.name() == text).ok_or(ParseCompressionError)
    }
}

/// How many bytes may come out of `compressed` bytes.
pub(crate) fn decompressed_bytes_max(compressed: usize, limit: usize) -> usize {
    let by_ratio = DECOMPRESSED_BASE_BYTES.saturating_add(compressed.saturating_mul(DECOMPRESSED_RATIO_MAX));
    by_ratio.min(limit)
}

fn malformed(codec: Compression, error: impl fmt::Display) -> BatchError {
    BatchError::new(BatchErrorKind::Malformed { codec, reason: error.to_string() }, super::HEADER_BYTES)
}

/// A reader of the decompressed bytes. The caller counts them; `max` bounds what one step may take at once.
pub(crate) fn reader<'a>(
    codec: Compression,
    bytes: &'a [u8],
    max: usize,
) -> Result<Box<dyn Read + 'a>, BatchError> {
    Ok(match codec {
        Compression::None => Box::new(bytes),
        Compression::Gzip => Box::new(MultiGzDecoder::new(bytes)),
        Compression::Snappy => Box::new(xerial::Reader::new(bytes, max)),
        Compression::Lz4 => Box::new(lz4::Reader::new(bytes).map_err(|error| malformed(codec, error))?),
        Compression::Zstd => Box::new(zstd_frames::Reader::new(bytes)),
    })
}

/// Decompresses the records of a batch (the bytes after its header), at most `limit` of them and no more than the ratio
/// allows. Uncompressed records are returned as they are, without a copy.
pub fn decompress(codec: Compression, records: &Bytes, limit: usize) -> Result<Bytes, BatchError> {
    if codec == Compression::None {
        return Ok(records.clone());
    }
    let max = decompressed_bytes_max(records.len(), limit);
    let mut out = Vec::new();
    // One byte more than allowed is enough to know.
    let mut reader = reader(codec, records, max)?.take(max as u64 + 1);
    reader.read_to_end(&mut out).map_err(|error| malformed(codec, error))?;
    if out.len() > max {
        return Err(BatchError::new(BatchErrorKind::TooLargeDecompressed { max }, super::HEADER_BYTES));
    }
    Ok(out.into())
}

/// Compresses records as Kafka's own clients do by default.
pub(crate) fn compress(codec: Compression, records: &[u8]) -> io::Result<Vec<u8>> {
    match codec {
        Compression::None => Ok(records.to_vec()),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), GzipLevel::default());
            encoder.write_all(records)?;
            encoder.finish()
        }
        Compression::Snappy => xerial::compress(records),
        Compression::Lz4 => {
            let info = FrameInfo::new().block_size(BlockSize::Max64KB);
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(records)?;
            encoder.finish().map_err(io::Error::other)
        }
        Compression::Zstd => zstd::stream::encode_all(records, zstd::DEFAULT_COMPRESSION_LEVEL),
    }
}
