//! ListOffsets (key 2), v1-11. v2: isolation level. v4: leader epoch check (KIP-320). v6: flexible. v7: the
//! record of the largest timestamp (KIP-734). v8, v9, v11: offsets around tiered storage (KIP-405, KIP-1005,
//! KIP-1023). v10: timeout (KIP-1075).

use crate::{ErrorCode, Str};

/// The end of the log, or its last stable offset for a read-committed reader.
pub const TIMESTAMP_LATEST: i64 = -1;
/// The start of the log.
pub const TIMESTAMP_EARLIEST: i64 = -2;
/// The record of the largest timestamp, from version 7.
pub const TIMESTAMP_MAX: i64 = -3;
/// The start of what is stored locally, from version 8.
pub const TIMESTAMP_EARLIEST_LOCAL: i64 = -4;
/// The end of what is in tiered storage, from version 9.
pub const TIMESTAMP_LATEST_TIERED: i64 = -5;
/// The start of what is waiting for tiered storage, from version 11.
pub const TIMESTAMP_EARLIEST_PENDING_UPLOAD: i64 = -6;

api!(ListOffsets: ListOffsetsRequest => ListOffsetsResponse, versions 1..=11, flexible 6);

message! {
    /// Asks for the offset of the first record at or after a timestamp, or of a named place.
    struct ListOffsetsRequest {
        replica_id: i32 [0..],
        isolation_level: i8 [2..],
        topics: Vec<ListOffsetsTopic> [0..],
        timeout_ms: i32 [10..; ignorable],
    }

    /// Partitions of one topic.
    struct ListOffsetsTopic {
        name: Str [0..],
        partitions: Vec<ListOffsetsPartition> [0..],
    }

    /// What to look for in one partition.
    struct ListOffsetsPartition {
        partition_index: i32 [0..],
        current_leader_epoch: i32 [4..; ignorable] = -1,
        /// Milliseconds, or one of the `TIMESTAMP_*` places.
        timestamp: i64 [0..],
    }
}

message! {
    /// The offsets found.
    struct ListOffsetsResponse {
        throttle_time_ms: i32 [2..; ignorable],
        topics: Vec<ListOffsetsTopicResponse> [0..],
    }

    /// Offsets found in one topic.
    struct ListOffsetsTopicResponse {
        name: Str [0..],
        partitions: Vec<ListOffsetsPartitionResponse> [0..],
    }

    /// The offset found in one partition.
    struct ListOffsetsPartitionResponse {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        timestamp: i64 [0..] = -1,
        /// -1 if there is no such record.
        offset: i64 [0..] = -1,
        leader_epoch: i32 [4..] = -1,
    }
}
