//! CreatePartitions (key 37), v0-3. v2: flexible. v3: may answer THROTTLING_QUOTA_EXCEEDED.

use crate::{ErrorCode, Str};

api!(CreatePartitions: CreatePartitionsRequest => CreatePartitionsResponse, versions 0..=3, flexible 2);

message! {
    /// Gives topics more partitions.
    struct CreatePartitionsRequest {
        topics: Vec<CreatePartitionsTopic> [0..],
        timeout_ms: i32 [0..],
        validate_only: bool [0..],
    }

    /// A topic and how many partitions it is to have in all.
    struct CreatePartitionsTopic {
        name: Str [0..],
        count: i32 [0..],
        assignments: Option<Vec<CreatePartitionsAssignment>> [0..],
    }

    /// The brokers of one new partition.
    struct CreatePartitionsAssignment {
        broker_ids: Vec<i32> [0..],
    }
}

message! {
    /// What became of each topic.
    struct CreatePartitionsResponse {
        throttle_time_ms: i32 [0..],
        results: Vec<CreatePartitionsTopicResult> [0..],
    }

    /// The outcome for one topic.
    struct CreatePartitionsTopicResult {
        name: Str [0..],
        error_code: ErrorCode [0..],
        error_message: Option<Str> [0..] = None,
    }
}
