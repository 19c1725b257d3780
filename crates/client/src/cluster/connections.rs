//! One connection per (node, lane), made when first used and made again when it breaks.
//!
//! Lanes keep things apart that must not wait for each other: a broker answers the requests of one connection in order, so
//! a commit behind a fetch that waits for data would wait too. Two callers that need the same connection at the same
//! time dial once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use poruka_env::Env;
use poruka_wire::Str;

use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::net::{CallError, Connection, Dialer};

/// Connections that are kept apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Metadata and administrative requests.
    Shared,
    /// One producer's, fetcher's or group member's own.
    Own(u64),
}

type Slot = Arc<tokio::sync::Mutex<Option<Connection>>>;

pub(crate) struct Connections {
    env: Env,
    dialer: Arc<dyn Dialer>,
    config: ClientConfig,
    slots: Mutex<BTreeMap<(Str, Lane), Slot>>,
}

impl Connections {
    pub(crate) fn new(env: Env, dialer: Arc<dyn Dialer>, config: ClientConfig) -> Connections {
        Connections { env, dialer, config, slots: Mutex::default() }
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Str, Lane), Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to an address on a lane; dials if there is none that stands.
    ///
    /// Cancel safety: an unfinished dial is dropped; the next caller starts anew.
    pub(crate) async fn get(&self, address: &Str, lane: Lane) -> Result<Connection, ClientError> {
        let slot = Arc::clone(self.slots().entry((address.clone(), lane)).or_default());
        let mut held = slot.lock().await;
        if let Some(connection) = held.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        *held = None;
        let connection = self.dial(address).await?;
        *held = Some(connection.clone());
        Ok(connection)
    }

    async fn dial(&self, address: &Str) -> Result<Connection, ClientError> {
        let failed = |why: String| ClientError::Connect { address: address.to_string(), why };
        let transport = self.dialer.dial(address).await.map_err(failed)?;
        let config = &self.config;
        let opening =
            Connection::open(self.env.clone(), transport, config.client_id.clone(), config.request_timeout);
        match self.env.timeout(config.connect_timeout, opening).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(CallError::Unsupported(unsupported))) => Err(unsupported.into()),
            Ok(Err(other)) => Err(failed(other.to_string())),
            Err(_) => Err(failed(format!("no answer within {:?}", config.connect_timeout))),
        }
    }

    /// Closes every connection of a lane, and forgets it.
    pub(crate) fn close_lane(&self, lane: Lane) {
        let mut slots = self.slots();
        for ((_, of), slot) in slots.iter() {
            if *of == lane
                && let Ok(held) = slot.try_lock()
                && let Some(connection) = held.as_ref()
            {
                connection.close();
            }
        }
        slots.retain(|(_, of), _| *of != lane);
    }
}
