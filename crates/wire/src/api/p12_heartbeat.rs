//! Heartbeat (key 12), v0-4. v3: static members (KIP-345). v4: flexible.

use crate::{ErrorCode, Str};

api!(Heartbeat: HeartbeatRequest => HeartbeatResponse, versions 0..=4, flexible 4);

message! {
    /// Keeps a member of a classic group alive.
    struct HeartbeatRequest {
        group_id: Str [0..],
        generation_id: i32 [0..],
        member_id: Str [0..],
        group_instance_id: Option<Str> [3..] = None,
    }
}

message! {
    /// REBALANCE_IN_PROGRESS tells the member to join again.
    struct HeartbeatResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: ErrorCode [0..],
    }
}
