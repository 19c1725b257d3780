//! DeleteRecords (key 21), v0-2. v2: flexible.

use crate::{ErrorCode, Str};

api!(DeleteRecords: DeleteRecordsRequest => DeleteRecordsResponse, versions 0..=2, flexible 2);

message! {
    /// Drops the records below an offset.
    struct DeleteRecordsRequest {
        topics: Vec<DeleteRecordsTopic> [0..],
        timeout_ms: i32 [0..],
    }

    /// Partitions of one topic.
    struct DeleteRecordsTopic {
        name: Str [0..],
        partitions: Vec<DeleteRecordsPartition> [0..],
    }

    /// The first offset to keep in one partition.
    struct DeleteRecordsPartition {
        partition_index: i32 [0..],
        /// -1 for the high watermark.
        offset: i64 [0..],
    }
}

message! {
    /// What became of each partition.
    struct DeleteRecordsResponse {
        throttle_time_ms: i32 [0..],
        topics: Vec<DeleteRecordsTopicResult> [0..],
    }

    /// Outcomes for one topic.
    struct DeleteRecordsTopicResult {
        name: Str [0..],
        partitions: Vec<DeleteRecordsPartitionResult> [0..],
    }

    /// The outcome for one partition.
    struct DeleteRecordsPartitionResult {
        partition_index: i32 [0..],
        low_watermark: i64 [0..],
        error_code: ErrorCode [0..],
    }
}
