//! The broker as its owner sees it: open, listen, connect from inside, close.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poruka_env::{Env, Listener, Stream, Task};
use poruka_log::StateLogError;
use poruka_wire::Str;

use crate::api::{Peer, Session};
use crate::config::BrokerConfig;
use crate::connection::{self, CloseReason, Held, LocalConnection};
use crate::group::RecordError;
use crate::metrics::{self, Gathering, MetricsPage};
use crate::server::Server;
use crate::state::BadFact;
use crate::topics::Refusal;

/// How long a closing broker waits for its connections to finish what is in flight, in milliseconds.
pub const DRAIN_MS_MAX: u64 = 10_000;
/// How long accepting pauses after an error, in milliseconds: it is mostly a lack of file descriptors.
const ACCEPT_PAUSE_MS: u64 = 100;

/// Why a broker could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder could not be opened: in use, damaged, of a later format, not readable.
    #[error(transparent)]
    Log(#[from] poruka_log::OpenError),
    /// The broker's own state could not be read.
    #[error("read the broker's state: {0}")]
    State(#[from] StateLogError),
    /// A record of the broker's own state makes no sense.
    #[error(transparent)]
    Fact(#[from] BadFact),
    /// A record of the group coordinator makes no sense.
    #[error("read the groups: {0}")]
    Group(#[from] RecordError),
    /// A topic's log could not be made, or the state not written.
    #[error("bring back the broker's state: {0}")]
    Refused(String),
}

impl OpenError {
    /// The process that has the data folder open, if that is why.
    pub fn held_by(&self) -> Option<u32> {
        match self {
            OpenError::Log(poruka_log::OpenError::InUse { pid, .. }) => Some(*pid),
            _ => None,
        }
    }
}

impl From<Refusal> for OpenError {
    fn from(refusal: Refusal) -> OpenError {
        OpenError::Refused(refusal.message)
    }
}

/// Why an address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system refused: in use, not ours, not permitted.
    #[error("listen on {address}: {error}; choose another address or stop the program that uses it")]
    Bind {
        /// The address that was asked for.
        address: String,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The system's answer is no socket address.
    #[error("listening address {0:?} is not an IP address and port")]
    Address(String),
    /// The broker is closed.
    #[error("broker is closed")]
    Closed,
}

/// A broker in this process. Clones are the same broker; it ends when the last one is dropped (as if killed: what was
/// acknowledged is kept) or, cleanly, with [`Broker::close`].
#[derive(Clone)]
pub struct Broker {
    inner: Arc<Inner>,
}

struct Inner {
    server: Arc<Server>,
    connections: Arc<AtomicUsize>,
    /// The memory that all connections hold together.
    held: Held,
    tasks: Mutex<Vec<Task>>,
    /// Where clients of the first listener find the broker.
    advertised: Mutex<Option<(Str, i32)>>,
}

impl Broker {
    /// Opens the data folder, or makes it, and brings back topics, groups and everything else that was acknowledged.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(env: Env, config: BrokerConfig) -> Result<Broker, OpenError> {
        let server = Server::open(env, config).await?;
        let timers = server.env.spawn("groups", Arc::clone(&server.groups).run_timers());
        let inner = Inner {
            server,
            connections: Arc::new(AtomicUsize::new(0)),
            held: Held::default(),
            tasks: Mutex::new(vec![timers]),
            advertised: Mutex::new(None),
        };
        Ok(Broker { inner: Arc::new(inner) })
    }

    /// The id of the cluster, the same for as long as the data folder lives.
    pub fn cluster_id(&self) -> String {
        self.inner.server.cluster_id().to_string()
    }

    /// Listens on `address` ("host:port", port 0 for any) and serves what connects, until the broker ends.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub async fn listen(&self, address: &str) -> Result<SocketAddr, ListenError> {
        let bind = |error| ListenError::Bind { address: address.to_owned(), error };
        self.listen_on(self.inner.server.env.listen(address).await.map_err(bind)?)
    }

    /// Serves what arrives at an address that is bound already: a program that binds first makes no data folder for
    /// nothing when the address is taken.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn listen_on(&self, listener: Box<dyn Listener>) -> Result<SocketAddr, ListenError> {
        let server = &self.inner.server;
        if server.is_draining() {
            return Err(ListenError::Closed);
        }
        let local = local_address(&*listener)?;
        let advertised = self.advertised_for(local);
        if !local.ip().is_loopback() {
            tracing::warn!(%local, "listening beyond this machine, and there is no authentication: whoever reaches the port can read, write and delete everything");
        }
        tracing::info!(%local, advertised = %format_args!("{}:{}", advertised.0, advertised.1), "listening");
        self.inner
            .advertised
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(advertised.clone());
        let accepting = Accepting {
            server: Arc::clone(server),
            connections: Arc::clone(&self.inner.connections),
            held: self.inner.held.clone(),
            advertised,
        };
        let task = server.env.spawn("listener", accepting.run(listener));
        self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        Ok(local)
    }

    /// The address that clients of a listener are told: the configured one, else its own, else this machine's.
    fn advertised_for(&self, local: SocketAddr) -> (Str, i32) {
        match &self.inner.server.config.advertise {
            Some((host, port)) => (Str::from(host), i32::from(*port)),
            None if local.ip().is_unspecified() => {
                tracing::warn!(
                    "no address to advertise: clients on other machines need one that they can reach"
                );
                (Str::from("127.0.0.1"), i32::from(local.port()))
            }
            None => (Str::from(local.ip().to_string()), i32::from(local.port())),
        }
    }

    /// Listens on `address` ("host:port", port 0 for any) and answers `GET /metrics` there, until the broker ends.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub async fn serve_metrics(&self, address: &str) -> Result<SocketAddr, ListenError> {
        let bind = |error| ListenError::Bind { address: address.to_owned(), error };
        self.serve_metrics_on(self.inner.server.env.listen(address).await.map_err(bind)?)
    }

    /// As [`Broker::serve_metrics`], at an address that is bound already.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn serve_metrics_on(&self, listener: Box<dyn Listener>) -> Result<SocketAddr, ListenError> {
        let server = &self.inner.server;
        if server.is_draining() {
            return Err(ListenError::Closed);
        }
        let local = local_address(&*listener)?;
        tracing::info!(%local, "metrics are served");
        let task = server.env.spawn("metrics", metrics::serve(self.inner.gathering(), listener));
        self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        Ok(local)
    }

    /// What the broker tells about itself now: the page of `GET /metrics`, and single numbers of it.
    pub fn metrics(&self) -> MetricsPage {
        self.inner.gathering().page()
    }

    /// A connection from inside the process.
    pub fn connect_local(&self) -> LocalConnection {
        let advertised = self.inner.advertised.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let advertised = advertised.unwrap_or_else(|| (Str::from("localhost"), 0));
        let peer = Peer::new("in-process".to_owned(), advertised);
        LocalConnection::new(Session { server: Arc::clone(&self.inner.server), peer: Arc::new(peer) })
    }

    /// Ends cleanly: takes nothing new, finishes what is in flight (for [`DRAIN_MS_MAX`] at most), closes the logs.
    /// Calling it again waits for nothing.
    pub async fn close(&self) {
        let server = &self.inner.server;
        if !server.drain() {
            return;
        }
        tracing::info!("closing: nothing new is taken");
        let env = server.env.clone();
        // Who waits for others to join a group would wait for ever.
        let finished = async {
            while self.inner.connections.load(Ordering::Acquire) > 0 {
                env.sleep(Duration::from_millis(5)).await;
            }
        };
        server.groups.stop();
        if env.timeout(Duration::from_millis(DRAIN_MS_MAX), finished).await.is_err() {
            tracing::warn!("some connections did not finish in time and are cut");
        }
        self.inner.abort_tasks();
        server.close_logs().await;
        tracing::info!("closed");
    }
}

impl Inner {
    fn gathering(&self) -> Gathering {
        Gathering {
            server: Arc::clone(&self.server),
            connections: Arc::clone(&self.connections),
            held: self.held.clone(),
        }
    }

    fn abort_tasks(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.server.drain();
        // Who waits for others to join a group would keep the server alive.
        self.server.groups.stop();
        self.abort_tasks();
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("cluster_id", &self.cluster_id()).finish_non_exhaustive()
    }
}

fn local_address(listener: &dyn Listener) -> Result<SocketAddr, ListenError> {
    let bind = |error| ListenError::Bind { address: "an address".to_owned(), error };
    let local = listener.local_addr().map_err(bind)?;
    local.parse().map_err(|_| ListenError::Address(local))
}

/// One listener's loop.
struct Accepting {
    server: Arc<Server>,
    connections: Arc<AtomicUsize>,
    held: Held,
    advertised: (Str, i32),
}

/// Counts a connection for as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Accepting {
    async fn run(self, listener: Box<dyn Listener>) {
        let mut draining = self.server.draining();
        loop {
            tokio::select! {
                biased;
                () = &mut draining => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => self.serve(stream, address),
                    Err(error) => {
                        tracing::warn!(%error, "accepting a connection failed");
                        self.server.env.sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                    }
                },
            }
        }
    }

    fn serve(&self, stream: Box<dyn Stream>, address: String) {
        let counted = Counted(Arc::clone(&self.connections));
        if self.connections.fetch_add(1, Ordering::AcqRel) >= self.server.config.connections_max {
            self.server.metrics.refused();
            tracing::warn!(peer = %address, max = self.server.config.connections_max, "too many connections; closed one");
            return;
        }
        self.server.metrics.accepted();
        let peer = Arc::new(Peer::new(address, self.advertised.clone()));
        let server = Arc::clone(&self.server);
        let session = Session { server: Arc::clone(&server), peer: Arc::clone(&peer) };
        let (env, draining) = (self.server.env.clone(), self.server.draining());
        let (held, closed) = (self.held.clone(), self.server.closed());
        self.server.env.spawn("connection", async move {
            let _counted = counted;
            tokio::select! {
                biased;
                reason = connection::serve(env, stream, session, &held, draining) => {
                    server.metrics.closed(&reason);
                    log_end(&peer, &reason);
                }
                () = closed => tracing::warn!(peer = %peer.address, "connection cut: the broker closed"),
            }
        });
    }
}

fn log_end(peer: &Peer, reason: &CloseReason) {
    if reason.is_fault() {
        tracing::error!(peer = %peer.address, %reason, "connection closed");
    } else {
        tracing::debug!(peer = %peer.address, %reason, "connection closed");
    }
}
