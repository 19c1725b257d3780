//! Snappy in blocks, as xerial's Java library frames it: a 16-byte header, then blocks of a 32-bit length and raw snappy.
//! Bytes without that header are one raw block, which some clients send.

use std::io::{self, Read};

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
/// Magic, version, and lowest version that can read it.
const HEADER_BYTES: usize = 16;
const VERSION: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// The lowest version that xerial's own reader takes.
const VERSION_MIN: i32 = 1;
/// Bytes in a block that is written here.
const BLOCK_BYTES: usize = 32 * 1024;
/// The most that raw snappy can grow: three bytes say "copy 64 bytes". A block that claims more is lying.
const BLOCK_RATIO_MAX: usize = 22;

pub(crate) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = [&MAGIC[..], &VERSION].concat();
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(BLOCK_BYTES) {
        let compressed = encoder.compress_vec(block).map_err(io::Error::other)?;
        let length = u32::try_from(compressed.len()).map_err(io::Error::other)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&compressed);
    }
    Ok(out)
}

/// Decompresses block by block.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    framed: bool,
    /// The version of the frame is one that xerial's own reader refuses.
    outdated: bool,
    /// Most bytes that one block may take.
    block_bytes_max: usize,
    block: Vec<u8>,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], block_bytes_max: usize) -> Self {
        let framed = bytes.len() >= HEADER_BYTES && bytes.starts_with(MAGIC);
        let version = bytes.get(MAGIC.len()..).and_then(|bytes| bytes.first_chunk());
        let outdated = framed && version.is_some_and(|version| i32::from_be_bytes(*version) < VERSION_MIN);
        let rest = if framed { &bytes[HEADER_BYTES..] } else { bytes };
        Self { rest, framed, outdated, block_bytes_max, block: Vec::new(), at: 0 }
    }

    fn next_compressed(&mut self) -> io::Result<&'a [u8]> {
        if !self.framed {
            return Ok(std::mem::take(&mut self.rest));
        }
        let Some((length, rest)) = self.rest.split_first_chunk::<4>() else {
            return Err(bad("block length is cut short"));
        };
        let length = u32::from_be_bytes(*length) as usize;
        let Some((block, rest)) = rest.split_at_checked(length) else {
            return Err(bad("block is cut short"));
        };
        self.rest = rest;
        Ok(block)
    }

    fn next_block(&mut self) -> io::Result<()> {
        if self.outdated {
            return Err(bad("version of the frame is below 1"));
        }
        let compressed = self.next_compressed()?;
        let length = snap::raw::decompress_len(compressed).map_err(bad)?;
        if length > self.block_bytes_max || length > compressed.len().saturating_mul(BLOCK_RATIO_MAX) {
            return Err(bad("block claims more bytes than it can hold"));
        }
        self.block.resize(length, 0);
        let written = snap::raw::Decoder::new().decompress(compressed, &mut self.block).map_err(bad)?;
        self.block.truncate(written);
        self.at = 0;
        Ok(())
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.next_block()?;
        }
        let count = out.len().min(self.block.len() - self.at);
        out[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn bad(reason: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_string())
}
