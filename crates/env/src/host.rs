//! `Env`: the handle that everything above this crate is given, and the trait that a host implements.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::disk::{Disk, RealDisk};
use crate::mono::Mono;
use crate::net::{Listener, Stream};
use crate::process::ProcessFigures;
use crate::real::RealHost;
use crate::task::{Task, controlled};

/// A boxed future, as the host trait returns them.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What stands behind an [`Env`]: the real machine or the simulation.
pub(crate) trait Host: Send + Sync + 'static {
    fn now(&self) -> Mono;
    fn wall_ms(&self) -> i64;
    fn fill_random(&self, into: &mut [u8]);
    fn random_u64(&self) -> u64;
    fn sleep_until(&self, until: Mono) -> Boxed<()>;
    fn spawn(&self, name: &'static str, body: Boxed<()>);
    fn has_threads(&self) -> bool;
    fn spawn_thread(&self, name: &'static str, body: Box<dyn FnOnce() + Send>) -> io::Result<ThreadHandle>;
    fn connect(&self, addr: String) -> Boxed<io::Result<Box<dyn Stream>>>;
    fn listen(&self, addr: String) -> Boxed<io::Result<Box<dyn Listener>>>;

    fn process(&self) -> Option<ProcessFigures> {
        None
    }
}

/// Clock, randomness, tasks, threads, sockets and disk of one host. Cheap to clone.
#[derive(Clone)]
pub struct Env {
    host: Arc<dyn Host>,
    disk: Arc<dyn Disk>,
}

/// A time limit passed before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time limit passed")]
pub struct Elapsed;

/// A thread of the real host.
#[derive(Debug)]
pub struct ThreadHandle {
    pub(crate) inner: std::thread::JoinHandle<()>,
}

impl ThreadHandle {
    /// Blocks until the thread has ended. False when it panicked.
    pub fn join(self) -> bool {
        self.inner.join().is_ok()
    }

    /// True once the thread's function has returned or panicked.
    pub fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }
}

impl Env {
    /// The machine as it is: OS clock and randomness, tokio tasks and sockets, OS threads, [`RealDisk`].
    ///
    /// Built inside a tokio runtime it keeps that runtime's handle, and [`Env::spawn`] works from any thread;
    /// built outside, its asynchronous calls must be made inside a runtime (they panic elsewhere, as tokio's do).
    pub fn real() -> Env {
        Env { host: Arc::new(RealHost::new()), disk: Arc::new(RealDisk) }
    }

    pub(crate) fn of(host: Arc<dyn Host>, disk: Arc<dyn Disk>) -> Env {
        Env { host, disk }
    }

    /// The same host with another disk under it.
    pub fn with_disk(&self, disk: Arc<dyn Disk>) -> Env {
        Env { host: Arc::clone(&self.host), disk }
    }

    /// The disk that files belong on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Now, on the monotonic clock.
    pub fn now(&self) -> Mono {
        self.host.now()
    }

    /// Now, on the wall clock: milliseconds since 1970-01-01 UTC, as Kafka's timestamps count. May jump.
    pub fn wall_ms(&self) -> i64 {
        self.host.wall_ms()
    }

    /// A random number; unpredictable on the real host, seeded in the simulation.
    pub fn random_u64(&self) -> u64 {
        self.host.random_u64()
    }

    /// A random number below `bound`; 0 when `bound` is 0. For jitter and choices, not for keys: it is biased
    /// by at most `bound` / 2^64.
    pub fn random_below(&self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.random_u64()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// Fills `into` with random bytes; unpredictable on the real host, seeded in the simulation.
    pub fn fill_random(&self, into: &mut [u8]) {
        self.host.fill_random(into);
    }

    /// Waits for `period`.
    pub async fn sleep(&self, period: Duration) {
        self.host.sleep_until(self.now() + period).await;
    }

    /// Waits until the clock shows `until`; returns at once when it already does.
    pub async fn sleep_until(&self, until: Mono) {
        self.host.sleep_until(until).await;
    }

    /// Runs `future` for at most `limit`. A future that is ready when the limit passes wins; one that is not is
    /// dropped.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        let mut sleep = self.host.sleep_until(self.now() + limit);
        std::future::poll_fn(move |cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            sleep.as_mut().poll(cx).map(|()| Err(Elapsed))
        })
        .await
    }

    /// Starts a task. `name` is for people who read traces; it need not be unique.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) -> Task {
        let (task, body) = controlled(future);
        self.host.spawn(name, body);
        task
    }

    /// False in the simulation, which has one thread: what the real host runs on a thread runs there as a task.
    pub fn has_threads(&self) -> bool {
        self.host.has_threads()
    }

    /// Starts an OS thread.
    ///
    /// # Errors
    /// `Unsupported` in the simulation (ask [`Env::has_threads`] first), or whatever the system says.
    pub fn spawn_thread(
        &self,
        name: &'static str,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<ThreadHandle> {
        self.host.spawn_thread(name, Box::new(body))
    }

    /// What this process takes of the machine; `None` where nobody can tell, and in the simulation.
    pub fn process(&self) -> Option<ProcessFigures> {
        self.host.process()
    }

    /// Connects to `addr`, "host:port". Small writes are sent at once (no Nagle delay).
    ///
    /// # Errors
    /// As the system says: refused, unreachable, name not found. There is no time limit here: see [`Env::timeout`].
    pub async fn connect(&self, addr: &str) -> io::Result<Box<dyn Stream>> {
        self.host.connect(addr.to_owned()).await
    }

    /// Listens on `addr`, "host:port"; port 0 lets the system choose.
    ///
    /// # Errors
    /// As the system says: address in use, not ours, not permitted.
    pub async fn listen(&self, addr: &str) -> io::Result<Box<dyn Listener>> {
        self.host.listen(addr.to_owned()).await
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("has_threads", &self.has_threads()).finish_non_exhaustive()
    }
}
