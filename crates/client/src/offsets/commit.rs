//! OffsetCommit (key 8, versions 9 and 10): a group's positions, written with the member's epoch.
//!
//! Fault model: the answer may be lost after the coordinator has written. The same commit is then sent again, which changes
//! nothing if it was written; if the retries end without an answer, the commit is told as unknown, and the caller can read
//! it back. One attempt that may have been processed makes a later refusal unknown too (the rule of producers).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use poruka_wire::api::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use poruka_wire::{ErrorCode, Str, Uuid};

use crate::cluster::{Client, Lane, is_coordinator_trouble};
use crate::error::{Action, ClientError};
use crate::produce::TopicPartition;

/// A position to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The partition.
    pub at: TopicPartition,
    /// The topic's id, if known: a commit for an earlier incarnation of the topic is then refused instead of misplaced.
    pub topic_id: Uuid,
    /// The next offset to be read.
    pub offset: i64,
    /// Leader epoch of the last record before it; -1 if unknown.
    pub leader_epoch: i32,
    /// A note of at most 4 KiB, kept with the offset.
    pub note: Str,
}

/// Why a commit has no ack.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Proven not to be written: the old positions stand.
    #[error("commit of group {group:?} was not written: {why}")]
    NotCommitted {
        /// The group.
        group: String,
        /// The last refusal.
        why: ClientError,
    },
    /// May or may not be written: read it back before relying on either.
    #[error("commit of group {group:?} may or may not be written: {why}; read the committed offsets back")]
    Unknown {
        /// The group.
        group: String,
        /// The last thing that went wrong.
        why: ClientError,
    },
}

impl CommitError {
    /// The broker's code, if it answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            CommitError::NotCommitted { why, .. } | CommitError::Unknown { why, .. } => why.code(),
        }
    }

    /// Whether this consumer is no longer the owner of what it wanted to commit.
    pub fn is_fenced(&self) -> bool {
        let fenced = [
            ErrorCode::StaleMemberEpoch,
            ErrorCode::FencedMemberEpoch,
            ErrorCode::UnknownMemberId,
            ErrorCode::IllegalGeneration,
            ErrorCode::FencedInstanceId,
        ];
        self.code().is_some_and(|code| fenced.contains(&code))
    }
}

/// As whom a group's offsets are committed.
#[derive(Clone, Debug)]
pub(crate) struct Committer {
    pub(crate) group: Str,
    /// Member id and epoch; empty and -1 without membership.
    pub(crate) member_id: Str,
    pub(crate) epoch: i32,
    pub(crate) instance_id: Option<Str>,
}

impl Committer {
    /// Nobody in particular: allowed while the group has no members.
    pub(crate) fn outsider(group: Str) -> Committer {
        Committer { group, member_id: Str::default(), epoch: -1, instance_id: None }
    }
}

/// Commits, with retries for at most `within`. `who` is asked before each attempt, because the epoch may have risen; `None`
/// means that the partitions are no longer ours to commit for, whatever the epoch.
pub(crate) async fn commit(
    client: &Client,
    lane: Lane,
    group: &Str,
    commits: &[Commit],
    within: Duration,
    who: impl Fn() -> Option<Committer>,
) -> Result<(), CommitError> {
    let until = client.env().now() + within;
    let mut unknown = false;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let Some(committer) = who() else { return Err(not_ours(group, commits, unknown)) };
        let request = request(client, &committer, commits);
        let answer = client
            .call_coordinator("commit offsets", &committer.group, lane, &request)
            .await
            .and_then(|answer| judge(&answer));
        let error = match answer {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        unknown |= error.may_be_done();
        let code = error.code();
        if code.is_some_and(is_coordinator_trouble) {
            client.forget_coordinator(&committer.group);
        }
        // Positions of a topic that was made anew are gone with it, also one whose answer was lost. Retrying until the
        // deadline would keep the member from letting go of the old partitions, and the group from going on.
        if code == Some(ErrorCode::UnknownTopicId) && is_outlived(client, commits).await {
            return Err(not_ours(group, commits, false));
        }
        // The epoch rises with each rebalance; the heartbeat brings the new one, and the partitions are still ours.
        let stale = code == Some(ErrorCode::StaleMemberEpoch)
            && who().is_some_and(|now| now.epoch != committer.epoch);
        let again = stale || error.action() == Action::Retry || error.may_be_done();
        if !again || client.env().now() >= until {
            let group = committer.group.to_string();
            return Err(match unknown {
                true => CommitError::Unknown { group, why: error },
                false => CommitError::NotCommitted { group, why: error },
            });
        }
        client.back_off(attempts).await;
    }
}

/// Whether one of the topics goes by another id now: the one that was read is no more.
async fn is_outlived(client: &Client, commits: &[Commit]) -> bool {
    let names: BTreeSet<Str> = commits.iter().map(|commit| commit.at.topic.clone()).collect();
    // Without an answer nothing is known, and the commit is tried again.
    if client.refresh(&names).await.is_err() {
        return false;
    }
    let metadata = client.metadata();
    commits.iter().any(|commit| {
        let now = metadata.topic(&commit.at.topic);
        !commit.topic_id.is_zero() && now.is_some_and(|now| now.id != commit.topic_id)
    })
}

fn not_ours(group: &Str, commits: &[Commit], unknown: bool) -> CommitError {
    let topics = commits.iter().map(|commit| format!("{}-{}", commit.at.topic, commit.at.partition));
    let message =
        format!("no longer assigned to this member: one of {}", topics.collect::<Vec<_>>().join(", "));
    let why = ClientError::refused("commit offsets", ErrorCode::FencedMemberEpoch, Some(&message));
    let group = group.to_string();
    if unknown { CommitError::Unknown { group, why } } else { CommitError::NotCommitted { group, why } }
}

fn request(client: &Client, committer: &Committer, commits: &[Commit]) -> OffsetCommitRequest {
    let metadata = client.metadata();
    let mut topics: BTreeMap<(Str, Uuid), Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for commit in commits {
        let known = || metadata.topic(&commit.at.topic).map_or(Uuid::ZERO, |topic| topic.id);
        let id = if commit.topic_id.is_zero() { known() } else { commit.topic_id };
        topics.entry((commit.at.topic.clone(), id)).or_default().push(OffsetCommitRequestPartition {
            partition_index: commit.at.partition,
            committed_offset: commit.offset,
            committed_leader_epoch: commit.leader_epoch,
            committed_metadata: Some(commit.note.clone()),
        });
    }
    OffsetCommitRequest {
        group_id: committer.group.clone(),
        generation_id_or_member_epoch: committer.epoch,
        member_id: committer.member_id.clone(),
        group_instance_id: committer.instance_id.clone(),
        topics: topics
            .into_iter()
            .map(|((name, topic_id), partitions)| OffsetCommitRequestTopic { name, topic_id, partitions })
            .collect(),
        ..Default::default()
    }
}

/// Every partition must be acked. One that may be written counts before one that is not.
fn judge(answer: &OffsetCommitResponse) -> Result<(), ClientError> {
    let codes = answer.topics.iter().flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(move |partition| (topic.name.clone(), partition.partition_index, partition.error_code))
    });
    let mut worst: Option<ClientError> = None;
    for (topic, partition, code) in codes.filter(|(_, _, code)| !code.is_none()) {
        let error = ClientError::refused(format!("commit offset of {topic}-{partition}"), code, None);
        if worst.as_ref().is_none_or(|known| !known.may_be_done() && error.may_be_done()) {
            worst = Some(error);
        }
    }
    worst.map_or(Ok(()), Err)
}
