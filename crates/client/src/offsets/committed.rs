//! OffsetFetch (key 9, versions 9 and 10): a group's committed positions.

use std::collections::BTreeMap;

use poruka_wire::api::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
};
use poruka_wire::{ErrorCode, Str, Uuid};

use super::commit::Committer;
use crate::cluster::{Client, Lane, Metadata, is_coordinator_trouble};
use crate::error::ClientError;
use crate::produce::TopicPartition;

/// A committed position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub at: TopicPartition,
    /// The next offset to be read; `None` when nothing is committed.
    pub offset: Option<i64>,
    /// Leader epoch of the last record before it; -1 if unknown.
    pub leader_epoch: i32,
    /// The note kept with it.
    pub note: Str,
}

/// One attempt. `wanted`: these partitions (of these topic ids); `None`: all that have a committed offset. Only stable
/// offsets are answered: one that a transaction is about to change is an error that passes. Partitions of topics that the
/// coordinator does not know are left out.
pub(crate) async fn fetch_committed(
    client: &Client,
    lane: Lane,
    who: &Committer,
    wanted: Option<&[(TopicPartition, Uuid)]>,
) -> Result<Vec<Committed>, ClientError> {
    let what = "fetch committed offsets";
    let request = request(who, wanted);
    let answer = client.call_coordinator(what, &who.group, lane, &request).await?;
    let found = read(&client.metadata(), &answer, wanted);
    if let Err(error) = &found
        && error.code().is_some_and(is_coordinator_trouble)
    {
        client.forget_coordinator(&who.group);
    }
    found
}

fn request(who: &Committer, wanted: Option<&[(TopicPartition, Uuid)]>) -> OffsetFetchRequest {
    let topics = wanted.map(|wanted| {
        let mut topics: BTreeMap<(Str, Uuid), Vec<i32>> = BTreeMap::new();
        for (at, id) in wanted {
            topics.entry((at.topic.clone(), *id)).or_default().push(at.partition);
        }
        let topic = |((name, topic_id), partition_indexes)| OffsetFetchRequestTopics {
            name,
            topic_id,
            partition_indexes,
        };
        topics.into_iter().map(topic).collect()
    });
    let has_member = !who.member_id.is_empty();
    OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: who.group.clone(),
            member_id: has_member.then(|| who.member_id.clone()),
            member_epoch: if has_member { who.epoch } else { -1 },
            topics,
        }],
        require_stable: true,
        ..Default::default()
    }
}

fn read(
    metadata: &Metadata,
    answer: &OffsetFetchResponse,
    wanted: Option<&[(TopicPartition, Uuid)]>,
) -> Result<Vec<Committed>, ClientError> {
    let what = "fetch committed offsets";
    let Some(group) = answer.groups.first() else {
        return Err(ClientError::refused(
            what,
            ErrorCode::UnknownServerError,
            Some("the answer names no group"),
        ));
    };
    group.error_code.ok().map_err(|code| ClientError::refused(what, code, None))?;
    let mut found = Vec::new();
    for topic in &group.topics {
        let asked =
            wanted.and_then(|wanted| wanted.iter().find(|(_, id)| !id.is_zero() && *id == topic.topic_id));
        let known = || metadata.topic_by_id(topic.topic_id).map(|topic| topic.name.clone());
        let name = match topic.name.is_empty() {
            false => topic.name.clone(),
            true => match asked.map(|(at, _)| at.topic.clone()).or_else(known) {
                Some(name) => name,
                // A topic that is gone, or that nobody asked about yet: its id is all there is.
                None => Str::from(topic.topic_id.to_string()),
            },
        };
        for partition in &topic.partitions {
            // Of a topic that is gone (or not yet known everywhere) nothing can be said: it is left out.
            if matches!(partition.error_code, ErrorCode::UnknownTopicId | ErrorCode::UnknownTopicOrPartition)
            {
                continue;
            }
            partition.error_code.ok().map_err(|code| ClientError::refused(what, code, None))?;
            found.push(Committed {
                at: TopicPartition { topic: name.clone(), partition: partition.partition_index },
                offset: (partition.committed_offset >= 0).then_some(partition.committed_offset),
                leader_epoch: partition.committed_leader_epoch,
                note: partition.metadata.clone().unwrap_or_default(),
            });
        }
    }
    Ok(found)
}
