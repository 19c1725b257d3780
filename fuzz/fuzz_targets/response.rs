//! The target `response` under a fuzzer.
#![no_main]

#[path = "../../crates/wire/tests/fuzz/targets.rs"]
#[expect(dead_code, reason = "each program runs one of the targets")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::response(data));
