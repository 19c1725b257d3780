//! The simulated host: one thread, virtual time, a seeded network, a disk that loses power.
//!
//! Everything that the real world decides is decided by the seed: which of the ready tasks runs next, how long
//! a byte travels, how writes are cut into pieces, what a power cut leaves. Time stands still while a task can
//! run and jumps to the next timer when none can, so that an hour of waiting costs nothing. The same seed and the
//! same program give the same run.
//!
//! # Fault model
//! - Processes: [`Process::kill`] drops all tasks of a process where they wait, as SIGKILL does.
//! - Network: bytes arrive late, in order and in pieces of any size; [`Sim::cut`] breaks the connections of an
//!   address, and what was on its way is lost; [`Sim::refuse`] keeps new ones out. Bytes are never altered.
//! - Disk: see [`FakeDisk`].
//! - Clock: [`Sim::jump_wall`] moves the wall clock; the monotonic one never jumps.
//!
//! # What it does not do
//! Threads: [`Env::spawn_thread`] answers `Unsupported`. It cannot make a program deterministic that iterates over
//! `std`'s hash maps in an order that matters, or that asks the real system for anything.

mod executor;
mod net;
mod stream;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Disk, FakeDisk};
use crate::host::{Boxed, Env, Host, ThreadHandle};
use crate::mono::Mono;
use crate::net::{Listener, Stream};
use executor::Executor;
use net::Network;

/// What the wall clock shows when a simulation starts: 2026-01-01 00:00 UTC, in milliseconds.
const WALL_START_MS: i64 = 1_767_225_600_000;

/// The process that [`Sim::env`] belongs to; it is never killed.
const MAIN_PROCESS: u64 = 0;

/// A simulated world. Dropping it drops all its tasks.
pub struct Sim {
    executor: Arc<Executor>,
    network: Arc<Network>,
    disk: FakeDisk,
}

impl Sim {
    /// A world whose every choice follows from `seed`.
    pub fn new(seed: u64) -> Sim {
        let mut seeds = fastrand::Rng::with_seed(seed);
        let executor = Arc::new(Executor::new(seeds.u64(..), WALL_START_MS));
        let network = Arc::new(Network::new(seeds.u64(..), Arc::clone(&executor)));
        Sim { executor, network, disk: FakeDisk::in_memory(seeds.u64(..)) }
    }

    /// The seam to this world, on the world's own disk.
    pub fn env(&self) -> Env {
        self.env_of(MAIN_PROCESS, Arc::new(self.disk.clone()))
    }

    /// The disk under [`Sim::env`].
    pub fn disk(&self) -> &FakeDisk {
        &self.disk
    }

    /// A process of its own, with a disk of its own, that can be killed.
    pub fn process(&self, disk: FakeDisk) -> Process {
        let id = self.executor.new_process();
        let env = self.env_of(id, Arc::new(disk.clone()));
        Process { id, env, disk, executor: Arc::clone(&self.executor) }
    }

    fn env_of(&self, process: u64, disk: Arc<dyn Disk>) -> Env {
        let host =
            SimHost { process, executor: Arc::clone(&self.executor), network: Arc::clone(&self.network) };
        Env::of(Arc::new(host), disk)
    }

    /// Runs the world until `future` is ready.
    ///
    /// # Panics
    /// When nothing is left that could ever make it ready (all tasks wait and no timer is set), or when tasks keep
    /// each other busy without end while no time passes.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.executor.block_on(future)
    }

    /// Breaks every connection to the listening address `addr`: both ends see a reset, bytes under way are lost.
    /// Returns how many there were.
    pub fn cut(&self, addr: &str) -> usize {
        self.network.cut(addr)
    }

    /// While `refused`, nobody can connect to `addr`.
    pub fn refuse(&self, addr: &str, refused: bool) {
        self.network.refuse(addr, refused);
    }

    /// How long a byte travels: by the seed, between `least` and `most`.
    pub fn set_latency(&self, least: Duration, most: Duration) {
        self.network.set_latency(least, most);
    }

    /// Moves the wall clock by so many milliseconds, forth or back.
    pub fn jump_wall(&self, ms: i64) {
        self.executor.jump_wall(ms);
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // Tasks hold the executor that holds them, and waiting connections the network that holds them.
        self.executor.drop_all();
        self.network.clear();
    }
}

/// A process of the simulated world: tasks and a disk that end together.
pub struct Process {
    id: u64,
    env: Env,
    disk: FakeDisk,
    executor: Arc<Executor>,
}

impl Process {
    /// The seam that the process's code is given.
    pub fn env(&self) -> Env {
        self.env.clone()
    }

    /// Its disk.
    pub fn disk(&self) -> &FakeDisk {
        &self.disk
    }

    /// SIGKILL: its tasks end where they wait, its connections close, open files and locks are gone; bytes in the
    /// page cache stay. Start it again with [`Process::env`].
    pub fn kill(&self) {
        self.disk.kill();
        self.executor.drop_process(self.id);
    }

    /// As [`Process::kill`], and the power of its disk goes too.
    ///
    /// # Errors
    /// As [`FakeDisk::crash`].
    pub fn cut_power(&self, seed: u64) -> io::Result<()> {
        self.disk.crash(seed)?;
        self.executor.drop_process(self.id);
        Ok(())
    }
}

struct SimHost {
    process: u64,
    executor: Arc<Executor>,
    network: Arc<Network>,
}

impl Host for SimHost {
    fn now(&self) -> Mono {
        self.executor.now()
    }

    fn wall_ms(&self) -> i64 {
        self.executor.wall_ms()
    }

    fn fill_random(&self, into: &mut [u8]) {
        self.executor.with_rng(|rng| rng.fill(into));
    }

    fn random_u64(&self) -> u64 {
        self.executor.with_rng(|rng| rng.u64(..))
    }

    fn sleep_until(&self, until: Mono) -> Boxed<()> {
        Box::pin(executor::Sleep::new(Arc::clone(&self.executor), until))
    }

    fn spawn(&self, _name: &'static str, body: Boxed<()>) {
        self.executor.spawn(self.process, body);
    }

    fn has_threads(&self) -> bool {
        false
    }

    fn spawn_thread(&self, _name: &'static str, _body: Box<dyn FnOnce() + Send>) -> io::Result<ThreadHandle> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the simulation has no threads"))
    }

    fn connect(&self, addr: String) -> Boxed<io::Result<Box<dyn Stream>>> {
        Box::pin(net::connect(Arc::clone(&self.network), addr))
    }

    fn listen(&self, addr: String) -> Boxed<io::Result<Box<dyn Listener>>> {
        let listening = net::listen(&self.network, &addr);
        Box::pin(std::future::ready(listening))
    }
}
