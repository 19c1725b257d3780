//! Fetch (key 1), v4-18. v5: log start offset. v7: fetch sessions (KIP-227). v9: leader epoch check
//! (KIP-320). v10: zstd. v11: rack (KIP-392). v12: flexible, diverging epochs (KIP-595). v13: topics by id
//! (KIP-516). v15: replica state as a tag (KIP-903). v16: leader hints (KIP-951). v17: replica directory
//! (KIP-853). v18: high watermark as a tag (KIP-1166).

use crate::{Bytes, ErrorCode, Str, Uuid};

/// A fetch sees every record.
pub const READ_UNCOMMITTED: i8 = 0;
/// A fetch sees records of committed transactions only.
pub const READ_COMMITTED: i8 = 1;

api!(Fetch: FetchRequest => FetchResponse, versions 4..=18, flexible 12);

message! {
    /// Reads records from partitions, waiting up to `max_wait_ms` for `min_bytes`.
    struct FetchRequest {
        /// -1 for a consumer; up to version 14.
        replica_id: i32 [0..=14] = -1,
        max_wait_ms: i32 [0..],
        min_bytes: i32 [0..],
        max_bytes: i32 [0..] = i32::MAX,
        /// [`READ_UNCOMMITTED`] or [`READ_COMMITTED`].
        isolation_level: i8 [0..],
        /// 0 outside a fetch session.
        session_id: i32 [7..; ignorable],
        /// -1 ends the session or does without one; 0 starts one.
        session_epoch: i32 [7..; ignorable] = -1,
        topics: Vec<FetchTopic> [0..],
        forgotten_topics_data: Vec<ForgottenTopic> [7..],
        rack_id: Str [11..; ignorable],
    }
    tags {
        0 cluster_id: Option<Str> [12..; ignorable] = None,
        1 replica_state: FetchReplicaState [15..],
    }

    /// Who is fetching, when a replica does.
    struct FetchReplicaState {
        replica_id: i32 [15..] = -1,
        replica_epoch: i64 [15..] = -1,
    }

    /// Partitions of one topic: by name up to version 12, by id from 13.
    struct FetchTopic {
        topic: Str [0..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partitions: Vec<FetchPartition> [0..],
    }

    /// Where to read in one partition and how much.
    struct FetchPartition {
        partition: i32 [0..],
        /// -1 if unknown; else the broker checks it.
        current_leader_epoch: i32 [9..; ignorable] = -1,
        fetch_offset: i64 [0..],
        last_fetched_epoch: i32 [12..] = -1,
        log_start_offset: i64 [5..; ignorable] = -1,
        partition_max_bytes: i32 [0..],
    }
    tags {
        0 replica_directory_id: Uuid [17..; ignorable],
        1 high_watermark: i64 [18..; ignorable] = i64::MAX,
    }

    /// Partitions that leave the fetch session.
    struct ForgottenTopic {
        topic: Str [7..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partitions: Vec<i32> [7..],
    }
}

message! {
    /// Whole batches from each partition; the first one may exceed the limits so that a reader always gets
    /// on.
    struct FetchResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [7..; ignorable],
        session_id: i32 [7..],
        responses: Vec<FetchableTopicResponse> [0..],
    }
    tags {
        0 node_endpoints: Vec<FetchNodeEndpoint> [16..],
    }

    /// Records of one topic.
    struct FetchableTopicResponse {
        topic: Str [0..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partitions: Vec<FetchPartitionData> [0..],
    }

    /// Records of one partition, with the marks a reader needs.
    struct FetchPartitionData {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        high_watermark: i64 [0..],
        /// Where the first undecided transaction begins, or the high watermark.
        last_stable_offset: i64 [0..] = -1,
        log_start_offset: i64 [5..; ignorable] = -1,
        /// Null unless the fetch is read-committed.
        aborted_transactions: Option<Vec<AbortedTransaction>> [0..],
        preferred_read_replica: i32 [11..] = -1,
        records: Option<Bytes> [0..] = None,
    }
    tags {
        0 diverging_epoch: FetchEpochEndOffset [12..],
        1 current_leader: FetchLeaderIdAndEpoch [12..],
        2 snapshot_id: FetchSnapshotId [12..],
    }

    /// Where the reader's log parts from the leader's.
    struct FetchEpochEndOffset {
        epoch: i32 [12..] = -1,
        end_offset: i64 [12..] = -1,
    }

    /// The leader to turn to after NOT_LEADER_OR_FOLLOWER.
    struct FetchLeaderIdAndEpoch {
        leader_id: i32 [12..] = -1,
        leader_epoch: i32 [12..] = -1,
    }

    /// The snapshot to load instead of the log.
    struct FetchSnapshotId {
        end_offset: i64 [0..] = -1,
        epoch: i32 [0..] = -1,
    }

    /// An aborted transaction that overlaps the records.
    struct AbortedTransaction {
        producer_id: i64 [0..],
        first_offset: i64 [0..],
    }

    /// Where a hinted leader is.
    struct FetchNodeEndpoint {
        node_id: i32 [16..],
        host: Str [16..],
        port: i32 [16..],
        rack: Option<Str> [16..] = None,
    }
}
