//! SyncGroup (key 14), v0-5. v3: static members (KIP-345). v4: flexible. v5: protocol type and name
//! (KIP-559).

use crate::{Bytes, ErrorCode, Str};

api!(SyncGroup: SyncGroupRequest => SyncGroupResponse, versions 0..=5, flexible 4);

message! {
    /// Hands in the leader's assignment and asks for one's own.
    struct SyncGroupRequest {
        group_id: Str [0..],
        generation_id: i32 [0..],
        member_id: Str [0..],
        group_instance_id: Option<Str> [3..] = None,
        protocol_type: Option<Str> [5..; ignorable] = None,
        protocol_name: Option<Str> [5..; ignorable] = None,
        assignments: Vec<SyncGroupRequestAssignment> [0..],
    }

    /// The assignment of one member.
    struct SyncGroupRequestAssignment {
        member_id: Str [0..],
        assignment: Bytes [0..],
    }
}

message! {
    /// The member's assignment.
    struct SyncGroupResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: ErrorCode [0..],
        protocol_type: Option<Str> [5..; ignorable] = None,
        protocol_name: Option<Str> [5..; ignorable] = None,
        assignment: Bytes [0..],
    }
}
