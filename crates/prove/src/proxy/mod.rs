//! A proxy between clients and broker that understands Kafka frames, so that faults can be placed where they hurt.
//!
//! Fault model: connections break at any byte, answers vanish after the broker has acted, requests arrive twice, in
//! pieces or late. Bytes are never changed and never change places within a connection: TCP forbids that.
//! A fault counts only when its effect was seen here: an answer counts as dropped when it said that records were
//! appended, not when it carried an error.
//!
//! Where nothing is answered (acks=0) the proxy asks the broker itself, before and behind the request on the same
//! connection, where the log ends: when it moved by the records of the request, the append happened, and then the
//! connection is cut as if the answer had been dropped.

mod connection;
mod director;
mod frames;
mod repeat;

use std::io;
use std::sync::Arc;

use poruka_env::{Env, Task};

pub(crate) use director::{Director, InFlight, Taken};

/// A listening proxy. Dropping it closes the door; connections end with their peers.
pub(crate) struct Proxy {
    addr: String,
    accepting: Task,
}

impl Proxy {
    /// Listens on a free port of the loopback.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn start(env: &Env, director: Arc<Director>) -> io::Result<Proxy> {
        let listener = env.listen("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let own = env.clone();
        let accepting = env.spawn("prove-proxy", async move {
            loop {
                // An error is about one connection; the client sees it closed and comes again.
                if let Ok((client, _peer)) = listener.accept().await {
                    let (env, director) = (own.clone(), Arc::clone(&director));
                    own.spawn("prove-proxy-connection", async move {
                        connection::run(&env, &director, client).await;
                    });
                }
            }
        });
        Ok(Proxy { addr, accepting })
    }

    /// "host:port".
    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[cfg(test)]
mod tests;
