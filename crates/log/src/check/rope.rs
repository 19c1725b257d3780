//! The content of a file that is changed in memory only: pieces of the real file, and bytes that take their place.
//!
//! Cheap for what a repair does: cut a tail, leave a damaged range out, put a batch in. Not for random writes.

use std::io;

use poruka_env::DiskFile;

/// Zeros are written out in blocks of this size.
const ZEROS_BYTES: u64 = 64 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes of the real file.
    Base {
        at: u64,
        len: u64,
    },
    New(Vec<u8>),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Piece::Base { len, .. } => *len,
            Piece::New(bytes) => bytes.len() as u64,
        }
    }

    fn split(self, at: u64) -> (Piece, Piece) {
        match self {
            Piece::Base { at: from, len } => {
                (Piece::Base { at: from, len: at }, Piece::Base { at: from + at, len: len - at })
            }
            Piece::New(mut bytes) => {
                let rest = bytes.split_off(at as usize);
                (Piece::New(bytes), Piece::New(rest))
            }
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rope {
    pieces: Vec<Piece>,
}

impl Rope {
    pub(super) fn of_base(len: u64) -> Rope {
        Rope::of(vec![Piece::Base { at: 0, len }])
    }

    pub(super) fn of(pieces: Vec<Piece>) -> Rope {
        let mut rope = Rope { pieces };
        rope.tidy();
        rope
    }

    pub(super) fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Bytes at the start that are the real file's own, in their place.
    pub(super) fn kept(&self) -> u64 {
        match self.pieces.first() {
            Some(Piece::Base { at: 0, len }) => *len,
            _ => 0,
        }
    }

    /// The file is exactly as it was.
    pub(super) fn is_base(&self, len: u64) -> bool {
        self.len() == len && self.kept() == len
    }

    fn tidy(&mut self) {
        let mut tidy: Vec<Piece> = Vec::with_capacity(self.pieces.len());
        for piece in std::mem::take(&mut self.pieces) {
            match (tidy.last_mut(), piece) {
                (_, piece) if piece.len() == 0 => {}
                (Some(Piece::New(before)), Piece::New(bytes)) => before.extend_from_slice(&bytes),
                (Some(Piece::Base { at, len }), Piece::Base { at: next, len: more })
                    if *at + *len == next =>
                {
                    *len += more;
                }
                (_, piece) => tidy.push(piece),
            }
        }
        self.pieces = tidy;
    }

    /// Makes a boundary at `at`; the number of pieces before it.
    fn cut_at(&mut self, at: u64) -> usize {
        let mut before = 0;
        for number in 0..self.pieces.len() {
            let len = self.pieces[number].len();
            if at <= before {
                return number;
            }
            if at < before + len {
                let (left, right) = self.pieces.remove(number).split(at - before);
                self.pieces.insert(number, right);
                self.pieces.insert(number, left);
                return number + 1;
            }
            before += len;
        }
        self.pieces.len()
    }

    pub(super) fn set_len(&mut self, len: u64) {
        let now = self.len();
        if len < now {
            let pieces = self.cut_at(len);
            self.pieces.truncate(pieces);
        } else {
            let mut missing = len - now;
            while missing > 0 {
                let step = missing.min(ZEROS_BYTES);
                self.pieces.push(Piece::New(vec![0; step as usize]));
                missing -= step;
            }
        }
        self.tidy();
    }

    pub(super) fn write_at(&mut self, bytes: &[u8], at: u64) {
        if at > self.len() {
            self.set_len(at);
        }
        let from = self.cut_at(at);
        let until = self.cut_at(at + bytes.len() as u64);
        self.pieces.splice(from..until, [Piece::New(bytes.to_vec())]);
        self.tidy();
    }

    /// As `read_at` of a file; `base` is the real one.
    pub(super) fn read_at(&self, base: Option<&dyn DiskFile>, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut before = 0;
        for piece in &self.pieces {
            let len = piece.len();
            if at < before + len {
                let inside = at - before;
                let count = into.len().min(usize::try_from(len - inside).unwrap_or(usize::MAX));
                return match piece {
                    Piece::New(bytes) => {
                        into[..count].copy_from_slice(&bytes[inside as usize..inside as usize + count]);
                        Ok(count)
                    }
                    Piece::Base { at: from, .. } => {
                        base.ok_or(io::ErrorKind::NotFound)?.read_at(&mut into[..count], from + inside)
                    }
                };
            }
            before += len;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poruka_env::{Disk, FakeDisk, OpenMode};

    #[test]
    fn a_rope_reads_as_a_file_would_after_the_same_changes() {
        let disk = FakeDisk::in_memory(1);
        let base: Vec<u8> = (0..200).collect();
        let file = disk.open("/f".as_ref(), OpenMode::Create).expect("made");
        file.write_at(&base, 0).expect("written");
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut rope, mut model) = (Rope::of_base(200), base.clone());
            for step in 0..8_u8 {
                if rng.u8(..3) == 0 {
                    let len = rng.usize(..260);
                    model.resize(len, 0);
                    rope.set_len(len as u64);
                } else {
                    let (at, len) = (rng.usize(..260), rng.usize(..60));
                    model.resize(model.len().max(at + len), 0);
                    model[at..at + len].fill(step);
                    rope.write_at(&vec![step; len], at as u64);
                }
                let mut read = vec![0; 400];
                let mut done = 0;
                loop {
                    match rope.read_at(Some(&*file), &mut read[done..], done as u64).expect("read") {
                        0 => break,
                        count => done += count,
                    }
                }
                assert_eq!(&read[..done], &model[..], "seed {seed}");
                assert_eq!(rope.len(), model.len() as u64);
                let same = base.iter().zip(&model).take_while(|(a, b)| a == b).count() as u64;
                assert!(rope.kept() <= same);
            }
        }
    }
}
