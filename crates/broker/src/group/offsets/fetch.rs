//! OffsetFetch (key 9), v1-10: what a group has committed.
//!
//! v2: all topics, and an error for the whole group. v7: `require_stable` (nothing is pending until transactions
//! exist). v8: many groups. v9: member epoch of consumer-protocol groups. v10: topics by id. A partition without an
//! offset, a topic or a group that does not exist answer -1 without an error.

use std::collections::BTreeMap;

use poruka_wire::api::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use poruka_wire::{ErrorCode, Str, Uuid};

use crate::group::cx::Cx;
use crate::group::limits::GROUPS_PER_REQUEST_MAX;
use crate::group::record::offset::OffsetRecord;
use crate::group::request::GroupCall;
use crate::group::state::{Group, State};

/// From this version on one request asks about many groups.
const MANY_GROUPS_FROM: i16 = 8;
/// From this version on topics are named by id alone.
const TOPIC_IDS_FROM: i16 = 10;
/// From this version on an error of the group stands at the top.
const TOP_LEVEL_ERROR_FROM: i16 = 2;

impl State {
    /// Reads offsets.
    pub(crate) fn offset_fetch(
        &self,
        cx: &Cx<'_>,
        call: &GroupCall,
        request: &OffsetFetchRequest,
    ) -> OffsetFetchResponse {
        let by_id = call.api_version >= TOPIC_IDS_FROM;
        if call.api_version >= MANY_GROUPS_FROM {
            let answer = |group: &OffsetFetchRequestGroup| self.fetch_group(cx, group, by_id);
            let groups = request.groups.iter().take(GROUPS_PER_REQUEST_MAX).map(answer).collect();
            return OffsetFetchResponse { groups, topics: Vec::new(), ..OffsetFetchResponse::default() };
        }
        let as_modern = |topic: &poruka_wire::api::OffsetFetchRequestTopic| OffsetFetchRequestTopics {
            name: topic.name.clone(),
            topic_id: Uuid::ZERO,
            partition_indexes: topic.partition_indexes.clone(),
        };
        let group = OffsetFetchRequestGroup {
            group_id: request.group_id.clone(),
            member_id: None,
            member_epoch: -1,
            topics: request.topics.as_ref().map(|topics| topics.iter().map(as_modern).collect()),
        };
        single(call.api_version, self.fetch_group(cx, &group, false), &group)
    }

    fn fetch_group(
        &self,
        cx: &Cx<'_>,
        request: &OffsetFetchRequestGroup,
        by_id: bool,
    ) -> OffsetFetchResponseGroup {
        let answer = |error_code, topics| OffsetFetchResponseGroup {
            group_id: request.group_id.clone(),
            topics,
            error_code,
        };
        if let Some(Group::Consumer(group)) = self.groups.get(&request.group_id)
            && let Err(error) = group.check_fetch(request.member_id.as_ref(), request.member_epoch)
        {
            return answer(error, Vec::new());
        }
        let topics = match &request.topics {
            Some(topics) => {
                topics.iter().map(|topic| self.fetch_topic(cx, &request.group_id, topic, by_id)).collect()
            }
            None => self.fetch_all(cx, &request.group_id),
        };
        answer(ErrorCode::None, topics)
    }

    fn fetch_topic(
        &self,
        cx: &Cx<'_>,
        group: &Str,
        topic: &OffsetFetchRequestTopics,
        by_id: bool,
    ) -> OffsetFetchResponseTopics {
        let id = if by_id { cx.topics.by_id(topic.topic_id) } else { cx.topics.get(&topic.name) }
            .map(|info| info.id);
        let error_code = if by_id && id.is_none() { ErrorCode::UnknownTopicId } else { ErrorCode::None };
        let answer = |index: &i32| {
            let found = id.and_then(|id| self.offsets.get(group, (id, *index)));
            OffsetFetchResponsePartitions { error_code, ..partition(*index, found) }
        };
        OffsetFetchResponseTopics {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partition_indexes.iter().map(answer).collect(),
        }
    }

    fn fetch_all(&self, cx: &Cx<'_>, group: &Str) -> Vec<OffsetFetchResponseTopics> {
        let mut topics: BTreeMap<Uuid, OffsetFetchResponseTopics> = BTreeMap::new();
        for ((id, index), record) in self.offsets.of_group(group) {
            let Some(name) = cx.topics.name(*id) else { continue };
            let topic = topics.entry(*id).or_insert_with(|| OffsetFetchResponseTopics {
                name: Str::from(name),
                topic_id: *id,
                partitions: Vec::new(),
            });
            topic.partitions.push(partition(*index, Some(record)));
        }
        topics.into_values().collect()
    }
}

fn partition(partition_index: i32, record: Option<&OffsetRecord>) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: record.map_or(-1, |record| record.offset),
        committed_leader_epoch: record.map_or(-1, |record| record.leader_epoch),
        metadata: Some(record.map(|record| record.metadata.clone()).unwrap_or_default()),
        error_code: ErrorCode::None,
    }
}

/// The form of v1-7: one group, its error at the top or, in v1, at every partition.
fn single(
    api_version: i16,
    group: OffsetFetchResponseGroup,
    request: &OffsetFetchRequestGroup,
) -> OffsetFetchResponse {
    let failed = group.error_code != ErrorCode::None;
    let topics: Vec<OffsetFetchResponseTopics> = if failed && api_version < TOP_LEVEL_ERROR_FROM {
        let error_code = group.error_code;
        let blame = |topic: &OffsetFetchRequestTopics| OffsetFetchResponseTopics {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic
                .partition_indexes
                .iter()
                .map(|index| OffsetFetchResponsePartitions { error_code, ..partition(*index, None) })
                .collect(),
        };
        request.topics.iter().flatten().map(blame).collect()
    } else {
        group.topics
    };
    let old_partition = |one: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: one.partition_index,
        committed_offset: one.committed_offset,
        committed_leader_epoch: one.committed_leader_epoch,
        metadata: one.metadata,
        error_code: one.error_code,
    };
    let old_topic = |topic: OffsetFetchResponseTopics| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(old_partition).collect(),
    };
    OffsetFetchResponse {
        topics: topics.into_iter().map(old_topic).collect(),
        error_code: group.error_code,
        groups: Vec::new(),
        ..OffsetFetchResponse::default()
    }
}
