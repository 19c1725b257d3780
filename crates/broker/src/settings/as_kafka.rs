//! Held against Apache Kafka 4.3.1: names, types, defaults, the node's names, and what it says to single values.
//!
//! The tables in `kafka/` were printed by Kafka's own classes. Where this broker is stricter on purpose, it says so here.

use super::topic::{TOPIC_SETTINGS, TopicSetting};

const SETTINGS: &str = include_str!("kafka/settings.tsv");
const VERDICTS: &str = include_str!("kafka/verdicts.tsv");

/// Values that Kafka takes and we refuse: a ratio that is no number, and storage tiers that are not there (Kafka
/// refuses these too, but not in its table).
const STRICTER: [(&str, &str); 3] = [
    ("min.cleanable.dirty.ratio", "NaN"),
    ("remote.storage.enable", "true"),
    ("remote.storage.enable", "TRUE"),
];

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

#[test]
fn every_topic_setting_of_kafka_is_here_with_its_type_default_and_node_name() {
    for row in rows(SETTINGS) {
        let [name, kind, default, node_name] = row[..] else { panic!("{row:?}") };
        let ours = TopicSetting::find(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!((ours.kind.name(), ours.default, ours.node_name), (kind, default, node_name), "{name}");
        assert!(ours.about.ends_with('.'), "{name} is described");
    }
    let own = TOPIC_SETTINGS.iter().filter(|setting| setting.name.starts_with("poruka."));
    assert_eq!(TOPIC_SETTINGS.len(), rows(SETTINGS).count() + own.count(), "and none beside them");
}

#[test]
fn values_are_taken_and_refused_as_kafka_does_in_its_own_words() {
    let mut count = 0;
    for row in rows(VERDICTS) {
        let [name, value, wanted] = row[..] else { panic!("{row:?}") };
        let said = TopicSetting::check(name, value);
        if STRICTER.contains(&(name, value)) {
            assert_eq!((wanted, said.is_err()), ("ok", true), "{name}={value}");
        } else {
            let said = said.map_or_else(|bad| bad.to_string(), |()| "ok".to_owned());
            assert!(said.starts_with(wanted), "{name}={value}\n ours: {said}\nKafka: {wanted}");
        }
        count += 1;
    }
    assert!(count > 200, "{count} values");
}
