//! A consumer-protocol group as ConsumerGroupDescribe shows it.

use poruka_wire::Str;
use poruka_wire::api::{
    ConsumerGroupDescribedAssignment, ConsumerGroupDescribedGroup, ConsumerGroupDescribedMember,
    ConsumerGroupDescribedTopicPartitions,
};

use super::{ConsumerGroup, Member};
use crate::group::partitions::TopicPartition;
use crate::group::record::current::MemberState;
use crate::group::topics::TopicView;

/// The member speaks the consumer protocol, not the classic one (KIP-1099).
const MEMBER_TYPE_CONSUMER: i8 = 1;

impl ConsumerGroup {
    pub(crate) fn state_name(&self) -> &'static str {
        let reconciled = |member: &Member| {
            member.current.state == MemberState::Stable
                && member.current.epoch == self.epochs.assignment_epoch
        };
        if self.members.is_empty() {
            "Empty"
        } else if self.epochs.epoch > self.epochs.assignment_epoch {
            "Assigning"
        } else if self.members.values().all(reconciled) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    pub(crate) fn describe(&self, topics: &TopicView) -> ConsumerGroupDescribedGroup {
        let member = |(id, member): (&Str, &Member)| ConsumerGroupDescribedMember {
            member_id: id.clone(),
            instance_id: member.said.instance_id.clone(),
            rack_id: member.said.rack_id.clone(),
            member_epoch: member.current.epoch,
            client_id: member.said.client_id.clone(),
            client_host: member.said.client_host.clone(),
            subscribed_topic_names: member.said.topic_names.iter().cloned().collect(),
            subscribed_topic_regex: member.said.topic_regex.clone(),
            assignment: named(member.current.assigned.keys(), topics),
            target_assignment: named(self.targets.get(id).into_iter().flatten(), topics),
            member_type: MEMBER_TYPE_CONSUMER,
        };
        ConsumerGroupDescribedGroup {
            group_state: self.state_name().into(),
            group_epoch: self.epochs.epoch,
            assignment_epoch: self.epochs.assignment_epoch,
            assignor_name: self.assignor().into(),
            members: self.members.iter().map(member).collect(),
            ..ConsumerGroupDescribedGroup::default()
        }
    }
}

/// Partitions by topic; topics that are gone have no name to show.
fn named<'a>(
    partitions: impl Iterator<Item = &'a TopicPartition>,
    topics: &TopicView,
) -> ConsumerGroupDescribedAssignment {
    let mut shown: Vec<ConsumerGroupDescribedTopicPartitions> = Vec::new();
    for (id, partition) in partitions {
        let Some(name) = topics.name(*id) else { continue };
        match shown.last_mut().filter(|topic| topic.topic_id == *id) {
            Some(topic) => topic.partitions.push(*partition),
            None => shown.push(ConsumerGroupDescribedTopicPartitions {
                topic_id: *id,
                topic_name: name.into(),
                partitions: vec![*partition],
            }),
        }
    }
    ConsumerGroupDescribedAssignment { topic_partitions: shown }
}
