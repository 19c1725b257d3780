//! The handle to a cluster that producers, consumers and administrative calls share.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use poruka_env::Env;
use poruka_wire::api::{MetadataRequest, MetadataRequestTopic};
use poruka_wire::{ErrorCode, Request, Str, Uuid};

use super::connections::{Connections, Lane};
use super::coordinators::Coordinators;
use super::metadata::{Metadata, TopicInfo};
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::net::{Connection, Dialer, TcpDialer};

/// Rounds through the bootstrap addresses before `connect` gives up.
const CONNECT_ROUNDS_MAX: u32 = 3;
/// Topics asked about in one request.
const TOPICS_ASKED_MAX: usize = 1_000;

/// A cluster. Cheap to clone; its connections close when the last clone is dropped.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env,
    config: ClientConfig,
    bootstrap: Vec<Str>,
    connections: Connections,
    coordinators: Coordinators,
    metadata: Mutex<Arc<Metadata>>,
    last_lane: AtomicU64,
}

impl Client {
    /// Connects over TCP. `bootstrap` is "host:port", or several of them separated by commas.
    ///
    /// # Errors
    /// `Connect` when none of the addresses answers as a Kafka broker, `Unsupported` when the broker is too old.
    pub async fn connect(env: Env, bootstrap: &str, config: ClientConfig) -> Result<Client, ClientError> {
        let dialer = Arc::new(TcpDialer::new(env.clone(), config.connect_timeout));
        Client::connect_with(env, dialer, bootstrap, config).await
    }

    /// Connects by another way than TCP: in the same process, or through a fake.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect_with(
        env: Env,
        dialer: Arc<dyn Dialer>,
        bootstrap: &str,
        config: ClientConfig,
    ) -> Result<Client, ClientError> {
        let addresses = bootstrap.split(',').map(str::trim).filter(|address| !address.is_empty());
        let inner = Inner {
            env: env.clone(),
            bootstrap: addresses.map(Str::from).collect(),
            connections: Connections::new(env, dialer, config.clone()),
            config,
            coordinators: Coordinators::default(),
            metadata: Mutex::default(),
            last_lane: AtomicU64::new(0),
        };
        let client = Client { inner: Arc::new(inner) };
        client.first_contact().await?;
        Ok(client)
    }

    async fn first_contact(&self) -> Result<(), ClientError> {
        let mut failures = 0;
        loop {
            match self.ask_metadata(Some(Vec::new())).await {
                Ok(_) => return Ok(()),
                Err(error) if failures + 1 >= CONNECT_ROUNDS_MAX || !error.is_about_the_connection() => {
                    return Err(error);
                }
                Err(_) => failures += 1,
            }
            self.back_off(failures).await;
        }
    }

    /// The host this client runs on.
    pub fn env(&self) -> &Env {
        &self.inner.env
    }

    /// Its settings.
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// What is known of the cluster now.
    pub fn metadata(&self) -> Arc<Metadata> {
        Arc::clone(&self.inner.metadata.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn coordinators(&self) -> &Coordinators {
        &self.inner.coordinators
    }

    fn update<T>(&self, change: impl FnOnce(&mut Metadata) -> T) -> T {
        let mut held = self.inner.metadata.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut held))
    }

    pub(crate) fn note_address(&self, node: i32, host: &str, port: i32) {
        self.update(|metadata| metadata.nodes.insert(node, Str::from(format!("{host}:{port}"))));
    }

    /// A lane of its own for whoever asks.
    pub(crate) fn new_lane(&self) -> Lane {
        Lane::Own(self.inner.last_lane.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn close_lane(&self, lane: Lane) {
        self.inner.connections.close_lane(lane);
    }

    /// Waits as the back-off says after this many failures in a row.
    pub(crate) async fn back_off(&self, failures: u32) {
        let wait = self.inner.config.backoff.wait(failures, self.inner.env.random_u64());
        self.inner.env.sleep(wait).await;
    }

    /// The connection to a node on a lane.
    pub(crate) async fn connection(&self, node: i32, lane: Lane) -> Result<Connection, ClientError> {
        let Some(address) = self.metadata().nodes.get(&node).cloned() else {
            return Err(ClientError::not_sent(
                "connect",
                format!("node {node} is not in the cluster's metadata"),
            ));
        };
        self.inner.connections.get(&address, lane).await
    }

    /// A connection to any node: a known one, else a bootstrap address.
    async fn any_connection(&self) -> Result<Connection, ClientError> {
        let metadata = self.metadata();
        let mut known: Vec<Str> = metadata.nodes.values().cloned().collect();
        if !known.is_empty() {
            let turn = usize::try_from(self.inner.env.random_below(known.len() as u64)).unwrap_or(0);
            known.rotate_left(turn);
        }
        let mut last = ClientError::not_sent("connect", "no bootstrap address was given");
        for address in known.iter().chain(&self.inner.bootstrap) {
            match self.inner.connections.get(address, Lane::Shared).await {
                Ok(connection) => return Ok(connection),
                Err(error @ ClientError::Unsupported(_)) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// One attempt at a request to any node.
    pub(crate) async fn call_any<R: Request>(
        &self,
        what: &'static str,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        let connection = self.any_connection().await?;
        connection.call(request).await.map_err(|error| ClientError::from_call(what, error))
    }

    /// One attempt at a request to one node, on a lane.
    pub(crate) async fn call_node<R: Request>(
        &self,
        what: &'static str,
        node: i32,
        lane: Lane,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        let connection = self.connection(node, lane).await?;
        connection.call(request).await.map_err(|error| ClientError::from_call(what, error))
    }

    /// Tries again, with back-off, while the error says that this may help and the time is not up. Only for what may
    /// safely be done twice.
    pub(crate) async fn retrying<T, F, W>(&self, mut attempt: F) -> Result<T, ClientError>
    where
        F: FnMut() -> W,
        W: Future<Output = Result<T, ClientError>>,
    {
        let until = self.inner.env.now() + self.inner.config.retry_timeout;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if error.action() != crate::error::Action::Retry {
                return Err(error);
            }
            if self.inner.env.now() >= until {
                return Err(ClientError::GaveUp { attempts, last: Box::new(error) });
            }
            self.back_off(attempts).await;
        }
    }

    /// Asks about topics (`None`: all), and takes the answer in. Returns what could not be described.
    async fn ask_metadata(
        &self,
        topics: Option<Vec<MetadataRequestTopic>>,
    ) -> Result<Vec<(Option<Str>, Uuid, ErrorCode)>, ClientError> {
        let request = MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() };
        let answer = self.call_any("look up the cluster's metadata", &request).await?;
        if !answer.error_code.is_none() {
            return Err(ClientError::refused("look up the cluster's metadata", answer.error_code, None));
        }
        let now = self.inner.env.now();
        Ok(self.update(|metadata| metadata.take_in(now, &answer)))
    }

    /// Looks topics up now, once. Returns those that the cluster does not describe, with its reason.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn refresh(&self, names: &BTreeSet<Str>) -> Result<Vec<(Str, ErrorCode)>, ClientError> {
        let mut refused = Vec::new();
        let names: Vec<Str> = names.iter().cloned().collect();
        for some in names.chunks(TOPICS_ASKED_MAX) {
            let asked = some.iter().map(|name| by_name(name.clone())).collect();
            let answer = self.ask_metadata(Some(asked)).await?;
            refused.extend(answer.into_iter().filter_map(|(name, _, code)| Some((name?, code))));
        }
        Ok(refused)
    }

    /// Looks topics up by id, once.
    pub(crate) async fn refresh_ids(&self, ids: &[Uuid]) -> Result<Vec<(Uuid, ErrorCode)>, ClientError> {
        let mut refused = Vec::new();
        for some in ids.chunks(TOPICS_ASKED_MAX) {
            let by_id = |id: &Uuid| MetadataRequestTopic { topic_id: *id, name: None };
            let answer = self.ask_metadata(Some(some.iter().map(by_id).collect())).await?;
            refused.extend(answer.into_iter().map(|(_, id, code)| (id, code)));
        }
        Ok(refused)
    }

    /// Looks every topic up, once.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn refresh_all(&self) -> Result<(), ClientError> {
        self.ask_metadata(None).await.map(|_| ())
    }

    /// A topic: from what is known if that is fresh, else looked up. Tries again while that may help.
    ///
    /// # Errors
    /// `UnknownTopic` when there is no such topic.
    pub async fn topic(&self, name: &str) -> Result<TopicInfo, ClientError> {
        let fresh_from = self.inner.config.metadata_age_max;
        if let Some(known) = self.metadata().topic(name)
            && self.inner.env.now() - known.learnt < fresh_from
        {
            return Ok(known.clone());
        }
        self.retrying(|| self.look_up(name)).await
    }

    /// Looks one topic up now, whatever is known. One attempt.
    pub(crate) async fn look_up(&self, name: &str) -> Result<TopicInfo, ClientError> {
        let wanted = BTreeSet::from([Str::from(name)]);
        let refused = self.refresh(&wanted).await?;
        match refused.first() {
            // A topic that does not exist will not come to exist by asking again.
            Some((_, ErrorCode::UnknownTopicOrPartition)) => Err(unknown_topic(name)),
            Some((_, code)) => Err(ClientError::refused(format!("look up topic {name:?}"), *code, None)),
            None => self.metadata().topic(name).cloned().ok_or_else(|| unknown_topic(name)),
        }
    }
}

fn by_name(name: Str) -> MetadataRequestTopic {
    MetadataRequestTopic { name: Some(name), ..Default::default() }
}

fn unknown_topic(name: &str) -> ClientError {
    ClientError::UnknownTopic { topic: name.to_owned() }
}
