//! Every bound of the group coordinator, and the settings an operator may turn.
//!
//! A bound protects the broker from one client; the settings carry Kafka's own names and defaults in their docs.
//! Anything counted, sized or timed by a request is compared with a constant here before it is kept.

/// Most groups that one broker remembers.
pub const GROUPS_MAX: usize = 100_000;
/// Longest group id in bytes.
pub const GROUP_ID_BYTES_MAX: usize = 4_096;
/// Longest member id, instance id, client id or rack id in bytes.
pub const ID_BYTES_MAX: usize = 4_096;
/// Most protocols that one classic member may offer.
pub const PROTOCOLS_PER_MEMBER_MAX: usize = 64;
/// Most metadata bytes, over all its protocols, that one classic member may bring.
pub const MEMBER_METADATA_BYTES_MAX: usize = 1 << 20;
/// Most metadata bytes that all members of one classic group may bring together.
pub const GROUP_METADATA_BYTES_MAX: usize = 16 << 20;
/// Most assignment bytes that a leader may hand out in one SyncGroup.
pub const GROUP_ASSIGNMENT_BYTES_MAX: usize = 8 << 20;
/// Most ids handed out with MEMBER_ID_REQUIRED in one group that have not come back yet.
pub const PENDING_MEMBERS_MAX: usize = 10_000;
/// Most topic names that one consumer-protocol member may subscribe to.
pub const SUBSCRIBED_TOPICS_MAX: usize = 10_000;
/// Longest subscription pattern in bytes.
pub const REGEX_BYTES_MAX: usize = 4_096;
/// Largest compiled form of a subscription pattern in bytes.
pub const REGEX_COMPILED_BYTES_MAX: usize = 1 << 20;
/// Most partitions that one heartbeat may say it owns.
pub const OWNED_PARTITIONS_MAX: usize = 1_000_000;
/// Most offsets kept for one group.
pub const OFFSETS_PER_GROUP_MAX: usize = 1_000_000;
/// Most groups answered for in one describe, delete or offset fetch request.
pub const GROUPS_PER_REQUEST_MAX: usize = 10_000;
/// Longest key or value in a persisted record, in bytes. Larger ones are refused at replay as damage.
pub const RECORD_FIELD_BYTES_MAX: usize = 16 << 20;

/// Settings of the coordinator. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// How long the first rebalance of an empty classic group waits for more members (`group.initial.rebalance.delay.ms`).
    pub initial_rebalance_delay_ms: u64,
    /// Shortest session timeout that a classic member may ask for (`group.min.session.timeout.ms`).
    pub session_timeout_ms_min: i32,
    /// Longest session timeout that a classic member may ask for (`group.max.session.timeout.ms`).
    pub session_timeout_ms_max: i32,
    /// How long a new classic member may wait in JoinGroup before it is taken for gone.
    pub new_member_join_timeout_ms: u64,
    /// Most members of one group, classic or consumer (`group.max.size`, `group.consumer.max.size`).
    pub members_max: usize,
    /// Session timeout of consumer-protocol members (`group.consumer.session.timeout.ms`).
    pub consumer_session_timeout_ms: u64,
    /// Heartbeat interval told to consumer-protocol members (`group.consumer.heartbeat.interval.ms`).
    pub consumer_heartbeat_interval_ms: i32,
    /// Longest metadata string of one committed offset (`offset.metadata.max.bytes`).
    pub offset_metadata_bytes_max: usize,
    /// How long offsets outlive the last use of their group (`offsets.retention.minutes`).
    pub offsets_retention_ms: i64,
    /// How often expired offsets and empty groups are looked for (`offsets.retention.check.interval.ms`).
    pub offsets_retention_check_interval_ms: u64,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            initial_rebalance_delay_ms: 3_000,
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            new_member_join_timeout_ms: 300_000,
            members_max: 5_000,
            consumer_session_timeout_ms: 45_000,
            consumer_heartbeat_interval_ms: 5_000,
            offset_metadata_bytes_max: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
        }
    }
}
