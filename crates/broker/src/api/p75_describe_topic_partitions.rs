//! DescribeTopicPartitions (key 75), v0: topics and their partitions in pages, for tools with many partitions.
//!
//! Topics come sorted by name. The page ends at the limit, and the cursor says where to go on; the limit is
//! at most [`PARTITIONS_PER_PAGE_MAX`], as `max.request.partition.size.limit` in Kafka.

use poruka_wire::api::{
    DescribeTopicPartitionsCursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use poruka_wire::{ErrorCode, Str};

use super::support::{NODE_ID, TOPIC_OPERATIONS};
use super::{Answer, Context, api};
use crate::catalog::{Catalog, Topic};
use crate::topic_name;

api!(DescribeTopicPartitionsRequest, versions = 0..=0, handler = describe);

/// The most partitions of one page.
pub(super) const PARTITIONS_PER_PAGE_MAX: i32 = 2000;

fn describe(
    context: Context,
    request: DescribeTopicPartitionsRequest,
) -> Answer<DescribeTopicPartitionsResponse> {
    let catalog = context.server.catalog();
    let limit = request.response_partition_limit.clamp(1, PARTITIONS_PER_PAGE_MAX);
    let mut page = Page { topics: Vec::new(), left: limit, next: None };
    let (from_topic, from_partition) = match request.cursor {
        Some(cursor) => (cursor.topic_name, cursor.partition_index.max(0)),
        None => (Str::default(), 0),
    };
    for name in names(&catalog, &request.topics, &from_topic) {
        let from = if name == from_topic { from_partition } else { 0 };
        if !page.add(&catalog, name, from) {
            break;
        }
    }
    Answer::Now(DescribeTopicPartitionsResponse {
        topics: page.topics,
        next_cursor: page.next,
        ..DescribeTopicPartitionsResponse::default()
    })
}

fn names(
    catalog: &Catalog,
    asked: &[poruka_wire::api::DescribeTopicPartitionsTopic],
    from: &Str,
) -> Vec<Str> {
    if asked.is_empty() {
        return catalog.topics_from(from).map(|topic| topic.name.clone()).collect();
    }
    let mut names: Vec<Str> =
        asked.iter().map(|topic| topic.name.clone()).filter(|name| name >= from).collect();
    names.sort_unstable();
    names.dedup();
    names
}

struct Page {
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    left: i32,
    next: Option<DescribeTopicPartitionsCursor>,
}

impl Page {
    /// Adds a topic from a partition on; false once the page is full.
    fn add(&mut self, catalog: &Catalog, name: Str, from: i32) -> bool {
        if self.left == 0 {
            self.next = Some(DescribeTopicPartitionsCursor { topic_name: name, partition_index: from });
            return false;
        }
        let Some(topic) = catalog.get(&name) else {
            self.topics.push(unknown(name));
            return true;
        };
        let until = topic.count().min(from.saturating_add(self.left));
        self.topics.push(described(topic, from, until));
        self.left -= (until - from).max(0);
        if until < topic.count() {
            self.next = Some(DescribeTopicPartitionsCursor { topic_name: name, partition_index: until });
            return false;
        }
        true
    }
}

fn unknown(name: Str) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: match topic_name::check(&name) {
            Ok(()) => ErrorCode::UnknownTopicOrPartition,
            Err(_) => ErrorCode::InvalidTopicException,
        },
        name: Some(name),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn described(topic: &Topic, from: i32, until: i32) -> DescribeTopicPartitionsResponseTopic {
    let partitions = (from..until).filter_map(|index| {
        Some(DescribeTopicPartitionsResponsePartition {
            error_code: ErrorCode::None,
            partition_index: index,
            leader_id: NODE_ID,
            leader_epoch: topic.partition(index)?.leader_epoch(),
            replica_nodes: vec![NODE_ID],
            isr_nodes: vec![NODE_ID],
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
            offline_replicas: Vec::new(),
        })
    });
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::None,
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: false,
        partitions: partitions.collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
    }
}
