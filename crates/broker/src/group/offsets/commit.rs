//! OffsetCommit (key 8), v2-10: fenced by the group, one error per partition.
//!
//! v2-4 carry a retention time of their own. v9: errors of consumer-protocol groups. v10: topics by id.

use poruka_wire::api::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use poruka_wire::{ErrorCode, Uuid};

use crate::group::classic::ClassicGroup;
use crate::group::cx::Cx;
use crate::group::limits::{GROUP_ID_BYTES_MAX, GROUPS_MAX, OFFSETS_PER_GROUP_MAX};
use crate::group::partitions::TopicPartition;
use crate::group::record::offset::OffsetRecord;
use crate::group::request::GroupCall;
use crate::group::state::{Group, State};

/// From this version on topics are named by id alone.
const TOPIC_IDS_FROM: i16 = 10;
/// From this version on a group that does not exist has an error of its own.
const GROUP_NOT_FOUND_FROM: i16 = 9;

/// One partition of the request and what became of it.
struct Slot<'a> {
    partition: &'a OffsetCommitRequestPartition,
    verdict: Result<TopicPartition, ErrorCode>,
}

impl State {
    /// Stores offsets, or says for each why not.
    pub(crate) fn offset_commit(
        &mut self,
        cx: &mut Cx<'_>,
        call: &GroupCall,
        request: &OffsetCommitRequest,
    ) -> OffsetCommitResponse {
        let mut topics: Vec<Vec<Slot<'_>>> =
            request.topics.iter().map(|topic| slots(cx, call.api_version, topic)).collect();
        let named: Vec<TopicPartition> =
            topics.iter().flatten().filter_map(|slot| slot.verdict.as_ref().ok().copied()).collect();
        if !named.is_empty() {
            let checked = self.check_commit(cx, call, request, &named);
            for slot in topics.iter_mut().flatten().filter(|slot| slot.verdict.is_ok()) {
                if let Err(error) = checked {
                    slot.verdict = Err(error);
                } else if metadata_bytes(slot.partition) > cx.config.offset_metadata_bytes_max {
                    slot.verdict = Err(ErrorCode::OffsetMetadataTooLarge);
                } else if let Ok(partition) = slot.verdict {
                    let known = self.offsets.get(&request.group_id, partition).is_some();
                    if !known && self.offsets.count(&request.group_id) >= OFFSETS_PER_GROUP_MAX {
                        slot.verdict = Err(ErrorCode::InvalidCommitOffsetSize);
                        continue;
                    }
                    let record = record(cx, request, slot.partition);
                    self.offsets.put(cx.out, &request.group_id, partition, record);
                }
            }
        }
        let answer = |(topic, slots): (&_, Vec<Slot<'_>>)| answer_topic(topic, slots);
        OffsetCommitResponse {
            topics: request.topics.iter().zip(topics).map(answer).collect(),
            ..OffsetCommitResponse::default()
        }
    }

    /// Whether the sender may commit these partitions now. A group that does not exist is made for simple consumers.
    fn check_commit(
        &mut self,
        cx: &mut Cx<'_>,
        call: &GroupCall,
        request: &OffsetCommitRequest,
        partitions: &[TopicPartition],
    ) -> Result<(), ErrorCode> {
        match self.groups.get(&request.group_id) {
            Some(Group::Classic(group)) => group.check_commit(cx, request),
            Some(Group::Consumer(group)) => group.check_commit(call.api_version, request, partitions),
            None if request.generation_id_or_member_epoch >= 0 => {
                let modern = call.api_version >= GROUP_NOT_FOUND_FROM;
                Err(if modern { ErrorCode::GroupIdNotFound } else { ErrorCode::IllegalGeneration })
            }
            None if request.group_id.len() > GROUP_ID_BYTES_MAX => Err(ErrorCode::InvalidGroupId),
            None if self.groups.len() >= GROUPS_MAX => Err(ErrorCode::GroupMaxSizeReached),
            None => {
                let group = ClassicGroup::new(request.group_id.clone());
                self.groups.insert(request.group_id.clone(), Group::Classic(group));
                Ok(())
            }
        }
    }
}

fn metadata_bytes(partition: &OffsetCommitRequestPartition) -> usize {
    partition.committed_metadata.as_ref().map_or(0, |metadata| metadata.len())
}

/// Finds the topic and checks that each partition exists.
fn slots<'a>(
    cx: &Cx<'_>,
    api_version: i16,
    topic: &'a poruka_wire::api::OffsetCommitRequestTopic,
) -> Vec<Slot<'a>> {
    let by_id = api_version >= TOPIC_IDS_FROM;
    let found: Result<Uuid, ErrorCode> = if by_id {
        cx.topics.by_id(topic.topic_id).map(|info| info.id).ok_or(ErrorCode::UnknownTopicId)
    } else {
        cx.topics.get(&topic.name).map(|info| info.id).ok_or(ErrorCode::UnknownTopicOrPartition)
    };
    let verdict = |index: i32| {
        let id = found?;
        if cx.topics.has_partition(id, index) {
            Ok((id, index))
        } else {
            Err(ErrorCode::UnknownTopicOrPartition)
        }
    };
    topic
        .partitions
        .iter()
        .map(|partition| Slot { partition, verdict: verdict(partition.partition_index) })
        .collect()
}

fn record(
    cx: &Cx<'_>,
    request: &OffsetCommitRequest,
    partition: &OffsetCommitRequestPartition,
) -> OffsetRecord {
    let retention_ms = request.retention_time_ms;
    OffsetRecord {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.clone().unwrap_or_default(),
        committed_wall_ms: cx.now.wall_ms,
        expires_wall_ms: (retention_ms >= 0).then(|| cx.now.wall_ms.saturating_add(retention_ms)),
    }
}

fn answer_topic(
    topic: &poruka_wire::api::OffsetCommitRequestTopic,
    slots: Vec<Slot<'_>>,
) -> OffsetCommitResponseTopic {
    let answer = |slot: Slot<'_>| OffsetCommitResponsePartition {
        partition_index: slot.partition.partition_index,
        error_code: slot.verdict.err().unwrap_or(ErrorCode::None),
    };
    OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: slots.into_iter().map(answer).collect(),
    }
}
