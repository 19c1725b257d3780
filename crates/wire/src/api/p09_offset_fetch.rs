//! OffsetFetch (key 9), v1-10. v2: null asks for every topic. v5: leader epochs. v6: flexible. v7: can insist
//! on decided offsets (KIP-447). v8: many groups at once (KIP-709). v9: member epochs (KIP-848). v10: topics
//! by id.

use crate::{ErrorCode, Str, Uuid};

api!(OffsetFetch: OffsetFetchRequest => OffsetFetchResponse, versions 1..=10, flexible 6);

message! {
    /// Asks how far groups have read: one group up to version 7, many from 8.
    struct OffsetFetchRequest {
        group_id: Str [0..=7],
        topics: Option<Vec<OffsetFetchRequestTopic>> [0..=7; null 2..=7],
        groups: Vec<OffsetFetchRequestGroup> [8..],
        /// Answer UNSTABLE_OFFSET_COMMIT while a transaction may still change the offset.
        require_stable: bool [7..],
    }

    /// Partitions of one topic, for the one group of version 7 and below.
    struct OffsetFetchRequestTopic {
        name: Str [0..=7],
        partition_indexes: Vec<i32> [0..=7],
    }

    /// A group, from version 8.
    struct OffsetFetchRequestGroup {
        group_id: Str [8..],
        member_id: Option<Str> [9..; ignorable] = None,
        member_epoch: i32 [9..; ignorable] = -1,
        /// Null for every topic.
        topics: Option<Vec<OffsetFetchRequestTopics>> [8..],
    }

    /// Partitions of one topic of a group.
    struct OffsetFetchRequestTopics {
        name: Str [8..=9; ignorable],
        topic_id: Uuid [10..; ignorable],
        partition_indexes: Vec<i32> [8..],
    }
}

message! {
    /// Stored offsets.
    struct OffsetFetchResponse {
        throttle_time_ms: i32 [3..; ignorable],
        topics: Vec<OffsetFetchResponseTopic> [0..=7],
        error_code: ErrorCode [2..=7; ignorable],
        groups: Vec<OffsetFetchResponseGroup> [8..],
    }

    /// Offsets of one topic, for the one group of version 7 and below.
    struct OffsetFetchResponseTopic {
        name: Str [0..=7],
        partitions: Vec<OffsetFetchResponsePartition> [0..=7],
    }

    /// The stored offset of one partition, or -1.
    struct OffsetFetchResponsePartition {
        partition_index: i32 [0..=7],
        committed_offset: i64 [0..=7],
        committed_leader_epoch: i32 [5..=7; ignorable] = -1,
        metadata: Option<Str> [0..=7],
        error_code: ErrorCode [0..=7],
    }

    /// Offsets of one group, from version 8.
    struct OffsetFetchResponseGroup {
        group_id: Str [8..],
        topics: Vec<OffsetFetchResponseTopics> [8..],
        error_code: ErrorCode [8..],
    }

    /// Offsets of one topic of a group.
    struct OffsetFetchResponseTopics {
        name: Str [8..=9; ignorable],
        topic_id: Uuid [10..; ignorable],
        partitions: Vec<OffsetFetchResponsePartitions> [8..],
    }

    /// The stored offset of one partition of a group, or -1.
    struct OffsetFetchResponsePartitions {
        partition_index: i32 [8..],
        committed_offset: i64 [8..],
        committed_leader_epoch: i32 [8..; ignorable] = -1,
        metadata: Option<Str> [8..],
        error_code: ErrorCode [8..],
    }
}
