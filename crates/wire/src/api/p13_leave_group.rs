//! LeaveGroup (key 13), v0-5. v3: many members at once, by instance id too (KIP-345). v4: flexible. v5:
//! reason (KIP-800).

use crate::{ErrorCode, Str};

api!(LeaveGroup: LeaveGroupRequest => LeaveGroupResponse, versions 0..=5, flexible 4);

message! {
    /// Takes members out of a classic group: one up to version 2, many from 3.
    struct LeaveGroupRequest {
        group_id: Str [0..],
        member_id: Str [0..=2],
        members: Vec<MemberIdentity> [3..],
    }

    /// A member that leaves.
    struct MemberIdentity {
        member_id: Str [3..],
        group_instance_id: Option<Str> [3..] = None,
        reason: Option<Str> [5..; ignorable] = None,
    }
}

message! {
    /// What became of each member.
    struct LeaveGroupResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: ErrorCode [0..],
        members: Vec<LeaveGroupMemberResponse> [3..],
    }

    /// The outcome for one member.
    struct LeaveGroupMemberResponse {
        member_id: Str [3..],
        group_instance_id: Option<Str> [3..],
        error_code: ErrorCode [3..],
    }
}
