//! The broker: coordinators as pure state machines, and the server that drives them.
//!
//! [`Broker::open`] brings back everything that was acknowledged from a data folder; [`Broker::listen`] serves the
//! Kafka protocol on an address, [`Broker::connect_local`] inside the process, and [`Broker::close`] ends cleanly.
//!
//! - `connection`: bytes to frames to handlers and back, in order and bounded.
//! - `api`: one numbered file for each Kafka API.
//! - `topics`, `catalog`, `state`, `settings`: which topics there are, how they are set, and how that is remembered.
//! - `metrics`: what the broker counts about itself, and the page that shows it.
//! - [`group`]: the group coordinator, pure; `group_driver` feeds it.
//!
//! Everything it remembers is a fold over a log of `poruka-log`. Time, randomness, tasks and sockets come from
//! `poruka-env`, so that a simulation can drive it.
//!
//! Not here: authentication, transactions, share groups, retention and compaction.

mod api;
mod broker;
mod catalog;
mod config;
mod connection;
pub mod group;
mod group_driver;
mod metrics;
mod producer_ids;
mod server;
mod settings;
mod state;
mod topic_name;
mod topics;

pub use broker::{Broker, DRAIN_MS_MAX, ListenError, OpenError};
pub use config::{BrokerConfig, CONNECTIONS_MAX, OFFSETS_RETENTION_MINUTES};
pub use connection::{
    Closed, HELD_BYTES_MAX, IDLE_MS_MAX, IN_FLIGHT_BYTES_MAX, IN_FLIGHT_REQUESTS_MAX, LocalConnection,
};
pub use metrics::{METRICS_CONNECTIONS_MAX, MetricsPage};
