//! What may be chosen about a consumer; the guarantee decides the rest.

use std::time::Duration;

use poruka_client::Backoff;

/// Where a reader without a committed position starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum From {
    /// At the oldest record.
    #[default]
    Start,
    /// After the newest record.
    End,
    /// At the first record with this timestamp (milliseconds since 1970) or a later one.
    Timestamp(i64),
}

/// What may be chosen about a consumer.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// The consumer group. Its members share the partitions, and its positions are kept by the broker. `None` reads
    /// all partitions alone and keeps no position; at-most-once needs a group.
    pub group: Option<String>,
    /// Where to start without a committed position.
    pub from: From,
    /// How long the broker holds an answer back while there is nothing to read.
    pub wait_max: Duration,
    /// How often a record is given to a handler that fails ([`crate::Consumer::run`]), where records may be handled again.
    pub attempts_max: u32,
    /// Waits between those attempts.
    pub backoff: Backoff,
    /// [`crate::Consumer::run`] commits at most this often.
    pub commit_every: Duration,
    /// How long the commit of a position is tried.
    pub commit_timeout: Duration,
}

impl Default for ConsumerOptions {
    fn default() -> ConsumerOptions {
        ConsumerOptions {
            group: None,
            from: From::Start,
            wait_max: Duration::from_millis(500),
            attempts_max: 10,
            backoff: Backoff::default(),
            commit_every: Duration::from_millis(100),
            commit_timeout: Duration::from_secs(30),
        }
    }
}

impl ConsumerOptions {
    /// A member of a group, with the usual options.
    pub fn group(group: impl Into<String>) -> ConsumerOptions {
        ConsumerOptions { group: Some(group.into()), ..ConsumerOptions::default() }
    }

    /// A reader of its own, that keeps no position.
    pub fn alone() -> ConsumerOptions {
        ConsumerOptions::default()
    }

    /// Starting elsewhere when there is no committed position.
    #[must_use]
    pub fn from(mut self, from: From) -> ConsumerOptions {
        self.from = from;
        self
    }
}
