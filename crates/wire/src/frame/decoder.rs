//! Cuts a stream of bytes into frames, without I/O: push what arrived, take frames until there is none.
//!
//! Fault model: the peer is anyone. A size is believed only as bytes arrive for it, so a connection that claims
//! 100 MiB and sends nothing holds one read buffer. A small frame is copied out of the read buffer, which is used
//! again; a large one is read into a buffer of its own and given away with it, so that it is copied nowhere and its owner
//! may write into it. HTTP and TLS are recognised by their first bytes, since a wrong port
//! is the usual mistake and "invalid size 1195725856" helps nobody.

use bytes::buf::Limit;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{FRAME_BYTES_MAX, SIZE_BYTES};

/// Least free room that [`FrameDecoder::read_buffer`] offers before the size of the frame is known, in bytes.
pub const READ_BYTES_MIN: usize = 4 * 1024;
/// A frame of at least this size gets a buffer of its own, in bytes.
pub const OWN_BUFFER_BYTES_MIN: usize = 16 * 1024;
/// The buffer of a large frame is at most this many times what has arrived of it, however large it says it is.
pub const READ_AHEAD_FACTOR_MAX: usize = 16;

/// Why a stream cannot be cut into frames. What to do: close the connection; nothing after this can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A size below zero or above the limit.
    #[error(
        "frame size {size} is not within 0 to {max} bytes; this is not the Kafka protocol, or the peer's limit is higher"
    )]
    Size {
        /// The size, as sent.
        size: i32,
        /// The most that is accepted.
        max: usize,
    },
    /// The stream begins like HTTP.
    #[error(
        "peer speaks HTTP; this port speaks the Kafka protocol: point a Kafka client at it, or use another port"
    )]
    Http,
    /// The stream begins like TLS.
    #[error(
        "peer speaks TLS; this port speaks the Kafka protocol in the clear: set security.protocol=PLAINTEXT"
    )]
    Tls,
}

/// Cuts a stream into frames. After an error it gives no more frames.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: BytesMut,
    frame_bytes_max: usize,
    /// Whether a frame was cut already; only the first bytes of a stream can be another protocol's greeting.
    greeted: bool,
    failed: Option<FrameError>,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new(FRAME_BYTES_MAX)
    }
}

impl FrameDecoder {
    /// A decoder that refuses frames above a size.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), frame_bytes_max, greeted: false, failed: None }
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Where a read can put bytes directly. There is always room; of a large frame, never for more than its rest, so
    /// that its buffer holds nothing else.
    pub fn read_buffer(&mut self) -> Limit<&mut BytesMut> {
        let (held, capacity) = (self.buffer.len(), self.buffer.capacity());
        match self.size().ok().flatten().map(|size| SIZE_BYTES + size) {
            Some(whole) if whole >= OWN_BUFFER_BYTES_MIN && whole > held => {
                if capacity == held {
                    let mut larger = BytesMut::with_capacity(whole.min(held * READ_AHEAD_FACTOR_MAX));
                    larger.extend_from_slice(&self.buffer);
                    self.buffer = larger;
                }
                let room = self.buffer.capacity() - held;
                (&mut self.buffer).limit(room.min(whole - held))
            }
            whole => {
                let missing = whole.unwrap_or(0).saturating_sub(held);
                self.buffer.reserve(missing.max(READ_BYTES_MIN));
                let room = self.buffer.capacity() - held;
                (&mut self.buffer).limit(room)
            }
        }
    }

    /// Gives the read buffer back to the system when nothing is in it: a connection that is silent holds none.
    pub fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Bytes that wait for the rest of their frame.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole frame, without its size.
    #[expect(
        clippy::should_implement_trait,
        reason = "an error ends the stream, and more may be pushed after none"
    )]
    pub fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let size = self.size().inspect_err(|error| self.failed = Some(*error))?;
        let Some(size) = size.filter(|size| self.buffer.len() - SIZE_BYTES >= *size) else { return Ok(None) };
        self.greeted = true;
        let whole = SIZE_BYTES + size;
        if size < OWN_BUFFER_BYTES_MIN {
            let frame = Bytes::copy_from_slice(&self.buffer[SIZE_BYTES..whole]);
            self.buffer.advance(whole);
            return Ok(Some(frame));
        }
        let mut frame = if self.buffer.len() == whole {
            std::mem::take(&mut self.buffer)
        } else {
            self.buffer.split_to(whole)
        };
        frame.advance(SIZE_BYTES);
        Ok(Some(frame.freeze()))
    }

    /// The size of the current frame, once its four bytes are there.
    fn size(&self) -> Result<Option<usize>, FrameError> {
        if !self.greeted {
            self.refuse_other_protocols()?;
        }
        let Some(prefix) = self.buffer.first_chunk::<SIZE_BYTES>() else { return Ok(None) };
        let size = i32::from_be_bytes(*prefix);
        let max = self.frame_bytes_max;
        match usize::try_from(size).ok().filter(|size| *size <= max) {
            Some(size) => Ok(Some(size)),
            None => Err(FrameError::Size { size, max }),
        }
    }

    fn refuse_other_protocols(&self) -> Result<(), FrameError> {
        const HTTP: [&[u8]; 8] = [b"GET ", b"POST", b"HEAD", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN"];
        match self.buffer.get(..SIZE_BYTES) {
            Some(prefix) if HTTP.contains(&prefix) => Err(FrameError::Http),
            Some(b"PRI ") => Err(FrameError::Http),
            // A TLS record: type 22 (handshake), version 3.x. As a size it would be 352 MiB or more.
            _ if self.buffer.starts_with(&[0x16, 0x03]) => Err(FrameError::Tls),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_the_bytes_arrive() {
        let stream = [&[0, 0, 0, 3][..], b"abc", &[0, 0, 0, 0], &[0, 0, 0, 1], b"d"].concat();
        for step in 1..=stream.len() {
            let mut decoder = FrameDecoder::default();
            let mut frames = Vec::new();
            for part in stream.chunks(step) {
                decoder.push(part);
                while let Some(frame) = decoder.next().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, ["abc", "", "d"], "in steps of {step}");
            assert_eq!(decoder.buffered(), 0);
        }
    }

    #[test]
    fn another_protocol_is_called_by_its_name() {
        let cases: [(&[u8], FrameError); 6] = [
            (b"GET / HTTP/1.1\r\n", FrameError::Http),
            (b"POST /topics", FrameError::Http),
            (b"PRI * HTTP/2.0", FrameError::Http),
            (&[0x16, 0x03, 0x01, 0x02, 0x00], FrameError::Tls),
            (&[0xff; 4], FrameError::Size { size: -1, max: FRAME_BYTES_MAX }),
            (&[0x7f, 0xff, 0xff, 0xff], FrameError::Size { size: i32::MAX, max: FRAME_BYTES_MAX }),
        ];
        for (bytes, error) in cases {
            let mut decoder = FrameDecoder::default();
            decoder.push(bytes);
            assert_eq!(decoder.next(), Err(error));
            decoder.push(&[0, 0, 0, 0]);
            assert_eq!(decoder.next(), Err(error), "a failed stream stays failed");
        }
    }

    /// What a socket does: puts bytes where the decoder wants them. Returns how many it took.
    fn arrive(decoder: &mut FrameDecoder, bytes: &[u8]) -> usize {
        let mut room = decoder.read_buffer();
        let taken = room.remaining_mut().min(bytes.len());
        room.put_slice(&bytes[..taken]);
        taken
    }

    #[test]
    fn a_size_is_not_believed_before_its_bytes_arrive() {
        let mut decoder = FrameDecoder::default();
        let bytes = [&(FRAME_BYTES_MAX as i32).to_be_bytes()[..], &[0; 300_000]].concat();
        let mut arrived = 0;
        while arrived < bytes.len() {
            arrived += arrive(&mut decoder, &bytes[arrived..]);
            assert_eq!(decoder.next(), Ok(None));
            decoder.read_buffer();
            assert!(decoder.buffer.capacity() <= READ_BYTES_MIN.max(arrived * READ_AHEAD_FACTOR_MAX));
        }
    }

    #[test]
    fn a_large_frame_is_its_owners_alone_and_what_follows_is_not_lost() {
        let body: Vec<u8> = (0..200_000).map(|n| n as u8).collect();
        let large = [&(body.len() as i32).to_be_bytes()[..], &body].concat();
        let stream = [&large[..], &[0, 0, 0, 1, 7], &large].concat();
        let (mut decoder, mut at, mut frames) = (FrameDecoder::default(), 0, Vec::new());
        while at < stream.len() {
            at += arrive(&mut decoder, &stream[at..]);
            while let Some(frame) = decoder.next().unwrap() {
                frames.push(frame.try_into_mut().expect("nobody else holds it"));
            }
        }
        decoder.release();
        assert_eq!(decoder.buffer.capacity(), 0);
        assert_eq!(frames, [&body[..], &[7], &body]);
    }
}
