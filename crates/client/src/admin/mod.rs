//! Administrative requests: topics, configurations, groups, offsets, the cluster itself.
//!
//! Look-ups are tried again until the client's `retry_timeout`. Changes are tried again only after a failure that proves
//! that nothing was done; else the error says that it may be done ([`ClientError::may_be_done`](crate::ClientError)).

mod cluster;
mod configs;
mod groups;
mod topics;

pub use cluster::{ClusterInfo, NodeInfo};
pub use configs::{ConfigChange, ConfigEntry, Resource};
pub use groups::{GroupInfo, GroupListing, MemberInfo};
pub use topics::{CreatedTopic, NewTopic};

use std::future::Future;

use crate::cluster::Client;
use crate::error::ClientError;

/// Administrative requests to a cluster. Cheap to make and to clone.
#[derive(Clone)]
pub struct Admin {
    client: Client,
}

impl Admin {
    /// Speaks through this client.
    pub fn new(client: &Client) -> Admin {
        Admin { client: client.clone() }
    }

    /// Tries a change again while it is proven not to be done.
    async fn changing<T, F, W>(&self, mut attempt: F) -> Result<T, ClientError>
    where
        F: FnMut() -> W,
        W: Future<Output = Result<T, ClientError>>,
    {
        let until = self.client.env().now() + self.client.config().retry_timeout;
        let mut attempts = 0;
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            attempts += 1;
            let again = error.action() == crate::Action::Retry && !error.may_be_done();
            if !again || self.client.env().now() >= until {
                return Err(error);
            }
            self.client.back_off(attempts).await;
        }
    }

    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.client.config().request_timeout.as_millis()).unwrap_or(i32::MAX)
    }
}
