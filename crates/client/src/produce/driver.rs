//! The producer's own task: it asks the state machine what to do, does it, and tells it what happened.
//!
//! One task submits all requests of a producer, so that the order in which batches leave the machine is the order in which
//! they are written. Everything that waits (a dial, a look-up, an answer) is a task of its own that reports back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poruka_env::Mono;
use poruka_wire::Str;
use poruka_wire::api::InitProducerIdRequest;
use tokio::sync::{Notify, Semaphore, oneshot};

use super::answers::Answer;
use super::batch::TopicPartition;
use super::config::{Acks, ProducerConfig};
use super::encode::{encode, read_answer};
use super::machine::{Flight, Machine};
use super::outcome::Outcome;
use super::partitioner::Partitioner;
use super::queue::Leader;
use super::stamps::Identity;
use crate::cluster::{Client, Lane, Metadata};
use crate::error::{Action, ClientError};
use crate::net::{CallError, Connection, TransportError};

/// What each record leaves behind to hear of its outcome.
pub(crate) struct Token {
    pub(crate) outcome: oneshot::Sender<Outcome>,
    /// What it counts against the producer's memory.
    pub(crate) bytes: u32,
}

pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) config: ProducerConfig,
    pub(crate) lane: Lane,
    pub(crate) memory: Semaphore,
    state: Mutex<State>,
    /// The sender has something to look at.
    pub(crate) wake: Notify,
    /// Some outcomes were told.
    pub(crate) settled: Notify,
    /// Takes no more records.
    pub(crate) closed: AtomicBool,
    /// Nothing is sent any more.
    pub(crate) ended: AtomicBool,
    pub(crate) dropped: AtomicU64,
    pub(crate) acked: AtomicU64,
    pub(crate) failed: AtomicU64,
}

pub(crate) struct State {
    pub(crate) machine: Machine<Token>,
    pub(crate) partitioner: Partitioner,
    links: BTreeMap<i32, (u64, Connection)>,
    last_link: u64,
    dialing: BTreeSet<i32>,
    refreshing: bool,
    asking: bool,
    /// Failures in a row of look-ups, dials and requests for an id.
    failures: u32,
    refreshed: Mono,
}

impl Shared {
    pub(crate) fn new(client: Client, config: ProducerConfig) -> Shared {
        let machine = Machine::new(config.settings());
        let state = State {
            machine,
            partitioner: Partitioner::default(),
            links: BTreeMap::new(),
            last_link: 0,
            dialing: BTreeSet::new(),
            refreshing: false,
            asking: false,
            failures: 0,
            refreshed: client.env().now(),
        };
        Shared {
            lane: client.new_lane(),
            memory: Semaphore::new(config.memory_bytes_max.min(Semaphore::MAX_PERMITS)),
            client,
            config,
            state: Mutex::new(state),
            wake: Notify::new(),
            settled: Notify::new(),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            acked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells outcomes to those who wait for them, and frees their memory.
    pub(crate) fn deliver(&self, finished: Vec<(Token, Outcome)>) {
        if finished.is_empty() {
            return;
        }
        let mut freed = 0;
        for (token, outcome) in finished {
            let good = matches!(outcome, Outcome::Acked(_) | Outcome::Sent { .. });
            let counter = if good { &self.acked } else { &self.failed };
            counter.fetch_add(1, Ordering::Relaxed);
            freed += token.bytes as usize;
            let _ = token.outcome.send(outcome);
        }
        self.memory.add_permits(freed);
        self.settled.notify_waiters();
    }
}

/// What one look at the machine asks for.
struct Step {
    flights: Vec<(Flight, Option<Connection>)>,
    finished: Vec<(Token, Outcome)>,
    dial: Vec<i32>,
    refresh: BTreeSet<Str>,
    ask_identity: bool,
    failures: u32,
    wake_at: Option<Mono>,
}

impl Shared {
    fn step(&self, now: Mono) -> Step {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut flights = Vec::new();
        while let Some(flight) = state.machine.poll(now) {
            let link = state.links.get(&flight.node).map(|(_, connection)| connection.clone());
            flights.push((flight, link));
        }
        let wanted = state.machine.wants_connection();
        let dial: Vec<i32> = wanted.into_iter().filter(|node| state.dialing.insert(*node)).collect();
        let mut refresh = BTreeSet::new();
        if !state.refreshing {
            refresh = state.machine.take_refresh();
            refresh.extend(state.machine.leaderless());
            if now - state.refreshed > self.client.config().metadata_age_max {
                refresh.extend(state.machine.topics());
            }
            state.refreshing = !refresh.is_empty();
        }
        let ask_identity = !state.asking && state.machine.wants_identity();
        state.asking |= ask_identity;
        Step {
            flights,
            finished: state.machine.take_finished(),
            dial,
            refresh,
            ask_identity,
            failures: state.failures,
            wake_at: state.machine.wake_at(now),
        }
    }

    fn answered(&self, flight: u64, answer: &Answer) {
        let now = self.client.env().now();
        let random = self.client.env().random_u64();
        let finished = {
            let mut state = self.lock();
            state.machine.answered(now, flight, answer, random);
            state.machine.take_finished()
        };
        self.deliver(finished);
        self.wake.notify_one();
    }
}

/// The sender: runs until it is aborted.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        let now = shared.client.env().now();
        let step = shared.step(now);
        shared.deliver(step.finished);
        for (flight, link) in step.flights {
            launch(&shared, flight, link);
        }
        start_helpers(&shared, step.dial, step.refresh, step.ask_identity, step.failures);
        match step.wake_at {
            Some(until) => {
                tokio::select! {
                    biased;
                    () = shared.wake.notified() => {}
                    () = shared.client.env().sleep_until(until) => {}
                }
            }
            None => shared.wake.notified().await,
        }
    }
}

/// Encodes and submits one request; a task waits for its answer.
fn launch(shared: &Arc<Shared>, flight: Flight, link: Option<Connection>) {
    let Some(connection) = link else { return shared.answered(flight.id, &Answer::NotSent) };
    let (request, unencodable) = encode(&flight, &shared.config);
    for (at, why) in &unencodable {
        shared.lock().machine.unencodable(shared.client.env().now(), flight.id, at, why);
    }
    if request.topic_data.is_empty() {
        return shared.answered(flight.id, &Answer::NotSent);
    }
    let expects_answer = shared.config.acks != Acks::None;
    let reply = match connection.submit(&request, expects_answer, shared.config.request_timeout) {
        Ok(reply) => reply,
        Err(_) => return shared.answered(flight.id, &Answer::NotSent),
    };
    let reporter = Arc::clone(shared);
    shared.client.env().spawn("producer-answer", async move {
        let answer = match reply.await {
            Ok(Some(response)) => Answer::Parts(read_answer(&flight, &response)),
            Ok(None) => Answer::Written,
            Err(
                CallError::Transport(TransportError::NotSent(_))
                | CallError::Encode(_)
                | CallError::Unsupported(_),
            ) => Answer::NotSent,
            Err(CallError::Transport(TransportError::Lost(_)) | CallError::Decode(_)) => Answer::Lost,
        };
        reporter.answered(flight.id, &answer);
    });
}

fn start_helpers(shared: &Arc<Shared>, dial: Vec<i32>, refresh: BTreeSet<Str>, ask: bool, failures: u32) {
    let env = shared.client.env();
    for node in dial {
        let shared = Arc::clone(shared);
        env.spawn("producer-dial", async move { dial_node(&shared, node).await });
    }
    if !refresh.is_empty() {
        let shared = Arc::clone(shared);
        env.spawn("producer-refresh", async move { refresh_leaders(&shared, refresh, failures).await });
    }
    if ask {
        let shared = Arc::clone(shared);
        env.spawn("producer-identity", async move { ask_identity(&shared, failures).await });
    }
}

/// Connects to a node, and stays until that connection breaks.
async fn dial_node(shared: &Arc<Shared>, node: i32) {
    let dialed = shared.client.connection(node, shared.lane).await;
    let link = match dialed {
        Err(_) => {
            let failures = count_failure(shared);
            // Look the leaders up again meanwhile: the node may have moved, or gone.
            let topics = shared.lock().machine.topics();
            shared.lock().machine.refresh.extend(topics);
            shared.wake.notify_one();
            shared.client.back_off(failures).await;
            shared.lock().dialing.remove(&node);
            shared.wake.notify_one();
            return;
        }
        // The producer has ended meanwhile: nobody else would close this connection.
        Ok(connection) if shared.ended.load(Ordering::Acquire) => {
            connection.close();
            return;
        }
        Ok(connection) => connection,
    };
    let id = {
        let mut state = shared.lock();
        state.last_link += 1;
        let id = state.last_link;
        state.dialing.remove(&node);
        state.failures = 0;
        state.links.insert(node, (id, link.clone()));
        state.machine.node_up(node, id);
        id
    };
    shared.wake.notify_one();
    link.closed().await;
    {
        let mut state = shared.lock();
        if state.links.get(&node).is_some_and(|(known, _)| *known == id) {
            state.links.remove(&node);
        }
        state.machine.node_down(node, id);
    }
    shared.wake.notify_one();
}

fn count_failure(shared: &Shared) -> u32 {
    let mut state = shared.lock();
    state.failures = state.failures.saturating_add(1);
    state.failures
}

/// Looks leaders up, once; waits before it allows the next look-up when that did not help.
async fn refresh_leaders(shared: &Arc<Shared>, topics: BTreeSet<Str>, failures: u32) {
    let answer = shared.client.refresh(&topics).await;
    let metadata = shared.client.metadata();
    let good = {
        let mut state = shared.lock();
        state.refreshed = shared.client.env().now();
        if answer.is_ok() {
            let known: Vec<TopicPartition> = state.machine.partitions().cloned().collect();
            for at in known.iter().filter(|at| topics.contains(&at.topic)) {
                state.machine.set_leader(at, leader_of(&metadata, at));
            }
        }
        answer.is_ok() && state.machine.leaderless().is_empty()
    };
    shared.wake.notify_one();
    let failures = if good { 1 } else { failures.max(count_failure(shared)) };
    // Even a look-up that helped is not followed by another one at once.
    shared.client.back_off(failures).await;
    let mut state = shared.lock();
    if good {
        state.failures = 0;
    }
    state.refreshing = false;
    drop(state);
    shared.wake.notify_one();
}

pub(crate) fn leader_of(metadata: &Metadata, at: &TopicPartition) -> Option<Leader> {
    let topic = metadata.topic(&at.topic)?;
    let partition = topic.partitions.get(usize::try_from(at.partition).ok()?)?;
    Some(Leader { node: partition.leader?, topic_id: topic.id })
}

/// Asks any broker for a producer id, once.
async fn ask_identity(shared: &Arc<Shared>, failures: u32) {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        ..Default::default()
    };
    let answer = shared.client.call_any("get a producer id", &request).await.and_then(|answer| {
        if answer.error_code.is_none() {
            Ok(Identity { producer_id: answer.producer_id, epoch: answer.producer_epoch })
        } else {
            Err(ClientError::refused("get a producer id", answer.error_code, None))
        }
    });
    match answer {
        Ok(identity) => shared.lock().machine.identity(identity),
        Err(error) => {
            if error.action() != Action::Retry {
                let code = error.code().map_or(-1, poruka_wire::ErrorCode::code);
                shared.lock().machine.identity_refused(code, Some(&error.to_string()));
            }
            let failures = failures.max(count_failure(shared));
            shared.client.back_off(failures).await;
        }
    }
    shared.lock().asking = false;
    shared.wake.notify_one();
}
