//! Whether a topic, as the broker describes it, keeps what a guarantee asks for. Pure: facts in, verdict out.
//!
//! A topic with the config `poruka.durability` is on a Poruka broker, any other on a stock Kafka. There a record is
//! acked from the page cache (Cached), unless `flush.messages=1` has each append synced first (Synced); Memory and
//! Cached are therefore always kept, Synced only with that config.
//! Positions of the dials are minima: a topic that is stronger than asked for is taken.

use std::collections::BTreeMap;

use poruka_guarantee::Durability;

use crate::settings::Settings;
use crate::topic::TopicFacts;

/// The config that only topics of a Poruka broker have.
const PORUKA_MARK: &str = "poruka.durability";

/// A topic as the broker describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Described {
    /// Its configs in force, by name.
    pub(crate) configs: BTreeMap<String, String>,
    /// The least number of replicas that one of its partitions has.
    pub(crate) replicas: usize,
}

/// A topic that cannot keep what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("topic {topic:?} has {setting} {is}, and the guarantee needs {needs}: {remedy}")]
pub struct TooWeak {
    /// The topic.
    pub topic: String,
    /// What is too weak.
    pub setting: &'static str,
    /// What it is.
    pub is: String,
    /// What it must be at least.
    pub needs: String,
    /// What to do about it.
    pub remedy: String,
}

/// What the topic is, if it keeps the guarantee that `settings` are for.
pub(crate) fn judge(topic: &str, settings: &Settings, described: &Described) -> Result<TopicFacts, TooWeak> {
    let config = |name: &str| described.configs.get(name).map(|value| value.trim());
    let weak = |setting, is: Option<&str>, needs: String, remedy: String| TooWeak {
        topic: topic.to_owned(),
        setting,
        is: is.unwrap_or("unset").to_owned(),
        needs,
        remedy,
    };
    let compacted =
        config("cleanup.policy").is_some_and(|policy| policy.split(',').any(|one| one.trim() == "compact"));
    let wanted = settings.topic.durability;
    if let Some(word) = config(PORUKA_MARK) {
        let durability = word.parse().unwrap_or(Durability::Memory);
        if durability < wanted {
            let remedy = "it is fixed when a topic is made; use another topic, or delete this one and let it be made anew";
            return Err(weak(PORUKA_MARK, Some(word), wanted.to_string(), remedy.to_owned()));
        }
        if settings.topic.replicated {
            let remedy =
                "a Poruka broker is a single node; turn `replicated` off, or connect to a Kafka cluster";
            return Err(weak("replicas", Some("1"), "2".to_owned(), remedy.to_owned()));
        }
        return Ok(TopicFacts { durability, compacted });
    }
    let alter = |name: &str, value: &str| {
        format!(
            "run kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {name}={value}"
        )
    };
    let flushed = config("flush.messages") == Some("1");
    if wanted == Durability::Synced && !flushed {
        let remedy = alter("flush.messages", "1");
        return Err(weak("flush.messages", config("flush.messages"), "1".to_owned(), remedy));
    }
    if settings.topic.replicated {
        if described.replicas < 2 {
            let remedy = "reassign its partitions to two brokers or more, or make it anew with more replicas";
            return Err(weak(
                "replicas",
                Some(&described.replicas.to_string()),
                "2".to_owned(),
                remedy.to_owned(),
            ));
        }
        let least = config("min.insync.replicas");
        if least.and_then(|text| text.parse::<u32>().ok()).is_none_or(|least| least < 2) {
            return Err(weak(
                "min.insync.replicas",
                least,
                "2".to_owned(),
                alter("min.insync.replicas", "2"),
            ));
        }
    }
    let durability = if flushed { Durability::Synced } else { Durability::Cached };
    Ok(TopicFacts { durability, compacted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::settings_for;
    use poruka_guarantee::{Guarantee, Name};

    fn verdict(
        guarantee: Guarantee,
        configs: &[(&str, &str)],
        replicas: usize,
    ) -> Result<TopicFacts, TooWeak> {
        let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        judge("t", &settings_for(guarantee).unwrap(), &Described { configs, replicas })
    }

    #[test]
    fn on_a_poruka_broker_a_stronger_topic_is_taken_and_a_weaker_one_refused() {
        let durable = Name::Durable.guarantee();
        let synced = verdict(durable, &[(PORUKA_MARK, "synced")], 1).unwrap();
        assert_eq!(synced.durability, Durability::Synced);
        assert!(verdict(Name::BestEffort.guarantee(), &[(PORUKA_MARK, "synced")], 1).is_ok());
        let refused = verdict(durable, &[(PORUKA_MARK, "cached")], 1).unwrap_err().to_string();
        assert!(refused.contains("poruka.durability cached") && refused.contains("synced"), "{refused}");
    }

    #[test]
    fn on_stock_kafka_durable_needs_a_flush_per_append() {
        let durable = Name::Durable.guarantee();
        assert_eq!(verdict(durable, &[("flush.messages", "1")], 1).unwrap().durability, Durability::Synced);
        let refused = verdict(durable, &[("flush.messages", "9223372036854775807")], 3).unwrap_err();
        assert!(refused.remedy.contains("--add-config flush.messages=1"), "{refused}");
        let cached = verdict(Name::AtLeastOnce.guarantee(), &[], 1).unwrap();
        assert_eq!(cached.durability, Durability::Cached);
    }

    #[test]
    fn replicated_needs_two_in_sync_copies_and_a_cluster() {
        let replicated = Guarantee { replicated: true, ..Name::AtLeastOnce.guarantee() };
        assert!(verdict(replicated, &[("min.insync.replicas", "2")], 3).is_ok());
        assert!(verdict(replicated, &[("min.insync.replicas", "1")], 3).is_err());
        assert!(verdict(replicated, &[("min.insync.replicas", "2")], 1).is_err());
        assert!(verdict(replicated, &[(PORUKA_MARK, "synced")], 1).is_err());
    }

    #[test]
    fn compaction_is_seen_in_a_list_of_policies() {
        let of =
            |policy| verdict(Name::Ordered.guarantee(), &[("cleanup.policy", policy)], 1).unwrap().compacted;
        assert!(of("compact") && of("delete, compact") && !of("delete"));
    }
}
