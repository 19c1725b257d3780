//! Consumer-protocol members as their clients behave: they report what they own, and take over what they are told.

use std::collections::BTreeSet;

use poruka_wire::api::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupDescribedGroup,
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ConsumerGroupHeartbeatTopicPartitions,
};
use poruka_wire::{ErrorCode, Str, Uuid};

use super::world::{GROUP, World};

/// A partition by topic id and index.
pub(super) type Partition = (Uuid, i32);

/// One member on the client's side.
#[derive(Debug, Clone)]
pub(super) struct Consumer {
    pub(super) id: Str,
    pub(super) epoch: i32,
    pub(super) instance: Option<Str>,
    pub(super) topics: Vec<Str>,
    pub(super) owned: BTreeSet<Partition>,
}

impl Consumer {
    pub(super) fn new(id: &str, topics: &[&str]) -> Self {
        Self {
            id: id.into(),
            epoch: 0,
            instance: None,
            topics: topics.iter().map(|topic| (*topic).into()).collect(),
            owned: BTreeSet::new(),
        }
    }

    pub(super) fn new_static(id: &str, instance: &str, topics: &[&str]) -> Self {
        Self { instance: Some(instance.into()), ..Self::new(id, topics) }
    }

    /// The request with which a client joins.
    pub(super) fn joining(&self) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            group_id: GROUP.into(),
            member_id: self.id.clone(),
            member_epoch: 0,
            instance_id: self.instance.clone(),
            rebalance_timeout_ms: 60_000,
            subscribed_topic_names: Some(self.topics.clone()),
            topic_partitions: Some(Vec::new()),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    /// The request with which a member says that it is alive and what it owns.
    pub(super) fn beating(&self) -> ConsumerGroupHeartbeatRequest {
        let mut topics: Vec<ConsumerGroupHeartbeatTopicPartitions> = Vec::new();
        for (topic_id, partition) in &self.owned {
            match topics.iter_mut().find(|topic| topic.topic_id == *topic_id) {
                Some(topic) => topic.partitions.push(*partition),
                None => topics.push(ConsumerGroupHeartbeatTopicPartitions {
                    topic_id: *topic_id,
                    partitions: vec![*partition],
                }),
            }
        }
        ConsumerGroupHeartbeatRequest {
            group_id: GROUP.into(),
            member_id: self.id.clone(),
            member_epoch: self.epoch,
            instance_id: self.instance.clone(),
            topic_partitions: Some(topics),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    /// What the next heartbeat of a client would be.
    pub(super) fn next_request(&self) -> ConsumerGroupHeartbeatRequest {
        if self.epoch == 0 { self.joining() } else { self.beating() }
    }

    /// Takes over an answer. Fenced clients give up everything and start over.
    pub(super) fn take(&mut self, response: &ConsumerGroupHeartbeatResponse) {
        match response.error_code {
            ErrorCode::None => {
                if let Some(id) = &response.member_id {
                    self.id = id.clone();
                }
                self.epoch = response.member_epoch;
                if let Some(assignment) = &response.assignment {
                    self.owned = partitions(&assignment.topic_partitions);
                }
            }
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId => {
                self.epoch = 0;
                self.owned.clear();
            }
            _ => {}
        }
    }

    /// One heartbeat, all of it.
    pub(super) fn beat(&mut self, world: &mut World) -> ErrorCode {
        let response = world.consumer(self.next_request());
        self.take(&response);
        response.error_code
    }

    pub(super) fn leave(&mut self, world: &mut World, epoch: i32) -> ErrorCode {
        let request = ConsumerGroupHeartbeatRequest { member_epoch: epoch, ..self.beating() };
        let response = world.consumer(request);
        self.epoch = 0;
        self.owned.clear();
        response.error_code
    }
}

pub(super) fn partitions(topics: &[ConsumerGroupHeartbeatTopicPartitions]) -> BTreeSet<Partition> {
    topics.iter().flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic_id, *index))).collect()
}

impl World {
    pub(super) fn consumer(
        &mut self,
        request: ConsumerGroupHeartbeatRequest,
    ) -> ConsumerGroupHeartbeatResponse {
        self.call(1, request)
    }

    pub(super) fn describe_consumers(&mut self) -> ConsumerGroupDescribedGroup {
        let request = ConsumerGroupDescribeRequest { group_ids: vec![GROUP.into()], ..Default::default() };
        self.call::<ConsumerGroupDescribeResponse>(1, request).groups.remove(0)
    }
}

/// Lets all members beat until nothing moves any more.
pub(super) fn settle(world: &mut World, consumers: &mut [Consumer]) {
    for _ in 0..20 {
        for consumer in consumers.iter_mut() {
            consumer.beat(world);
        }
    }
    assert_eq!(world.describe_consumers().group_state, "Stable");
}
