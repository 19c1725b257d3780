//! Promises that hold for every request and version.
//!
//! Messages are drawn from bytes ([`crate::sample`]), and proptest draws, and shrinks, the bytes. Runs are the same
//! every time; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` make them more and others.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseResult, TestError, TestRunner};

use crate::sample::{self, Choices, Sample};
use crate::{Bytes, Message, Reader, Writer};

mod differential;
mod golden;
mod hostile;
mod round_trip;
mod versions;

/// Arbitrary messages of each kind and version that a property is tried on, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 24;
const SEED: u64 = 2026;

/// Checks a property on arbitrary messages of one kind and version; a failure shows the smallest that was found. The
/// choices that are left over are the property's own.
fn holds<M: Message + Sample>(version: i16, property: impl Fn(M, Choices<'_>) -> TestCaseResult) {
    let failure = run(&|bytes, choices| property(drawn(bytes, version), choices));
    if let Some((reason, bytes)) = failure {
        let message: M = drawn(&bytes, version);
        panic!("{} v{version}: {reason}\n{message:#?}", M::NAME);
    }
}

/// The part of [`holds`] that is the same for every message, and so is compiled once.
fn run(property: &dyn Fn(&[u8], Choices<'_>) -> TestCaseResult) -> Option<(String, Vec<u8>)> {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    let numbers = (proptest::collection::vec(any::<u64>(), 0..80), any::<u64>());
    let bytes_of = |numbers: &[u64]| -> Vec<u8> { numbers.iter().flat_map(|n| n.to_be_bytes()).collect() };
    let outcome = TestRunner::new(config)
        .run(&numbers, |(numbers, seed)| property(&bytes_of(&numbers), Choices::seeded(seed)));
    match outcome {
        Ok(()) => None,
        Err(TestError::Fail(reason, (numbers, seed))) => {
            Some((format!("{reason}, seed {seed}"), bytes_of(&numbers)))
        }
        Err(TestError::Abort(reason)) => Some((reason.to_string(), Vec::new())),
    }
}

/// A property that two things are the same, without a formatter of its own for every type.
fn same(same: bool, what: &str) -> TestCaseResult {
    if same { Ok(()) } else { Err(TestCaseError::fail(what.to_owned())) }
}

fn drawn<M: Message + Sample>(bytes: &[u8], version: i16) -> M {
    sample::message(&mut Choices::of_bytes(bytes), version)
}

fn encoded<M: Message>(message: &M, version: i16) -> Bytes {
    let mut writer = Writer::new();
    message.encode(&mut writer, version).unwrap_or_else(|error| panic!("{error}"));
    writer.into_bytes()
}

/// Reads a body and how many bytes it leaves.
fn decoded<M: Message>(bytes: &Bytes, version: i16) -> Result<(M, usize), crate::DecodeError> {
    let mut reader = Reader::new(bytes.clone());
    M::decode(&mut reader, version).map(|message| (message, reader.remaining()))
}
