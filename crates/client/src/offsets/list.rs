//! ListOffsets (key 2): the offset for a timestamp, or at one of the ends, asked of each partition's leader.

use std::collections::BTreeMap;

use poruka_wire::api::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic, TIMESTAMP_EARLIEST, TIMESTAMP_LATEST,
    TIMESTAMP_MAX,
};
use poruka_wire::{ErrorCode, Str};

use crate::cluster::{Client, Lane};
use crate::error::ClientError;
use crate::produce::TopicPartition;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The oldest record.
    Earliest,
    /// The end of what is visible.
    Latest,
    /// The record with the highest timestamp.
    MaxTimestamp,
    /// The first record with this timestamp (milliseconds since 1970) or a later one.
    Timestamp(i64),
}

impl Spot {
    fn number(self) -> i64 {
        match self {
            Spot::Earliest => TIMESTAMP_EARLIEST,
            Spot::Latest => TIMESTAMP_LATEST,
            Spot::MaxTimestamp => TIMESTAMP_MAX,
            Spot::Timestamp(ms) => ms.max(0),
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The offset; `None` when no record has such a timestamp.
    pub offset: Option<i64>,
    /// Its timestamp, if it was looked up by timestamp.
    pub timestamp_ms: Option<i64>,
    /// The leader's epoch at that offset; -1 if unknown.
    pub leader_epoch: i32,
}

/// One attempt, at the leaders that metadata names. Every partition asked for has an entry in the answer.
pub(crate) async fn list_offsets(
    client: &Client,
    lane: Lane,
    wanted: &[(TopicPartition, Spot)],
) -> Vec<(TopicPartition, Result<Found, ClientError>)> {
    let metadata = client.metadata();
    let mut by_node: BTreeMap<i32, Vec<&(TopicPartition, Spot)>> = BTreeMap::new();
    let mut answers = Vec::new();
    for want in wanted {
        let at = &want.0;
        let number = usize::try_from(at.partition).ok();
        let partition = metadata.topic(&at.topic).and_then(|topic| topic.partitions.get(number?));
        match partition.and_then(|partition| partition.leader) {
            Some(node) => by_node.entry(node).or_default().push(want),
            None => {
                let code = ErrorCode::LeaderNotAvailable;
                answers.push((at.clone(), Err(ClientError::refused("look up offsets", code, None))));
            }
        }
    }
    for (node, some) in by_node {
        answers.extend(ask(client, lane, node, &some).await);
    }
    answers
}

async fn ask(
    client: &Client,
    lane: Lane,
    node: i32,
    wanted: &[&(TopicPartition, Spot)],
) -> Vec<(TopicPartition, Result<Found, ClientError>)> {
    let what = "look up offsets";
    let request = request(client, wanted);
    let answer = match client.call_node(what, node, lane, &request).await {
        Ok(answer) => answer,
        Err(error) => {
            let why = error.to_string();
            return wanted
                .iter()
                .map(|(at, _)| (at.clone(), Err(ClientError::not_sent(what, why.clone()))))
                .collect();
        }
    };
    let mut answers = Vec::new();
    for (at, _) in wanted {
        let topic = answer.topics.iter().find(|topic| topic.name == at.topic);
        let found = topic
            .and_then(|topic| topic.partitions.iter().find(|found| found.partition_index == at.partition));
        answers.push((
            at.clone(),
            match found {
                None => {
                    Err(ClientError::refused(what, ErrorCode::UnknownServerError, Some("partition left out")))
                }
                Some(found) if !found.error_code.is_none() => {
                    Err(ClientError::refused(what, found.error_code, None))
                }
                Some(found) => Ok(Found {
                    offset: (found.offset >= 0).then_some(found.offset),
                    timestamp_ms: (found.timestamp >= 0).then_some(found.timestamp),
                    leader_epoch: found.leader_epoch,
                }),
            },
        ));
    }
    answers
}

fn request(client: &Client, wanted: &[&(TopicPartition, Spot)]) -> ListOffsetsRequest {
    let mut topics: BTreeMap<Str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (at, spot) in wanted {
        topics.entry(at.topic.clone()).or_default().push(ListOffsetsPartition {
            partition_index: at.partition,
            timestamp: spot.number(),
            ..Default::default()
        });
    }
    let timeout = client.config().request_timeout.as_millis();
    ListOffsetsRequest {
        replica_id: -1,
        topics: topics.into_iter().map(|(name, partitions)| ListOffsetsTopic { name, partitions }).collect(),
        timeout_ms: i32::try_from(timeout).unwrap_or(i32::MAX),
        ..Default::default()
    }
}
