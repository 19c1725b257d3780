//! The topics that exist, by name and by id, and the changed settings of the node.
//!
//! Readers take what they need under a short lock; changes are made one at a time by `topics`, after they are durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use poruka_guarantee::Durability;
use poruka_log::{Class, PartitionLog, SegmentConfig};
use poruka_wire::{Str, Uuid};

use crate::settings::{NodeOverrides, TopicSettings};
use crate::state::TopicRecord;

/// A topic as it is now. Immutable: a change makes another one.
pub(crate) struct Topic {
    pub(crate) name: Str,
    pub(crate) id: Uuid,
    pub(crate) class: Durability,
    /// The settings that were given for it, as they were given.
    pub(crate) own: BTreeMap<String, String>,
    pub(crate) settings: TopicSettings,
    pub(crate) partitions: Vec<Arc<PartitionLog>>,
}

impl Topic {
    /// The log of a partition, if the topic has it.
    pub(crate) fn partition(&self, index: i32) -> Option<&Arc<PartitionLog>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// How many partitions it has.
    pub(crate) fn count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    /// The same topic with other settings, which are in force from now on.
    pub(crate) fn with_settings(&self, own: BTreeMap<String, String>, settings: TopicSettings) -> Topic {
        let sizes = segments(&settings);
        self.partitions.iter().for_each(|log| log.set_config(sizes));
        let (name, partitions) = (self.name.clone(), self.partitions.clone());
        Topic { name, id: self.id, class: self.class, own, settings, partitions }
    }

    /// What is stored of it.
    pub(crate) fn record(&self) -> TopicRecord {
        TopicRecord { id: self.id, partitions: self.count(), class: self.class, own: self.own.clone() }
    }
}

/// The storage class of a durability.
pub(crate) fn class(durability: Durability) -> Class {
    match durability {
        Durability::Memory => Class::Memory,
        Durability::Cached => Class::Cached,
        Durability::Synced => Class::Synced,
    }
}

/// The most that a partition of a Memory topic keeps, whatever `retention.bytes` says.
const MEMORY_PARTITION_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The segment sizes that a topic's settings ask for.
pub(crate) fn segments(settings: &TopicSettings) -> SegmentConfig {
    let standard = SegmentConfig::default();
    SegmentConfig {
        segment_bytes: settings.segment_bytes,
        index_interval_bytes: settings.index_interval_bytes,
        // What a Memory topic keeps is bounded in any case; retention.bytes says by how much.
        memory_bytes_max: usize::try_from(settings.clean.retention_bytes)
            .map_or(standard.memory_bytes_max, |bytes| bytes.min(MEMORY_PARTITION_BYTES_MAX)),
        clean: settings.clean,
    }
}

/// Everything that is known of topics and changed settings.
#[derive(Default)]
pub(crate) struct Catalog {
    by_name: BTreeMap<Str, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
    pub(crate) overrides: NodeOverrides,
}

impl Catalog {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// All topics, by name.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    /// All topics whose name is at or after `name`.
    pub(crate) fn topics_from(&self, name: &str) -> impl Iterator<Item = &Arc<Topic>> {
        let from = Str::from(name);
        self.by_name.range(from..).map(|(_, topic)| topic)
    }

    /// Adds a topic, or puts it in place of the one of the same name.
    pub(crate) fn put(&mut self, topic: Arc<Topic>) {
        if let Some(old) = self.by_name.insert(topic.name.clone(), Arc::clone(&topic)) {
            self.by_id.remove(&old.id);
        }
        self.by_id.insert(topic.id, topic);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(old) = self.by_name.remove(name) {
            self.by_id.remove(&old.id);
        }
    }

    /// Works out the settings of every topic again, after a change of the node's.
    pub(crate) fn refresh(&mut self) {
        let topics: Vec<_> = self.by_name.values().cloned().collect();
        for old in topics {
            let settings = TopicSettings::of(&old.own, &self.overrides);
            if settings != old.settings {
                self.put(Arc::new(old.with_settings(old.own.clone(), settings)));
            }
        }
    }
}
