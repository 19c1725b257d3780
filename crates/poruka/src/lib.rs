//! Name a delivery guarantee, get it, prove it: the public library.
//!
//! A [`Bus`] is a broker inside this process ([`Bus::open`]: no socket, no server) or a connection to one elsewhere, ours
//! or an Apache Kafka ([`Bus::connect`]). Both behave the same. A [`Topic`] is opened with a guarantee, by [`Name`] or by
//! its dials, and everything else follows: how the topic is made, how producers send, when consumers commit
//! ([`settings_for`] shows it, each setting with its reason). What the broker underneath cannot keep is refused.
//!
//! - [`Producer::send`] returns a [`Receipt`]: topic, partition, offset, and what the record survives; a [`SendError`]
//!   says whether the record may have been written all the same, whether to try again, and what to fix.
//! - [`Consumer::next`] hands out records and [`Notice`]s; [`Consumer::run`] is the loop around a handler.
//! - [`Durability`] and the rest of the vocabulary come from `poruka-guarantee`.
//!
//! exactly-once and causal are names that are not built yet: they are refused, never weakened.
//! One runnable example per name is in `examples/`.

mod address;
mod bus;
mod consumer;
#[cfg(feature = "embedded")]
mod embedded;
mod judge;
#[cfg(feature = "embedded")]
mod local;
mod opening;
mod producer;
mod receipt;
mod record;
mod sequence;
mod settings;
mod topic;

pub use address::{Address, BadAddress};
pub use bus::{Bus, BusError, TopicError};
pub use consumer::{Batch, ConsumeError, Consumer, ConsumerOptions, From, Moved, Notice, RunError};
pub use judge::TooWeak;
pub use poruka_client::produce::{Failure, ProducerStats};
pub use poruka_guarantee::{Delivery, Durability, Guarantee, Name, Order};
pub use poruka_wire::records::Compression;
pub use producer::{Pending, Producer, ProducerOptions};
pub use receipt::{Action, Reached, Receipt, SendError};
pub use record::{Received, Record};
pub use sequence::{
    GapReason, INSTANCES_PER_PARTITION_MAX, SEQUENCE_HEADER, SequenceEvent, SequenceNotice, Stamp,
};
pub use settings::{
    Acks, Attempts, BeyondEnd, Commit, ConsumerSettings, ProducerSettings, Reason, Refusal, Settings,
    TopicSettings, WhenFull, settings_for,
};
pub use topic::{Topic, TopicSpec};

/// The code in README.md, compiled with the documentation's tests so that it stays true.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
