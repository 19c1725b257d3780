//! OffsetForLeaderEpoch (key 23), v2-4. v3: replica id. v4: flexible.

use crate::{ErrorCode, Str};

api!(
    OffsetForLeaderEpoch: OffsetForLeaderEpochRequest => OffsetForLeaderEpochResponse,
    versions 2..=4, flexible 4
);

message! {
    /// Asks where leader epochs end, to find where a log was cut.
    struct OffsetForLeaderEpochRequest {
        replica_id: i32 [3..; ignorable] = -2,
        topics: Vec<OffsetForLeaderTopic> [0..],
    }

    /// Partitions of one topic.
    struct OffsetForLeaderTopic {
        topic: Str [0..],
        partitions: Vec<OffsetForLeaderPartition> [0..],
    }

    /// The epoch asked about in one partition.
    struct OffsetForLeaderPartition {
        partition: i32 [0..],
        current_leader_epoch: i32 [0..] = -1,
        leader_epoch: i32 [0..],
    }
}

message! {
    /// The ends of the epochs.
    struct OffsetForLeaderEpochResponse {
        throttle_time_ms: i32 [0..],
        topics: Vec<OffsetForLeaderTopicResult> [0..],
    }

    /// Ends in one topic.
    struct OffsetForLeaderTopicResult {
        topic: Str [0..],
        partitions: Vec<EpochEndOffset> [0..],
    }

    /// The largest epoch at or below the one asked for, and where it ends.
    struct EpochEndOffset {
        error_code: ErrorCode [0..],
        partition: i32 [0..],
        leader_epoch: i32 [0..] = -1,
        end_offset: i64 [0..] = -1,
    }
}
