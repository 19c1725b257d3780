//! Assignors: who shall own what. Pure functions of members, topics and the previous target.

mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};

use poruka_wire::{Str, Uuid};

use crate::group::partitions::PartitionSet;

/// The assignors by name, the default first.
pub(super) const NAMES: [&str; 2] = [DEFAULT, RANGE];
/// Used when no member asks for one.
pub(super) const DEFAULT: &str = "uniform";
const RANGE: &str = "range";

pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// A member as an assignor sees it.
#[derive(Debug, Clone)]
pub(super) struct MemberSpec {
    pub(super) instance: Option<Str>,
    pub(super) topics: BTreeSet<Uuid>,
    /// What it shall own by the previous target.
    pub(super) target: PartitionSet,
}

/// A group as an assignor sees it.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) members: BTreeMap<Str, MemberSpec>,
    /// Partition counts of all subscribed topics.
    pub(super) partitions: BTreeMap<Uuid, i32>,
}

/// The new target of every member. Every partition of a subscribed topic has exactly one owner.
pub(super) fn assign(assignor: &str, spec: &Spec) -> BTreeMap<Str, PartitionSet> {
    if assignor == RANGE { range::assign(spec) } else { uniform::assign(spec) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn topic(index: usize) -> Uuid {
        Uuid([index as u8 + 1; 16])
    }

    /// Groups of up to 6 members over up to 4 topics, with a previous target that may no longer fit.
    fn any_spec() -> impl Strategy<Value = Spec> {
        let counts = proptest::collection::vec(0..7_i32, 1..5);
        let member = (proptest::collection::btree_set(0..5_usize, 0..5), any::<bool>());
        let members = proptest::collection::vec(member, 1..7);
        let owners = proptest::collection::vec(0..8_usize, 40);
        (counts, members, owners).prop_map(|(counts, members, owners)| {
            let partitions: BTreeMap<Uuid, i32> =
                counts.iter().enumerate().map(|(index, count)| (topic(index), *count)).collect();
            let mut members: Vec<(Str, MemberSpec)> = members
                .into_iter()
                .enumerate()
                .map(|(index, (topics, is_static))| {
                    let known =
                        topics.into_iter().map(topic).filter(|id| partitions.contains_key(id)).collect();
                    let instance = is_static.then(|| Str::from(format!("i{index}")));
                    let target = PartitionSet::new();
                    (Str::from(format!("m{index}")), MemberSpec { instance, topics: known, target })
                })
                .collect();
            // Targets never overlap, as those of a real group do not.
            for (slot, owner) in owners.into_iter().enumerate() {
                if let Some((_, member)) = members.get_mut(owner) {
                    member.target.insert((topic(slot % 5), (slot / 5) as i32));
                }
            }
            Spec { members: members.into_iter().collect(), partitions }
        })
    }

    fn check(spec: &Spec, targets: &BTreeMap<Str, PartitionSet>) {
        assert!(targets.keys().eq(spec.members.keys()), "every member has a target");
        let mut owned = PartitionSet::new();
        for (id, target) in targets {
            for partition in target {
                assert!(spec.members[id].topics.contains(&partition.0), "nobody gets what it does not read");
                assert!(
                    (0..spec.partitions[&partition.0]).contains(&partition.1),
                    "only partitions that exist"
                );
                assert!(owned.insert(*partition), "no partition has two owners");
            }
        }
        for (id, count) in &spec.partitions {
            if spec.members.values().any(|member| member.topics.contains(id)) {
                for index in 0..*count {
                    assert!(owned.contains(&(*id, index)), "no partition that someone reads is left out");
                }
            }
        }
    }

    fn with_targets(spec: &Spec, targets: BTreeMap<Str, PartitionSet>) -> Spec {
        let mut next = spec.clone();
        for (id, target) in targets {
            if let Some(member) = next.members.get_mut(&id) {
                member.target = target;
            }
        }
        next
    }

    proptest! {
        #[test]
        fn every_partition_has_exactly_one_owner_who_reads_it(spec in any_spec()) {
            for assignor in NAMES {
                check(&spec, &assign(assignor, &spec));
            }
        }

        #[test]
        fn an_assignment_that_is_good_already_stays(spec in any_spec()) {
            for assignor in NAMES {
                let first = assign(assignor, &spec);
                let again = assign(assignor, &with_targets(&spec, first.clone()));
                prop_assert_eq!(first, again);
            }
        }

        #[test]
        fn uniform_shares_differ_by_one_at_most_when_all_read_the_same(mut spec in any_spec()) {
            let all: BTreeSet<Uuid> = spec.partitions.keys().copied().collect();
            for member in spec.members.values_mut() {
                member.topics = all.clone();
            }
            let shares: Vec<usize> = assign(DEFAULT, &spec).values().map(PartitionSet::len).collect();
            let (least, most) = (shares.iter().min().copied(), shares.iter().max().copied());
            prop_assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1, "{shares:?}");
        }

        #[test]
        fn uniform_keeps_what_a_member_has_when_another_leaves(spec in any_spec()) {
            let before = assign(DEFAULT, &spec);
            let mut after = with_targets(&spec, before.clone());
            let gone = after.members.keys().next().cloned();
            if let Some(gone) = gone.filter(|_| after.members.len() > 1) {
                let alike = after.members.values().all(|member| member.topics == after.members[&gone].topics);
                after.members.remove(&gone);
                for (id, target) in assign(DEFAULT, &after) {
                    prop_assert!(!alike || before[&id].is_subset(&target), "{id} lost a partition for nothing");
                }
            }
        }
    }
}
