//! What arbitrary values are drawn from.

use bytes::Bytes;

/// A stream of choices, from bytes or from a seed.
#[derive(Clone, Debug)]
pub struct Choices<'a> {
    source: Source<'a>,
    pub(super) words: &'a [&'a str],
    pub(super) blobs: &'a [Bytes],
}

#[derive(Clone, Debug)]
enum Source<'a> {
    Bytes(&'a [u8]),
    Seed(u64),
}

impl<'a> Choices<'a> {
    /// Choices that are these bytes, and then zero for ever.
    pub fn of_bytes(bytes: &'a [u8]) -> Self {
        Self { source: Source::Bytes(bytes), words: &[], blobs: &[] }
    }

    /// Choices without end, the same for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self { source: Source::Seed(seed), words: &[], blobs: &[] }
    }

    /// Most strings are one of these words: names that mean something to whoever gets the message.
    #[must_use]
    pub fn with_words(mut self, words: &'a [&'a str]) -> Self {
        self.words = words;
        self
    }

    /// Most byte fields are one of these.
    #[must_use]
    pub fn with_blobs(mut self, blobs: &'a [Bytes]) -> Self {
        self.blobs = blobs;
        self
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        match &mut self.source {
            Source::Bytes(bytes) => match bytes.split_first() {
                Some((first, rest)) => {
                    *bytes = rest;
                    *first
                }
                None => 0,
            },
            Source::Seed(_) => self.number() as u8,
        }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        match &mut self.source {
            Source::Bytes(_) => u64::from_be_bytes(std::array::from_fn(|_| self.byte())),
            // SplitMix64: small, and good enough to choose with.
            Source::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                mixed ^ (mixed >> 31)
            }
        }
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        let drawn = match bound {
            0..=256 => u64::from(self.byte()),
            257..=65_536 => u64::from(self.byte()) << 8 | u64::from(self.byte()),
            _ => self.number(),
        };
        (drawn % bound.max(1) as u64) as usize
    }

    /// Yes or no; no is the simpler.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// True once in `rounds` times.
    pub fn one_in(&mut self, rounds: usize) -> bool {
        self.below(rounds) == rounds - 1
    }

    /// One of several; the first is the simplest.
    pub fn one_of<'b, T>(&mut self, all: &'b [T]) -> &'b T {
        &all[self.below(all.len())]
    }
}
