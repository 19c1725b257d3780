//! Zstandard (RFC 8878), with a decompressor whose memory follows what it has really produced.
//!
//! Fault model: the bytes are hostile, and a frame of a dozen bytes may declare a window of 128 MiB. Such windows cannot
//! be refused: Apache Kafka's producer writes them at levels 20 to 22. But a window is only a promise about how far back
//! the frame may point, and nothing points back further than what came out so far. So a frame that declares more than
//! [`window_first`] is given a smaller window, in a copy of its header, and is stopped when that much came out; then it
//! begins again with [`WINDOW_GROWTH`] times as much. Memory stays below that many times what was produced, and all
//! beginnings together cost a seventh of the work.
//!
//! The decompressor is never let past the smaller window: there it would take bytes for others without noticing.

use std::io::{self, Chain, Cursor, Read};

use zstd::stream::read::Decoder;

/// Largest zstd window that is accepted, as a power of two: what Apache Kafka's highest level writes, and the most that
/// its readers take.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Memory that a frame may take before anything came out, in bytes: a batch of ordinary size never begins twice.
pub const ZSTD_WINDOW_BASE_BYTES: usize = 1024 * 1024;
/// Memory that a frame may take before anything came out, as a multiple of the bytes that arrived, beyond the base.
pub const ZSTD_WINDOW_RATIO: usize = 16;

const WINDOW_BYTES_MAX: u64 = 1 << ZSTD_WINDOW_LOG_MAX;
/// How much larger the next window is, once what came out fills the last.
const WINDOW_GROWTH: u64 = 8;

const MAGIC: u32 = 0xfd2f_b528;
/// Frames for readers of another kind, which are passed over; the last four bits are free.
const SKIPPABLE: u32 = 0x184d_2a50;
const SINGLE_SEGMENT: u8 = 0b10_0000;

type Input<'a> = Chain<Cursor<Vec<u8>>, &'a [u8]>;

/// Decompresses frame after frame.
pub(crate) struct Reader<'a> {
    /// From the current frame on.
    rest: &'a [u8],
    frame: Option<Frame<'a>>,
}

struct Frame<'a> {
    header: Header,
    decoder: Decoder<'static, Input<'a>>,
    produced: u64,
    /// What may come out before the window has to be larger.
    produced_max: u64,
}

/// What the first bytes of a frame say, as far as it concerns memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    flags: u8,
    /// Bytes of magic, flags and window.
    bytes: usize,
    /// What a decoder would set aside.
    window: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, frame: None }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(frame) = &mut self.frame else {
                let Some(header) = next_header(&mut self.rest)? else { return Ok(0) };
                self.frame = Some(Frame::open(header, self.rest, window_first(self.rest.len()))?);
                continue;
            };
            if frame.produced == frame.produced_max {
                frame.widen(self.rest)?;
                continue;
            }
            let room = usize::try_from(frame.produced_max - frame.produced).unwrap_or(usize::MAX);
            let room = room.min(out.len());
            let count = frame.decoder.read(&mut out[..room])?;
            if count > 0 {
                frame.produced += count as u64;
                return Ok(count);
            }
            self.rest = frame.decoder.get_ref().get_ref().1;
            self.frame = None;
        }
    }
}

impl<'a> Frame<'a> {
    /// Begins a frame with a window of at most `window`.
    fn open(header: Header, bytes: &'a [u8], window: u64) -> io::Result<Self> {
        let fits = header.window <= window;
        let copy = if fits { Vec::new() } else { header.with_window(bytes, window) };
        let rest = if fits { bytes } else { &bytes[header.bytes..] };
        let mut decoder = Decoder::with_buffer(Cursor::new(copy).chain(rest))?.single_frame();
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok(Self { header, decoder, produced: 0, produced_max: if fits { u64::MAX } else { window } })
    }

    /// Begins the frame again with a larger window and goes to where it was.
    fn widen(&mut self, bytes: &'a [u8]) -> io::Result<()> {
        let produced = self.produced;
        *self = Self::open(self.header, bytes, (self.produced_max * WINDOW_GROWTH).min(WINDOW_BYTES_MAX))?;
        self.produced = io::copy(&mut Read::by_ref(&mut self.decoder).take(produced), &mut io::sink())?;
        if self.produced == produced { Ok(()) } else { Err(bad("frame came out differently")) }
    }
}

impl Header {
    /// Reads the header at the start of `bytes`.
    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let Some((&flags, fields)) = bytes.get(4..).and_then(|bytes| bytes.split_first()) else {
            return Err(bad("frame header is cut short"));
        };
        let single_segment = flags & SINGLE_SEGMENT != 0;
        let mut at = 0;
        let mut number = |length: usize| {
            let field = fields.get(at..at + length)?;
            at += length;
            Some(field.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte)))
        };
        let mut read = || {
            let window = if single_segment { None } else { Some(number(1)?) };
            number([0, 1, 2, 4][usize::from(flags & 0b11)])?;
            let content = match flags >> 6 {
                0 if single_segment => Some(number(1)?),
                0 => None,
                1 => Some(number(2)? + 256),
                2 => Some(number(4)?),
                _ => Some(number(8)?),
            };
            Some((window, content))
        };
        let Some((window, content)) = read() else { return Err(bad("frame header is cut short")) };
        let window = window.map(|byte| {
            let power = 1u64 << (10 + (byte >> 3));
            power + (power >> 3) * (byte & 0b111)
        });
        let declared = window.or(content).unwrap_or(0);
        if declared > WINDOW_BYTES_MAX {
            return Err(bad(format!("window of {declared} bytes is larger than {WINDOW_BYTES_MAX}")));
        }
        let window = declared.min(content.unwrap_or(u64::MAX));
        Ok(Self { flags, bytes: if single_segment { 5 } else { 6 }, window })
    }

    /// The bytes up to the window, with another window: a power of two that is smaller than the frame's own.
    fn with_window(&self, bytes: &[u8], window: u64) -> Vec<u8> {
        let log = window.ilog2() as u8;
        [&bytes[..4], &[self.flags & !SINGLE_SEGMENT, (log - 10) << 3]].concat()
    }
}

/// The window that a frame is given at first, when so many bytes arrived: a power of two.
fn window_first(arrived: usize) -> u64 {
    let wanted = ZSTD_WINDOW_BASE_BYTES.max(arrived.saturating_mul(ZSTD_WINDOW_RATIO)) as u64;
    wanted.min(WINDOW_BYTES_MAX).next_power_of_two()
}

/// Goes to the next frame and reads its header; none at the end.
fn next_header(rest: &mut &[u8]) -> io::Result<Option<Header>> {
    while !rest.is_empty() {
        let Some(magic) = rest.first_chunk() else { return Err(bad("frame is cut short")) };
        let magic = u32::from_le_bytes(*magic);
        if magic == MAGIC {
            return Header::parse(rest).map(Some);
        }
        if magic & !0xf != SKIPPABLE {
            return Err(bad("no zstd frame begins here"));
        }
        let Some(length) = rest[4..].first_chunk() else { return Err(bad("frame is cut short")) };
        let length = u32::from_le_bytes(*length) as usize;
        *rest = rest[8..].get(length..).ok_or_else(|| bad("frame is cut short"))?;
    }
    Ok(None)
}

fn bad(reason: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(
        content: &[u8],
        change: impl Fn(&mut zstd::stream::write::Encoder<'_, Vec<u8>>),
    ) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        change(&mut encoder);
        io::Write::write_all(&mut encoder, content).unwrap();
        encoder.finish().unwrap()
    }

    /// Content that repeats itself from far back.
    fn far_back(bytes: usize) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(7);
        let block: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(100_000).collect();
        let mut content = block.clone();
        content.resize(bytes - block.len(), b'.');
        content.extend_from_slice(&block);
        content
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Reader::new(bytes).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn a_window_larger_than_what_arrived_grows_with_what_comes_out() {
        let content = far_back(20 << 20);
        let large = compressed(&content, |encoder| {
            encoder.window_log(ZSTD_WINDOW_LOG_MAX).unwrap();
            encoder.long_distance_matching(true).unwrap();
        });
        assert!(large.len() < 300_000, "{} bytes point back over the whole content", large.len());
        assert_eq!(Header::parse(&large).unwrap().window, 128 << 20);
        assert_eq!(read(&large).unwrap(), content);
        let twice = [&large[..], &[0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2], &large].concat();
        assert_eq!(read(&twice).unwrap(), [&content[..], &content].concat());
    }

    #[test]
    fn a_single_segment_is_given_a_window_of_its_own() {
        let content = far_back(3 << 20);
        let one = zstd::bulk::compress(&content, 19).unwrap();
        let header = Header::parse(&one).unwrap();
        assert_eq!((header.flags & SINGLE_SEGMENT, header.bytes), (SINGLE_SEGMENT, 5));
        assert_eq!(header.window, 3 << 20);
        assert_eq!(read(&one).unwrap(), content);
    }

    #[test]
    fn what_is_set_aside_at_first_follows_what_arrived() {
        let tiny = compressed(b"tiny", |encoder| encoder.window_log(ZSTD_WINDOW_LOG_MAX).unwrap());
        let header = Header::parse(&tiny).unwrap();
        assert_eq!(header.window, 128 << 20);
        let copy = header.with_window(&tiny, window_first(tiny.len()));
        assert_eq!(Header::parse(&copy).unwrap().window, 1 << 20);
        assert_eq!(read(&tiny).unwrap(), b"tiny");
        assert_eq!(window_first(0), 1 << 20);
        assert_eq!(window_first(1 << 20), 16 << 20);
        assert_eq!(window_first(usize::MAX), 128 << 20);
    }

    #[test]
    fn every_cut_of_a_frame_is_refused_and_so_is_a_window_that_nobody_writes() {
        let frame = compressed(b"some content, some content, some content", |_| {});
        for cut in 1..frame.len() {
            read(&frame[..cut]).expect_err("a cut frame");
        }
        let mut huge = frame.clone();
        huge[5] = 18 << 3;
        assert!(read(&huge).unwrap_err().to_string().contains("window of 268435456 bytes"));
    }
}
