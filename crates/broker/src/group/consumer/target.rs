//! The target assignment: computed anew whenever the group epoch is ahead of it.

use std::collections::BTreeMap;

use poruka_wire::{Str, Uuid};

use super::assign::{self, MemberSpec, Spec};
use super::{ConsumerGroup, Member};
use crate::group::cx::Cx;
use crate::group::topics::TopicView;

/// 64-bit FNV-1a: the fingerprint is persisted, so it must not depend on the process or the compiler.
struct Fingerprint(u64);

impl Fingerprint {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl ConsumerGroup {
    /// Fingerprint of the topics that the group reads: their names, ids and partition counts.
    pub(super) fn topics_hash(&self, topics: &TopicView) -> u64 {
        let names: std::collections::BTreeSet<&Str> =
            self.members.values().flat_map(|member| self.topics_of(&member.said)).collect();
        let mut hash = Fingerprint(0xcbf2_9ce4_8422_2325);
        for (name, topic) in names.into_iter().filter_map(|name| Some((name, topics.get(name)?))) {
            hash.add(&(name.len() as u64).to_be_bytes());
            hash.add(name.as_bytes());
            hash.add(&topic.id.0);
            hash.add(&topic.partitions.to_be_bytes());
        }
        hash.0
    }

    /// The assignor that most members ask for; the first by name when votes are equal, the default when nobody asks.
    pub(super) fn assignor(&self) -> &'static str {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.members.values().filter_map(|member| member.said.assignor.as_deref()) {
            *votes.entry(name).or_default() += 1;
        }
        let most = votes.values().copied().max();
        let winner = votes.into_iter().find(|(_, count)| Some(*count) == most).map(|(name, _)| name);
        assign::NAMES.into_iter().find(|name| Some(*name) == winner).unwrap_or(assign::DEFAULT)
    }

    /// Computes the target for the current group epoch, if that has not been done, and persists what differs.
    pub(super) fn update_target(&mut self, cx: &mut Cx<'_>) {
        if self.epochs.assignment_epoch >= self.epochs.epoch {
            return;
        }
        let empty = Default::default();
        let spec_of = |(id, member): (&Str, &Member)| {
            let spec = MemberSpec {
                instance: member.said.instance_id.clone(),
                topics: self.topic_ids_of(&member.said, cx.topics),
                target: self.targets.get(id).unwrap_or(&empty).clone(),
            };
            (id.clone(), spec)
        };
        let members: BTreeMap<Str, MemberSpec> = self.members.iter().map(spec_of).collect();
        let partitions: BTreeMap<Uuid, i32> = members
            .values()
            .flat_map(|member| &member.topics)
            .filter_map(|id| Some((*id, cx.topics.by_id(*id)?.partitions)))
            .collect();
        for (id, target) in assign::assign(self.assignor(), &Spec { members, partitions }) {
            self.set_target(cx, &id, target);
        }
        let epochs = super::ConsumerGroupRecord { assignment_epoch: self.epochs.epoch, ..self.epochs };
        self.set_epochs(cx, epochs);
    }
}
