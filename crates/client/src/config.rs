//! What a client is told once: how it names itself, how long it waits, how it tries again.

use std::time::Duration;

use poruka_wire::Str;

use crate::backoff::Backoff;

/// Settings shared by everything that one [`Client`](crate::Client) makes.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Told to brokers with every request; shows up in their logs and quotas.
    pub client_id: Str,
    /// A connection that does not stand after this is given up.
    pub connect_timeout: Duration,
    /// A request without an answer after this closes its connection, and ends as lost.
    pub request_timeout: Duration,
    /// How long metadata look-ups, coordinator look-ups and administrative requests try again.
    pub retry_timeout: Duration,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// Metadata older than this is asked for again when it is used.
    pub metadata_age_max: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            client_id: Str::from("poruka"),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            retry_timeout: Duration::from_secs(60),
            backoff: Backoff::default(),
            metadata_age_max: Duration::from_secs(300),
        }
    }
}
