//! One step of a member towards its target: give up first, then take what is free, then wait for the rest.

use std::collections::BTreeSet;

use poruka_wire::Uuid;

use crate::group::partitions::{PartitionSet, Partitions, TopicPartition};
use crate::group::record::current::{CurrentRecord, MemberState};

/// What a step depends on.
pub(super) struct Step<'a> {
    /// What the member shall own in the end.
    pub(super) target: &'a PartitionSet,
    /// The epoch of that target.
    pub(super) target_epoch: i32,
    /// Topics that the member subscribes to now.
    pub(super) subscribed: &'a BTreeSet<Uuid>,
    /// The subscription has changed with this heartbeat.
    pub(super) subscription_changed: bool,
    /// What the member says it owns, if it says.
    pub(super) owned: Option<&'a PartitionSet>,
    /// Whether nobody else holds a partition.
    pub(super) is_free: &'a dyn Fn(&TopicPartition) -> bool,
}

impl Step<'_> {
    /// The member's next state; the same one if it cannot move.
    pub(super) fn from(&self, current: &CurrentRecord) -> CurrentRecord {
        match current.state {
            MemberState::Stable if current.epoch == self.target_epoch => {
                if self.subscription_changed {
                    self.shrink(current)
                } else {
                    current.clone()
                }
            }
            MemberState::UnrevokedPartitions if self.still_owns_any(&current.revoking) => {
                if self.subscription_changed { self.shrink(current) } else { current.clone() }
            }
            _ => self.advance(current),
        }
    }

    /// A member that does not say what it owns may own everything that it was ever given.
    fn still_owns_any(&self, given: &Partitions) -> bool {
        self.owned.is_none_or(|owned| owned.iter().any(|partition| given.contains_key(partition)))
    }

    /// Takes unsubscribed topics away without waiting for a new target.
    fn shrink(&self, current: &CurrentRecord) -> CurrentRecord {
        let (kept, dropped): (Partitions, Partitions) =
            current.assigned.iter().partition(|((topic, _), _)| self.subscribed.contains(topic));
        if dropped.is_empty() {
            return current.clone();
        }
        let mut revoking = current.revoking.clone();
        revoking.extend(dropped);
        if self.still_owns_any(&revoking) {
            at_epoch(current, current.epoch, MemberState::UnrevokedPartitions, kept, revoking)
        } else {
            at_epoch(current, current.epoch, current.state, kept, current.revoking.clone())
        }
    }

    fn advance(&self, current: &CurrentRecord) -> CurrentRecord {
        let wanted = |partition: &TopicPartition| {
            self.target.contains(partition) && self.subscribed.contains(&partition.0)
        };
        let (mut assigned, revoking): (Partitions, Partitions) =
            current.assigned.iter().partition(|(partition, _)| wanted(partition));
        if !revoking.is_empty() && self.still_owns_any(&revoking) {
            return at_epoch(current, current.epoch, MemberState::UnrevokedPartitions, assigned, revoking);
        }
        let mut waits = false;
        for partition in self.target.iter().filter(|partition| wanted(partition)) {
            if assigned.contains_key(partition) {
                continue;
            }
            if (self.is_free)(partition) {
                assigned.insert(*partition, self.target_epoch);
            } else {
                waits = true;
            }
        }
        let state = if waits { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        at_epoch(current, self.target_epoch, state, assigned, Partitions::new())
    }
}

fn at_epoch(
    current: &CurrentRecord,
    epoch: i32,
    state: MemberState,
    assigned: Partitions,
    revoking: Partitions,
) -> CurrentRecord {
    CurrentRecord { epoch, previous_epoch: current.epoch, state, assigned, revoking }
}
