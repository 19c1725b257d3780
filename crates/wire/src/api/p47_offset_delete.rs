//! OffsetDelete (key 47), v0. KIP-496.

use crate::{ErrorCode, Str};

api!(OffsetDelete: OffsetDeleteRequest => OffsetDeleteResponse, versions 0..=0, flexible none);

message! {
    /// Forgets offsets of a group.
    struct OffsetDeleteRequest {
        group_id: Str [0..],
        topics: Vec<OffsetDeleteRequestTopic> [0..],
    }

    /// Partitions of one topic.
    struct OffsetDeleteRequestTopic {
        name: Str [0..],
        partitions: Vec<OffsetDeleteRequestPartition> [0..],
    }

    /// A partition whose offset is to be forgotten.
    struct OffsetDeleteRequestPartition {
        partition_index: i32 [0..],
    }
}

message! {
    /// What became of each offset.
    struct OffsetDeleteResponse {
        error_code: ErrorCode [0..],
        throttle_time_ms: i32 [0..],
        topics: Vec<OffsetDeleteResponseTopic> [0..],
    }

    /// Outcomes for one topic.
    struct OffsetDeleteResponseTopic {
        name: Str [0..],
        partitions: Vec<OffsetDeleteResponsePartition> [0..],
    }

    /// The outcome for one partition.
    struct OffsetDeleteResponsePartition {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
