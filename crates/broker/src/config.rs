//! What a broker is started with.

use std::path::PathBuf;

use poruka_guarantee::Durability;
use poruka_log::LogConfig;

/// What a broker is started with. Start from [`BrokerConfig::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// The folder that holds everything the broker remembers. Made when it is not there; locked while open.
    pub data_dir: PathBuf,
    /// The address that clients are told to connect to. `None`: the address of the first listener.
    pub advertise: Option<(String, u16)>,
    /// The durability of topics that are made without `poruka.durability`, as stock clients make them.
    pub default_durability: Durability,
    /// Partitions of a topic that is made without a number.
    pub num_partitions: i32,
    /// Whether a topic is made when a client first asks for its metadata.
    pub auto_create: bool,
    /// How long a new classic group waits for more members, in milliseconds. Kafka's default is 3000.
    pub initial_rebalance_delay_ms: u32,
    /// A member of a consumer-protocol group that says nothing for this long is out, in milliseconds
    /// (`group.consumer.session.timeout.ms`).
    pub consumer_session_timeout_ms: u32,
    /// How often such a member has to say something, in milliseconds (`group.consumer.heartbeat.interval.ms`).
    pub consumer_heartbeat_interval_ms: u32,
    /// How long committed offsets outlive the last use of their group, in minutes (`offsets.retention.minutes`).
    pub offsets_retention_minutes: u32,
    /// How often expired offsets are looked for, in milliseconds (`offsets.retention.check.interval.ms`).
    pub offsets_retention_check_interval_ms: u32,
    /// The most connections at one time; more are closed as they arrive.
    pub connections_max: usize,
    /// Sizes of the storage engine.
    pub log: LogConfig,
}

/// How long committed offsets outlive the last use of their group, in minutes, unless the config says otherwise.
pub const OFFSETS_RETENTION_MINUTES: u32 = 7 * 24 * 60;
/// The most connections at one time, unless the config says otherwise.
pub const CONNECTIONS_MAX: usize = 10_000;

impl BrokerConfig {
    /// A broker on `data_dir` with the defaults: topics are synced, have one partition, and are made on first use.
    pub fn new(data_dir: impl Into<PathBuf>) -> BrokerConfig {
        BrokerConfig { data_dir: data_dir.into(), ..BrokerConfig::default() }
    }
}

impl Default for BrokerConfig {
    fn default() -> BrokerConfig {
        BrokerConfig {
            data_dir: PathBuf::from("poruka-data"),
            advertise: None,
            default_durability: Durability::Synced,
            num_partitions: 1,
            auto_create: true,
            initial_rebalance_delay_ms: 0,
            consumer_session_timeout_ms: 45_000,
            consumer_heartbeat_interval_ms: 5_000,
            offsets_retention_minutes: OFFSETS_RETENTION_MINUTES,
            offsets_retention_check_interval_ms: 600_000,
            connections_max: CONNECTIONS_MAX,
            log: LogConfig::default(),
        }
    }
}
