//! The simulated network: addresses, listeners and the connections between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::executor::{Executor, Sleep};
use super::stream::{Connection, SimStream};
use crate::net::{Accepting, Listener, Stream};

/// How long a byte travels at least, when nothing else is set.
const LATENCY_MIN: Duration = Duration::from_micros(50);
/// How long a byte travels at most, when nothing else is set.
const LATENCY_MAX: Duration = Duration::from_micros(500);
/// The first port that is given out for port 0.
const FIRST_FREE_PORT: u16 = 40_000;
/// Connections that wait for `accept`; more are refused.
const BACKLOG_MAX: usize = 1024;

#[derive(Default)]
struct Door {
    waiting: VecDeque<(SimStream, String)>,
    accepting: Option<Waker>,
}

struct State {
    rng: fastrand::Rng,
    latency: (Duration, Duration),
    doors: BTreeMap<String, Door>,
    refused: BTreeSet<String>,
    connections: Vec<(String, Weak<Mutex<Connection>>)>,
    ports_given: u16,
    connects: u64,
}

pub(super) struct Network {
    state: Mutex<State>,
    executor: Arc<Executor>,
}

impl Network {
    pub(super) fn new(seed: u64, executor: Arc<Executor>) -> Network {
        let state = State {
            rng: fastrand::Rng::with_seed(seed),
            latency: (LATENCY_MIN, LATENCY_MAX),
            doors: BTreeMap::new(),
            refused: BTreeSet::new(),
            connections: Vec::new(),
            ports_given: 0,
            connects: 0,
        };
        Network { state: Mutex::new(state), executor }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn executor(&self) -> &Arc<Executor> {
        &self.executor
    }

    pub(super) fn set_latency(&self, least: Duration, most: Duration) {
        self.state().latency = (least, most.max(least));
    }

    pub(super) fn refuse(&self, addr: &str, refused: bool) {
        let mut state = self.state();
        if refused {
            state.refused.insert(addr.to_owned());
        } else {
            state.refused.remove(addr);
        }
    }

    pub(super) fn cut(&self, addr: &str) -> usize {
        let mut state = self.state();
        let mut found = Vec::new();
        state.connections.retain(|(to, connection)| match connection.upgrade() {
            Some(alive) if to == addr => {
                found.push(alive);
                false
            }
            alive => alive.is_some(),
        });
        drop(state);
        found.iter().for_each(|connection| Connection::reset(connection));
        found.len()
    }

    pub(super) fn clear(&self) {
        let doors = std::mem::take(&mut self.state().doors);
        drop(doors);
    }

    /// How long the next piece travels.
    pub(super) fn draw_latency(&self) -> Duration {
        let mut state = self.state();
        let (least, most) = state.latency;
        let spread = u64::try_from((most - least).as_nanos()).unwrap_or(u64::MAX);
        least + Duration::from_nanos(state.rng.u64(0..=spread))
    }

    /// How much of a write or read of `len` bytes is done at once: now and then only a part.
    pub(super) fn draw_piece(&self, len: usize) -> usize {
        let mut state = self.state();
        if len > 1 && state.rng.u8(0..8) == 0 { state.rng.usize(1..len) } else { len }
    }
}

pub(super) async fn connect(network: Arc<Network>, addr: String) -> io::Result<Box<dyn Stream>> {
    let arrives = network.executor.now() + network.draw_latency();
    Sleep::new(Arc::clone(&network.executor), arrives).await;
    let mut state = network.state();
    state.connects += 1;
    let peer = format!("client:{}", state.connects);
    if state.refused.contains(&addr) {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    let Some(door) = state.doors.get_mut(&addr).filter(|door| door.waiting.len() < BACKLOG_MAX) else {
        return Err(io::ErrorKind::ConnectionRefused.into());
    };
    let (ours, theirs, connection) = SimStream::pair(&network);
    door.waiting.push_back((theirs, peer));
    let accepting = door.accepting.take();
    state.connections.retain(|(_, known)| known.strong_count() > 0);
    state.connections.push((addr, connection));
    drop(state);
    if let Some(waker) = accepting {
        waker.wake();
    }
    Ok(Box::new(ours))
}

pub(super) fn listen(network: &Arc<Network>, addr: &str) -> io::Result<Box<dyn Listener>> {
    let (host, port) = addr
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{addr} is not host:port")))?;
    let mut state = network.state();
    let mut addr = addr.to_owned();
    if port == 0 {
        addr = format!("{host}:{}", FIRST_FREE_PORT + state.ports_given);
        state.ports_given += 1;
    }
    if state.doors.contains_key(&addr) {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    state.doors.insert(addr.clone(), Door::default());
    Ok(Box::new(SimListener { network: Arc::clone(network), addr }))
}

struct SimListener {
    network: Arc<Network>,
    addr: String,
}

impl SimListener {
    fn poll_accept(&self, cx: &Context<'_>) -> Poll<io::Result<(Box<dyn Stream>, String)>> {
        let mut state = self.network.state();
        let Some(door) = state.doors.get_mut(&self.addr) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        match door.waiting.pop_front() {
            Some((stream, peer)) => Poll::Ready(Ok((Box::new(stream) as Box<dyn Stream>, peer))),
            None => {
                door.accepting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Listener for SimListener {
    fn local_addr(&self) -> io::Result<String> {
        Ok(self.addr.clone())
    }

    fn accept(&self) -> Accepting<'_> {
        Box::pin(std::future::poll_fn(|cx| self.poll_accept(cx)))
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let door = self.network.state().doors.remove(&self.addr);
        drop(door);
    }
}
