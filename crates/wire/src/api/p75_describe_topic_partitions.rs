//! DescribeTopicPartitions (key 75), v0. KIP-966.

use crate::{ErrorCode, Str, Uuid};

api!(
    DescribeTopicPartitions: DescribeTopicPartitionsRequest => DescribeTopicPartitionsResponse,
    versions 0..=0, flexible 0
);

message! {
    /// Asks about topics page by page.
    struct DescribeTopicPartitionsRequest {
        topics: Vec<DescribeTopicPartitionsTopic> [0..],
        response_partition_limit: i32 [0..] = 2000,
        cursor: Option<DescribeTopicPartitionsCursor> [0..] = None,
    }

    /// A topic asked about.
    struct DescribeTopicPartitionsTopic {
        name: Str [0..],
    }

    /// Where a page begins.
    struct DescribeTopicPartitionsCursor {
        topic_name: Str [0..],
        partition_index: i32 [0..],
    }
}

message! {
    /// A page of topics.
    struct DescribeTopicPartitionsResponse {
        throttle_time_ms: i32 [0..],
        topics: Vec<DescribeTopicPartitionsResponseTopic> [0..],
        /// Null on the last page.
        next_cursor: Option<DescribeTopicPartitionsCursor> [0..] = None,
    }

    /// A topic and its partitions.
    struct DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode [0..],
        name: Option<Str> [0..],
        topic_id: Uuid [0..],
        is_internal: bool [0..],
        partitions: Vec<DescribeTopicPartitionsResponsePartition> [0..],
        topic_authorized_operations: i32 [0..] = i32::MIN,
    }

    /// A partition, its leader and its replicas.
    struct DescribeTopicPartitionsResponsePartition {
        error_code: ErrorCode [0..],
        partition_index: i32 [0..],
        leader_id: i32 [0..],
        leader_epoch: i32 [0..] = -1,
        replica_nodes: Vec<i32> [0..],
        isr_nodes: Vec<i32> [0..],
        eligible_leader_replicas: Option<Vec<i32>> [0..] = None,
        last_known_elr: Option<Vec<i32>> [0..] = None,
        offline_replicas: Vec<i32> [0..],
    }
}
