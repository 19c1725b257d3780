//! ListConfigResources (key 74), v0-1. KIP-1000; v0 listed client metrics only. v1: any kind of resource
//! (KIP-1142).

use crate::{ErrorCode, Str};

api!(
    ListConfigResources: ListConfigResourcesRequest => ListConfigResourcesResponse,
    versions 0..=1, flexible 0
);

message! {
    /// Asks which resources have a configuration.
    struct ListConfigResourcesRequest {
        /// Empty for all kinds.
        resource_types: Vec<i8> [1..],
    }
}

message! {
    /// The resources.
    struct ListConfigResourcesResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        config_resources: Vec<ConfigResource> [0..],
    }

    /// A resource that has a configuration.
    struct ConfigResource {
        resource_name: Str [0..],
        resource_type: i8 [1..; ignorable] = 16,
    }
}
