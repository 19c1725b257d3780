//! DescribeConfigs (key 32), v1-4. v1: synonyms and sources (KIP-226). v3: types and documentation (KIP-569).
//! v4: flexible.

use crate::{ErrorCode, Str};

/// A topic's configuration.
pub const RESOURCE_TOPIC: i8 = 2;
/// A broker's configuration.
pub const RESOURCE_BROKER: i8 = 4;
/// A broker's log levels.
pub const RESOURCE_BROKER_LOGGER: i8 = 8;
/// A client metrics subscription.
pub const RESOURCE_CLIENT_METRICS: i8 = 16;
/// A group's configuration.
pub const RESOURCE_GROUP: i8 = 32;

/// Set on the topic.
pub const SOURCE_TOPIC: i8 = 1;
/// Set on this broker while it runs.
pub const SOURCE_DYNAMIC_BROKER: i8 = 2;
/// Set for all brokers while they run.
pub const SOURCE_DYNAMIC_DEFAULT_BROKER: i8 = 3;
/// Set in the broker's file.
pub const SOURCE_STATIC_BROKER: i8 = 4;
/// Set nowhere.
pub const SOURCE_DEFAULT: i8 = 5;
/// Set on the group.
pub const SOURCE_GROUP: i8 = 8;

/// True or false.
pub const CONFIG_BOOLEAN: i8 = 1;
/// Text.
pub const CONFIG_STRING: i8 = 2;
/// A 32-bit number.
pub const CONFIG_INT: i8 = 3;
/// A 16-bit number.
pub const CONFIG_SHORT: i8 = 4;
/// A 64-bit number.
pub const CONFIG_LONG: i8 = 5;
/// A number with a fraction.
pub const CONFIG_DOUBLE: i8 = 6;
/// A list, separated by commas.
pub const CONFIG_LIST: i8 = 7;
/// The name of a class.
pub const CONFIG_CLASS: i8 = 8;
/// A secret.
pub const CONFIG_PASSWORD: i8 = 9;

api!(DescribeConfigs: DescribeConfigsRequest => DescribeConfigsResponse, versions 1..=4, flexible 4);

message! {
    /// Asks for the configuration of topics and brokers.
    struct DescribeConfigsRequest {
        resources: Vec<DescribeConfigsResource> [0..],
        include_synonyms: bool [0..],
        include_documentation: bool [3..],
    }

    /// A resource, and which keys of it.
    struct DescribeConfigsResource {
        /// One of the `RESOURCE_*` kinds.
        resource_type: i8 [0..],
        resource_name: Str [0..],
        /// Null for every key.
        configuration_keys: Option<Vec<Str>> [0..],
    }
}

message! {
    /// The configurations.
    struct DescribeConfigsResponse {
        throttle_time_ms: i32 [0..],
        results: Vec<DescribeConfigsResult> [0..],
    }

    /// The configuration of one resource.
    struct DescribeConfigsResult {
        error_code: ErrorCode [0..],
        error_message: Option<Str> [0..],
        resource_type: i8 [0..],
        resource_name: Str [0..],
        configs: Vec<DescribeConfigsResourceResult> [0..],
    }

    /// A configuration key, its value and where that comes from.
    struct DescribeConfigsResourceResult {
        name: Str [0..],
        value: Option<Str> [0..],
        read_only: bool [0..],
        /// One of the `SOURCE_*` kinds.
        config_source: i8 [0..] = -1,
        is_sensitive: bool [0..],
        synonyms: Vec<DescribeConfigsSynonym> [0..],
        /// One of the `CONFIG_*` kinds.
        config_type: i8 [3..; ignorable],
        documentation: Option<Str> [3..; ignorable],
    }

    /// Another place where the key may be set, and its value there.
    struct DescribeConfigsSynonym {
        name: Str [0..],
        value: Option<Str> [0..],
        source: i8 [0..],
    }
}
