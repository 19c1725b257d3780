//! What happened in one phase, as seen from outside: sends, deliveries, faults and two reads of the log.
//!
//! A history is plain data. It is recorded while the phase runs and judged afterwards, so that a checker can be
//! tested on histories that were written by hand.

use poruka_guarantee::Durability;

use crate::payload::{Stamp, Truth};

/// What a send came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It was never handed to the producer, or the producer never answered.
    #[default]
    NotSent,
    /// The producer said that the broker stored it there.
    Acked {
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
    },
    /// It was handed over and nothing is claimed.
    Sent,
    /// The producer said that it was certainly not stored.
    NotAppended,
    /// The producer said that it may or may not be stored.
    Unknown,
}

/// One send. Times are microseconds since the start of the phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Send {
    /// When it was handed over.
    pub began_us: u64,
    /// When the outcome was known.
    pub ended_us: u64,
    /// What it came to.
    pub outcome: Outcome,
}

/// One call of a consumer's handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When the handler was called.
    pub at_us: u64,
    /// Which consumer it was; a consumer that was started again has a new number.
    pub consumer: u32,
    /// The partition that the library named.
    pub partition: i32,
    /// The offset that the library named.
    pub offset: i64,
    /// What the payload said; `None` when it did not read back.
    pub truth: Option<Truth>,
}

/// One record in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its offset.
    pub offset: i64,
    /// What the payload said; `None` when it did not read back.
    pub truth: Option<Truth>,
}

/// One partition, read from its start to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionRead {
    /// The partition.
    pub partition: i32,
    /// Its records, in the order in which the broker gave them.
    pub entries: Vec<Entry>,
    /// The offset that the group under test had committed; 0 before the first commit.
    pub committed: i64,
}

/// All partitions of the topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRead {
    /// The partitions.
    pub partitions: Vec<PartitionRead>,
}

/// The broker's process ended by force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerEnd {
    /// When.
    pub at_us: u64,
}

/// A fault on the time line, for people who read a counter-example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultMark {
    /// When.
    pub at_us: u64,
    /// What, in a few words.
    pub what: String,
}

/// Everything about one phase that the checker needs.
#[derive(Clone, Debug)]
pub struct History {
    /// Whose records these are.
    pub stamp: Stamp,
    /// What the topic survives: explains which records may be gone.
    pub durability: Durability,
    /// Whether the producer claims an outcome at all.
    pub acknowledges: bool,
    /// By record index.
    pub sends: Vec<Send>,
    /// In the order in which handlers were called.
    pub deliveries: Vec<Delivery>,
    /// When the broker was ended with work in flight, in order; the last end, after `live`, is not among them.
    pub ends: Vec<BrokerEnd>,
    /// The log after the work, before the last end.
    pub live: LogRead,
    /// The log after the last end and a restart.
    pub after: LogRead,
    /// Every fault that took effect.
    pub faults: Vec<FaultMark>,
}
