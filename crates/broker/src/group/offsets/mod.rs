//! Committed offsets: per group, keyed by topic id and partition.
//!
//! The key is the id and not the name: a topic that is deleted and made again, or a Memory topic after a restart, is
//! another topic, and an offset of its former life would skip records of the new one. Such offsets are dropped as soon
//! as the topic's id is no longer in the view. Offsets pending in a transaction have their place beside these, in a
//! store of their own, once transactions exist.

mod commit;
mod delete;
mod expire;
mod fetch;

use std::collections::BTreeMap;

use poruka_wire::Str;

use super::cx::Out;
use super::partitions::TopicPartition;
use super::record::Key;
use super::record::offset::OffsetRecord;
use super::topics::TopicView;

pub(crate) use expire::Expiry;

/// The offsets of all groups.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    by_group: BTreeMap<Str, BTreeMap<TopicPartition, OffsetRecord>>,
    /// Offsets that retention removed since the start.
    pub(crate) expired: u64,
}

fn key(group: &Str, (topic, partition): TopicPartition) -> Key {
    Key::Offset { group: group.clone(), topic, partition }
}

impl Offsets {
    pub(crate) fn has_any(&self, group: &str) -> bool {
        self.by_group.contains_key(group)
    }

    /// Groups that have offsets.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Str> {
        self.by_group.keys()
    }

    /// Offsets of all groups.
    pub(crate) fn total(&self) -> usize {
        self.by_group.values().map(BTreeMap::len).sum()
    }

    fn count(&self, group: &str) -> usize {
        self.by_group.get(group).map_or(0, BTreeMap::len)
    }

    fn get(&self, group: &str, partition: TopicPartition) -> Option<&OffsetRecord> {
        self.by_group.get(group)?.get(&partition)
    }

    fn of_group(&self, group: &str) -> impl Iterator<Item = (&TopicPartition, &OffsetRecord)> {
        self.by_group.get(group).into_iter().flatten()
    }

    fn put(&mut self, out: &mut Out, group: &Str, partition: TopicPartition, record: OffsetRecord) {
        out.put(&key(group, partition), record.encode());
        self.restore(group.clone(), partition, Some(record));
    }

    fn remove(&mut self, out: &mut Out, group: &Str, partition: TopicPartition) {
        if self.get(group, partition).is_some() {
            out.delete(&key(group, partition));
            self.restore(group.clone(), partition, None);
        }
    }

    /// Removes what `gone` chooses, in every group; tells how many.
    fn remove_where(
        &mut self,
        out: &mut Out,
        mut gone: impl FnMut(&Str, &TopicPartition, &OffsetRecord) -> bool,
    ) -> u64 {
        let chosen: Vec<(Str, TopicPartition)> = self
            .by_group
            .iter()
            .flat_map(|(group, offsets)| {
                offsets.iter().map(move |(partition, record)| (group, partition, record))
            })
            .filter(|(group, partition, record)| gone(group, partition, record))
            .map(|(group, partition, _)| (group.clone(), *partition))
            .collect();
        for (group, partition) in &chosen {
            self.remove(out, group, *partition);
        }
        chosen.len() as u64
    }

    pub(crate) fn remove_group(&mut self, out: &mut Out, group: &Str) {
        for partition in self.by_group.remove(group).unwrap_or_default().into_keys() {
            out.delete(&key(group, partition));
        }
    }

    /// Drops offsets of topics, and lives of topics, that are gone.
    pub(crate) fn remove_of_missing_topics(&mut self, out: &mut Out, topics: &TopicView) {
        self.remove_where(out, |_, (topic, _), _| topics.name(*topic).is_none());
    }

    /// The records that the log must hold for this state.
    #[cfg(test)]
    pub(crate) fn snapshot(&self, out: &mut Out) {
        for (group, offsets) in &self.by_group {
            for (partition, record) in offsets {
                out.put(&key(group, *partition), record.encode());
            }
        }
    }

    /// Takes over a replayed record.
    pub(crate) fn restore(&mut self, group: Str, partition: TopicPartition, record: Option<OffsetRecord>) {
        match record {
            Some(record) => {
                self.by_group.entry(group).or_default().insert(partition, record);
            }
            None => {
                if let Some(offsets) = self.by_group.get_mut(&group) {
                    offsets.remove(&partition);
                    if offsets.is_empty() {
                        self.by_group.remove(&group);
                    }
                }
            }
        }
    }
}
