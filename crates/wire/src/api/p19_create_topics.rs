//! CreateTopics (key 19), v2-7. v4: the broker's defaults by -1 (KIP-464). v5: flexible, the configuration in
//! the answer (KIP-525). v6: may answer THROTTLING_QUOTA_EXCEEDED. v7: topic ids.

use crate::{ErrorCode, Str, Uuid};

api!(CreateTopics: CreateTopicsRequest => CreateTopicsResponse, versions 2..=7, flexible 5);

message! {
    /// Makes topics.
    struct CreateTopicsRequest {
        topics: Vec<CreatableTopic> [0..],
        timeout_ms: i32 [0..] = 60000,
        validate_only: bool [0..],
    }

    /// A topic to make.
    struct CreatableTopic {
        name: Str [0..],
        /// -1 for the broker's default, or if assignments are given.
        num_partitions: i32 [0..],
        replication_factor: i16 [0..],
        assignments: Vec<CreatableReplicaAssignment> [0..],
        configs: Vec<CreatableTopicConfig> [0..],
    }

    /// The brokers of one partition.
    struct CreatableReplicaAssignment {
        partition_index: i32 [0..],
        broker_ids: Vec<i32> [0..],
    }

    /// A configuration of the new topic.
    struct CreatableTopicConfig {
        name: Str [0..],
        value: Option<Str> [0..],
    }
}

message! {
    /// What became of each topic.
    struct CreateTopicsResponse {
        throttle_time_ms: i32 [0..],
        topics: Vec<CreatableTopicResult> [0..],
    }

    /// The outcome for one topic.
    struct CreatableTopicResult {
        name: Str [0..],
        topic_id: Uuid [7..; ignorable],
        error_code: ErrorCode [0..],
        error_message: Option<Str> [0..],
        num_partitions: i32 [5..; ignorable] = -1,
        replication_factor: i16 [5..; ignorable] = -1,
        configs: Option<Vec<CreatableTopicConfigs>> [5..; ignorable],
    }
    tags {
        0 topic_config_error_code: ErrorCode [5..; ignorable],
    }

    /// A configuration of the new topic, as it came to be.
    struct CreatableTopicConfigs {
        name: Str [5..],
        value: Option<Str> [5..],
        read_only: bool [5..],
        config_source: i8 [5..; ignorable] = -1,
        is_sensitive: bool [5..],
    }
}
