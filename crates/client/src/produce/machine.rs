//! The producer as a state machine: records in, requests and outcomes out. No I/O, no clock, no randomness of its own.
//!
//! Fault model: an answer may be lost after the broker acted, a request may be cut in half, connections break, leaders
//! move, topics are made anew, the broker restarts. Under all of it: a record gets exactly one outcome; sequences of a
//! partition leave in order and are fixed over retries; at most `in_flight_max` batches of a partition are in flight, all
//! on one connection; the epoch rises only when nothing stamped is unresolved; a single-attempt producer never hands a
//! batch to the network twice.
//!
//! Sources: KIP-98, KIP-360, KIP-185 (delivery timeout), and the outcome rule in `verdict.rs` and `attempts.rs`.
//! Not here: what an answer means for the state (`answers.rs`), encoding (`encode.rs`), sockets (`driver.rs`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use poruka_env::Mono;
use poruka_wire::{Str, Uuid};

use super::batch::{Batch, Payload, Stamp, TopicPartition};
use super::outcome::{Cause, Outcome};
use super::queue::{Leader, Queue};
use super::stamps::{Identity, Stamps, sequence_after};
use crate::backoff::Backoff;

/// Batches of one partition in flight: what a broker can tell apart for a stamped producer (Kafka keeps 5).
pub const IN_FLIGHT_BATCHES_MAX: usize = 5;
/// Requests of one producer in flight to one node.
const IN_FLIGHT_REQUESTS_MAX: usize = 16;

/// How a producer tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Retried until acked or the deadline, unstamped: a retry may append twice.
    Plain,
    /// Retried until acked or the deadline, stamped: a retry is recognised, order is kept.
    Stamped,
    /// One attempt, ever. `stamped`: a repeat made by the network is recognised.
    SingleAttempt {
        /// Whether batches carry producer id, epoch and sequence.
        stamped: bool,
    },
}

impl Mode {
    fn is_stamped(self) -> bool {
        matches!(self, Mode::Stamped | Mode::SingleAttempt { stamped: true })
    }

    pub(crate) fn is_single(self) -> bool {
        matches!(self, Mode::SingleAttempt { .. })
    }
}

/// What the machine needs to know of the producer's configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) linger: Duration,
    pub(crate) batch_bytes_max: usize,
    pub(crate) request_bytes_max: usize,
    pub(crate) in_flight_max: usize,
    pub(crate) delivery_timeout: Duration,
    pub(crate) backoff: Backoff,
}

/// One batch of a request: everything needed to encode it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) at: TopicPartition,
    pub(crate) topic_id: Uuid,
    pub(crate) records: Arc<Vec<Payload>>,
    pub(crate) stamp: Option<Stamp>,
}

/// A request to be sent now.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) id: u64,
    pub(crate) node: i32,
    pub(crate) parts: Vec<Part>,
}

pub(crate) struct Machine<K> {
    pub(crate) settings: Settings,
    pub(crate) stamps: Stamps,
    pub(crate) queues: Vec<Queue<K>>,
    index: HashMap<TopicPartition, usize>,
    /// Connected nodes, and which connection.
    nodes: BTreeMap<i32, u64>,
    /// Requests in flight: node and the queues that have their batch in it.
    pub(crate) flights: HashMap<u64, (i32, Vec<(usize, u64)>)>,
    last_flight: u64,
    last_batch: u64,
    /// The queue to look at first, so that none starves behind a full request.
    turn: usize,
    /// Batches whose outcome is not told.
    unfinished: BTreeSet<u64>,
    pub(crate) refresh: BTreeSet<Str>,
    finished: Vec<(K, Outcome)>,
}

impl<K> Machine<K> {
    pub(crate) fn new(settings: Settings) -> Self {
        let stamps = if settings.mode.is_stamped() { Stamps::Wanted } else { Stamps::Off };
        Machine {
            settings,
            stamps,
            queues: Vec::new(),
            index: HashMap::new(),
            nodes: BTreeMap::new(),
            flights: HashMap::new(),
            last_flight: 0,
            last_batch: 0,
            turn: 0,
            unfinished: BTreeSet::new(),
            refresh: BTreeSet::new(),
            finished: Vec::new(),
        }
    }

    /// Takes a record. Returns whether the sender should look (a batch was begun or became full).
    pub(crate) fn push(&mut self, now: Mono, at: &TopicPartition, payload: Payload, token: K) -> bool {
        let queue = self.queue_index(at);
        let (last_batch, unfinished) = (&mut self.last_batch, &mut self.unfinished);
        let deadline = now + self.settings.delivery_timeout;
        self.queues[queue].push(payload, token, self.settings.batch_bytes_max, || {
            *last_batch += 1;
            unfinished.insert(*last_batch);
            Batch::new(*last_batch, now, deadline)
        })
    }

    fn queue_index(&mut self, at: &TopicPartition) -> usize {
        if let Some(found) = self.index.get(at) {
            return *found;
        }
        self.queues.push(Queue::new(at.clone()));
        self.index.insert(at.clone(), self.queues.len() - 1);
        self.queues.len() - 1
    }

    /// Whether this partition was seen before; if not, its leader should be told.
    pub(crate) fn knows(&self, at: &TopicPartition) -> bool {
        self.index.contains_key(at)
    }

    /// Topics seen so far.
    pub(crate) fn topics(&self) -> BTreeSet<Str> {
        self.queues.iter().map(|queue| queue.at.topic.clone()).collect()
    }

    /// Partitions seen so far.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.queues.iter().map(|queue| &queue.at)
    }

    /// Notes who leads a partition now (`None`: nobody).
    pub(crate) fn set_leader(&mut self, at: &TopicPartition, leader: Option<Leader>) {
        let queue = self.queue_index(at);
        self.queues[queue].leader = leader;
    }

    /// A connection to `node` stands; `connection` tells it from earlier ones.
    pub(crate) fn node_up(&mut self, node: i32, connection: u64) {
        self.nodes.insert(node, connection);
    }

    /// The connection to `node` broke. Requests in flight on it are reported one by one, apart from this. What a
    /// single-attempt producer has written without asking for an answer may be lost, so its sequences have a hole.
    pub(crate) fn node_down(&mut self, node: i32, connection: u64) {
        if self.nodes.get(&node) != Some(&connection) {
            return;
        }
        self.nodes.remove(&node);
        if self.settings.mode.is_single() {
            self.stamps.break_sequence(false);
        }
        for queue in &self.queues {
            if queue.leader.is_some_and(|leader| leader.node == node) {
                self.refresh.insert(queue.at.topic.clone());
            }
        }
    }

    /// The broker gave us an id.
    pub(crate) fn identity(&mut self, identity: Identity) {
        if self.stamps == Stamps::Wanted {
            self.stamps = Stamps::Held(identity);
        }
    }

    /// No broker will give us an id: nothing that is not in flight can be sent.
    pub(crate) fn identity_refused(&mut self, code: i16, message: Option<&str>) {
        for at in 0..self.queues.len() {
            for mut batch in self.queues[at].take_all() {
                batch.attempts.refused(Cause::Code(code), message.map(str::to_owned));
                let outcome = batch.attempts.end_by_last();
                self.tell(&mut batch, |_| outcome.clone());
            }
        }
    }

    /// Whether an id must be asked for.
    pub(crate) fn wants_identity(&self) -> bool {
        self.stamps == Stamps::Wanted && self.queues.iter().any(|queue| !queue.is_idle())
    }

    /// Topics whose leaders should be looked up; forgets them.
    pub(crate) fn take_refresh(&mut self) -> BTreeSet<Str> {
        std::mem::take(&mut self.refresh)
    }

    /// Nodes that lead something with work, and are not connected.
    pub(crate) fn wants_connection(&self) -> BTreeSet<i32> {
        let leaders = self.queues.iter().filter(|queue| !queue.is_idle()).filter_map(|queue| queue.leader);
        leaders.map(|leader| leader.node).filter(|node| !self.nodes.contains_key(node)).collect()
    }

    /// Topics with work and a partition without a leader.
    pub(crate) fn leaderless(&self) -> BTreeSet<Str> {
        let lost = self.queues.iter().filter(|queue| queue.leader.is_none() && !queue.is_idle());
        lost.map(|queue| queue.at.topic.clone()).collect()
    }

    /// Closes all filling batches, and returns the mark to wait for with `is_finished_up_to`.
    pub(crate) fn flush(&mut self) -> u64 {
        for queue in &mut self.queues {
            queue.close_open();
        }
        self.last_batch
    }

    /// Whether the outcome of every batch up to the mark was told.
    pub(crate) fn is_finished_up_to(&self, mark: u64) -> bool {
        self.unfinished.first().is_none_or(|oldest| *oldest > mark)
    }

    /// Outcomes since the last call.
    pub(crate) fn take_finished(&mut self) -> Vec<(K, Outcome)> {
        std::mem::take(&mut self.finished)
    }

    /// Tells the outcome of all records of a batch.
    pub(crate) fn tell(&mut self, batch: &mut Batch<K>, outcome: impl Fn(usize) -> Outcome) {
        for (at, token) in batch.tokens.drain(..).enumerate() {
            self.finished.push((token, outcome(at)));
        }
        self.unfinished.remove(&batch.id);
    }

    /// Ends everything now: what is in flight as its attempts say, the rest too.
    pub(crate) fn abandon(&mut self) {
        for at in 0..self.queues.len() {
            for mut batch in self.queues[at].take_all() {
                let outcome = batch.attempts.end(Cause::Closed);
                self.tell(&mut batch, |_| outcome.clone());
            }
            self.tell_flying(at, Mono::MAX, &Cause::Closed);
        }
    }

    /// Tells "unknown" for batches in flight whose deadline has passed; they stay in flight until they are answered,
    /// because later sequences depend on what became of them.
    fn tell_flying(&mut self, at: usize, now: Mono, cause: &Cause) {
        let mut flying = std::mem::take(&mut self.queues[at].flying);
        for batch in flying.iter_mut().filter(|batch| !batch.is_told() && batch.deadline <= now) {
            let mut attempts = batch.attempts.clone();
            attempts.ambiguous(cause.clone(), None);
            self.tell(batch, |_| attempts.end(cause.clone()));
        }
        self.queues[at].flying = flying;
    }

    /// What is to be sent now. Call again until it returns `None`.
    pub(crate) fn poll(&mut self, now: Mono) -> Option<Flight> {
        self.expire(now);
        self.mend();
        if self.stamps == Stamps::Wanted {
            return None;
        }
        let nodes: Vec<(i32, u64)> =
            self.nodes.iter().map(|(node, connection)| (*node, *connection)).collect();
        nodes.into_iter().find_map(|(node, connection)| self.flight_to(now, node, connection))
    }

    fn expire(&mut self, now: Mono) {
        for at in 0..self.queues.len() {
            for mut batch in self.queues[at].take_expired(now) {
                let outcome = batch.attempts.end(Cause::Deadline);
                if batch.stamp.is_some() {
                    self.queues[at].own_hole = true;
                    self.stamps.break_sequence(false);
                }
                self.tell(&mut batch, |_| outcome.clone());
            }
            self.tell_flying(at, now, &Cause::Deadline);
        }
    }

    /// Raises the epoch once every stamped batch is resolved.
    fn mend(&mut self) {
        if !self.stamps.is_broken() || self.queues.iter().any(Queue::has_unresolved_stamp) {
            return;
        }
        self.stamps.mend();
        for queue in &mut self.queues {
            queue.restart_sequences();
        }
    }

    fn flight_to(&mut self, now: Mono, node: i32, connection: u64) -> Option<Flight> {
        let flying = self.flights.values().filter(|(to, _)| *to == node).count();
        if flying >= IN_FLIGHT_REQUESTS_MAX {
            return None;
        }
        let (mut parts, mut carried, mut bytes) = (Vec::new(), Vec::new(), 0);
        let (count, turn) = (self.queues.len(), self.turn);
        for at in (0..count).map(|step| (turn + step) % count) {
            // A filling batch is closed only when it can leave: until then it may as well take more records.
            if self.queues[at].head().is_none() && self.may_leave(now, at, node, connection, false) {
                self.queues[at].close_if_due(now, self.settings.linger);
            }
            let Some((size, stamped)) = self.queues[at].head().map(|head| (head.bytes, head.stamp.is_some()))
            else {
                continue;
            };
            if !self.may_leave(now, at, node, connection, stamped) {
                continue;
            }
            if !parts.is_empty() && bytes + size > self.settings.request_bytes_max {
                continue;
            }
            if let Some((part, id)) = self.launch(at, connection) {
                bytes += size;
                parts.push(part);
                carried.push((at, id));
            }
        }
        let (first, _) = carried.first()?;
        self.turn = first + 1;
        self.last_flight += 1;
        self.flights.insert(self.last_flight, (node, carried));
        Some(Flight { id: self.last_flight, node, parts })
    }

    /// Whether a batch of this queue may leave for `node` now; `stamped`: one that has left before.
    fn may_leave(&self, now: Mono, at: usize, node: i32, connection: u64, stamped: bool) -> bool {
        let queue = &self.queues[at];
        let led_here = queue.leader.is_some_and(|leader| leader.node == node);
        if !led_here || queue.is_recovering() || now < queue.not_before {
            return false;
        }
        // Batches of one partition share a connection: only then does the broker see them in our order.
        let same_connection = queue.flying.back().is_none_or(|batch| batch.connection == connection);
        // A broker that has not seen this identity yet takes any first sequence. Until it has acked one, a batch that comes
        // through while the one before it is refused would open a hole that can never be filled.
        let alone = self.settings.mode == Mode::Stamped && !queue.anchored;
        let limit = if alone { 1 } else { self.settings.in_flight_max };
        let has_room = queue.flying.len() < limit && (stamped || queue.stamped_span() < limit);
        // While the sequence is broken, only what must be resolved before the epoch may rise is sent, in its old order.
        let may_stamp = !self.stamps.is_broken() || stamped && queue.has_unresolved_stamp();
        same_connection && has_room && may_stamp
    }

    /// Moves the head of a queue into flight, stamping it if it never was.
    fn launch(&mut self, at: usize, connection: u64) -> Option<(Part, u64)> {
        let queue = &mut self.queues[at];
        let leader = queue.leader?;
        let mut batch = queue.take_head()?;
        if batch.stamp.is_none()
            && let Some(identity) = self.stamps.current()
        {
            let sequence = queue.next_sequence;
            queue.next_sequence = sequence_after(sequence, batch.record_count());
            queue.last_ordinal += 1;
            batch.ordinal = queue.last_ordinal;
            batch.stamp = Some(Stamp { producer_id: identity.producer_id, epoch: identity.epoch, sequence });
        }
        batch.connection = connection;
        let part = Part {
            at: queue.at.clone(),
            topic_id: leader.topic_id,
            records: Arc::clone(&batch.records),
            stamp: batch.stamp,
        };
        let id = batch.id;
        queue.flying.push_back(batch);
        assert!(
            queue.flying.len() <= self.settings.in_flight_max,
            "more batches in flight than the broker can tell apart"
        );
        Some((part, id))
    }

    /// When `poll` should be called again if nothing else happens.
    pub(crate) fn wake_at(&self, now: Mono) -> Option<Mono> {
        let mut wake: Option<Mono> = None;
        let mut sooner = |moment: Mono| wake = Some(wake.map_or(moment, |known: Mono| known.min(moment)));
        for queue in &self.queues {
            if let Some(deadline) = queue.earliest_deadline() {
                sooner(deadline);
            }
            if let Some(due) = queue.due_at(self.settings.linger).filter(|due| *due > now) {
                sooner(due);
            }
            if queue.not_before > now && queue.head().is_some() {
                sooner(queue.not_before);
            }
        }
        wake
    }
}
