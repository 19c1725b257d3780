//! The LZ4 frame format as every reader of a Kafka log can read it: one frame of independent blocks, no dictionary.
//!
//! Apache Kafka's Java client refuses linked blocks, and reads nothing after the first frame; a batch that holds either
//! would stop its consumers, so it is refused here. Its producers, librdkafka and the Go clients write independent blocks.
//!
//! Fault model: the bytes are hostile. A frame may declare blocks of 4 MiB, and Go clients always do; room is made
//! for a block only by the bytes that arrived for it, at first [`ROOM_RATIO`] times as many, and where that is too
//! little what they can grow to at most. All three checksums are verified.

use std::{
    hash::Hasher,
    io::{self, Read},
};

use lz4_flex::block::{DecompressError, decompress_into};
use twox_hash::XxHash32;

const MAGIC: u32 = 0x184d_2204;
/// The bit of a block's size that says that its bytes are stored as they are.
const STORED: u32 = 1 << 31;
/// Bytes that a block of compressed bytes is expected to grow to, as a multiple.
const ROOM_RATIO: usize = 16;
/// The most that a byte of a block can grow to: one more byte of a length says "255 more".
const GROWTH_MAX: usize = 255;

/// What the first bytes of a frame say.
#[derive(Clone, Copy)]
struct Descriptor {
    block_checksums: bool,
    content_checksum: bool,
    content_bytes: Option<u64>,
    block_bytes_max: usize,
}

/// Decompresses block by block.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    frame: Descriptor,
    content: XxHash32,
    content_bytes: u64,
    block: Vec<u8>,
    at: usize,
    end: usize,
    ended: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> io::Result<Self> {
        let mut rest = bytes;
        let frame = descriptor(&mut rest)?;
        Ok(Self {
            rest,
            frame,
            content: XxHash32::with_seed(0),
            content_bytes: 0,
            block: Vec::new(),
            at: 0,
            end: 0,
            ended: false,
        })
    }

    fn next_block(&mut self) -> io::Result<()> {
        let word = u32::from_le_bytes(take(&mut self.rest)?);
        if word == 0 {
            return self.finish();
        }
        let length = (word & !STORED) as usize;
        if length == 0 || length > self.frame.block_bytes_max {
            return Err(bad("block size is not within the frame's"));
        }
        let bytes = take_slice(&mut self.rest, length)?;
        if self.frame.block_checksums {
            check("block", bytes, u32::from_le_bytes(take(&mut self.rest)?))?;
        }
        (self.at, self.end) = (0, 0);
        self.end = if word & STORED == 0 {
            self.decompress(bytes)?
        } else {
            self.make_room(length);
            self.block[..length].copy_from_slice(bytes);
            length
        };
        self.content_bytes += self.end as u64;
        if self.frame.content_checksum {
            self.content.write(&self.block[..self.end]);
        }
        Ok(())
    }

    fn decompress(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.frame.block_bytes_max.min(bytes.len().saturating_mul(GROWTH_MAX));
        self.make_room(most.min(bytes.len().saturating_mul(ROOM_RATIO)));
        match decompress_into(bytes, &mut self.block) {
            Err(DecompressError::OutputTooSmall { .. }) if self.block.len() < most => {
                self.make_room(most);
                decompress_into(bytes, &mut self.block).map_err(bad)
            }
            outcome => outcome.map_err(bad),
        }
    }

    fn make_room(&mut self, bytes: usize) {
        if self.block.len() < bytes {
            self.block.resize(bytes, 0);
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.ended = true;
        if self.frame.content_checksum {
            let stored = u32::from_le_bytes(take(&mut self.rest)?);
            if stored != self.content.finish_32() {
                return Err(bad("content checksum does not match"));
            }
        }
        if self.frame.content_bytes.is_some_and(|bytes| bytes != self.content_bytes) {
            return Err(bad("content is not as long as the frame declares"));
        }
        if !self.rest.is_empty() {
            return Err(bad("bytes follow the frame"));
        }
        Ok(())
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.end {
            if self.ended {
                return Ok(0);
            }
            self.next_block()?;
        }
        let count = out.len().min(self.end - self.at);
        out[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn descriptor(rest: &mut &[u8]) -> io::Result<Descriptor> {
    if u32::from_le_bytes(take(rest)?) != MAGIC {
        return Err(bad("no LZ4 frame begins here"));
    }
    let described = *rest;
    let [flags, sizes] = take(rest)?;
    if flags >> 6 != 1 || flags & 0b11 != 0 || sizes & 0b1000_1111 != 0 {
        return Err(bad("version, dictionary or reserved bits are not taken"));
    }
    if flags & 0b10_0000 == 0 {
        return Err(bad("linked blocks are not taken: Java clients cannot read them"));
    }
    let block_bytes_max = match sizes >> 4 {
        log @ 4..=7 => 1 << (8 + 2 * log),
        _ => return Err(bad("block size is not one that the format has")),
    };
    let content_bytes = if flags & 0b1000 == 0 { None } else { Some(u64::from_le_bytes(take(rest)?)) };
    let hashed = &described[..described.len() - rest.len()];
    let [stored] = take(rest)?;
    if stored != (XxHash32::oneshot(0, hashed) >> 8) as u8 {
        return Err(bad("frame header checksum does not match"));
    }
    Ok(Descriptor {
        block_checksums: flags & 0b1_0000 != 0,
        content_checksum: flags & 0b100 != 0,
        content_bytes,
        block_bytes_max,
    })
}

fn check(what: &str, bytes: &[u8], stored: u32) -> io::Result<()> {
    if XxHash32::oneshot(0, bytes) == stored {
        Ok(())
    } else {
        Err(bad(format!("{what} checksum does not match")))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> io::Result<[u8; N]> {
    let Some((array, after)) = rest.split_first_chunk::<N>() else { return Err(bad("frame is cut short")) };
    *rest = after;
    Ok(*array)
}

fn take_slice<'a>(rest: &mut &'a [u8], length: usize) -> io::Result<&'a [u8]> {
    let Some((slice, after)) = rest.split_at_checked(length) else { return Err(bad("block is cut short")) };
    *rest = after;
    Ok(slice)
}

fn bad(reason: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_string())
}

#[cfg(test)]
mod tests {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

    use super::*;

    fn compressed(content: &[u8], info: FrameInfo) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        io::Write::write_all(&mut encoder, content).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Reader::new(bytes)?.read_to_end(&mut out).map(|_| out)
    }

    /// Text that compresses, then noise that does not.
    fn content(bytes: usize) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(5);
        let text = b"some text ".iter().copied().cycle().take(bytes / 2);
        text.chain(std::iter::repeat_with(|| rng.u8(..)).take(bytes / 2)).collect()
    }

    #[test]
    fn every_block_size_and_checksum_is_read() {
        for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
            for bytes in [0, 10, 70_000, 5_000_000] {
                let content = content(bytes);
                let plain = compressed(&content, FrameInfo::new().block_size(size));
                assert_eq!(read(&plain).unwrap(), content);
                let info = FrameInfo::new().block_size(size).block_checksums(true).content_checksum(true);
                let summed = compressed(&content, info.content_size(Some(content.len() as u64)));
                assert_eq!(read(&summed).unwrap(), content);
            }
        }
    }

    #[test]
    fn a_declared_block_size_takes_no_memory() {
        let frame = compressed(&[b'x'; 100], FrameInfo::new().block_size(BlockSize::Max4MB));
        let mut reader = Reader::new(&frame).unwrap();
        reader.read_to_end(&mut Vec::new()).unwrap();
        assert!(reader.block.capacity() <= frame.len() * ROOM_RATIO, "{} bytes", reader.block.capacity());
        let bomb = compressed(&vec![b'x'; 4 << 20], FrameInfo::new().block_size(BlockSize::Max4MB));
        let mut reader = Reader::new(&bomb).unwrap();
        reader.read_to_end(&mut Vec::new()).unwrap();
        assert!(reader.block.capacity() <= bomb.len() * GROWTH_MAX, "{} bytes", reader.block.capacity());
    }

    #[test]
    fn what_java_clients_cannot_read_is_refused() {
        let one = compressed(b"content", FrameInfo::new());
        let refused = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        let linked = compressed(&content(200_000), FrameInfo::new().block_mode(BlockMode::Linked));
        assert_eq!(refused(&linked), "linked blocks are not taken: Java clients cannot read them");
        assert_eq!(refused(&[&one[..], &one].concat()), "bytes follow the frame");
        let legacy = 0x184c_2102u32.to_le_bytes();
        assert_eq!(refused(&legacy), "no LZ4 frame begins here");
    }

    #[test]
    fn every_cut_and_every_flipped_bit_of_a_summed_frame_is_noticed() {
        let info = FrameInfo::new().block_checksums(true).content_checksum(true);
        let frame = compressed(b"some text, some text, some text", info);
        for cut in 0..frame.len() {
            read(&frame[..cut]).expect_err("a cut frame");
        }
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            read(&flipped).expect_err("a flipped bit");
        }
    }
}
