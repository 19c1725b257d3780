//! The Kafka client: connections, metadata, producer, fetch, group member; every outcome one of three.
