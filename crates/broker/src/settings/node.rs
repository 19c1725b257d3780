//! The settings of the node: what kafka-configs shows and changes for the broker resource.
//!
//! Changes are kept as Kafka keeps them: for this node (`Node`) or for every node (`NodeDefault`, the resource with
//! an empty name). What can be changed while running is what topics take their defaults from; the rest was given at
//! start and is read-only here.

use std::collections::BTreeMap;

use poruka_guarantee::Durability;
use poruka_wire::Str;

use super::topic::{TOPIC_SETTINGS, TopicSetting};
use super::{BadSetting, Kind, Source, check_value};
use crate::config::BrokerConfig;

/// One row: a setting that the node has and that cannot be changed while it runs.
#[derive(Debug)]
pub(crate) struct NodeSetting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) about: &'static str,
}

const fn row(name: &'static str, kind: Kind, about: &'static str) -> NodeSetting {
    NodeSetting { name, kind, about }
}

/// The settings that were given at start, by name.
pub(crate) const NODE_SETTINGS: &[NodeSetting] = &[
    row("advertised.listeners", Kind::Text, "The address that clients are told to connect to."),
    row(
        "auto.create.topics.enable",
        Kind::Boolean,
        "Whether a topic is made when a client first asks for it.",
    ),
    row("broker.id", Kind::Int, "The id of this node."),
    row("default.replication.factor", Kind::Int, "Copies of each partition: there is one node."),
    row("delete.topic.enable", Kind::Boolean, "Whether topics may be deleted."),
    row(
        "group.consumer.heartbeat.interval.ms",
        Kind::Int,
        "How often a member of a consumer-protocol group has to say something.",
    ),
    row(
        "group.consumer.session.timeout.ms",
        Kind::Int,
        "A member of a consumer-protocol group that says nothing for this long is out.",
    ),
    row(
        "group.initial.rebalance.delay.ms",
        Kind::Int,
        "How long a new classic group waits for more members.",
    ),
    row("log.dirs", Kind::Text, "The data folder."),
    row("node.id", Kind::Int, "The id of this node."),
    row("num.partitions", Kind::Int, "Partitions of a topic that is made without a number."),
    row("offsets.topic.replication.factor", Kind::Int, "Copies of committed offsets: there is one node."),
    row("poruka.default.durability", Kind::Text, "The durability of topics that are made without one."),
    row("process.roles", Kind::List, "What this process does."),
    row("socket.request.max.bytes", Kind::Int, "The largest request."),
];

/// The value of a setting that was given at start.
pub(crate) fn static_value(name: &str, config: &BrokerConfig, advertised: &(Str, i32)) -> String {
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
        "delete.topic.enable" => "true".to_owned(),
        "socket.request.max.bytes" => poruka_wire::frame::FRAME_BYTES_MAX.to_string(),
        _ => "1".to_owned(),
    }
}

fn durability_word(durability: Durability) -> String {
    durability.as_str().to_owned()
}

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

    /// Checks a change. Unknown names are taken and kept, as Kafka does (they may be meant for a plugin);
    /// names of settings that are fixed at start are refused.
    pub(crate) fn check(name: &str, value: &str) -> Result<(), BadSetting> {
        if let Some(setting) = Self::changeable(name) {
            return check_value(name, setting.kind, setting.rule, value);
        }
        if NODE_SETTINGS.iter().any(|setting| setting.name == name) {
            return Err(BadSetting::Conflict(format!("Cannot update these configs dynamically: [{name}]")));
        }
        Ok(())
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
        assert_eq!(refused, "Cannot update these configs dynamically: [num.partitions]");
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
