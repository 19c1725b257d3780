//! ListGroups (key 16), v0-5. v3: flexible. v4: by state (KIP-518). v5: by type (KIP-848).

use crate::{ErrorCode, Str};

api!(ListGroups: ListGroupsRequest => ListGroupsResponse, versions 0..=5, flexible 3);

message! {
    /// Asks which groups the broker coordinates.
    struct ListGroupsRequest {
        states_filter: Vec<Str> [4..],
        types_filter: Vec<Str> [5..],
    }
}

message! {
    /// The groups.
    struct ListGroupsResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: ErrorCode [0..],
        groups: Vec<ListedGroup> [0..],
    }

    /// A group in brief.
    struct ListedGroup {
        group_id: Str [0..],
        protocol_type: Str [0..],
        group_state: Str [4..; ignorable],
        group_type: Str [5..; ignorable],
    }
}
