//! Arbitrary messages and hostile changes of them, for tests and fuzzers of every crate; behind the feature `sample`,
//! which nothing that ships turns on.
//!
//! One mechanism for every request, response and version: `message!` writes a [`Sample`] beside the codec, and it
//! draws from [`Choices`]. Choices come from a seed, or from bytes: then a property test shrinks a message by
//! shrinking bytes, and a fuzzer that changes bytes changes messages. Zero is always the simplest choice, and where the
//! bytes end everything is zero.
//!
//! Not here: semantics. A sample is well formed and says nothing that makes sense, unless words and blobs are given.

mod choices;
mod mutate;
mod values;

pub use choices::Choices;
pub use mutate::mutate;

use crate::{
    Message, Request,
    schema::{Cx, Wire},
};

/// A type of which arbitrary values can be made.
pub trait Sample: Sized {
    /// An arbitrary value that a version can carry.
    fn sample(choices: &mut Choices<'_>, cx: Cx) -> Self;
}

/// Code that is run for every request.
pub trait Visitor {
    /// Runs for one request and its response.
    fn visit<R: Request<Response: Sample> + Sample>(&mut self);
}

pub use crate::api::visit_all;

/// An arbitrary message in a version: fields that the version does not have stay at their defaults.
pub fn message<M: Message + Sample>(choices: &mut Choices<'_>, version: i16) -> M {
    M::sample(choices, Cx { version, flexible: version >= M::FLEXIBLE_FROM })
}

/// An arbitrary field; null only where the version has it.
pub(crate) fn field<T: Sample + Wire>(choices: &mut Choices<'_>, cx: Cx, nullable: bool) -> T {
    let value = T::sample(choices, cx);
    if value.is_null() && !nullable { T::initial() } else { value }
}
