//! The one place that drives the group coordinator: events in, records to its log, answers out when they may leave.
//!
//! The coordinator (`group`) is a pure state machine. This driver gives it the time, appends its records, and lets an
//! answer leave only once everything that was recorded before it is durable: an answer may reveal what an earlier
//! request changed.
//!
//! When the log takes nothing (disk full), what the coordinator has already changed is kept aside, the last value of
//! each key, and tried again with the next event; until then answers are withheld and clients are told to retry.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use poruka_env::{Env, Mono};
use poruka_log::{PartitionFigures, StateLog, Ticket};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Notify, oneshot};

use crate::group::{
    Effect, GroupCall, GroupConfig, GroupFigures, GroupResponse, Groups, Now, RecordError, Token, TopicView,
};

/// How long after a failed append the records are tried again, in milliseconds.
const RETRY_MS: u64 = 500;

/// The coordinator cannot answer: its log failed, or the broker is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("group coordinator is not available: its log failed or the broker is shutting down")]
pub(crate) struct CoordinatorGone;

/// An answer that is there or will come.
pub(crate) type Pending = oneshot::Receiver<Told>;

/// An answer, and what must be durable before it leaves.
pub(crate) struct Told {
    response: Option<GroupResponse>,
    after: Option<Ticket>,
}

pub(crate) struct GroupDriver {
    env: Env,
    log: StateLog,
    inner: Mutex<Inner>,
    /// The next deadline may have become an earlier one.
    sooner: Notify,
}

struct Inner {
    groups: Groups,
    waiting: BTreeMap<Token, oneshot::Sender<Told>>,
    next_token: u64,
    /// The newest append: answers wait for it.
    written: Option<Ticket>,
    /// Changes that the log did not take.
    unwritten: BTreeMap<Bytes, Option<Bytes>>,
    /// The log took nothing the last time.
    failing: bool,
    /// When the timer task will wake, in milliseconds.
    wakes_at: u64,
    stopped: bool,
}

impl GroupDriver {
    /// A coordinator that remembers what `records`, read from `log`, say.
    pub(crate) fn open(
        env: Env,
        log: StateLog,
        records: Vec<(Bytes, Bytes)>,
        config: GroupConfig,
        topics: TopicView,
    ) -> Result<Arc<GroupDriver>, RecordError> {
        let seed = u128::from(env.random_u64()) << 64 | u128::from(env.random_u64());
        let mut groups = Groups::new(config, seed);
        for (key, value) in &records {
            groups.replay(key, Some(value))?;
        }
        let driver = Arc::new(GroupDriver {
            env,
            log,
            inner: Mutex::new(Inner {
                groups,
                waiting: BTreeMap::new(),
                next_token: 0,
                written: None,
                unwritten: BTreeMap::new(),
                failing: false,
                wakes_at: u64::MAX,
                stopped: false,
            }),
            sooner: Notify::new(),
        });
        let now = driver.now();
        driver.event(|inner| inner.groups.start(now, topics));
        Ok(driver)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        Now { mono_ms: self.env.now().as_millis(), wall_ms: self.env.wall_ms() }
    }

    /// Has the effect of a request. The answer is there already, or comes with a later event.
    pub(crate) fn call(&self, call: GroupCall) -> Pending {
        let now = self.now();
        let (send, pending) = oneshot::channel();
        self.event(|inner| {
            let token = Token(inner.next_token);
            inner.next_token += 1;
            inner.waiting.insert(token, send);
            inner.groups.handle(now, token, call)
        });
        pending
    }

    /// The answer, when it is there and may leave at once, or when there will be none. A channel that has said either may
    /// not be asked again: whoever gets something here does not [`GroupDriver::wait`].
    pub(crate) fn ready(&self, pending: &mut Pending) -> Option<Result<GroupResponse, CoordinatorGone>> {
        let Told { response, after } = match pending.try_recv() {
            Ok(told) => told,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Closed) => return Some(Err(CoordinatorGone)),
        };
        if after.is_none_or(|ticket| self.log.partition().reached(ticket)) {
            return Some(response.ok_or(CoordinatorGone));
        }
        // Not yet: put it back for the wait.
        let (send, again) = oneshot::channel();
        let _ = send.send(Told { response, after });
        *pending = again;
        None
    }

    /// The answer, once it is there and may leave.
    pub(crate) async fn wait(&self, pending: Pending) -> Result<GroupResponse, CoordinatorGone> {
        let Told { response, after } = pending.await.map_err(|_| CoordinatorGone)?;
        if let Some(ticket) = after {
            self.log.wait(ticket).await.map_err(|_| CoordinatorGone)?;
        }
        response.ok_or(CoordinatorGone)
    }

    /// How many groups, members and offsets there are.
    pub(crate) fn figures(&self) -> GroupFigures {
        self.lock().groups.figures()
    }

    /// The size of the coordinator's log.
    pub(crate) fn log_figures(&self) -> PartitionFigures {
        self.log.partition().figures()
    }

    /// Tells the coordinator which topics there are.
    pub(crate) fn topics_changed(&self, topics: TopicView) {
        let now = self.now();
        self.event(|inner| inner.groups.topics_changed(now, topics));
    }

    /// Lets everyone who waits go without an answer, and takes no more.
    pub(crate) fn stop(&self) {
        let mut inner = self.lock();
        inner.stopped = true;
        inner.waiting.clear();
        self.sooner.notify_one();
    }

    /// Runs the coordinator's timers, until it is stopped.
    pub(crate) async fn run_timers(self: Arc<Self>) {
        loop {
            let wakes_at = {
                let mut inner = self.lock();
                if inner.stopped {
                    return;
                }
                inner.wakes_at = inner.next_wake(self.now().mono_ms);
                inner.wakes_at
            };
            tokio::select! {
                biased;
                () = self.sooner.notified() => {}
                () = self.env.sleep_until(Mono::from_millis(wakes_at)) => {
                    let now = self.now();
                    self.event(|inner| inner.groups.tick(now));
                }
            }
        }
    }

    /// Runs one event and its effects.
    fn event(&self, run: impl FnOnce(&mut Inner) -> Vec<Effect>) {
        let mut inner = self.lock();
        if inner.stopped {
            return;
        }
        let effects = run(&mut inner);
        for effect in effects {
            match effect {
                Effect::Persist { records } => inner.persist(&self.log, records),
                Effect::Reply { token, response } => inner.reply(token, response),
            }
        }
        if !inner.unwritten.is_empty() {
            inner.persist(&self.log, Vec::new());
        }
        if inner.next_wake(self.now().mono_ms) < inner.wakes_at {
            self.sooner.notify_one();
        }
    }
}

impl Inner {
    fn next_wake(&self, now: u64) -> u64 {
        let deadline = self.groups.next_deadline().unwrap_or(u64::MAX);
        if self.unwritten.is_empty() { deadline } else { deadline.min(now + RETRY_MS) }
    }

    fn persist(&mut self, log: &StateLog, records: Vec<(Bytes, Option<Bytes>)>) {
        let records = if self.unwritten.is_empty() {
            records
        } else {
            // What was kept aside goes first, in one entry with what is new.
            self.unwritten.extend(records);
            std::mem::take(&mut self.unwritten).into_iter().collect()
        };
        match log.append(records.clone()) {
            Ok(ticket) => {
                self.written = Some(ticket);
                if std::mem::replace(&mut self.failing, false) {
                    tracing::info!("group log takes records again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "group log takes nothing: no group is answered until it does");
                }
                self.unwritten.extend(records);
            }
        }
    }

    fn reply(&mut self, token: Token, response: GroupResponse) {
        let Some(waiting) = self.waiting.remove(&token) else { return };
        let response = self.unwritten.is_empty().then_some(response);
        // The connection may be gone; the effect stays.
        let _ = waiting.send(Told { response, after: self.written });
    }
}
