//! The consumer: records and events out, positions kept.
//!
//! `machine.rs` and `answers.rs` are the reading, `member.rs` the group membership, both pure; `slot.rs` and `decode.rs` their
//! parts; `driver.rs` gives them sockets and time, `consumer.rs` is what users see.

mod answers;
mod config;
mod consumer;
mod decode;
mod driver;
mod event;
mod machine;
mod member;
mod slot;
#[cfg(test)]
mod tests;

pub use config::{ConsumerConfig, GroupConfig, Reset, Start};
pub use consumer::Consumer;
pub use event::{Event, Records};
