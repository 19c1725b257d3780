//! The producer: records in, one outcome each.
//!
//! `machine.rs` and `answers.rs` are the state machine, `verdict.rs` and `attempts.rs` the outcome rule, `queue.rs`,
//! `batch.rs` and `stamps.rs` its parts; `driver.rs` gives it sockets and time, `producer.rs` is what users see.

mod answers;
mod attempts;
mod batch;
mod config;
mod driver;
mod encode;
mod machine;
mod outcome;
mod partitioner;
mod producer;
mod queue;
mod stamps;
#[cfg(test)]
mod tests;
mod verdict;

pub use batch::{Payload, Stamp, TopicPartition};
pub use config::{Acks, ProducerConfig};
pub use machine::{IN_FLIGHT_BATCHES_MAX, Mode};
pub use outcome::{Acked, Cause, Failure, Outcome};
pub use producer::{Pending, Producer, ProducerStats, Record, Reserved, SendError};
pub use stamps::Identity;
pub use verdict::{Next, Row, TABLE, Verdict, lookup, verdict};
