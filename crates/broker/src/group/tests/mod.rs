//! Rules of Apache Kafka 4.3, one test each, and the invariants under arbitrary interleavings.

mod classic_join;
mod classic_property;
mod classic_static;
mod classic_sync;
mod consumer_property;
mod consumer_requests;
mod consumer_rules;
mod consumers;
mod lossy;
mod offset_rules;
mod world;
