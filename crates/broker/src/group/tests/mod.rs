//! Rules of Apache Kafka 4.3, one test each, and the invariants under arbitrary interleavings.

mod classic_join;
mod classic_static;
mod classic_sync;
mod offset_rules;
mod world;
