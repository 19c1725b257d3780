//! What the broker counts about itself: a few relaxed atomics per request or batch, never per record, and no locks.
//!
//! - This file: the counters that requests and connections touch.
//! - `errors`: which error codes a response tells.
//! - `families`: the table of everything that is shown; docs/metrics.md is made from it.
//! - `gather`: reads counters, logs, groups and the process when somebody asks; `page` is the text that comes of it.
//! - `http`: the small server behind `poruka serve --metrics`.
//!
//! Labels are bounded by what the program knows: API names, error codes, durability classes, reasons. Never a topic, a
//! group or a client. What is counted begins at 0 with each start.

mod errors;
mod families;
mod gather;
mod http;
mod page;

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use poruka_guarantee::Durability;
use poruka_log::{Counter, Histogram, MICROS, Piece};
use poruka_wire::records::batches;
use poruka_wire::{ApiKey, ErrorCode};

pub(crate) use self::errors::Errors;
pub(crate) use self::gather::Gathering;
pub use self::http::METRICS_CONNECTIONS_MAX;
pub(crate) use self::http::serve;
pub use self::page::MetricsPage;
use crate::connection::CloseReason;

/// Room for the number of an API.
const API_KEYS_MAX: usize = 128;
/// Room for an error code: Kafka's begin at -1.
const ERROR_CODES_MAX: usize = 160;

/// Everything that is counted while it happens.
pub(crate) struct Metrics {
    apis: Box<[ApiCounts]>,
    classes: [ClassCounts; 3],
    /// Produce requests by what they ask for, in the order of [`ACKS`].
    acks: [Counter; 3],
    fetch_wait: Histogram,
    accepted: Counter,
    refused: Counter,
    closed: [Counter; CLOSE_REASONS.len()],
}

#[derive(Default)]
struct ApiCounts {
    requests: Counter,
    /// By code; made with the first error.
    errors: OnceLock<Box<[Counter]>>,
}

/// What is counted for each durability class.
struct ClassCounts {
    produced: Flow,
    fetched: Flow,
    /// Batches that had been appended before.
    duplicates: Counter,
    /// From the arrival of a produce request to its answer.
    ack: Histogram,
}

#[derive(Default)]
struct Flow {
    batches: Counter,
    records: Counter,
    bytes: Counter,
}

impl Default for ClassCounts {
    fn default() -> ClassCounts {
        ClassCounts {
            produced: Flow::default(),
            fetched: Flow::default(),
            duplicates: Counter::default(),
            ack: Histogram::new(MICROS),
        }
    }
}

/// A set of durability classes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Classes(u8);

impl Classes {
    pub(crate) fn add(&mut self, class: Durability) {
        self.0 |= 1 << index(class);
    }
}

/// Batches, records and bytes on their way out, counted once the answer is decided.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent([(u64, u64, u64); 3]);

impl Sent {
    /// Counts whole batches.
    pub(crate) fn add(&mut self, class: Durability, piece: &Piece) {
        match piece {
            Piece::Memory(bytes) => self.add_bytes(class, bytes),
            Piece::File(slice) => {
                let sent = &mut self.0[index(class)];
                sent.0 += slice.batches();
                sent.1 += slice.records();
                sent.2 += piece.len() as u64;
            }
        }
    }

    /// Counts whole batches, one behind the other.
    fn add_bytes(&mut self, class: Durability, bytes: &Bytes) {
        let sent = &mut self.0[index(class)];
        sent.2 += bytes.len() as u64;
        for (header, _) in batches(bytes).map_while(Result::ok) {
            sent.0 += 1;
            sent.1 += u64::try_from(header.record_count).unwrap_or(0);
        }
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            apis: (0..API_KEYS_MAX).map(|_| ApiCounts::default()).collect(),
            classes: Default::default(),
            acks: Default::default(),
            fetch_wait: Histogram::new(MICROS),
            accepted: Counter::default(),
            refused: Counter::default(),
            closed: Default::default(),
        }
    }
}

impl Metrics {
    /// A request of that kind has been understood.
    pub(crate) fn requested(&self, api: ApiKey) {
        if let Some(counts) = self.api(api) {
            counts.requests.add(1);
        }
    }

    /// A response of that kind tells an error.
    pub(crate) fn told(&self, api: ApiKey, code: ErrorCode) {
        if code == ErrorCode::None {
            return;
        }
        let Some(counts) = self.api(api) else { return };
        let errors = counts.errors.get_or_init(|| (0..ERROR_CODES_MAX).map(|_| Counter::default()).collect());
        // A code that we do not know is counted as the one that says nothing.
        let slot = usize::try_from(i32::from(code.code()) + 1).ok().filter(|slot| *slot < errors.len());
        errors[slot.unwrap_or(0)].add(1);
    }

    fn api(&self, api: ApiKey) -> Option<&ApiCounts> {
        self.apis.get(usize::try_from(api.code()).ok()?)
    }

    /// A produce request with that `acks` has been handled.
    pub(crate) fn acks(&self, acks: i16) {
        if let Some(counter) = usize::try_from(i32::from(acks) + 1).ok().and_then(|slot| self.acks.get(slot))
        {
            counter.add(1);
        }
    }

    /// A batch was appended.
    pub(crate) fn produced(&self, class: Durability, records: u64, bytes: usize) {
        let flow = &self.classes[index(class)].produced;
        flow.batches.add(1);
        flow.records.add(records);
        flow.bytes.add(bytes as u64);
    }

    /// A batch was there already.
    pub(crate) fn repeated(&self, class: Durability) {
        self.classes[index(class)].duplicates.add(1);
    }

    /// A produce request for topics of those classes is answered.
    pub(crate) fn acknowledged(&self, classes: Classes, took: Duration) {
        for (number, counts) in self.classes.iter().enumerate() {
            if classes.0 & 1 << number != 0 {
                counts.ack.observe_micros(took);
            }
        }
    }

    /// A fetch is answered with these batches.
    pub(crate) fn fetched(&self, sent: &Sent, waited: Duration) {
        self.fetch_wait.observe_micros(waited);
        for (counts, (batches, records, bytes)) in self.classes.iter().zip(sent.0) {
            if batches > 0 {
                counts.fetched.batches.add(batches);
                counts.fetched.records.add(records);
                counts.fetched.bytes.add(bytes);
            }
        }
    }

    /// A connection arrived and is served.
    pub(crate) fn accepted(&self) {
        self.accepted.add(1);
    }

    /// A connection arrived and was one too many.
    pub(crate) fn refused(&self) {
        self.refused.add(1);
    }

    /// A connection has ended.
    pub(crate) fn closed(&self, reason: &CloseReason) {
        self.closed[close_reason(reason)].add(1);
    }
}

/// What a produce request may ask for, as labels: acks of -1, 0 and 1.
const ACKS: [&str; 3] = ["all", "0", "1"];
/// Why connections end, as labels.
const CLOSE_REASONS: [&str; 8] =
    ["peer_closed", "idle", "draining", "crowded", "not_kafka", "bad_frame", "refused", "socket"];

fn close_reason(reason: &CloseReason) -> usize {
    match reason {
        CloseReason::PeerClosed => 0,
        CloseReason::Idle => 1,
        CloseReason::Draining => 2,
        CloseReason::Crowded => 3,
        CloseReason::NotKafka(_) => 4,
        CloseReason::BadFrame(_) => 5,
        CloseReason::Refused(_) => 6,
        CloseReason::Socket(_) => 7,
    }
}

fn index(class: Durability) -> usize {
    class as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_and_every_error_code_has_a_place() {
        assert!(ApiKey::ALL.iter().all(|api| (0..API_KEYS_MAX as i16).contains(&api.code())));
        assert!(ErrorCode::ALL.iter().all(|code| (-1..ERROR_CODES_MAX as i16 - 1).contains(&code.code())));
    }

    #[test]
    fn classes_are_numbered_as_they_are_listed() {
        assert!(Durability::ALL.iter().enumerate().all(|(number, class)| index(*class) == number));
    }

    #[test]
    fn bytes_that_are_no_batches_are_counted_as_bytes_and_end_the_walk() {
        let mut sent = Sent::default();
        for hostile in [vec![0xff; 200], vec![0; 60], Vec::new()] {
            sent.add(Durability::Memory, &Bytes::from(hostile).into());
        }
        assert_eq!(sent.0[0], (0, 0, 260));
    }
}
