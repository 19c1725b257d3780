//! Consumer-protocol groups (KIP-848, 1082): one request, ConsumerGroupHeartbeat, and the assignment is computed here.
//!
//! Three numbers order everything. The group epoch grows with every change of members, subscriptions or topics. The
//! assignment epoch is the group epoch for which the target assignment was computed. A member's epoch says up to which
//! target it has come: it first gives up what it must (staying at its epoch), then moves to the target's epoch and gets
//! what is free, and the rest when others release it.
//!
//! Architecture invariants, checked by the property tests:
//! - a partition has at most one owner: whoever was given it and has not confirmed to have given it up, or was fenced;
//! - no epoch ever goes back, over restarts too;
//! - the state in memory is the one that replaying the records gives.
//!
//! Sources: KIP-848, KIP-1082, KIP-1251 and the behaviour of Apache Kafka 4.3. Not here: groups in which both protocols
//! take part (online migration): a group changes its protocol only while it is empty (docs/decisions/0403).

mod assign;
mod check;
mod commit;
mod describe;
mod heartbeat;
mod leave;
mod pattern;
mod persist;
mod reconcile;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use poruka_wire::{ErrorCode, Str, Uuid};

pub(crate) use check::Checked;

use super::partitions::{PartitionSet, TopicPartition};
use super::record::consumer_group::ConsumerGroupRecord;
use super::record::consumer_member::ConsumerMemberRecord;
use super::record::current::CurrentRecord;
use super::topics::TopicView;

/// The epoch of a static member that has left and may come back.
const LEFT_FOR_A_WHILE: i32 = -2;

/// A request that was refused: the code, and words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A member: what it said of itself, and what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) said: ConsumerMemberRecord,
    pub(crate) current: CurrentRecord,
}

/// A consumer-protocol group.
#[derive(Debug)]
pub(crate) struct ConsumerGroup {
    id: Str,
    epochs: ConsumerGroupRecord,
    /// The log has a record of the epochs.
    stored: bool,
    members: BTreeMap<Str, Member>,
    /// Instance id to member id.
    static_members: BTreeMap<Str, Str>,
    targets: BTreeMap<Str, PartitionSet>,
    /// Who was given a partition and has not given it up. Follows from the members' current assignments.
    owners: BTreeMap<TopicPartition, Str>,
    /// The topics that each subscribed pattern matches now.
    patterns: BTreeMap<Str, BTreeSet<Str>>,
    /// Topics have changed since the fingerprint in `epochs` was taken.
    topics_stale: bool,
}

impl ConsumerGroup {
    pub(crate) fn new(id: Str) -> Self {
        Self {
            id,
            epochs: ConsumerGroupRecord::default(),
            stored: false,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            targets: BTreeMap::new(),
            owners: BTreeMap::new(),
            patterns: BTreeMap::new(),
            topics_stale: true,
        }
    }

    /// A group that goes on where a classic group of the same name ended.
    pub(crate) fn following(id: Str, generation: i32) -> Self {
        let epochs = ConsumerGroupRecord { epoch: generation, assignment_epoch: generation, topics_hash: 0 };
        Self { epochs, ..Self::new(id) }
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.epochs.epoch
    }

    /// The topics that a member reads now: those it names and those its pattern matches.
    fn topics_of<'a>(&'a self, said: &'a ConsumerMemberRecord) -> impl Iterator<Item = &'a Str> {
        let matched = said.topic_regex.as_ref().and_then(|pattern| self.patterns.get(pattern));
        said.topic_names.iter().chain(matched.into_iter().flatten())
    }

    fn topic_ids_of(&self, said: &ConsumerMemberRecord, topics: &TopicView) -> BTreeSet<Uuid> {
        self.topics_of(said).filter_map(|name| topics.get(name)).map(|topic| topic.id).collect()
    }

    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.members.values().any(|member| self.topics_of(&member.said).any(|name| name.as_str() == topic))
    }

    fn static_member(&self, instance: &str) -> Option<(&Str, &Member)> {
        let id = self.static_members.get(instance)?;
        self.members.get(id).map(|member| (id, member))
    }
}
