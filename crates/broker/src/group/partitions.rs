//! Sets of partitions, named by topic id.

use std::collections::{BTreeMap, BTreeSet};

use poruka_wire::Uuid;

/// One partition of one life of a topic.
pub(crate) type TopicPartition = (Uuid, i32);

/// Partitions without more.
pub(crate) type PartitionSet = BTreeSet<TopicPartition>;

/// Partitions, each with the epoch at which it was assigned.
pub(crate) type Partitions = BTreeMap<TopicPartition, i32>;
