//! What the broker itself remembers: keys and values of its metadata log.
//!
//! Topics, changed settings, reserved producer ids and the cluster's id are records (key, value) of one log; the
//! state is the fold over them: the last value of a key counts, no value removes it. A key starts with one byte that
//! says its kind; a value starts with its version. Kinds are persisted: a number is never given a second meaning.
//!
//! Each kind has a file of its own with both directions of its codec. A record that does not decode stops the start:
//! it is damage, or the work of a later version, and guessing would lose topics.

mod cluster;
mod producer_ids;
mod setting;
mod topic;

use bytes::Bytes;
use poruka_wire::{Reader, Uuid, Writer};

pub(crate) use topic::TopicRecord;

const KIND_CLUSTER: i8 = 1;
const KIND_TOPIC: i8 = 2;
const KIND_SETTING: i8 = 3;
const KIND_PRODUCER_IDS: i8 = 4;

/// One fact in the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The id of the cluster.
    Cluster(Uuid),
    /// A topic; `None` once it is deleted.
    Topic(String, Option<TopicRecord>),
    /// A setting of the node (`every_node` false) or of all nodes; `None` once it is reset.
    Setting { every_node: bool, name: String, value: Option<String> },
    /// Producer ids below this may have been handed out.
    ProducerIds(i64),
}

/// A record of the metadata log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metadata record is unreadable ({what}): it is damaged or was written by a later version")]
pub struct BadFact {
    pub(crate) what: &'static str,
}

impl Fact {
    /// The record that stores this fact.
    pub(crate) fn encode(&self) -> (Bytes, Option<Bytes>) {
        let mut key = Writer::new();
        let value = match self {
            Fact::Cluster(id) => {
                key.i8(KIND_CLUSTER);
                Some(cluster::encode(*id))
            }
            Fact::Topic(name, record) => {
                key.i8(KIND_TOPIC);
                key.raw(name.as_bytes());
                record.as_ref().map(TopicRecord::encode)
            }
            Fact::Setting { every_node, name, value } => {
                key.i8(KIND_SETTING);
                key.bool(*every_node);
                key.raw(name.as_bytes());
                value.as_deref().map(setting::encode)
            }
            Fact::ProducerIds(below) => {
                key.i8(KIND_PRODUCER_IDS);
                Some(producer_ids::encode(*below))
            }
        };
        (key.into_bytes(), value)
    }

    /// The fact that a record stores.
    pub(crate) fn decode(key: Bytes, value: Option<Bytes>) -> Result<Fact, BadFact> {
        let mut key = Reader::new(key);
        let kind = key.i8().map_err(|_| BadFact { what: "empty key" })?;
        match kind {
            KIND_CLUSTER => Ok(Fact::Cluster(cluster::decode(value)?)),
            KIND_TOPIC => {
                let name = rest_as_text(&mut key, "topic name")?;
                Ok(Fact::Topic(name, value.map(TopicRecord::decode).transpose()?))
            }
            KIND_SETTING => {
                let every_node = key.bool().map_err(|_| BadFact { what: "setting key" })?;
                let name = rest_as_text(&mut key, "setting name")?;
                Ok(Fact::Setting { every_node, name, value: value.map(setting::decode).transpose()? })
            }
            KIND_PRODUCER_IDS => Ok(Fact::ProducerIds(producer_ids::decode(value)?)),
            _ => Err(BadFact { what: "unknown kind" }),
        }
    }
}

fn rest_as_text(reader: &mut Reader, what: &'static str) -> Result<String, BadFact> {
    text_of(reader, reader.remaining(), what)
}

fn text_of(reader: &mut Reader, length: usize, what: &'static str) -> Result<String, BadFact> {
    let bytes = reader.slice(length).map_err(|_| BadFact { what })?;
    String::from_utf8(bytes.to_vec()).map_err(|_| BadFact { what })
}

/// A string with its length in front, within a value.
fn put_text(writer: &mut Writer, text: &str) {
    writer.i32(i32::try_from(text.len()).unwrap_or(i32::MAX));
    writer.raw(text.as_bytes());
}

fn take_text(reader: &mut Reader, what: &'static str) -> Result<String, BadFact> {
    let length = reader.i32().map_err(|_| BadFact { what })?;
    text_of(reader, usize::try_from(length).map_err(|_| BadFact { what })?, what)
}

/// Opens a value: checks its version and, at the end, that nothing is left over.
fn versioned<T>(
    value: Bytes,
    version: i8,
    what: &'static str,
    read: impl FnOnce(&mut Reader) -> Result<T, BadFact>,
) -> Result<T, BadFact> {
    let mut reader = Reader::new(value);
    if reader.i8() != Ok(version) {
        return Err(BadFact { what });
    }
    let read = read(&mut reader)?;
    reader.finish().map_err(|_| BadFact { what })?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts() -> impl Strategy<Value = Fact> {
        let topic =
            (any::<[u8; 16]>(), 1..1000i32, 0..3usize, prop::collection::btree_map(".{0,9}", ".{0,9}", 0..4))
                .prop_map(|(id, partitions, class, own)| TopicRecord {
                    id: Uuid(id),
                    partitions,
                    class: poruka_guarantee::Durability::ALL[class],
                    own,
                });
        prop_oneof![
            any::<[u8; 16]>().prop_map(|id| Fact::Cluster(Uuid(id))),
            (".{1,9}", prop::option::of(topic)).prop_map(|(name, record)| Fact::Topic(name, record)),
            (any::<bool>(), ".{1,9}", prop::option::of(".{0,9}"))
                .prop_map(|(every_node, name, value)| Fact::Setting { every_node, name, value }),
            any::<i64>().prop_map(Fact::ProducerIds),
        ]
    }

    proptest! {
        #[test]
        fn every_fact_reads_back_as_it_was_written(fact in facts()) {
            let (key, value) = fact.encode();
            prop_assert_eq!(Fact::decode(key, value), Ok(fact));
        }

        #[test]
        fn bytes_that_are_no_fact_are_refused_without_panic(key: Vec<u8>, value: Option<Vec<u8>>) {
            let _ = Fact::decode(key.into(), value.map(Bytes::from));
        }
    }

    #[test]
    fn a_value_of_a_later_version_is_refused() {
        let (key, value) = Fact::ProducerIds(5).encode();
        let mut later = value.expect("a value").to_vec();
        later[0] += 1;
        assert!(Fact::decode(key, Some(later.into())).is_err());
    }
}
