//! How a producer behaves: mode, acks, sizes and times.

use std::time::Duration;

use poruka_wire::records::Compression;

use super::machine::{IN_FLIGHT_BATCHES_MAX, Mode, Settings};
use crate::backoff::Backoff;

/// What the broker is asked to have done before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Nothing: it does not answer at all.
    None,
    /// The leader has appended.
    Leader,
    /// All in-sync replicas have appended.
    All,
}

impl Acks {
    pub(crate) fn number(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// Settings of one producer.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// How it tries.
    pub mode: Mode,
    /// What it waits for.
    pub acks: Acks,
    /// How batches are compressed.
    pub compression: Compression,
    /// How long a batch that is not full waits for more records.
    pub linger: Duration,
    /// A batch is closed at this size, before compression. Must not pass the topic's `max.message.bytes`.
    pub batch_bytes_max: usize,
    /// A request carries at most this much, unless a single batch is larger.
    pub request_bytes_max: usize,
    /// Records that are not finished may take this much memory; then `send` waits and `try_send` drops.
    pub memory_bytes_max: usize,
    /// Batches of one partition in flight, 1 to 5.
    pub in_flight_batches_max: usize,
    /// Every record has its outcome at the latest this long after it was handed over.
    pub delivery_timeout: Duration,
    /// An attempt without an answer after this is lost, and its connection is closed.
    pub request_timeout: Duration,
    /// Waits between attempts.
    pub backoff: Backoff,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        ProducerConfig {
            mode: Mode::Stamped,
            acks: Acks::All,
            compression: Compression::None,
            linger: Duration::ZERO,
            batch_bytes_max: 128 << 10,
            request_bytes_max: 1 << 20,
            memory_bytes_max: 32 << 20,
            in_flight_batches_max: IN_FLIGHT_BATCHES_MAX,
            delivery_timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(30),
            backoff: Backoff::default(),
        }
    }
}

impl ProducerConfig {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            mode: self.mode,
            linger: self.linger,
            batch_bytes_max: self.batch_bytes_max,
            request_bytes_max: self.request_bytes_max,
            in_flight_max: self.in_flight_batches_max.clamp(1, IN_FLIGHT_BATCHES_MAX),
            delivery_timeout: self.delivery_timeout,
            backoff: self.backoff,
        }
    }
}
