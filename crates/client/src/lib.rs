//! The Kafka client: connections, metadata, producer, fetch, group member; every outcome one of three.
//!
//! A set of state machines over a [`net::Transport`] (request frame in, response frame out): TCP, a broker in the same
//! process, a scripted fake. It speaks the protocol of Apache Kafka 4.0 and newer, and of our own broker; older brokers
//! are refused by name. Time, randomness, tasks and sockets come from [`poruka_env::Env`] alone.
//!
//! - [`Client`]: a cluster; what everything below is made from.
//! - [`produce`]: [`produce::Producer`], and the outcome rule as data.
//! - [`consume`]: [`consume::Consumer`], with partitions of its own choice or as a member of a KIP-848 group.
//! - [`admin`]: topics, configurations, groups, offsets.
//!
//! Fault model: connections break at any byte, answers are lost after the broker has acted, brokers restart, leaders and
//! coordinators move, topics are made anew under an old name. What cannot be known is told as unknown.
//! Left out: transactions (yet), transaction protocol v1, classic groups, fetch sessions, TLS and SASL (yet).

pub mod admin;
mod backoff;
mod cluster;
mod config;
pub mod consume;
mod error;
pub mod net;
mod offsets;
pub mod produce;

pub use backoff::Backoff;
pub use cluster::{Client, Lane, Metadata, PartitionInfo, TopicInfo};
pub use config::ClientConfig;
pub use error::{Action, ClientError};
pub use offsets::{Commit, CommitError, Committed, Found, Spot};
