//! A topic: version, id, partitions, durability, count of settings, settings (name, value).

use std::collections::BTreeMap;

use bytes::Bytes;
use poruka_guarantee::Durability;
use poruka_wire::{Uuid, Writer};

use super::{BadFact, put_text, take_text, versioned};

const VERSION: i8 = 0;
const WHAT: &str = "topic";

/// What is stored of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicRecord {
    /// The id of this life of the topic.
    pub(crate) id: Uuid,
    /// Partitions, numbered from 0.
    pub(crate) partitions: i32,
    /// How its logs are kept. Stored apart from the settings, so that another default does not change it.
    pub(crate) class: Durability,
    /// The settings that were given for it, as they were given.
    pub(crate) own: BTreeMap<String, String>,
}

fn class_number(class: Durability) -> i8 {
    match class {
        Durability::Memory => 0,
        Durability::Cached => 1,
        Durability::Synced => 2,
    }
}

fn class_of(number: i8) -> Result<Durability, BadFact> {
    match number {
        0 => Ok(Durability::Memory),
        1 => Ok(Durability::Cached),
        2 => Ok(Durability::Synced),
        _ => Err(BadFact { what: WHAT }),
    }
}

impl TopicRecord {
    pub(super) fn encode(&self) -> Bytes {
        let mut value = Writer::new();
        value.i8(VERSION);
        value.uuid(self.id);
        value.i32(self.partitions);
        value.i8(class_number(self.class));
        value.i32(i32::try_from(self.own.len()).unwrap_or(i32::MAX));
        for (name, setting) in &self.own {
            put_text(&mut value, name);
            put_text(&mut value, setting);
        }
        value.into_bytes()
    }

    pub(super) fn decode(value: Bytes) -> Result<TopicRecord, BadFact> {
        versioned(value, VERSION, WHAT, |reader| {
            let bad = |_| BadFact { what: WHAT };
            let id = reader.uuid().map_err(bad)?;
            let partitions = reader.i32().map_err(bad)?;
            let class = class_of(reader.i8().map_err(bad)?)?;
            let mut own = BTreeMap::new();
            for _ in 0..reader.i32().map_err(bad)? {
                let name = take_text(reader, WHAT)?;
                own.insert(name, take_text(reader, WHAT)?);
            }
            Ok(TopicRecord { id, partitions, class, own })
        })
    }
}
