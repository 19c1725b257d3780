//! `range`: of every topic each reader gets one run of neighbouring partitions, in the order of instance ids, then
//! member ids. Readers of the same topics with the same number of partitions get the same numbers of each, so that
//! joins by key find their partner.

use std::collections::BTreeMap;

use poruka_wire::{Str, Uuid};

use super::{MemberSpec, Spec};
use crate::group::partitions::PartitionSet;

pub(super) fn assign(spec: &Spec) -> BTreeMap<Str, PartitionSet> {
    // Static members first, by their lasting name: a restart that changes member ids moves nothing.
    let mut order: Vec<(&Str, &MemberSpec)> = spec.members.iter().collect();
    order.sort_by_key(|(id, member)| (member.instance.is_none(), member.instance.as_ref(), *id));
    let mut targets: BTreeMap<Str, PartitionSet> =
        spec.members.keys().map(|id| (id.clone(), PartitionSet::new())).collect();
    for (topic, count) in &spec.partitions {
        let readers: Vec<&Str> =
            order.iter().filter(|(_, member)| member.topics.contains(topic)).map(|(id, _)| *id).collect();
        share_out(*topic, *count, &readers, &mut targets);
    }
    targets
}

/// The first readers get one more when the partitions do not divide evenly.
fn share_out(topic: Uuid, count: i32, readers: &[&Str], targets: &mut BTreeMap<Str, PartitionSet>) {
    let Ok(readers_count) = i32::try_from(readers.len()) else { return };
    if readers_count == 0 {
        return;
    }
    let (each, extra) = (count / readers_count, count % readers_count);
    let mut next = 0;
    for (position, id) in (0..).zip(readers) {
        let len = each + i32::from(position < extra);
        if let Some(target) = targets.get_mut(*id) {
            target.extend((next..next + len).map(|index| (topic, index)));
        }
        next += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_neighbours_and_alike_for_topics_of_equal_size() {
        let (a, b) = (Uuid([1; 16]), Uuid([2; 16]));
        let member = |instance: Option<&str>| MemberSpec {
            instance: instance.map(Str::from),
            topics: [a, b].into(),
            target: PartitionSet::new(),
        };
        let members =
            [(Str::from("m1"), member(None)), (Str::from("m2"), member(Some("i1")))].into_iter().collect();
        let targets = assign(&Spec { members, partitions: [(a, 3), (b, 3)].into() });
        let first: PartitionSet = [(a, 0), (a, 1), (b, 0), (b, 1)].into();
        let second: PartitionSet = [(a, 2), (b, 2)].into();
        assert_eq!(targets[&Str::from("m2")], first, "static members come first");
        assert_eq!(targets[&Str::from("m1")], second);
    }
}
