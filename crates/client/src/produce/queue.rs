//! One partition's batches: filling, waiting, in flight, returned for another attempt. Pure.
//!
//! Order is kept by construction: batches leave in the order they were made, and once one of those in flight has to be
//! tried again nothing leaves until all of them are answered; then the returned ones go first, in their old order.

use std::collections::VecDeque;
use std::time::Duration;

use poruka_env::Mono;
use poruka_wire::Uuid;

use super::batch::{Batch, Payload, TopicPartition};

/// Who leads a partition, and under which identity the topic is known there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    /// The node.
    pub(crate) node: i32,
    /// The topic's id: another incarnation of the same name has another one.
    pub(crate) topic_id: Uuid,
}

pub(crate) struct Queue<K> {
    pub(crate) at: TopicPartition,
    pub(crate) leader: Option<Leader>,
    /// Still filling.
    open: Option<Batch<K>>,
    /// Closed, in order; those that come back for another attempt stand in front.
    waiting: VecDeque<Batch<K>>,
    /// Sent, in order, not answered.
    pub(crate) flying: VecDeque<Batch<K>>,
    /// Answered, to be tried again once `flying` is empty.
    returned: Vec<Batch<K>>,
    pub(crate) next_sequence: i32,
    /// Stamped batches so far.
    pub(crate) last_ordinal: u64,
    /// A batch was acked under the current identity, so the broker knows where our sequence stands.
    pub(crate) anchored: bool,
    /// A stamped batch ended without an ack under the current epoch: later sequences are refused because of us.
    pub(crate) own_hole: bool,
    /// Rounds of attempts in a row without an ack.
    pub(crate) failures: u32,
    pub(crate) not_before: Mono,
}

impl<K> Queue<K> {
    pub(crate) fn new(at: TopicPartition) -> Self {
        Queue {
            at,
            leader: None,
            open: None,
            waiting: VecDeque::new(),
            flying: VecDeque::new(),
            returned: Vec::new(),
            next_sequence: 0,
            last_ordinal: 0,
            anchored: false,
            own_hole: false,
            failures: 0,
            not_before: Mono::ZERO,
        }
    }

    /// Takes a record. `fresh` makes a new batch when one is needed. Returns whether the sender has something new to
    /// look at: a batch was begun, or closed because it was full.
    pub(crate) fn push(
        &mut self,
        payload: Payload,
        token: K,
        batch_bytes_max: usize,
        fresh: impl FnOnce() -> Batch<K>,
    ) -> bool {
        let full = self.open.as_ref().is_some_and(|open| open.bytes + payload.bytes() > batch_bytes_max);
        if full {
            self.close_open();
        }
        let begun = self.open.is_none();
        self.open.get_or_insert_with(fresh).push(payload, token);
        let now_full = self.open.as_ref().is_some_and(|open| open.bytes >= batch_bytes_max);
        if now_full {
            self.close_open();
        }
        begun || full || now_full
    }

    /// Closes the filling batch, so that it may leave at once.
    pub(crate) fn close_open(&mut self) {
        if let Some(open) = self.open.take() {
            self.waiting.push_back(open);
        }
    }

    /// Closes the filling batch if it has waited for company long enough.
    pub(crate) fn close_if_due(&mut self, now: Mono, linger: Duration) {
        if self.open.as_ref().is_some_and(|open| now >= open.created + linger) {
            self.close_open();
        }
    }

    /// When the filling batch is due.
    pub(crate) fn due_at(&self, linger: Duration) -> Option<Mono> {
        self.open.as_ref().map(|open| open.created + linger)
    }

    /// The batch that would leave next.
    pub(crate) fn head(&self) -> Option<&Batch<K>> {
        if self.is_recovering() { None } else { self.waiting.front() }
    }

    pub(crate) fn take_head(&mut self) -> Option<Batch<K>> {
        self.waiting.pop_front()
    }

    /// Whether returned batches wait for those still in flight.
    pub(crate) fn is_recovering(&self) -> bool {
        !self.returned.is_empty()
    }

    /// Keeps an answered batch for another attempt.
    pub(crate) fn give_back(&mut self, batch: Batch<K>) {
        self.returned.push(batch);
    }

    /// Once nothing is in flight any more: returned batches go to the front in their old order. Returns whether any did.
    pub(crate) fn settle(&mut self) -> bool {
        if !self.flying.is_empty() || self.returned.is_empty() {
            return false;
        }
        self.returned.sort_by_key(|batch| batch.id);
        while let Some(batch) = self.returned.pop() {
            self.waiting.push_front(batch);
        }
        true
    }

    /// How many stamped batches there are from the oldest unresolved one on, answered or not. A broker tells repeats of the
    /// last five apart; an older one that must be tried again would no longer be recognised.
    pub(crate) fn stamped_span(&self) -> usize {
        let unresolved = self.flying.iter().chain(&self.returned).chain(&self.waiting);
        let oldest = unresolved.filter(|batch| batch.stamp.is_some()).map(|batch| batch.ordinal).min();
        oldest.map_or(0, |oldest| usize::try_from(self.last_ordinal + 1 - oldest).unwrap_or(usize::MAX))
    }

    /// Whether a batch made before `id` is still unresolved here.
    pub(crate) fn has_earlier_unresolved(&self, id: u64) -> bool {
        self.flying.iter().chain(&self.returned).chain(&self.waiting).any(|batch| batch.id < id)
    }

    /// Whether a stamped batch is in flight, or may have been appended without our knowing.
    pub(crate) fn has_unresolved_stamp(&self) -> bool {
        !self.flying.is_empty()
            || !self.returned.is_empty()
            || self.waiting.iter().any(|batch| batch.stamp.is_some() && batch.attempts.is_unknown())
    }

    /// Forgets stamps of batches that are provably not appended, and counts sequences from 0 again.
    pub(crate) fn restart_sequences(&mut self) {
        for batch in &mut self.waiting {
            batch.stamp = None;
        }
        self.next_sequence = 0;
        self.anchored = false;
        self.own_hole = false;
    }

    /// Removes the batches that are not in flight and whose deadline has passed.
    pub(crate) fn take_expired(&mut self, now: Mono) -> Vec<Batch<K>> {
        let mut expired = Vec::new();
        if self.open.as_ref().is_some_and(|open| open.deadline <= now) {
            expired.extend(self.open.take());
        }
        // Waiting batches stand in the order in which they were made, so the first is the first to expire.
        while self.waiting.front().is_some_and(|batch| batch.deadline <= now) {
            expired.extend(self.waiting.pop_front());
        }
        while let Some(at) = self.returned.iter().position(|batch| batch.deadline <= now) {
            expired.push(self.returned.remove(at));
        }
        expired
    }

    /// Removes everything that is not in flight.
    pub(crate) fn take_all(&mut self) -> Vec<Batch<K>> {
        self.close_open();
        self.returned.drain(..).chain(self.waiting.drain(..)).collect()
    }

    /// The earliest deadline of anything here whose outcome is not told.
    pub(crate) fn earliest_deadline(&self) -> Option<Mono> {
        let flying = self.flying.iter().find(|batch| !batch.is_told());
        let some = self.open.iter().chain(self.waiting.front()).chain(flying).chain(&self.returned);
        some.map(|batch| batch.deadline).min()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_none() && self.waiting.is_empty() && self.flying.is_empty() && self.returned.is_empty()
    }
}
