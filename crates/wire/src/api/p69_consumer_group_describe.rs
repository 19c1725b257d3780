//! ConsumerGroupDescribe (key 69), v0-1. KIP-848. v1: which protocol each member speaks (KIP-1099).

use crate::{ErrorCode, Str, Uuid};

api!(
    ConsumerGroupDescribe: ConsumerGroupDescribeRequest => ConsumerGroupDescribeResponse,
    versions 0..=1, flexible 0
);

message! {
    /// Asks about KIP-848 groups.
    struct ConsumerGroupDescribeRequest {
        group_ids: Vec<Str> [0..],
        include_authorized_operations: bool [0..],
    }
}

message! {
    /// The groups.
    struct ConsumerGroupDescribeResponse {
        throttle_time_ms: i32 [0..],
        groups: Vec<ConsumerGroupDescribedGroup> [0..],
    }

    /// A group, its epochs and its members.
    struct ConsumerGroupDescribedGroup {
        error_code: ErrorCode [0..],
        error_message: Option<Str> [0..] = None,
        group_id: Str [0..],
        group_state: Str [0..],
        group_epoch: i32 [0..],
        assignment_epoch: i32 [0..],
        assignor_name: Str [0..],
        members: Vec<ConsumerGroupDescribedMember> [0..],
        authorized_operations: i32 [0..] = i32::MIN,
    }

    /// A member, what it has and what it is to have.
    struct ConsumerGroupDescribedMember {
        member_id: Str [0..],
        instance_id: Option<Str> [0..] = None,
        rack_id: Option<Str> [0..] = None,
        member_epoch: i32 [0..],
        client_id: Str [0..],
        client_host: Str [0..],
        subscribed_topic_names: Vec<Str> [0..],
        subscribed_topic_regex: Option<Str> [0..] = None,
        assignment: ConsumerGroupDescribedAssignment [0..],
        target_assignment: ConsumerGroupDescribedAssignment [0..],
        /// -1 unknown, 0 classic, 1 consumer.
        member_type: i8 [1..; ignorable] = -1,
    }

    /// Partitions of a member.
    struct ConsumerGroupDescribedAssignment {
        topic_partitions: Vec<ConsumerGroupDescribedTopicPartitions> [0..],
    }

    /// Partitions of one topic.
    struct ConsumerGroupDescribedTopicPartitions {
        topic_id: Uuid [0..],
        topic_name: Str [0..],
        partitions: Vec<i32> [0..],
    }
}
