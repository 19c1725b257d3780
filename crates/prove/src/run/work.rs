//! The work of one phase: producers that hand records over at an even pace, consumers that are started again when they
//! end, and the record of both.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use poruka_env::{Env, Task};
use poruka_guarantee::Delivery::AtLeastOnce;
use poruka_guarantee::Order;
use tokio::sync::Semaphore;

use super::workbench::{BenchProducer, Deliveries, Handled, Handler, Started, Workbench};
use crate::faults::FaultKind;
use crate::history::{Delivery, Outcome, Send};
use crate::input::Workload;
use crate::payload::{Stamp, Truth, decode, encode, key_hash};
use crate::proxy::Director;

/// Producers at work at the same time.
pub(crate) const PRODUCERS: usize = 3;
/// Consumers in the group at the same time.
pub(crate) const CONSUMERS: usize = 2;
/// Sends of one producer that may be without an outcome.
const IN_FLIGHT_MAX: u32 = 2_000;
/// Time over which the records of a small workload are spread; a large one takes as long as it takes.
pub(crate) const WORK_TIME: Duration = Duration::from_millis(3_200);
/// Where nothing is acknowledged nothing slows the producers down: each record takes at least so long.
const RECORD_TIME_WITHOUT_ACKS: Duration = Duration::from_micros(50);
/// Records come in bursts of at most so many, and at least so many bursts: neighbours are under way together, as in life,
/// and even a small workload has requests enough for every fault.
const BURST_MAX: usize = 16;
const BURSTS_MIN: usize = 40;
/// One record in this many is kept for the end, in case faults have to be made again.
const RESERVE_ONE_IN: usize = 12;
/// Between two records of the reserve, while faults are still to be made.
const RESERVE_PAUSE: Duration = Duration::from_millis(4);
/// The reserve is given out slowly for this long at most.
const RESERVE_TIME_MAX: Duration = Duration::from_secs(6);
/// Between two attempts to start a producer or a consumer.
const RETRY_PAUSE: Duration = Duration::from_millis(25);
/// From the crash of a producer to the start of the next: long enough for what it had sent to arrive or to be lost. Its
/// successor is not fenced from it, so what came later still would be out of order by nobody's fault.
const CRASH_PAUSE: Duration = Duration::from_millis(200);
/// Attempts to start a producer.
const PRODUCER_STARTS_MAX: u32 = 400;
/// Failures of consumers that are told in the report.
const NOTES_MAX: usize = 3;

/// Everything that the tasks of a phase share.
pub(crate) struct Work {
    pub(crate) env: Env,
    pub(crate) workload: Arc<Workload>,
    pub(crate) stamp: Stamp,
    /// Whether records travel with their key, so that the key decides the partition.
    pub(crate) keyed: bool,
    /// Whether sends are acknowledged.
    pub(crate) acknowledges: bool,
    pub(crate) bench: Arc<dyn Workbench>,
    pub(crate) director: Arc<Director>,
    pub(crate) deliveries: Deliveries,
    /// Time over which the records are spread at least.
    pub(crate) time: Duration,
    sends: Mutex<Vec<Send>>,
    handed_over: AtomicU64,
    notes: Mutex<Vec<String>>,
    failures: AtomicU64,
}

impl Work {
    pub(crate) fn new(
        env: &Env,
        workload: &Arc<Workload>,
        stamp: Stamp,
        bench: Arc<dyn Workbench>,
        director: Arc<Director>,
    ) -> Work {
        let records = workload.records.len();
        let guarantee = stamp.name.guarantee();
        Work {
            env: env.clone(),
            workload: Arc::clone(workload),
            stamp,
            keyed: guarantee.order >= Order::PerKey,
            acknowledges: guarantee.delivery >= AtLeastOnce,
            bench,
            director,
            deliveries: Deliveries::new(records),
            time: WORK_TIME,
            sends: Mutex::new(vec![Send::default(); records]),
            handed_over: AtomicU64::new(0),
            notes: Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// Records handed to producers so far.
    pub(crate) fn handed_over(&self) -> u64 {
        self.handed_over.load(Ordering::Relaxed)
    }

    pub(crate) fn take_sends(&self) -> Vec<Send> {
        std::mem::take(&mut self.sends.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn note(&self, note: String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < NOTES_MAX && !notes.contains(&note) {
            notes.push(note);
        }
    }

    pub(crate) fn take_notes(&self) -> Vec<String> {
        let mut notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        let failures = self.failures.load(Ordering::Relaxed);
        if failures > 0 {
            notes.push(format!("consumers ended {failures} times by themselves and were started again"));
        }
        notes
    }

    fn settle(&self, index: usize, began_us: u64, outcome: Outcome) {
        let ended_us = self.director.now_us();
        let mut sends = self.sends.lock().unwrap_or_else(PoisonError::into_inner);
        // After the end of the phase nobody asks any more.
        if let Some(send) = sends.get_mut(index) {
            *send = Send { began_us, ended_us, outcome };
        }
    }

    /// What a record says of itself; `None` as well when it came under another key than its own.
    pub(crate) fn interpret(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<Truth> {
        let truth = decode(self.stamp, value?)?;
        let own = self.key(truth.index as usize);
        (key == own.map(str::as_bytes)).then_some(truth)
    }

    /// The key that the record travels with.
    fn key(&self, index: usize) -> Option<&str> {
        self.workload.key_of(index).filter(|_| self.keyed)
    }

    fn message(&self, index: usize) -> (Option<Bytes>, Bytes) {
        let record = &self.workload.records[index];
        let truth = Truth {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            key_hash: key_hash(self.workload.key_of(index)),
            key_seq: record.key_seq,
        };
        let key = self.key(index).map(|key| Bytes::copy_from_slice(key.as_bytes()));
        (key, encode(self.stamp, truth, &record.body))
    }

    /// The records of one producer: a key keeps its producer.
    fn share(&self, producer: usize) -> Vec<usize> {
        let of = |index: &usize| {
            let key = self.workload.records[*index].key;
            key.map_or(*index, |key| key as usize) % PRODUCERS == producer
        };
        (0..self.workload.records.len()).filter(of).collect()
    }
}

/// Sends one producer's share of the records and waits for every outcome.
pub(crate) async fn produce(work: Arc<Work>, producer: usize) {
    let share = work.share(producer);
    let Some(mut bench) = start_producer(&work).await else { return };
    let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX as usize));
    let mut pace = Pace::new(&work, share.len());
    for (number, index) in share.into_iter().enumerate() {
        pace.wait(number).await;
        let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await else { return };
        let (key, value) = work.message(index);
        let began_us = work.director.now_us();
        // Written first: whatever becomes of it, from here on it may be in the log.
        work.settle(index, began_us, Outcome::Unknown);
        match bench.send(key, value).await {
            Started::Ended(outcome) => work.settle(index, began_us, outcome),
            Started::Pending(pending) => {
                let work = Arc::clone(&work);
                let env = work.env.clone();
                env.spawn("prove-outcome", async move {
                    let outcome = pending.await;
                    work.settle(index, began_us, outcome);
                    drop(permit);
                });
            }
        }
        let handed_over = work.handed_over.fetch_add(1, Ordering::Relaxed) + 1;
        work.director.progress(handed_over);
        if crashed(&work, &*bench, in_flight.available_permits()) {
            work.env.sleep(CRASH_PAUSE).await;
            let Some(next) = start_producer(&work).await else { return };
            bench = next;
        }
    }
    bench.close().await;
    // Every outcome gives its permit back.
    drop(in_flight.acquire_many(IN_FLIGHT_MAX).await);
}

/// Crashes the producer, when that is due and sends are under way.
fn crashed(work: &Work, bench: &dyn BenchProducer, permits: usize) -> bool {
    let under_way = IN_FLIGHT_MAX as usize - permits;
    if under_way == 0 && work.acknowledges {
        return false;
    }
    let Some(fault) = work.director.take(FaultKind::ProducerCrashed) else { return false };
    bench.crash();
    fault.took_effect(&format!("{under_way} sends without an outcome"));
    true
}

async fn start_producer(work: &Work) -> Option<Arc<dyn BenchProducer>> {
    let mut last = String::new();
    for _ in 0..PRODUCER_STARTS_MAX {
        match work.bench.producer().await {
            Ok(producer) => return Some(producer),
            Err(words) => last = words,
        }
        work.env.sleep(RETRY_PAUSE).await;
    }
    work.note(format!("a producer could not be started: {last}"));
    None
}

/// Spreads records over time, and the last ones over the faults that are still to be made.
struct Pace<'a> {
    work: &'a Work,
    records: usize,
    time: Duration,
    reserve_from: usize,
    started: poruka_env::Mono,
    reserve_until: Option<poruka_env::Mono>,
}

impl<'a> Pace<'a> {
    fn new(work: &'a Work, records: usize) -> Pace<'a> {
        let all = u32::try_from(work.workload.records.len()).unwrap_or(u32::MAX);
        let without_acks = if work.acknowledges { Duration::ZERO } else { RECORD_TIME_WITHOUT_ACKS * all };
        Pace {
            work,
            records,
            time: work.time.max(without_acks),
            reserve_from: records - records / RESERVE_ONE_IN,
            started: work.env.now(),
            reserve_until: None,
        }
    }

    async fn wait(&mut self, number: usize) {
        let env = &self.work.env;
        const PARTS: usize = 100_000;
        let burst = (self.records / BURSTS_MIN).clamp(1, BURST_MAX);
        let share = u32::try_from(number / burst * burst * PARTS / self.records.max(1)).unwrap_or(u32::MAX);
        let due = self.started + self.time / PARTS as u32 * share;
        if env.now() < due {
            env.sleep_until(due).await;
        }
        if number < self.reserve_from || self.work.director.outstanding() == 0 {
            return;
        }
        let until = *self.reserve_until.get_or_insert(env.now() + RESERVE_TIME_MAX);
        if env.now() < until {
            env.sleep(RESERVE_PAUSE).await;
        }
    }
}

/// Keeps consumers running; crashes one when the plan says so. Runs until it is dropped.
pub(crate) async fn consume(work: Arc<Work>) {
    let next = Arc::new(AtomicU64::new(0));
    let mut running: Vec<Running> = (0..CONSUMERS).map(|_| Running::start(&work, &next)).collect();
    loop {
        work.director.crash_due.notified().await;
        while let Some(fault) = work.director.take(FaultKind::ConsumerCrashed) {
            let victim = usize::try_from(fault.salt() % CONSUMERS as u64).unwrap_or(0);
            running[victim] = Running::start(&work, &next);
            fault.took_effect("");
        }
    }
}

/// A consumer that is started again when it fails. Dropping it is a crash.
struct Running(Task);

impl Running {
    fn start(work: &Arc<Work>, next: &Arc<AtomicU64>) -> Running {
        let (work, next) = (Arc::clone(work), Arc::clone(next));
        let env = work.env.clone();
        Running(env.spawn("prove-consumer", async move {
            loop {
                let number = u32::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(u32::MAX);
                let words = work.bench.consume(handler(&work, number)).await;
                work.failures.fetch_add(1, Ordering::Relaxed);
                work.note(format!("a consumer ended: {words}"));
                work.env.sleep(RETRY_PAUSE).await;
            }
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn handler(work: &Arc<Work>, consumer: u32) -> Handler {
    let work = Arc::clone(work);
    Arc::new(move |handled: Handled<'_>| {
        let truth = work.interpret(handled.key, handled.value);
        let (partition, offset) = (handled.partition, handled.offset);
        let at_us = work.director.now_us();
        work.deliveries.add(Delivery { at_us, consumer, partition, offset, truth });
    })
}

#[cfg(test)]
mod tests;
