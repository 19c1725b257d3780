//! The bus: a broker in this process, or a connection to one elsewhere; both behave the same.

#[cfg(feature = "embedded")]
use std::path::Path;
use std::sync::Arc;

use poruka_client::{Client, ClientConfig, ClientError};
use poruka_env::Env;
use poruka_guarantee::Guarantee;

use crate::address::{Address, BadAddress};
#[cfg(feature = "embedded")]
use crate::embedded::Embedded;
use crate::judge::TooWeak;
use crate::receipt::Action;
use crate::settings::{Refusal, settings_for};
use crate::topic::{Topic, TopicSpec};

/// Where topics live. Cheap to clone; clones are the same bus.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use poruka::{Bus, Name, Record};
/// let bus = Bus::open("data").await?; // or Bus::connect("kafka://127.0.0.1:9092").await?
/// let orders = bus.topic("orders", Name::Durable).await?;
/// let receipt = orders.producer().await?.send(Record::new("one coffee").key("table 4")).await?;
/// println!("{receipt}");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    client: Client,
    #[cfg(feature = "embedded")]
    embedded: Option<Arc<Embedded>>,
}

/// Why a bus could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The address cannot be read.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// The broker cannot be reached, or refuses.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The folder cannot be made or found.
    #[cfg(feature = "embedded")]
    #[error("open {path}: {error}; check that the path is a folder that this user may write")]
    Folder {
        /// The folder.
        path: String,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The broker in this process cannot be started.
    #[cfg(feature = "embedded")]
    #[error("open {path}: {error}")]
    Open {
        /// The folder.
        path: String,
        /// What the broker said.
        #[source]
        error: poruka_broker::OpenError,
    },
    /// The Kafka port cannot be opened.
    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Listen(#[from] poruka_broker::ListenError),
    /// Only a broker in this process can be told to listen.
    #[error("this bus is a connection to a broker elsewhere, which listens by itself")]
    NotEmbedded,
}

/// Why a topic could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The guarantee cannot be had here.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The topic is there and cannot keep the guarantee.
    #[error(transparent)]
    TooWeak(#[from] TooWeak),
    /// The broker cannot be reached, or refuses.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl TopicError {
    /// What to do next.
    pub fn action(&self) -> Action {
        match self {
            TopicError::Refused(_) | TopicError::TooWeak(_) => Action::Fix,
            TopicError::Client(error) => error.action().into(),
        }
    }
}

impl Bus {
    /// Opens a broker in this process on the folder `dir`, which is made when it is not there. No socket is involved
    /// until [`Bus::listen`]. Opening a folder again that is open in this process gives the same broker.
    ///
    /// # Errors
    /// [`BusError::Open`] when another process has the folder (named by its number), when it is damaged or of a later
    /// format.
    #[cfg(feature = "embedded")]
    pub async fn open(dir: impl AsRef<Path>) -> Result<Bus, BusError> {
        let embedded = Embedded::open(dir.as_ref()).await?;
        Bus::on(Env::real(), embedded).await
    }

    /// Opens a broker in this process with a configuration of its own, on any host: for simulations and tests. It is not
    /// shared with [`Bus::open`] of the same folder.
    ///
    /// # Errors
    /// As [`Bus::open`].
    #[cfg(feature = "embedded")]
    pub async fn open_with(env: Env, config: poruka_broker::BrokerConfig) -> Result<Bus, BusError> {
        let embedded = Embedded::start(env.clone(), config).await?;
        Bus::on(env, Arc::new(embedded)).await
    }

    #[cfg(feature = "embedded")]
    async fn on(env: Env, embedded: Arc<Embedded>) -> Result<Bus, BusError> {
        let client = embedded.client(env).await?;
        Ok(Bus { inner: Arc::new(Inner { client, embedded: Some(embedded) }) })
    }

    /// Connects to a broker, ours or an Apache Kafka of version 4.0 or newer: `kafka://host:port`, several hosts joined by
    /// commas.
    ///
    /// # Errors
    /// When the address cannot be read, no broker answers there, or it is too old.
    pub async fn connect(address: &str) -> Result<Bus, BusError> {
        Bus::connect_with(Env::real(), address, ClientConfig::default()).await
    }

    /// Connects with time limits of its own, on any host.
    ///
    /// # Errors
    /// As [`Bus::connect`].
    pub async fn connect_with(env: Env, address: &str, config: ClientConfig) -> Result<Bus, BusError> {
        let address: Address = address.parse()?;
        let client = Client::connect(env, &address.bootstrap.join(","), config).await?;
        Ok(Bus::over(client))
    }

    /// A bus over a client that was made elsewhere: with another way of connecting, or shared.
    pub fn over(client: Client) -> Bus {
        let inner = Inner {
            client,
            #[cfg(feature = "embedded")]
            embedded: None,
        };
        Bus { inner: Arc::new(inner) }
    }

    /// Opens the Kafka port of the broker in this process, "host:port", port 0 for any; returns the address.
    ///
    /// # Errors
    /// [`BusError::NotEmbedded`] for a connected bus; [`BusError::Listen`] when the system refuses.
    #[cfg(feature = "embedded")]
    pub async fn listen(&self, address: &str) -> Result<std::net::SocketAddr, BusError> {
        match &self.inner.embedded {
            Some(embedded) => Ok(embedded.broker().listen(address).await?),
            None => Err(BusError::NotEmbedded),
        }
    }

    /// Opens a topic with a guarantee: a [`poruka_guarantee::Name`], a [`Guarantee`] of dial positions, or a [`TopicSpec`].
    /// A topic that is not there is made as the guarantee asks; one that is there is taken if it keeps the guarantee.
    ///
    /// # Errors
    /// [`TopicError::Refused`] for a guarantee that cannot be had, [`TopicError::TooWeak`] for a topic that cannot keep it.
    pub async fn topic(&self, name: &str, spec: impl Into<TopicSpec>) -> Result<Topic, TopicError> {
        let spec = spec.into();
        let settings = settings_for(spec.guarantee)?;
        let facts = crate::opening::open(&self.inner.client, name, &spec, &settings).await?;
        Ok(Topic::new(name, settings, facts, Arc::clone(&self.inner)))
    }

    /// What it takes to keep a guarantee, each setting with its reason.
    ///
    /// # Errors
    /// For a guarantee that cannot be had.
    pub fn explain(guarantee: impl Into<TopicSpec>) -> Result<crate::settings::Settings, Refusal> {
        let guarantee: Guarantee = guarantee.into().guarantee;
        settings_for(guarantee)
    }

    /// The Kafka client underneath, for what this library has no words for.
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// Ends the broker in this process cleanly, for everyone who has it open; what is under way is finished first. A
    /// connected bus has nothing to end. Without it the broker ends as if killed when the last bus, topic, producer
    /// and consumer is dropped: what was acked is kept as its guarantee says.
    pub async fn close(&self) {
        #[cfg(feature = "embedded")]
        if let Some(embedded) = &self.inner.embedded {
            embedded.close().await;
        }
    }
}

impl Inner {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}
