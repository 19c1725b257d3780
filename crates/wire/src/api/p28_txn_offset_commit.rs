//! TxnOffsetCommit (key 28), v0-5. v2: leader epochs. v3: flexible, fenced by the group (KIP-447). v4: may
//! answer TRANSACTION_ABORTABLE. v5: adds the group to the transaction by itself (KIP-890).

use crate::{ErrorCode, Str};

api!(TxnOffsetCommit: TxnOffsetCommitRequest => TxnOffsetCommitResponse, versions 0..=5, flexible 3);

message! {
    /// Stores how far a group has read, as part of a transaction.
    struct TxnOffsetCommitRequest {
        transactional_id: Str [0..],
        group_id: Str [0..],
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        generation_id: i32 [3..] = -1,
        member_id: Str [3..],
        group_instance_id: Option<Str> [3..] = None,
        topics: Vec<TxnOffsetCommitRequestTopic> [0..],
    }

    /// Offsets of one topic.
    struct TxnOffsetCommitRequestTopic {
        name: Str [0..],
        partitions: Vec<TxnOffsetCommitRequestPartition> [0..],
    }

    /// The next offset to read in one partition.
    struct TxnOffsetCommitRequestPartition {
        partition_index: i32 [0..],
        committed_offset: i64 [0..],
        committed_leader_epoch: i32 [2..; ignorable] = -1,
        committed_metadata: Option<Str> [0..],
    }
}

message! {
    /// What became of each offset.
    struct TxnOffsetCommitResponse {
        throttle_time_ms: i32 [0..],
        topics: Vec<TxnOffsetCommitResponseTopic> [0..],
    }

    /// Outcomes for one topic.
    struct TxnOffsetCommitResponseTopic {
        name: Str [0..],
        partitions: Vec<TxnOffsetCommitResponsePartition> [0..],
    }

    /// The outcome for one partition.
    struct TxnOffsetCommitResponsePartition {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
