//! Which version of each API is spoken on a connection: the newest that both sides know, never one older than we need.
//!
//! The client speaks the protocol of Apache Kafka 4.0 and newer (and of our own broker): topic ids, flexible versions, the
//! KIP-848 group protocol. An older broker is refused at once, with the API that is missing and what to upgrade.

use std::collections::BTreeMap;

use poruka_wire::Request;

/// The lowest version of each API that this client works with; an API not listed may be used from version 0.
/// The versions are those of Apache Kafka 4.0 where the client relies on what they brought.
const NEEDED: &[(i16, i16, &str)] = &[
    (0, 11, "Produce"),
    (1, 13, "Fetch"),
    (2, 7, "ListOffsets"),
    (3, 12, "Metadata"),
    (8, 9, "OffsetCommit"),
    (9, 9, "OffsetFetch"),
    (10, 4, "FindCoordinator"),
    (22, 4, "InitProducerId"),
];

/// APIs that only some uses need, with what brings them.
const OPTIONAL: &[(i16, i16, &str, &str)] = &[
    (68, 1, "ConsumerGroupHeartbeat", "finalize the feature group.version=1 on the cluster"),
    (69, 0, "ConsumerGroupDescribe", "finalize the feature group.version=1 on the cluster"),
    (19, 5, "CreateTopics", "upgrade the brokers to Apache Kafka 4.0 or newer"),
    (44, 0, "IncrementalAlterConfigs", "upgrade the brokers to Apache Kafka 4.0 or newer"),
];

const UPGRADE: &str = "upgrade the brokers to Apache Kafka 4.0 or newer";

/// An API, or a version of it, that the broker does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker has no {name} (API {key}) version {needed} or newer ({has}): {remedy}")]
pub struct Unsupported {
    /// The API's name.
    pub name: String,
    /// The API's number.
    pub key: i16,
    /// The version that this client needs at least.
    pub needed: i16,
    /// What the broker has.
    pub has: String,
    /// What to do about it.
    pub remedy: String,
}

/// The version ranges that a broker advertised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    ranges: BTreeMap<i16, (i16, i16)>,
}

impl Versions {
    /// From (API key, lowest, highest) as advertised.
    pub fn new(advertised: impl IntoIterator<Item = (i16, i16, i16)>) -> Versions {
        Versions { ranges: advertised.into_iter().map(|(key, min, max)| (key, (min, max))).collect() }
    }

    /// Refuses a broker without what every use of this client needs.
    pub fn check(&self) -> Result<(), Unsupported> {
        for (key, needed, name) in NEEDED {
            if self.ranges.get(key).is_none_or(|(_, max)| max < needed) {
                return Err(self.unsupported(*key, *needed, name, UPGRADE));
            }
        }
        Ok(())
    }

    /// The version to speak for `R`: the newest that both sides know.
    pub fn pick<R: Request>(&self) -> Result<i16, Unsupported> {
        self.pick_from(R::KEY.code(), *R::VERSIONS.start(), *R::VERSIONS.end())
    }

    fn pick_from(&self, key: i16, ours_min: i16, ours_max: i16) -> Result<i16, Unsupported> {
        let needed = NEEDED.iter().find(|row| row.0 == key).map(|row| (row.1, row.2, UPGRADE));
        let optional = OPTIONAL.iter().find(|row| row.0 == key).map(|row| (row.1, row.2, row.3));
        let (floor, name, remedy) = needed.or(optional).unwrap_or((ours_min, "this API", UPGRADE));
        let floor = floor.max(ours_min);
        match self.ranges.get(&key) {
            Some((min, max)) if *max >= floor && *min <= ours_max => Ok(ours_max.min(*max)),
            _ => Err(self.unsupported(key, floor, name, remedy)),
        }
    }

    fn unsupported(&self, key: i16, needed: i16, name: &str, remedy: &str) -> Unsupported {
        let has = match self.ranges.get(&key) {
            Some((min, max)) => format!("it has {min} to {max}"),
            None => "it does not have it at all".to_owned(),
        };
        Unsupported { name: name.to_owned(), key, needed, has, remedy: remedy.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kafka_4() -> Versions {
        let all =
            [(0, 0, 12), (1, 4, 17), (2, 1, 10), (3, 0, 13), (8, 2, 9), (9, 1, 9), (10, 0, 6), (22, 0, 5)];
        Versions::new(all)
    }

    #[test]
    fn kafka_4_0_is_enough() {
        assert_eq!(kafka_4().check(), Ok(()));
    }

    #[test]
    fn an_older_broker_is_refused_with_the_missing_api_and_the_remedy() {
        let mut old = kafka_4();
        old.ranges.insert(9, (0, 8));
        let refusal = old.check().unwrap_err().to_string();
        assert!(refusal.contains("OffsetFetch (API 9) version 9 or newer (it has 0 to 8)"), "{refusal}");
        assert!(refusal.contains("upgrade the brokers"), "{refusal}");
    }

    #[test]
    fn the_newest_common_version_is_spoken() {
        assert_eq!(kafka_4().pick_from(0, 3, 13), Ok(12));
        assert_eq!(kafka_4().pick_from(3, 0, 12), Ok(12));
    }

    #[test]
    fn a_cluster_without_the_new_group_protocol_is_told_which_feature_to_finalize() {
        let refusal = kafka_4().pick_from(68, 0, 1).unwrap_err().to_string();
        assert!(refusal.contains("group.version=1"), "{refusal}");
    }
}
