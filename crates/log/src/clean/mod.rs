//! Cleaning: what leaves a log again. Retention drops whole segments from its start; compaction rewrites segments so that
//! only the last value of each key stays.
//!
//! One worker per engine ([`worker`]) looks at every partition from time to time, in the background: it never holds a
//! partition's lock while it copies records, and both its memory and its disk traffic are bounded ([`crate::LogConfig`]).
//! Nothing at or above the high watermark is ever touched, and only segments that a checkpoint has proven are rewritten.
//! The state logs of the broker have no policy and clean themselves; Memory logs are not compacted.
//!
//! [`plan`] says which segments, [`map`] knows the last offset of each key, [`filter`] what stays of a batch, and
//! [`compaction`] goes through the files. Source: Apache Kafka's retention and log cleaner (KIP-58, KIP-354, KIP-534).
//! Crash argument: docs/storage-format.md.

mod compaction;
pub(crate) mod config;
pub(crate) mod counters;
mod filter;
mod map;
pub(crate) mod plan;
mod reader;
pub(crate) mod retention;
mod target;
mod transactions;
pub(crate) mod worker;
