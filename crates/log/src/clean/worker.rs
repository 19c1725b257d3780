//! The worker that cleans: a thread of the real host, a task of the simulated one.
//!
//! It looks at all partitions every [`crate::LogConfig::clean_interval`], and when settings change: retention first, then
//! compaction of the partition with the largest uncompacted share, until none is due. It ends at once when the journal
//! stops: whatever it was about is begun again after the next start.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use poruka_env::Mono;

use super::compaction::{CompactError, Compaction, Next};
use super::counters::Counters;
use super::reader::ScanError;
use crate::config::PartitionKey;
use crate::context::Context;
use crate::journal::driver::Worker;
use crate::registry::Registry;

/// Compaction pauses after this many bytes, for as long as they should take.
const PAUSE_BYTES: u64 = 1 << 20;

/// Starts the worker; it drops `keep` when it ends.
pub(crate) fn start(
    context: &Arc<Context>,
    registry: &Arc<Registry>,
    keep: impl Send + Sync + 'static,
) -> io::Result<Worker> {
    let (env, context) = (context.env.clone(), Arc::clone(context));
    let mut cleaner = Cleaner::new(&context, Arc::clone(registry));
    let interval = context.config.clean_interval;
    if env.has_threads() {
        let body = move || {
            let _keep = keep;
            context.cleaner.wait_at_most(interval);
            while !is_over(&context) {
                match cleaner.turn() {
                    Turn::Again => {}
                    Turn::Pause(period) => context.cleaner.wait_at_most(period),
                    Turn::AfterJournal(entry) => context.journal.wait_durable_blocking(entry),
                    Turn::Idle => context.cleaner.wait_at_most(interval),
                }
            }
            cleaner.give_up();
        };
        return env.spawn_thread("cleaner", body).map(Worker::Thread);
    }
    let clock = env.clone();
    let body = async move {
        let _keep = keep;
        context.cleaner.wait_at_most_async(&clock, interval).await;
        while !is_over(&context) {
            match cleaner.turn() {
                Turn::Again => clock.sleep(Duration::ZERO).await,
                Turn::Pause(period) => clock.sleep(period).await,
                Turn::AfterJournal(_) => clock.sleep(Duration::from_millis(1)).await,
                Turn::Idle => context.cleaner.wait_at_most_async(&clock, interval).await,
            }
        }
        cleaner.give_up();
    };
    Ok(Worker::Task(env.spawn("cleaner", body)))
}

fn is_over(context: &Context) -> bool {
    context.journal.is_stopping() || context.journal.is_poisoned()
}

/// What the driver does next.
enum Turn {
    Again,
    Pause(Duration),
    AfterJournal(u64),
    /// Nothing to do until it is time, or the bell rings.
    Idle,
}

struct Cleaner {
    context: Arc<Context>,
    registry: Arc<Registry>,
    pass: Option<(PartitionKey, Compaction)>,
    /// Tried in this round, without success.
    tried: HashSet<PartitionKey>,
    /// Not tried again until a restart.
    broken: HashSet<PartitionKey>,
    retained: Option<Mono>,
    /// Bytes since the last pause, and when that was.
    bytes: u64,
    since: Mono,
}

impl Cleaner {
    fn new(context: &Arc<Context>, registry: Arc<Registry>) -> Cleaner {
        Cleaner {
            since: context.env.now(),
            context: Arc::clone(context),
            registry,
            pass: None,
            tried: HashSet::new(),
            broken: HashSet::new(),
            retained: None,
            bytes: 0,
        }
    }

    fn turn(&mut self) -> Turn {
        let interval = self.context.config.clean_interval;
        let now = self.context.env.now();
        if self.pass.is_none() || self.retained.is_none_or(|last| now >= last + interval) {
            self.retained = Some(now);
            self.retain_all();
        }
        let Some((key, mut pass)) = self.pass.take() else { return self.begin() };
        match pass.step() {
            Ok(Next::Step(bytes)) => {
                self.pass = Some((key, pass));
                self.pause(bytes)
            }
            Ok(Next::AfterJournal(entry)) => {
                self.pass = Some((key, pass));
                Turn::AfterJournal(entry)
            }
            Ok(Next::Done(gained)) => {
                if !gained {
                    self.tried.insert(key);
                }
                Turn::Again
            }
            Err(error) => {
                self.failed(key, &error);
                Turn::Again
            }
        }
    }

    fn failed(&mut self, key: PartitionKey, error: &CompactError) {
        Counters::add(&self.context.cleaned.failures, 1);
        self.tried.insert(key);
        match error {
            CompactError::Scan(ScanError::Gone) => {}
            CompactError::Scan(ScanError::Damaged { .. })
            | CompactError::Batch(_)
            | CompactError::Lost
            | CompactError::MapTooSmall => {
                tracing::error!(topic_id = %key.topic_id, partition = key.partition, %error, "not compacted until a restart");
                self.broken.insert(key);
            }
            CompactError::Scan(ScanError::Io { .. }) | CompactError::Storage(_) | CompactError::Io { .. } => {
                tracing::warn!(topic_id = %key.topic_id, partition = key.partition, %error, "compaction is put off");
            }
        }
    }

    /// Begins with the partition that gains most, if there is one.
    fn begin(&mut self) -> Turn {
        let now_ms = self.context.env.wall_ms();
        let (mut best, mut waits) = (None, false);
        for log in self.registry.all() {
            if self.tried.contains(&log.key()) || self.broken.contains(&log.key()) {
                continue;
            }
            let Some(plan) = log.compaction_plan(now_ms) else { continue };
            waits |= plan.waits_for_checkpoint;
            if plan.is_due && best.as_ref().is_none_or(|(most, _)| plan.dirty_permille > *most) {
                best = Some((plan.dirty_permille, log));
            }
        }
        let Some((_, log)) = best else {
            self.tried.clear();
            if waits {
                self.context.cleaner_waits.store(true, Ordering::Relaxed);
                self.context.checkpoint.ring();
            }
            return Turn::Idle;
        };
        let key = log.key();
        match Compaction::begin(&self.context, log, now_ms) {
            Some(pass) => self.pass = Some((key, pass)),
            None => drop(self.tried.insert(key)),
        }
        Turn::Again
    }

    fn pause(&mut self, bytes: u64) -> Turn {
        self.bytes += bytes;
        if self.bytes < PAUSE_BYTES {
            return Turn::Again;
        }
        let now = self.context.env.now();
        let micros = self.bytes.saturating_mul(1_000_000) / self.context.config.clean_bytes_per_s.max(1);
        let should_take = Duration::from_micros(micros);
        let took = now - self.since;
        let period = should_take.saturating_sub(took);
        (self.bytes, self.since) = (0, now + period);
        if period.is_zero() { Turn::Again } else { Turn::Pause(period) }
    }

    /// Drops what no partition keeps any more.
    fn retain_all(&mut self) {
        let now_ms = self.context.env.wall_ms();
        let mut changed = false;
        for log in self.registry.all() {
            match log.retain(now_ms) {
                Ok(some) => changed |= some,
                Err(error) => {
                    Counters::add(&self.context.cleaned.failures, 1);
                    tracing::warn!(?log, %error, "retention is put off");
                }
            }
        }
        if changed {
            // Files of dropped segments go once a checkpoint does not name them.
            self.context.checkpoint.ring();
        }
    }

    fn give_up(&mut self) {
        if let Some((_, mut pass)) = self.pass.take() {
            pass.give_up();
        }
    }
}
