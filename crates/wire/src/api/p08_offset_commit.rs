//! OffsetCommit (key 8), v2-10. v5: no retention time. v6: leader epochs. v7: static members (KIP-345). v8:
//! flexible. v9: member epochs of new groups (KIP-848). v10: topics by id.

use crate::{ErrorCode, Str, Uuid};

api!(OffsetCommit: OffsetCommitRequest => OffsetCommitResponse, versions 2..=10, flexible 8);

message! {
    /// Stores how far a group has read.
    struct OffsetCommitRequest {
        group_id: Str [0..],
        /// The generation of a classic group, the epoch of a KIP-848 member, or -1 outside both.
        generation_id_or_member_epoch: i32 [0..] = -1,
        member_id: Str [0..],
        group_instance_id: Option<Str> [7..] = None,
        /// -1 for the broker's own; up to version 4.
        retention_time_ms: i64 [0..=4; ignorable] = -1,
        topics: Vec<OffsetCommitRequestTopic> [0..],
    }

    /// Offsets of one topic: by name up to version 9, by id from 10.
    struct OffsetCommitRequestTopic {
        name: Str [0..=9; ignorable],
        topic_id: Uuid [10..; ignorable],
        partitions: Vec<OffsetCommitRequestPartition> [0..],
    }

    /// The next offset to read in one partition.
    struct OffsetCommitRequestPartition {
        partition_index: i32 [0..],
        committed_offset: i64 [0..],
        committed_leader_epoch: i32 [6..; ignorable] = -1,
        committed_metadata: Option<Str> [0..],
    }
}

message! {
    /// What became of each offset.
    struct OffsetCommitResponse {
        throttle_time_ms: i32 [3..; ignorable],
        topics: Vec<OffsetCommitResponseTopic> [0..],
    }

    /// Outcomes for one topic.
    struct OffsetCommitResponseTopic {
        name: Str [0..=9; ignorable],
        topic_id: Uuid [10..; ignorable],
        partitions: Vec<OffsetCommitResponsePartition> [0..],
    }

    /// The outcome for one partition.
    struct OffsetCommitResponsePartition {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
