//! The settings of the node: what kafka-configs shows and changes for the broker resource.
//!
//! Changes are kept as Kafka keeps them: for this node (`Node`) or for every node (`NodeDefault`, the resource with
//! an empty name). What can be changed while running is what topics take their defaults from; the rest was given at
//! start and is read-only here.

use std::collections::BTreeMap;

use poruka_guarantee::Durability;
use poruka_wire::Str;

#[cfg(test)]
use super::Rule;
use super::topic::{TOPIC_SETTINGS, TopicSetting};
use super::{BadSetting, Kind, Source, check_value};
use crate::api::FETCH_BYTES_MAX;
use crate::config::BrokerConfig;
use crate::connection::IDLE_MS_MAX;
use crate::group::GroupConfig;

/// One row: a setting that the node has and that cannot be changed while it runs.
#[derive(Debug)]
pub(crate) struct NodeSetting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Empty when each node has its own.
    pub(crate) default: &'static str,
    pub(crate) about: &'static str,
}

const fn row(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> NodeSetting {
    NodeSetting { name, kind, default, about }
}

/// The settings that were given at start, or are what this broker does, by name.
#[rustfmt::skip]
pub(crate) const NODE_SETTINGS: &[NodeSetting] = &[
    row("advertised.listeners", Kind::List, "", "The address that clients are told to connect to."),
    row("auto.create.topics.enable", Kind::Boolean, "true", "Whether a topic is made when a client first asks for it."),
    row("broker.id", Kind::Int, "", "The id of this node."),
    row("connections.max.idle.ms", Kind::Long, "600000", "How long a connection may be silent before it is closed."),
    row("default.replication.factor", Kind::Int, "1", "Copies of each partition: there is one node."),
    row("delete.topic.enable", Kind::Boolean, "true", "Whether topics may be deleted."),
    row("fetch.max.bytes", Kind::Int, "57671680", "The most bytes of one fetch."),
    row("group.consumer.heartbeat.interval.ms", Kind::Int, "5000", "How often a member of a consumer-protocol group has to say something."),
    row("group.consumer.session.timeout.ms", Kind::Int, "45000", "A member of a consumer-protocol group that says nothing for this long is out."),
    row("group.initial.rebalance.delay.ms", Kind::Int, "3000", "How long a new classic group waits for more members."),
    row("group.max.session.timeout.ms", Kind::Int, "1800000", "The longest session timeout that a classic member may ask for."),
    row("group.max.size", Kind::Int, "2147483647", "The most members of a group."),
    row("group.min.session.timeout.ms", Kind::Int, "6000", "The shortest session timeout that a classic member may ask for."),
    row("log.dirs", Kind::List, "", "The data folder."),
    row("max.connections", Kind::Int, "2147483647", "The most connections at one time."),
    row("node.id", Kind::Int, "", "The id of this node."),
    row("num.partitions", Kind::Int, "1", "Partitions of a topic that is made without a number."),
    row("offset.metadata.max.bytes", Kind::Int, "4096", "The longest note of a committed offset."),
    row("offsets.retention.check.interval.ms", Kind::Long, "600000", "How often expired offsets are looked for."),
    row("offsets.retention.minutes", Kind::Int, "10080", "How long committed offsets outlive the last use of their group."),
    row("offsets.topic.replication.factor", Kind::Short, "3", "Copies of committed offsets: there is one node."),
    row("poruka.default.durability", Kind::Text, "synced", "The durability of topics that are made without one."),
    row("process.roles", Kind::List, "", "What this process does."),
    row("socket.request.max.bytes", Kind::Int, "104857600", "The largest request."),
];

/// The value of a setting that was given at start.
pub(crate) fn static_value(name: &str, config: &BrokerConfig, advertised: &(Str, i32)) -> String {
    let groups = GroupConfig::default();
    match name {
        "advertised.listeners" => format!("PLAINTEXT://{}:{}", advertised.0, advertised.1),
        "auto.create.topics.enable" => config.auto_create.to_string(),
        "group.consumer.heartbeat.interval.ms" => config.consumer_heartbeat_interval_ms.to_string(),
        "group.consumer.session.timeout.ms" => config.consumer_session_timeout_ms.to_string(),
        "group.initial.rebalance.delay.ms" => config.initial_rebalance_delay_ms.to_string(),
        "log.dirs" => config.data_dir.display().to_string(),
        "num.partitions" => config.num_partitions.to_string(),
        "poruka.default.durability" => durability_word(config.default_durability),
        "process.roles" => "broker,controller".to_owned(),
        "connections.max.idle.ms" => IDLE_MS_MAX.to_string(),
        "delete.topic.enable" => "true".to_owned(),
        "fetch.max.bytes" => FETCH_BYTES_MAX.to_string(),
        "group.max.session.timeout.ms" => groups.session_timeout_ms_max.to_string(),
        "group.max.size" => groups.members_max.to_string(),
        "group.min.session.timeout.ms" => groups.session_timeout_ms_min.to_string(),
        "max.connections" => config.connections_max.to_string(),
        "offset.metadata.max.bytes" => groups.offset_metadata_bytes_max.to_string(),
        "offsets.retention.check.interval.ms" => config.offsets_retention_check_interval_ms.to_string(),
        "offsets.retention.minutes" => config.offsets_retention_minutes.to_string(),
        "socket.request.max.bytes" => poruka_wire::frame::FRAME_BYTES_MAX.to_string(),
        _ => "1".to_owned(),
    }
}

fn durability_word(durability: Durability) -> String {
    durability.as_str().to_owned()
}

/// The age from which segments are dropped; 0 is a topic's choice, but not the node's for all topics.
const RETENTION: &str = "log.retention.ms";

/// The changes made while running, in Kafka's two layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeOverrides {
    pub(crate) this_node: BTreeMap<String, String>,
    pub(crate) every_node: BTreeMap<String, String>,
}

impl NodeOverrides {
    /// The changed value of a node setting, if there is one. An empty name has none.
    pub(crate) fn value(&self, node_name: &str) -> Option<(&str, Source)> {
        if node_name.is_empty() {
            return None;
        }
        if let Some(value) = self.this_node.get(node_name) {
            return Some((value, Source::Node));
        }
        self.every_node.get(node_name).map(|value| (value.as_str(), Source::NodeDefault))
    }

    /// The row of a setting that may be changed while running: those that topics take their defaults from.
    pub(crate) fn changeable(node_name: &str) -> Option<&'static TopicSetting> {
        TOPIC_SETTINGS.iter().find(|setting| setting.node_name == node_name && !node_name.is_empty())
    }

    /// Checks a change. What is fixed at start is refused in Kafka's words. So is what this broker does not have:
    /// Kafka keeps names that it does not know, for plugins; here they would be kept and do nothing.
    pub(crate) fn check(name: &str, value: &str) -> Result<(), BadSetting> {
        let refused = |why: &str| {
            let name: String = name.chars().take(100).collect();
            Err(BadSetting::Conflict(format!("Cannot update these configs dynamically: [{name}] ({why})")))
        };
        match Self::changeable(name) {
            Some(_) if name == RETENTION && value.trim() == "0" => Err(BadSetting::Conflict(format!(
                "{RETENTION} must be unlimited (-1) or, greater than or equal to 1"
            ))),
            Some(setting) => check_value(name, setting.kind, setting.rule, value),
            None if NODE_SETTINGS.iter().any(|setting| setting.name == name) => {
                refused("it is fixed when the broker starts")
            }
            None => refused(
                "this broker has no such setting; kafka-configs --describe --all shows those there are",
            ),
        }
    }

    #[cfg(test)]
    pub(crate) fn set_for_tests(&mut self, name: &str, value: &str) {
        self.this_node.insert(name.to_owned(), value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_fixed_at_start_cannot_be_changed() {
        let refused = NodeOverrides::check("num.partitions", "5").expect_err("refused").to_string();
        assert!(
            refused.starts_with("Cannot update these configs dynamically: [num.partitions]"),
            "{refused}"
        );
    }

    #[test]
    fn what_this_broker_does_not_have_is_refused_not_kept_without_effect() {
        for name in ["log.retention.hours", "log.roll.hours", "log.cleaner.threads", "no.such.setting", ""] {
            let refused = NodeOverrides::check(name, "5").expect_err("refused").to_string();
            assert!(refused.starts_with("Cannot update these configs dynamically: ["), "{refused}");
            assert!(refused.contains("no such setting"), "{refused}");
        }
    }

    #[test]
    fn every_described_setting_has_a_value_of_its_type() {
        let config = BrokerConfig::default();
        for setting in NODE_SETTINGS {
            let value = static_value(setting.name, &config, &(Str::from("localhost"), 9092));
            assert_eq!(
                check_value(setting.name, setting.kind, Rule::Any, &value),
                Ok(()),
                "{}",
                setting.name
            );
        }
        assert!(NODE_SETTINGS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn retention_of_nothing_is_no_default_for_every_topic() {
        assert!(NodeOverrides::check("log.retention.ms", "0").is_err());
        assert_eq!(NodeOverrides::check("log.retention.ms", "-1"), Ok(()));
    }

    #[test]
    fn changes_of_topic_defaults_are_checked_as_topics_are() {
        assert_eq!(NodeOverrides::check("message.max.bytes", "5"), Ok(()));
        assert!(NodeOverrides::check("message.max.bytes", "x").is_err());
    }

    #[test]
    fn this_nodes_value_wins_over_every_nodes() {
        let mut layers = NodeOverrides::default();
        layers.every_node.insert("log.retention.ms".to_owned(), "1".to_owned());
        assert_eq!(layers.value("log.retention.ms"), Some(("1", Source::NodeDefault)));
        layers.this_node.insert("log.retention.ms".to_owned(), "2".to_owned());
        assert_eq!(layers.value("log.retention.ms"), Some(("2", Source::Node)));
    }
}
