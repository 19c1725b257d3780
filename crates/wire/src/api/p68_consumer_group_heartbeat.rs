//! ConsumerGroupHeartbeat (key 68), v0-1. KIP-848. v1: subscription by pattern, the member makes its own id
//! (KIP-1082).

use crate::{ErrorCode, Str, Uuid};

/// Member epoch that joins.
pub const EPOCH_JOIN: i32 = 0;
/// Member epoch that leaves.
pub const EPOCH_LEAVE: i32 = -1;
/// Member epoch of a static member that leaves and means to come back.
pub const EPOCH_LEAVE_STATIC: i32 = -2;

api!(
    ConsumerGroupHeartbeat: ConsumerGroupHeartbeatRequest => ConsumerGroupHeartbeatResponse,
    versions 0..=1, flexible 0
);

message! {
    /// Enters a group, stays in it, tells what changed, or leaves; null means unchanged.
    struct ConsumerGroupHeartbeatRequest {
        group_id: Str [0..],
        member_id: Str [0..],
        /// 0 joins, -1 leaves, -2 leaves for a while as a static member.
        member_epoch: i32 [0..],
        instance_id: Option<Str> [0..] = None,
        rack_id: Option<Str> [0..] = None,
        rebalance_timeout_ms: i32 [0..] = -1,
        subscribed_topic_names: Option<Vec<Str>> [0..] = None,
        subscribed_topic_regex: Option<Str> [1..] = None,
        server_assignor: Option<Str> [0..] = None,
        topic_partitions: Option<Vec<ConsumerGroupHeartbeatTopicPartitions>> [0..] = None,
    }

    /// Partitions of one topic.
    struct ConsumerGroupHeartbeatTopicPartitions {
        topic_id: Uuid [0..],
        partitions: Vec<i32> [0..],
    }
}

message! {
    /// The member's epoch, when to come again, and its assignment if that changed.
    struct ConsumerGroupHeartbeatResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<Str> [0..] = None,
        member_id: Option<Str> [0..] = None,
        member_epoch: i32 [0..],
        heartbeat_interval_ms: i32 [0..],
        assignment: Option<ConsumerGroupHeartbeatAssignment> [0..] = None,
    }

    /// What the member may own.
    struct ConsumerGroupHeartbeatAssignment {
        topic_partitions: Vec<ConsumerGroupHeartbeatTopicPartitions> [0..],
    }
}
