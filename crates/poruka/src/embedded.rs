//! The broker in this process, and the list of folders that are open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use poruka_broker::{Broker, BrokerConfig};
use poruka_client::{Client, ClientConfig, ClientError};
use poruka_env::Env;
use tokio::sync::Mutex;

use crate::bus::BusError;
use crate::local::LocalDialer;

/// What the client is told to connect to; there is no such address, and none is needed.
const LOCAL_ADDRESS: &str = "in-process:0";
/// How long a folder that a dropped broker of this process still holds is waited for.
const RELEASE_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often it is tried in that time.
const RELEASE_POLL: Duration = Duration::from_millis(20);

/// Brokers of this process by folder. Held over opening, so that two openers get one broker.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Embedded>>>> = LazyLock::new(Mutex::default);

/// A broker in this process.
pub(crate) struct Embedded {
    broker: Broker,
    path: Option<PathBuf>,
}

impl Embedded {
    /// The broker on `dir`: the one that is open, or a new one.
    pub(crate) async fn open(dir: &Path) -> Result<Arc<Embedded>, BusError> {
        let env = Env::real();
        let folder = |error| BusError::Folder { path: dir.display().to_string(), error };
        env.disk().create_dir_all(dir).map_err(folder)?;
        let path = std::fs::canonicalize(dir).map_err(folder)?;
        let mut open = OPEN.lock().await;
        if let Some(embedded) = open.get(&path).and_then(Weak::upgrade) {
            return Ok(embedded);
        }
        open.retain(|_, known| known.strong_count() > 0);
        let until = env.now() + RELEASE_WAIT_MAX;
        loop {
            match Embedded::start(env.clone(), BrokerConfig::new(path.clone())).await {
                Ok(mut embedded) => {
                    embedded.path = Some(path.clone());
                    let embedded = Arc::new(embedded);
                    open.insert(path, Arc::downgrade(&embedded));
                    return Ok(embedded);
                }
                // A broker of this process that was dropped, not closed, lets go of its folder once its tasks have ended.
                Err(error) if is_ours(&error) && env.now() < until => env.sleep(RELEASE_POLL).await,
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) async fn start(env: Env, config: BrokerConfig) -> Result<Embedded, BusError> {
        let path = config.data_dir.display().to_string();
        let broker = Broker::open(env, config).await.map_err(|error| BusError::Open { path, error })?;
        Ok(Embedded { broker, path: None })
    }

    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    pub(crate) async fn client(&self, env: Env) -> Result<Client, ClientError> {
        let dialer = Arc::new(LocalDialer::new(self.broker.clone()));
        Client::connect_with(env, dialer, LOCAL_ADDRESS, ClientConfig::default()).await
    }

    pub(crate) async fn close(&self) {
        let mut open = OPEN.lock().await;
        self.broker.close().await;
        if let Some(path) = &self.path {
            open.remove(path);
        }
    }
}

/// Whether the folder is held by this very process.
fn is_ours(error: &BusError) -> bool {
    match error {
        BusError::Open { error, .. } => error.held_by() == Some(std::process::id()),
        _ => false,
    }
}
