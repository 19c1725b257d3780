//! How a consumer reads: where it starts, how much it asks for, which group it belongs to.

use std::time::Duration;

use poruka_wire::Str;

use crate::backoff::Backoff;

/// Where reading starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    Earliest,
    /// After the newest record.
    Latest,
    /// At this offset.
    Offset(i64),
    /// At the first record with this timestamp (milliseconds since 1970) or a later one; after the newest if there is none.
    Timestamp(i64),
}

/// What to do where there is no position: no committed offset, or one that is no longer (or not yet) in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Go on at the oldest record.
    Earliest,
    /// Go on after the newest record.
    Latest,
    /// Stop the partition and tell; the application seeks.
    Stop,
}

/// Settings of one consumer.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// Where to go without a position.
    pub reset: Reset,
    /// How long a broker holds an answer back while there is nothing to read.
    pub max_wait: Duration,
    /// A broker answers as soon as it has this much.
    pub min_bytes: i32,
    /// One answer carries at most about this much.
    pub fetch_bytes_max: i32,
    /// One partition's part of an answer; a larger batch comes all the same.
    pub partition_bytes_max: i32,
    /// Fetched and not yet handed out: above this nothing more is asked for.
    pub buffer_bytes_max: usize,
    /// Waits after errors.
    pub backoff: Backoff,
    /// How long a commit, or a look-up of offsets, tries again.
    pub retry_timeout: Duration,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        ConsumerConfig {
            reset: Reset::Earliest,
            max_wait: Duration::from_millis(500),
            min_bytes: 1,
            fetch_bytes_max: 16 << 20,
            partition_bytes_max: 1 << 20,
            buffer_bytes_max: 32 << 20,
            backoff: Backoff::default(),
            retry_timeout: Duration::from_secs(30),
        }
    }
}

/// Membership of a KIP-848 group: the coordinator assigns partitions.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// The group's id.
    pub group: Str,
    /// Topics to read, by name.
    pub topics: Vec<Str>,
    /// Makes the membership static: it outlives a restart of this process within the session timeout.
    pub instance_id: Option<Str>,
    /// How long the application may take to let go of revoked partitions.
    pub rebalance_timeout: Duration,
    /// The coordinator's assignor; `None` takes its default.
    pub assignor: Option<Str>,
}

impl GroupConfig {
    /// Dynamic membership with the coordinator's own assignor, and a minute to let go of partitions.
    pub fn new(group: impl Into<Str>, topics: impl IntoIterator<Item = Str>) -> GroupConfig {
        GroupConfig {
            group: group.into(),
            topics: topics.into_iter().collect(),
            instance_id: None,
            rebalance_timeout: Duration::from_secs(60),
            assignor: None,
        }
    }
}
