//! The settings of a topic: Kafka's table, our three dials, and the typed values that the broker acts on.
//!
//! A value is looked up in this order: the topic's own, the node's, the default. The durability of a topic is fixed
//! when it is made: its log is written one way or the other.
//!
//! Accepted and stored, but without effect on one node: `flush.*` (durability decides), `min.insync.replicas`,
//! replication throttles, tiered storage (refused), compression levels (batches are kept as they were sent).

use std::collections::BTreeMap;
use std::str::FromStr;

use poruka_guarantee::{Delivery, Durability, Guarantee, Order};
use poruka_log::CleanConfig;

use super::node::NodeOverrides;
use super::{BadSetting, Kind, Rule, Source, check_value, double, list};

/// The dial settings: the words are those of `poruka-guarantee`.
pub(crate) const DURABILITY: &str = "poruka.durability";
const DELIVERY: &str = "poruka.delivery";
const ORDER: &str = "poruka.order";

const DURABILITY_WORDS: &[&str] = &["memory", "cached", "synced"];
const DELIVERY_WORDS: &[&str] = &["best-effort", "at-most-once", "at-least-once", "exactly-once"];
const ORDER_WORDS: &[&str] = &["unordered", "per-key", "causal"];

const CODECS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
const NO_TIERS: &str = "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with \
                        remote log storage.";

/// One row: a setting that a topic may have.
#[derive(Debug)]
pub(crate) struct TopicSetting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) rule: Rule,
    /// The name under which the node holds the value for all topics; empty when there is none.
    pub(crate) node_name: &'static str,
    pub(crate) about: &'static str,
}

const fn row(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    rule: Rule,
    node_name: &'static str,
    about: &'static str,
) -> TopicSetting {
    TopicSetting { name, kind, default, rule, node_name, about }
}

const FOREVER: &str = "9223372036854775807";

/// Every setting of a topic, by name.
#[rustfmt::skip]
pub(crate) const TOPIC_SETTINGS: &[TopicSetting] = &[
    row("cleanup.policy", Kind::List, "delete", Rule::EachOf(&["compact", "delete"]), "log.cleanup.policy", "What happens to old records: delete, compact, both, or nothing when empty."),
    row("compression.gzip.level", Kind::Int, "-1", Rule::BetweenOr(1, 9, -1), "compression.gzip.level", "Stored; batches are kept as they were sent."),
    row("compression.lz4.level", Kind::Int, "9", Rule::Between(1, 17), "compression.lz4.level", "Stored; batches are kept as they were sent."),
    row("compression.type", Kind::Text, "producer", Rule::OneOf(CODECS), "compression.type", "Stored; batches are kept as they were sent."),
    row("compression.zstd.level", Kind::Int, "3", Rule::Between(-131_072, 22), "compression.zstd.level", "Stored; batches are kept as they were sent."),
    row("delete.retention.ms", Kind::Long, "86400000", Rule::AtLeast(0), "log.cleaner.delete.retention.ms", "How long a tombstone is kept in a compacted topic."),
    row("file.delete.delay.ms", Kind::Long, "60000", Rule::AtLeast(0), "log.segment.delete.delay.ms", "Stored; a dropped segment's file goes at the next checkpoint, and who is reading it can finish."),
    row("flush.messages", Kind::Long, FOREVER, Rule::AtLeast(1), "log.flush.interval.messages", "Stored; poruka.durability decides what an acknowledgement means."),
    row("flush.ms", Kind::Long, FOREVER, Rule::AtLeast(0), "log.flush.interval.ms", "Stored; poruka.durability decides what an acknowledgement means."),
    row("follower.replication.throttled.replicas", Kind::List, "", Rule::ThrottledReplicas, "", "Stored; there is one node."),
    row("index.interval.bytes", Kind::Int, "4096", Rule::AtLeast(0), "log.index.interval.bytes", "Bytes of log between two index entries."),
    row("leader.replication.throttled.replicas", Kind::List, "", Rule::ThrottledReplicas, "", "Stored; there is one node."),
    row("local.retention.bytes", Kind::Long, "-2", Rule::AtLeast(-2), "log.local.retention.bytes", "Stored; there is no tiered storage."),
    row("local.retention.ms", Kind::Long, "-2", Rule::AtLeast(-2), "log.local.retention.ms", "Stored; there is no tiered storage."),
    row("max.compaction.lag.ms", Kind::Long, FOREVER, Rule::AtLeast(1), "log.cleaner.max.compaction.lag.ms", "The longest time a record stays out of compaction."),
    row("max.message.bytes", Kind::Int, "1048588", Rule::AtLeast(0), "message.max.bytes", "The largest batch that is appended."),
    row("message.timestamp.after.max.ms", Kind::Long, "3600000", Rule::AtLeast(0), "log.message.timestamp.after.max.ms", "How far a record's timestamp may lie ahead of the broker's clock."),
    row("message.timestamp.before.max.ms", Kind::Long, FOREVER, Rule::AtLeast(0), "log.message.timestamp.before.max.ms", "How far a record's timestamp may lie behind the broker's clock."),
    row("message.timestamp.type", Kind::Text, "CreateTime", Rule::OneOf(&["CreateTime", "LogAppendTime"]), "log.message.timestamp.type", "Whose clock stamps records: the producer's or the broker's."),
    row("min.cleanable.dirty.ratio", Kind::Double, "0.5", Rule::Ratio, "log.cleaner.min.cleanable.ratio", "The share of uncompacted log from which compaction starts."),
    row("min.compaction.lag.ms", Kind::Long, "0", Rule::AtLeast(0), "log.cleaner.min.compaction.lag.ms", "The shortest time a record stays out of compaction."),
    row("min.insync.replicas", Kind::Int, "1", Rule::AtLeast(1), "min.insync.replicas", "Stored; there is one node."),
    row(DELIVERY, Kind::Text, "", Rule::OneOf(DELIVERY_WORDS), "", "The delivery dial that the topic was made for."),
    row(DURABILITY, Kind::Text, "", Rule::OneOf(DURABILITY_WORDS), "", "What an acknowledged record survives. Fixed when the topic is made."),
    row(ORDER, Kind::Text, "", Rule::OneOf(ORDER_WORDS), "", "The order dial that the topic was made for."),
    row("preallocate", Kind::Boolean, "false", Rule::Any, "log.preallocate", "Stored; segments grow as they are written."),
    row("remote.log.copy.disable", Kind::Boolean, "false", Rule::Any, "", "Stored; there is no tiered storage."),
    row("remote.log.delete.on.disable", Kind::Boolean, "false", Rule::Any, "", "Stored; there is no tiered storage."),
    row("remote.storage.enable", Kind::Boolean, "false", Rule::Only("false", NO_TIERS), "", "There is no tiered storage."),
    row("retention.bytes", Kind::Long, "-1", Rule::Any, "log.retention.bytes", "The size from which the oldest segments are dropped; -1 for none."),
    row("retention.ms", Kind::Long, "604800000", Rule::AtLeast(-1), "log.retention.ms", "The age from which segments are dropped; -1 for none."),
    row("segment.bytes", Kind::Int, "1073741824", Rule::AtLeast(1_048_576), "log.segment.bytes", "The size at which a segment is closed."),
    row("segment.index.bytes", Kind::Int, "10485760", Rule::AtLeast(4), "log.index.size.max.bytes", "The largest index of a segment."),
    row("segment.jitter.ms", Kind::Long, "0", Rule::AtLeast(0), "log.roll.jitter.ms", "Random reduction of segment.ms."),
    row("segment.ms", Kind::Long, "604800000", Rule::AtLeast(1), "log.roll.ms", "The age at which a segment is closed."),
    row("unclean.leader.election.enable", Kind::Boolean, "false", Rule::Any, "unclean.leader.election.enable", "Stored; there is one node."),
];

impl TopicSetting {
    /// The row of a name.
    pub(crate) fn find(name: &str) -> Option<&'static TopicSetting> {
        TOPIC_SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// Checks a value that a topic is to have.
    pub(crate) fn check(name: &str, value: &str) -> Result<(), BadSetting> {
        let setting = Self::find(name)
            .ok_or_else(|| BadSetting::UnknownTopicSetting(name.chars().take(100).collect()))?;
        check_value(name, setting.kind, setting.rule, value)?;
        match setting.rule {
            Rule::Only(only, why) if !value.trim().eq_ignore_ascii_case(only) => {
                Err(BadSetting::Conflict(why.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The value in force and where it comes from.
    pub(crate) fn effective<'a>(
        &self,
        own: &'a BTreeMap<String, String>,
        node: &'a NodeOverrides,
        class: Durability,
    ) -> (&'a str, Source) {
        if let Some(value) = own.get(self.name) {
            return (value, Source::Topic);
        }
        if let Some((value, source)) = node.value(self.node_name) {
            return (value, source);
        }
        (if self.name == DURABILITY { class.as_str() } else { self.default }, Source::Default)
    }
}

/// Whose clock stamps the records of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimestampType {
    Create,
    LogAppend,
}

/// The values that the broker acts on, worked out once per change of a setting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TopicSettings {
    pub(crate) max_message_bytes: usize,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) timestamp_after_max_ms: i64,
    pub(crate) segment_bytes: u32,
    pub(crate) index_interval_bytes: u32,
    pub(crate) clean: CleanConfig,
}

impl TopicSettings {
    /// The typed values of a topic. Values were checked when they were stored; one that does not parse (written by
    /// a later version) falls back to its default.
    pub(crate) fn of(own: &BTreeMap<String, String>, node: &NodeOverrides) -> TopicSettings {
        let text = |name: &str| -> &str {
            let setting =
                TopicSetting::find(name).expect("the table holds every name that is asked for here");
            setting.effective(own, node, Durability::Synced).0.trim()
        };
        let long = |name: &str| -> i64 {
            let default = TopicSetting::find(name).and_then(|s| s.default.parse().ok()).unwrap_or_default();
            text(name).parse().unwrap_or(default)
        };
        TopicSettings {
            max_message_bytes: usize::try_from(long("max.message.bytes")).unwrap_or(0),
            timestamp_type: match text("message.timestamp.type") {
                "LogAppendTime" => TimestampType::LogAppend,
                _ => TimestampType::Create,
            },
            timestamp_before_max_ms: long("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: long("message.timestamp.after.max.ms"),
            segment_bytes: u32::try_from(long("segment.bytes")).unwrap_or(u32::MAX),
            index_interval_bytes: u32::try_from(long("index.interval.bytes")).unwrap_or(4096),
            clean: CleanConfig {
                delete: list(text("cleanup.policy")).any(|policy| policy == "delete"),
                compact: list(text("cleanup.policy")).any(|policy| policy == "compact"),
                retention_ms: long("retention.ms"),
                retention_bytes: long("retention.bytes"),
                segment_ms: long("segment.ms"),
                segment_jitter_ms: long("segment.jitter.ms"),
                min_compaction_lag_ms: long("min.compaction.lag.ms"),
                max_compaction_lag_ms: long("max.compaction.lag.ms"),
                delete_retention_ms: long("delete.retention.ms"),
                min_dirty_permille: permille(text("min.cleanable.dirty.ratio")),
            },
        }
    }
}

/// A ratio of 0 to 1 in thousandths, which can be compared for equality.
fn permille(ratio: &str) -> u32 {
    (double(ratio).unwrap_or(0.5).clamp(0.0, 1.0) * 1000.0).round() as u32
}

/// Checks all of a topic's own settings together, and with what the node adds to them.
pub(crate) fn check_all(
    own: &BTreeMap<String, String>,
    node: &NodeOverrides,
    default_class: Durability,
) -> Result<(), BadSetting> {
    for (name, value) in own {
        TopicSetting::check(name, value)?;
    }
    let CleanConfig { min_compaction_lag_ms: min, max_compaction_lag_ms: max, .. } =
        TopicSettings::of(own, node).clean;
    if min > max {
        return Err(BadSetting::Conflict(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        )));
    }
    check_dials(own, default_class)
}

/// Refuses dial positions that nobody can keep together.
fn check_dials(own: &BTreeMap<String, String>, default_class: Durability) -> Result<(), BadSetting> {
    let delivery: Option<Delivery> = position(own, DELIVERY);
    let order: Option<Order> = position(own, ORDER);
    if delivery.is_none() && order.is_none() {
        return Ok(());
    }
    let order = order.unwrap_or(Order::Unordered);
    let implied = if order == Order::Unordered { Delivery::BestEffort } else { Delivery::AtLeastOnce };
    let asked = Guarantee {
        delivery: delivery.unwrap_or(implied),
        order,
        durability: class_of(own, default_class),
        replicated: false,
    };
    asked.check().map_err(|bad| BadSetting::Conflict(bad.to_string()))
}

/// The durability that a topic with these settings is made with.
pub(crate) fn class_of(own: &BTreeMap<String, String>, default_class: Durability) -> Durability {
    position(own, DURABILITY).unwrap_or(default_class)
}

fn position<T: FromStr>(own: &BTreeMap<String, String>, name: &str) -> Option<T> {
    own.get(name).and_then(|word| word.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn every_default_satisfies_its_own_rule() {
        for setting in TOPIC_SETTINGS.iter().filter(|s| !s.default.is_empty()) {
            assert_eq!(TopicSetting::check(setting.name, setting.default), Ok(()), "{}", setting.name);
        }
    }

    #[test]
    fn the_table_is_sorted_and_without_repeats() {
        assert!(TOPIC_SETTINGS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn dial_words_are_those_of_the_guarantees() {
        assert!(Durability::ALL.iter().map(|d| d.as_str()).eq(DURABILITY_WORDS.iter().copied()));
        assert!(Delivery::ALL.iter().map(|d| d.as_str()).eq(DELIVERY_WORDS.iter().copied()));
        assert!(Order::ALL.iter().map(|d| d.as_str()).eq(ORDER_WORDS.iter().copied()));
    }

    #[test]
    fn dials_that_contradict_each_other_are_refused() {
        let node = NodeOverrides::default();
        let causal_in_memory = own(&[("poruka.order", "causal"), ("poruka.durability", "memory")]);
        assert!(check_all(&causal_in_memory, &node, Durability::Synced).is_err());
        assert_eq!(check_all(&own(&[("poruka.order", "causal")]), &node, Durability::Synced), Ok(()));
        assert_eq!(
            check_all(&own(&[("poruka.delivery", "at-most-once")]), &node, Durability::Memory),
            Ok(())
        );
    }

    #[test]
    fn a_topics_own_value_wins_over_the_nodes_and_the_default() {
        let mut node = NodeOverrides::default();
        node.set_for_tests("message.max.bytes", "2000");
        assert_eq!(TopicSettings::of(&own(&[]), &node).max_message_bytes, 2000);
        assert_eq!(TopicSettings::of(&own(&[("max.message.bytes", "7")]), &node).max_message_bytes, 7);
        assert_eq!(TopicSettings::of(&own(&[]), &NodeOverrides::default()).max_message_bytes, 1_048_588);
    }

    #[test]
    fn lags_in_the_wrong_order_are_refused() {
        let bad = own(&[("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")]);
        assert!(check_all(&bad, &NodeOverrides::default(), Durability::Synced).is_err());
        // The node's value counts where the topic has none of its own.
        let mut node = NodeOverrides::default();
        node.set_for_tests("log.cleaner.min.compaction.lag.ms", "10");
        let said = check_all(&own(&[("max.compaction.lag.ms", "5")]), &node, Durability::Synced);
        let wanted = "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)";
        assert_eq!(said.map_err(|bad| bad.to_string()), Err(wanted.to_owned()));
    }
}
