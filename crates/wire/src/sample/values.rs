//! Arbitrary values of every type that a field can have.

use bytes::Bytes;

use super::{Choices, Sample};
use crate::{ErrorCode, Str, Uuid, schema::Cx};

/// Bytes that are copied into a writer, and bytes that become a chunk of their own, are both drawn.
const LARGE_BYTES_MAX: usize = 40_000;

macro_rules! integers {
    ($($ty:ident)*) => {$(
        impl Sample for $ty {
            fn sample(choices: &mut Choices<'_>, _: Cx) -> Self {
                match choices.below(8) {
                    0 => 0,
                    1 => $ty::MIN,
                    2 => $ty::MAX,
                    3 | 4 => choices.byte() as i8 as $ty,
                    _ => choices.number() as $ty,
                }
            }
        }
    )*};
}

integers!(i8 i16 u16 i32 i64);

impl Sample for bool {
    fn sample(choices: &mut Choices<'_>, _: Cx) -> Self {
        choices.flag()
    }
}

impl Sample for f64 {
    fn sample(choices: &mut Choices<'_>, _: Cx) -> Self {
        match choices.below(4) {
            0 => 0.0,
            1 => f64::NEG_INFINITY,
            _ => choices.number() as f64 / 3.0,
        }
    }
}

impl Sample for Uuid {
    fn sample(choices: &mut Choices<'_>, _: Cx) -> Self {
        if choices.flag() { Self(std::array::from_fn(|_| choices.byte())) } else { Self::ZERO }
    }
}

impl Sample for ErrorCode {
    fn sample(choices: &mut Choices<'_>, _: Cx) -> Self {
        match choices.below(142) as i16 {
            141 => Self::from_code(-1),
            code => Self::from_code(code),
        }
    }
}

impl Sample for Str {
    fn sample(choices: &mut Choices<'_>, _: Cx) -> Self {
        let words = choices.words;
        if !words.is_empty() && !choices.one_in(8) {
            return Str::from(*choices.one_of(words));
        }
        let length = if choices.one_in(16) { choices.below(300) } else { choices.below(6) };
        let letter = |choices: &mut Choices<'_>| match choices.below(8) {
            7 => char::from_u32(choices.number() as u32 % 0x11_0000).unwrap_or('\u{0}'),
            _ => char::from(b'a' + choices.below(26) as u8),
        };
        (0..length).map(|_| letter(choices)).collect::<String>().into()
    }
}

impl Sample for Bytes {
    fn sample(choices: &mut Choices<'_>, _: Cx) -> Self {
        let blobs = choices.blobs;
        if !blobs.is_empty() && !choices.one_in(8) {
            return choices.one_of(blobs).clone();
        }
        let length = if choices.one_in(64) { choices.below(LARGE_BYTES_MAX) } else { choices.below(20) };
        (0..length).map(|_| choices.byte()).collect()
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(choices: &mut Choices<'_>, cx: Cx) -> Self {
        (0..choices.below(4)).map(|_| T::sample(choices, cx)).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(choices: &mut Choices<'_>, cx: Cx) -> Self {
        choices.flag().then(|| T::sample(choices, cx))
    }
}
