//! AlterConfigs (key 33), v0-2. v2: flexible. Sets the whole configuration at once; replaced by
//! IncrementalAlterConfigs.

use crate::{ErrorCode, Str};

api!(AlterConfigs: AlterConfigsRequest => AlterConfigsResponse, versions 0..=2, flexible 2);

message! {
    /// Replaces the configuration of resources.
    struct AlterConfigsRequest {
        resources: Vec<AlterConfigsResource> [0..],
        validate_only: bool [0..],
    }

    /// A resource and its whole new configuration.
    struct AlterConfigsResource {
        resource_type: i8 [0..],
        resource_name: Str [0..],
        configs: Vec<AlterableConfig> [0..],
    }

    /// A configuration key and its value.
    struct AlterableConfig {
        name: Str [0..],
        value: Option<Str> [0..],
    }
}

message! {
    /// What became of each resource.
    struct AlterConfigsResponse {
        throttle_time_ms: i32 [0..],
        responses: Vec<AlterConfigsResourceResponse> [0..],
    }

    /// The outcome for one resource.
    struct AlterConfigsResourceResponse {
        error_code: ErrorCode [0..],
        error_message: Option<Str> [0..],
        resource_type: i8 [0..],
        resource_name: Str [0..],
    }
}
