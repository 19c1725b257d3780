//! DeleteGroups (key 42), v0-2. v2: flexible.

use crate::{ErrorCode, Str};

api!(DeleteGroups: DeleteGroupsRequest => DeleteGroupsResponse, versions 0..=2, flexible 2);

message! {
    /// Deletes groups that have no members.
    struct DeleteGroupsRequest {
        groups_names: Vec<Str> [0..],
    }
}

message! {
    /// What became of each group.
    struct DeleteGroupsResponse {
        throttle_time_ms: i32 [0..],
        results: Vec<DeletableGroupResult> [0..],
    }

    /// The outcome for one group.
    struct DeletableGroupResult {
        group_id: Str [0..],
        error_code: ErrorCode [0..],
    }
}
