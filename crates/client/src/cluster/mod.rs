//! The cluster as one handle: metadata, a connection per node and lane, coordinators, retries.

mod client;
mod connections;
mod coordinators;
mod metadata;

pub use client::Client;
pub use connections::Lane;
pub(crate) use coordinators::is_coordinator_trouble;
pub use metadata::{Metadata, PartitionInfo, TopicInfo};
