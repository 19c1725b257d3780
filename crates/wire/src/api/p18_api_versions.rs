//! ApiVersions (key 18), v0-4. v3: flexible, client name, features (KIP-511, KIP-584). v4: features whose
//! lowest version is 0 (KAFKA-17011). The response header never carries tags, and a version that the broker
//! does not speak is answered in version 0 with UNSUPPORTED_VERSION.

use crate::{ErrorCode, Str};

api!(ApiVersions: ApiVersionsRequest => ApiVersionsResponse, versions 0..=4, flexible 3);

message! {
    /// Asks what the broker speaks; the first request on a connection.
    struct ApiVersionsRequest {
        client_software_name: Str [3..; ignorable],
        client_software_version: Str [3..; ignorable],
    }
}

message! {
    /// What the broker speaks.
    struct ApiVersionsResponse {
        error_code: ErrorCode [0..],
        api_keys: Vec<ApiVersion> [0..],
        throttle_time_ms: i32 [1..; ignorable],
    }
    tags {
        0 supported_features: Vec<SupportedFeatureKey> [3..; ignorable],
        /// -1 if the features are not known.
        1 finalized_features_epoch: i64 [3..; ignorable] = -1,
        2 finalized_features: Vec<FinalizedFeatureKey> [3..; ignorable],
        3 zk_migration_ready: bool [3..; ignorable],
    }

    /// A request and the versions of it that are spoken.
    struct ApiVersion {
        api_key: i16 [0..],
        min_version: i16 [0..],
        max_version: i16 [0..],
    }

    /// A feature that the broker can have, and its levels.
    struct SupportedFeatureKey {
        name: Str [3..],
        min_version: i16 [3..],
        max_version: i16 [3..],
    }

    /// A feature that the cluster has, and its level.
    struct FinalizedFeatureKey {
        name: Str [3..],
        max_version_level: i16 [3..],
        min_version_level: i16 [3..],
    }
}
