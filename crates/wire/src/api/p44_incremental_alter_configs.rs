//! IncrementalAlterConfigs (key 44), v0-1. KIP-339. v1: flexible.

use crate::{ErrorCode, Str};

/// Sets the key.
pub const OP_SET: i8 = 0;
/// Takes the key back to its default.
pub const OP_DELETE: i8 = 1;
/// Adds to a list.
pub const OP_APPEND: i8 = 2;
/// Takes from a list.
pub const OP_SUBTRACT: i8 = 3;

api!(
    IncrementalAlterConfigs: IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse,
    versions 0..=1, flexible 1
);

message! {
    /// Changes single keys of the configuration of resources.
    struct IncrementalAlterConfigsRequest {
        resources: Vec<IncrementalAlterConfigsResource> [0..],
        validate_only: bool [0..],
    }

    /// A resource and the keys to change.
    struct IncrementalAlterConfigsResource {
        resource_type: i8 [0..],
        resource_name: Str [0..],
        configs: Vec<IncrementalAlterableConfig> [0..],
    }

    /// A configuration key, what to do with it, and the value to do it with.
    struct IncrementalAlterableConfig {
        name: Str [0..],
        /// One of the `OP_*` kinds.
        config_operation: i8 [0..],
        value: Option<Str> [0..],
    }
}

message! {
    /// What became of each resource.
    struct IncrementalAlterConfigsResponse {
        throttle_time_ms: i32 [0..],
        responses: Vec<IncrementalAlterConfigsResourceResponse> [0..],
    }

    /// The outcome for one resource.
    struct IncrementalAlterConfigsResourceResponse {
        error_code: ErrorCode [0..],
        error_message: Option<Str> [0..],
        resource_type: i8 [0..],
        resource_name: Str [0..],
    }
}
