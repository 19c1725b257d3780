//! JoinGroup (key 11), v0-9. v1: rebalance timeout. v4: a new member is told its id first (KIP-394). v5:
//! static members (KIP-345). v6: flexible. v7: protocol type in the answer. v8: reason (KIP-800). v9: a
//! static leader may skip the assignment (KIP-814).

use crate::{Bytes, ErrorCode, Str};

api!(JoinGroup: JoinGroupRequest => JoinGroupResponse, versions 0..=9, flexible 6);

message! {
    /// Enters a classic group, or stays in it over a rebalance.
    struct JoinGroupRequest {
        group_id: Str [0..],
        session_timeout_ms: i32 [0..],
        /// Version 0 has none and the session timeout serves.
        rebalance_timeout_ms: i32 [1..; ignorable] = -1,
        member_id: Str [0..],
        group_instance_id: Option<Str> [5..] = None,
        protocol_type: Str [0..],
        protocols: Vec<JoinGroupRequestProtocol> [0..],
        reason: Option<Str> [8..; ignorable] = None,
    }

    /// An assignment strategy that the member supports, with its subscription.
    struct JoinGroupRequestProtocol {
        name: Str [0..],
        metadata: Bytes [0..],
    }
}

message! {
    /// The new generation; its leader also gets the members.
    struct JoinGroupResponse {
        throttle_time_ms: i32 [2..; ignorable],
        error_code: ErrorCode [0..],
        generation_id: i32 [0..] = -1,
        protocol_type: Option<Str> [7..; ignorable] = None,
        protocol_name: Option<Str> [0..; null 7..],
        leader: Str [0..],
        skip_assignment: bool [9..],
        member_id: Str [0..],
        members: Vec<JoinGroupResponseMember> [0..],
    }

    /// A member and its subscription, for the leader.
    struct JoinGroupResponseMember {
        member_id: Str [0..],
        group_instance_id: Option<Str> [5..; ignorable] = None,
        metadata: Bytes [0..],
    }
}
