//! Seeded messages that a version can carry: fields that it does not have stay at their defaults.

use bytes::Bytes;

use crate::{
    ErrorCode, Message, Str, Uuid,
    schema::{Cx, Wire},
};

/// A type of which arbitrary values can be made.
pub(crate) trait Sample: Sized {
    fn sample(rng: &mut fastrand::Rng, cx: Cx) -> Self;
}

/// An arbitrary message in a version.
pub(crate) fn message<M: Message + Sample>(rng: &mut fastrand::Rng, version: i16) -> M {
    M::sample(rng, Cx { version, flexible: version >= M::FLEXIBLE_FROM })
}

/// An arbitrary field; null only where the version has it.
pub(crate) fn field<T: Sample + Wire>(rng: &mut fastrand::Rng, cx: Cx, nullable: bool) -> T {
    let value = T::sample(rng, cx);
    if value.is_null() && !nullable { T::initial() } else { value }
}

macro_rules! integers {
    ($($ty:ident)*) => {$(
        impl Sample for $ty {
            fn sample(rng: &mut fastrand::Rng, _: Cx) -> Self {
                match rng.u8(..8) {
                    0 => $ty::MIN,
                    1 => $ty::MAX,
                    2 => 0,
                    _ => rng.$ty(..),
                }
            }
        }
    )*};
}

integers!(i8 i16 u16 i32 i64);

impl Sample for bool {
    fn sample(rng: &mut fastrand::Rng, _: Cx) -> Self {
        rng.bool()
    }
}

impl Sample for f64 {
    fn sample(rng: &mut fastrand::Rng, _: Cx) -> Self {
        rng.f64()
    }
}

impl Sample for Uuid {
    fn sample(rng: &mut fastrand::Rng, _: Cx) -> Self {
        Self(rng.u128(..).to_be_bytes())
    }
}

impl Sample for ErrorCode {
    fn sample(rng: &mut fastrand::Rng, _: Cx) -> Self {
        Self::from_code(rng.i16(-1..140))
    }
}

impl Sample for Str {
    fn sample(rng: &mut fastrand::Rng, _: Cx) -> Self {
        let length = if rng.u8(..16) == 0 { rng.usize(..300) } else { rng.usize(..6) };
        (0..length).map(|_| rng.char(..)).collect::<String>().into()
    }
}

impl Sample for Bytes {
    fn sample(rng: &mut fastrand::Rng, _: Cx) -> Self {
        let length = if rng.u8(..64) == 0 { rng.usize(..40_000) } else { rng.usize(..20) };
        std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(rng: &mut fastrand::Rng, cx: Cx) -> Self {
        (0..rng.usize(..4)).map(|_| T::sample(rng, cx)).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(rng: &mut fastrand::Rng, cx: Cx) -> Self {
        rng.bool().then(|| T::sample(rng, cx))
    }
}
