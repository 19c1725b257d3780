//! One response on its way out, in pieces, some of which may be parts of files.
//!
//! A response is encoded with a stand-in of the right length where large records belong, and the records take its place
//! afterwards. The stand-in is one region of zeros that nobody ever touches: the system gives it addresses, and no memory.

use std::sync::LazyLock;

use bytes::Bytes;
use poruka_log::Piece;

/// Longest records that a stand-in can be taken for, in bytes: a segment holds no longer batch.
const STAND_IN_BYTES_MAX: usize = 128 * 1024 * 1024;
static STAND_IN: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![0; STAND_IN_BYTES_MAX]));

/// The pieces of one response with its size prefix.
pub(crate) type Frame = Vec<Piece>;

/// Bytes to be encoded in place of `length` bytes of records.
pub(crate) fn stand_in(length: usize) -> Bytes {
    STAND_IN.slice(..length)
}

/// Puts records, in order, where their stand-ins are.
pub(crate) fn filled(chunks: Vec<Bytes>, records: Vec<Vec<Piece>>) -> Frame {
    let mut records = records.into_iter();
    let mut frame = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        if chunk.as_ptr() == STAND_IN.as_ptr() {
            let pieces = records.next().unwrap_or_default();
            assert_eq!(
                pieces.iter().map(Piece::len).sum::<usize>(),
                chunk.len(),
                "records fit their stand-in"
            );
            frame.extend(pieces);
        } else {
            frame.push(Piece::Memory(chunk));
        }
    }
    assert!(records.next().is_none(), "every stand-in is a chunk of its own");
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_take_the_place_of_their_stand_ins() {
        let chunks =
            vec![Bytes::from_static(b"head"), stand_in(5), Bytes::from_static(b"middle"), stand_in(1)];
        let piece = |text: &'static str| Piece::Memory(Bytes::from_static(text.as_bytes()));
        let frame = filled(chunks, vec![vec![piece("ab"), piece("cde")], vec![piece("f")]]);
        let whole: Vec<u8> =
            frame.into_iter().flat_map(|piece| piece.into_bytes().expect("memory")).collect();
        assert_eq!(whole, b"headabcdemiddlef");
    }
}
