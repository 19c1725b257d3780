//! Cuts a stream of bytes into frames, without I/O: push what arrived, take frames until there is none.
//!
//! Fault model: the peer is anyone. A size is believed only as bytes arrive for it, so a connection that claims
//! 100 MiB and sends nothing holds one read buffer. HTTP and TLS are recognised by their first bytes, since a wrong port
//! is the usual mistake and "invalid size 1195725856" helps nobody.

use bytes::{Buf, Bytes, BytesMut};

use super::{FRAME_BYTES_MAX, SIZE_BYTES};

/// Least free room that [`FrameDecoder::read_buffer`] offers, in bytes.
pub const READ_BYTES_MIN: usize = 4 * 1024;
/// Most room that [`FrameDecoder::read_buffer`] adds at a time, in bytes, however large the frame says it is.
pub const READ_BYTES_MAX: usize = 256 * 1024;

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

    /// Where a read can put bytes directly: there is room for [`READ_BYTES_MIN`] at least, and for the rest of the
    /// current frame up to [`READ_BYTES_MAX`].
    pub fn read_buffer(&mut self) -> &mut BytesMut {
        let missing = self
            .size()
            .ok()
            .flatten()
            .map_or(0, |size| (SIZE_BYTES + size).saturating_sub(self.buffer.len()));
        let room = self.buffer.capacity() - self.buffer.len();
        if room < missing.clamp(READ_BYTES_MIN, READ_BYTES_MAX) {
            self.buffer.reserve(missing.clamp(READ_BYTES_MIN, READ_BYTES_MAX));
        }
        &mut self.buffer
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
        self.buffer.advance(SIZE_BYTES);
        Ok(Some(self.buffer.split_to(size).freeze()))
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

    #[test]
    fn a_size_is_not_believed_before_its_bytes_arrive() {
        let mut decoder = FrameDecoder::default();
        decoder.push(&(FRAME_BYTES_MAX as i32).to_be_bytes());
        assert_eq!(decoder.next(), Ok(None));
        assert!(decoder.read_buffer().capacity() <= 2 * READ_BYTES_MAX);
    }
}
