//! DescribeProducers (key 61), v0. KIP-664.

use crate::{ErrorCode, Str};

api!(DescribeProducers: DescribeProducersRequest => DescribeProducersResponse, versions 0..=0, flexible 0);

message! {
    /// Asks which producers have state in partitions.
    struct DescribeProducersRequest {
        topics: Vec<DescribeProducersTopic> [0..],
    }

    /// Partitions of one topic.
    struct DescribeProducersTopic {
        name: Str [0..],
        partition_indexes: Vec<i32> [0..],
    }
}

message! {
    /// The producers.
    struct DescribeProducersResponse {
        throttle_time_ms: i32 [0..],
        topics: Vec<DescribeProducersTopicResponse> [0..],
    }

    /// Producers in one topic.
    struct DescribeProducersTopicResponse {
        name: Str [0..],
        partitions: Vec<DescribeProducersPartitionResponse> [0..],
    }

    /// Producers in one partition.
    struct DescribeProducersPartitionResponse {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<Str> [0..] = None,
        active_producers: Vec<ProducerState> [0..],
    }

    /// What a partition remembers of one producer.
    struct ProducerState {
        producer_id: i64 [0..],
        producer_epoch: i32 [0..],
        last_sequence: i32 [0..] = -1,
        last_timestamp: i64 [0..] = -1,
        coordinator_epoch: i32 [0..],
        current_txn_start_offset: i64 [0..] = -1,
    }
}
