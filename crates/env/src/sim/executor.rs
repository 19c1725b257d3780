//! Tasks and virtual time on one thread.
//!
//! Locks here are held for a few lines and never while a future is polled or dropped: both call back into it.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::host::Boxed;
use crate::mono::Mono;

/// Polls at one moment of virtual time after which the world is taken to run in a circle.
const POLLS_PER_MOMENT_MAX: u64 = 20_000_000;

/// The future given to `block_on`.
const MAIN_TASK: u64 = 0;

/// Tasks that can run, by number, each once and in order: several that are woken at one moment may be woken in an order
/// that no seed decides (a `tokio::sync::watch` keeps its waiters in shards chosen at random).
type Ready = Arc<Mutex<Vec<u64>>>;

struct TaskWaker {
    id: u64,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut ready = lock(&self.ready);
        if let Err(place) = ready.binary_search(&self.id) {
            ready.insert(place, self.id);
        }
    }
}

struct Slot {
    process: u64,
    /// Out while it is polled.
    body: Option<Boxed<()>>,
    waker: Waker,
}

struct State {
    now: Mono,
    wall_offset_ms: i64,
    rng: fastrand::Rng,
    tasks: BTreeMap<u64, Slot>,
    tasks_made: u64,
    processes_made: u64,
    timers: BTreeMap<(Mono, u64), Waker>,
    timers_made: u64,
}

pub(super) struct Executor {
    state: Mutex<State>,
    ready: Ready,
}

impl Executor {
    pub(super) fn new(seed: u64, wall_start_ms: i64) -> Executor {
        let state = State {
            now: Mono::ZERO,
            wall_offset_ms: wall_start_ms,
            rng: fastrand::Rng::with_seed(seed),
            tasks: BTreeMap::new(),
            tasks_made: MAIN_TASK,
            processes_made: 0,
            timers: BTreeMap::new(),
            timers_made: 0,
        };
        Executor { state: Mutex::new(state), ready: Ready::default() }
    }

    pub(super) fn now(&self) -> Mono {
        lock(&self.state).now
    }

    pub(super) fn wall_ms(&self) -> i64 {
        let state = lock(&self.state);
        state.wall_offset_ms + i64::try_from(state.now.as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn jump_wall(&self, ms: i64) {
        lock(&self.state).wall_offset_ms += ms;
    }

    pub(super) fn with_rng<T>(&self, use_it: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        use_it(&mut lock(&self.state).rng)
    }

    pub(super) fn new_process(&self) -> u64 {
        let mut state = lock(&self.state);
        state.processes_made += 1;
        state.processes_made
    }

    pub(super) fn spawn(&self, process: u64, body: Boxed<()>) {
        let mut state = lock(&self.state);
        state.tasks_made += 1;
        let id = state.tasks_made;
        let waker = self.waker(id);
        waker.wake_by_ref();
        state.tasks.insert(id, Slot { process, body: Some(body), waker });
    }

    fn waker(&self, id: u64) -> Waker {
        Waker::from(Arc::new(TaskWaker { id, ready: Arc::clone(&self.ready) }))
    }

    /// Wakes at `at`. The number is for [`Executor::remove_timer`].
    pub(super) fn add_timer(&self, at: Mono, waker: Waker) -> u64 {
        let mut state = lock(&self.state);
        state.timers_made += 1;
        let number = state.timers_made;
        state.timers.insert((at, number), waker);
        number
    }

    pub(super) fn remove_timer(&self, at: Mono, number: u64) {
        let removed = lock(&self.state).timers.remove(&(at, number));
        drop(removed);
    }

    pub(super) fn drop_process(&self, process: u64) {
        self.drop_tasks(|slot| slot.process == process);
    }

    pub(super) fn drop_all(&self) {
        self.drop_tasks(|_| true);
        let timers = std::mem::take(&mut lock(&self.state).timers);
        drop(timers);
    }

    fn drop_tasks(&self, doomed: impl Fn(&Slot) -> bool) {
        let mut gone = Vec::new();
        let mut state = lock(&self.state);
        let ids: Vec<u64> = state.tasks.iter().filter(|(_, slot)| doomed(slot)).map(|(&id, _)| id).collect();
        for id in ids {
            gone.extend(state.tasks.remove(&id));
        }
        drop(state);
        drop(gone);
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let main_waker = self.waker(MAIN_TASK);
        main_waker.wake_by_ref();
        let mut polls = 0;
        loop {
            let Some(id) = self.next_ready() else {
                self.pass_time();
                polls = 0;
                continue;
            };
            polls += 1;
            assert!(polls < POLLS_PER_MOMENT_MAX, "the simulated world runs in a circle at one moment");
            if id == MAIN_TASK {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&main_waker)) {
                    return output;
                }
            } else {
                self.poll_task(id);
            }
        }
    }

    /// One of the tasks that can run, by the seed.
    fn next_ready(&self) -> Option<u64> {
        let mut state = lock(&self.state);
        let mut ready = lock(&self.ready);
        match ready.len() {
            0 => None,
            n => {
                let chosen = state.rng.usize(0..n);
                Some(ready.remove(chosen))
            }
        }
    }

    fn poll_task(&self, id: u64) {
        let (mut body, waker) = {
            let mut state = lock(&self.state);
            let Some(slot) = state.tasks.get_mut(&id) else { return };
            let Some(body) = slot.body.take() else { return };
            (body, slot.waker.clone())
        };
        let polled = body.as_mut().poll(&mut Context::from_waker(&waker));
        let finished = {
            let mut state = lock(&self.state);
            match (polled, state.tasks.get_mut(&id)) {
                (Poll::Pending, Some(slot)) => {
                    slot.body = Some(body);
                    return;
                }
                // Finished, or its process was killed while it ran.
                _ => state.tasks.remove(&id),
            }
        };
        drop(finished);
    }

    /// Nothing can run: goes to the next timer and wakes all that are due then.
    fn pass_time(&self) {
        let due = {
            let mut state = lock(&self.state);
            let Some((&(at, _), _)) = state.timers.first_key_value() else {
                panic!("the simulated world stands still: every task waits and no timer is set");
            };
            state.now = state.now.max(at);
            let later = state.timers.split_off(&(at, u64::MAX));
            std::mem::replace(&mut state.timers, later)
        };
        for waker in due.into_values() {
            waker.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a moment of virtual time.
pub(super) struct Sleep {
    executor: Arc<Executor>,
    until: Mono,
    timer: Option<u64>,
}

impl Sleep {
    pub(super) fn new(executor: Arc<Executor>, until: Mono) -> Sleep {
        Sleep { executor, until, timer: None }
    }

    fn clear(&mut self) {
        if let Some(number) = self.timer.take() {
            self.executor.remove_timer(self.until, number);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.clear();
        if self.executor.now() >= self.until {
            return Poll::Ready(());
        }
        self.timer = Some(self.executor.add_timer(self.until, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clear();
    }
}
