//! FindCoordinator (key 10), v0-6. v1: transaction coordinators too. v3: flexible. v4: many keys at once
//! (KIP-699). v5: may answer TRANSACTION_ABORTABLE (KIP-890). v6: share groups (KIP-932).

use crate::{ErrorCode, Str};

/// The coordinator of a group.
pub const COORDINATOR_GROUP: i8 = 0;
/// The coordinator of a transactional id.
pub const COORDINATOR_TRANSACTION: i8 = 1;
/// The coordinator of a share partition.
pub const COORDINATOR_SHARE: i8 = 2;

api!(FindCoordinator: FindCoordinatorRequest => FindCoordinatorResponse, versions 0..=6, flexible 3);

message! {
    /// Asks which broker coordinates a group, a transactional id or a share partition.
    struct FindCoordinatorRequest {
        key: Str [0..=3],
        /// One of the `COORDINATOR_*` kinds.
        key_type: i8 [1..],
        coordinator_keys: Vec<Str> [4..],
    }
}

message! {
    /// The coordinator: one up to version 3, a list from 4.
    struct FindCoordinatorResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: ErrorCode [0..=3],
        error_message: Option<Str> [1..=3; ignorable],
        node_id: i32 [0..=3],
        host: Str [0..=3],
        port: i32 [0..=3],
        coordinators: Vec<Coordinator> [4..],
    }

    /// The coordinator of one key.
    struct Coordinator {
        key: Str [4..],
        node_id: i32 [4..],
        host: Str [4..],
        port: i32 [4..],
        error_code: ErrorCode [4..],
        error_message: Option<Str> [4..; ignorable],
    }
}
