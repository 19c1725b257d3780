//! `uniform`: shares as equal as subscriptions allow, moving as few partitions as possible.
//!
//! Everyone keeps what it has and may have; what is free goes to the reader with the smallest share; then partitions
//! move from larger to smaller shares while that makes the difference of the two smaller. Each such move lowers the sum
//! of squares of the shares, so it ends.

use std::collections::{BTreeMap, BTreeSet};

use poruka_wire::{Str, Uuid};

use super::Spec;
use crate::group::partitions::PartitionSet;

pub(super) fn assign(spec: &Spec) -> BTreeMap<Str, PartitionSet> {
    let mut targets: BTreeMap<Str, PartitionSet> = BTreeMap::new();
    let mut owned = PartitionSet::new();
    for (id, member) in &spec.members {
        let may_keep = |(topic, index): &(Uuid, i32)| {
            member.topics.contains(topic) && spec.partitions.get(topic).is_some_and(|count| index < count)
        };
        let kept: PartitionSet = member
            .target
            .iter()
            .filter(|partition| may_keep(partition) && owned.insert(**partition))
            .copied()
            .collect();
        targets.insert(id.clone(), kept);
    }
    let mut readers: BTreeMap<Uuid, Vec<&Str>> = BTreeMap::new();
    for (id, member) in &spec.members {
        for topic in &member.topics {
            readers.entry(*topic).or_default().push(id);
        }
    }
    let mut shares = Shares::new(targets);
    // Topics that few read come first: their partitions have the least choice.
    let mut topics: Vec<(&Uuid, &Vec<&Str>)> = readers.iter().collect();
    topics.sort_by_key(|(topic, readers)| (readers.len(), **topic));
    for (topic, readers) in &topics {
        for index in 0..spec.partitions.get(*topic).copied().unwrap_or(0) {
            if owned.insert((**topic, index)) {
                shares.give((**topic, index), readers);
            }
        }
    }
    while topics.iter().fold(false, |moved, (topic, readers)| shares.even_out(**topic, readers) || moved) {}
    shares.targets
}

/// The targets, and the members in order of the size of their share.
struct Shares {
    targets: BTreeMap<Str, PartitionSet>,
    by_size: BTreeSet<(usize, Str)>,
}

impl Shares {
    fn new(targets: BTreeMap<Str, PartitionSet>) -> Self {
        let by_size = targets.iter().map(|(id, target)| (target.len(), id.clone())).collect();
        Self { targets, by_size }
    }

    fn size(&self, id: &Str) -> usize {
        self.targets.get(id).map_or(0, PartitionSet::len)
    }

    fn change(&mut self, id: &Str, change: impl FnOnce(&mut PartitionSet)) {
        let Some(target) = self.targets.get_mut(id) else { return };
        self.by_size.remove(&(target.len(), id.clone()));
        change(target);
        self.by_size.insert((target.len(), id.clone()));
    }

    /// The reader with the smallest share. When everyone reads the topic the order by size answers at once.
    fn smallest(&self, readers: &[&Str]) -> Option<Str> {
        if readers.len() == self.targets.len() {
            return self.by_size.first().map(|(_, id)| id.clone());
        }
        readers.iter().min_by_key(|id| (self.size(id), **id)).map(|id| (*id).clone())
    }

    fn give(&mut self, partition: (Uuid, i32), readers: &[&Str]) {
        if let Some(id) = self.smallest(readers) {
            self.change(&id, |target| {
                target.insert(partition);
            });
        }
    }

    /// Moves partitions of one topic from the largest to the smallest share among its readers.
    fn even_out(&mut self, topic: Uuid, readers: &[&Str]) -> bool {
        let mut moved = false;
        loop {
            let range = (topic, i32::MIN)..=(topic, i32::MAX);
            let has_any = |id: &&&Str| {
                self.targets.get(**id).is_some_and(|target| target.range(range.clone()).next().is_some())
            };
            let largest =
                readers.iter().filter(has_any).max_by_key(|id| (self.size(id), **id)).map(|id| (*id).clone());
            let (Some(from), Some(to)) = (largest, self.smallest(readers)) else { return moved };
            if self.size(&from) < self.size(&to) + 2 {
                return moved;
            }
            // The last one, so that those who stay keep their oldest.
            let partition =
                self.targets.get(&from).and_then(|target| target.range(range).next_back().copied());
            let Some(partition) = partition else { return moved };
            self.change(&from, |target| {
                target.remove(&partition);
            });
            self.change(&to, |target| {
                target.insert(partition);
            });
            moved = true;
        }
    }
}
