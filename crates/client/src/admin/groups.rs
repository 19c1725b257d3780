//! Groups: list (16), describe (69, 15), delete (42), and their offsets (8, 9).

use std::collections::BTreeSet;

use poruka_wire::api::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribedGroup, DeleteGroupsRequest, DescribeGroupsRequest,
    DescribedGroup, ListGroupsRequest,
};
use poruka_wire::consumer_protocol::{self, ConsumerAssignment};
use poruka_wire::{ErrorCode, Str};

use super::Admin;
use super::topics::left_out;
use crate::cluster::{Lane, is_coordinator_trouble};
use crate::error::ClientError;
use crate::offsets::{Commit, CommitError, Committed, Committer, commit, fetch_committed};
use crate::produce::TopicPartition;

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupListing {
    /// Its id.
    pub group: Str,
    /// "Consumer", "Classic" and so on; empty if the broker does not say.
    pub kind: Str,
    /// "Stable", "Empty" and so on; empty if the broker does not say.
    pub state: Str,
}

/// A group in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its id.
    pub group: Str,
    /// "Consumer" or "Classic".
    pub kind: Str,
    /// "Stable", "Empty" and so on.
    pub state: Str,
    /// Its epoch; -1 for classic groups.
    pub epoch: i32,
    /// The assignor in use.
    pub assignor: Str,
    /// Its members.
    pub members: Vec<MemberInfo>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberInfo {
    /// Its id.
    pub id: Str,
    /// Its instance id, if its membership is static.
    pub instance_id: Option<Str>,
    /// How its client names itself.
    pub client_id: Str,
    /// Where it connects from.
    pub host: Str,
    /// Its epoch; -1 for classic members.
    pub epoch: i32,
    /// What it reads.
    pub partitions: Vec<TopicPartition>,
}

impl Admin {
    /// Every group, by id.
    ///
    /// # Errors
    /// When a node does not answer.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, ClientError> {
        self.client
            .retrying(|| async {
                self.client.refresh(&BTreeSet::new()).await?;
                let mut listed = BTreeSet::new();
                // Each node knows the groups that it coordinates.
                for node in self.client.metadata().nodes.keys() {
                    let request = ListGroupsRequest::default();
                    let answer = self.client.call_node("list groups", *node, Lane::Shared, &request).await?;
                    answer.error_code.ok().map_err(|code| ClientError::refused("list groups", code, None))?;
                    listed.extend(answer.groups.iter().map(|group| GroupListing {
                        group: group.group_id.clone(),
                        kind: group.group_type.clone(),
                        state: group.group_state.clone(),
                    }));
                }
                Ok(listed.into_iter().collect())
            })
            .await
    }

    /// Describes a group, of either protocol.
    ///
    /// # Errors
    /// `Refused` with `GROUP_ID_NOT_FOUND` when there is none of that id.
    pub async fn describe_group(&self, group: &Str) -> Result<GroupInfo, ClientError> {
        self.client
            .retrying(|| async {
                match self.describe_new(group).await {
                    Err(error) if is_of_the_other_protocol(&error) => self.describe_classic(group).await,
                    other => other,
                }
            })
            .await
    }

    async fn describe_new(&self, group: &Str) -> Result<GroupInfo, ClientError> {
        let what = format!("describe group {group:?}");
        let request = ConsumerGroupDescribeRequest { group_ids: vec![group.clone()], ..Default::default() };
        let answer = self.client.call_coordinator("describe a group", group, Lane::Shared, &request).await?;
        let Some(found) = answer.groups.first() else { return Err(left_out(what)) };
        self.check(group, what, found.error_code, found.error_message.as_deref())?;
        Ok(read_new(found))
    }

    async fn describe_classic(&self, group: &Str) -> Result<GroupInfo, ClientError> {
        let what = format!("describe group {group:?}");
        let request = DescribeGroupsRequest { groups: vec![group.clone()], ..Default::default() };
        let answer = self.client.call_coordinator("describe a group", group, Lane::Shared, &request).await?;
        let Some(found) = answer.groups.first() else { return Err(left_out(what)) };
        self.check(group, what.clone(), found.error_code, None)?;
        if found.group_state == "Dead" {
            return Err(ClientError::refused(what, ErrorCode::GroupIdNotFound, None));
        }
        Ok(read_classic(found))
    }

    fn check(
        &self,
        group: &Str,
        what: String,
        code: ErrorCode,
        message: Option<&str>,
    ) -> Result<(), ClientError> {
        if is_coordinator_trouble(code) {
            self.client.forget_coordinator(group);
        }
        code.ok().map_err(|code| ClientError::refused(what, code, message))
    }

    /// Deletes a group and its committed offsets.
    ///
    /// # Errors
    /// `Refused` with `NON_EMPTY_GROUP` or `GROUP_ID_NOT_FOUND`.
    pub async fn delete_group(&self, group: &Str) -> Result<(), ClientError> {
        self.changing(|| async {
            let what = format!("delete group {group:?}");
            let request = DeleteGroupsRequest { groups_names: vec![group.clone()] };
            let answer =
                self.client.call_coordinator("delete a group", group, Lane::Shared, &request).await?;
            let Some(done) = answer.results.first() else { return Err(left_out(what)) };
            self.check(group, what, done.error_code, None)
        })
        .await
    }

    /// All committed offsets of a group.
    ///
    /// # Errors
    /// When the coordinator does not answer, or refuses.
    pub async fn group_offsets(&self, group: &Str) -> Result<Vec<Committed>, ClientError> {
        // Names of topics are needed where the answer has ids.
        self.client.retrying(|| self.client.refresh_all()).await?;
        let who = Committer::outsider(group.clone());
        self.client.retrying(|| fetch_committed(&self.client, Lane::Shared, &who, None)).await
    }

    /// Sets committed offsets of a group that has no members.
    ///
    /// # Errors
    /// Says whether the commit may be written: see [`CommitError`].
    pub async fn alter_group_offsets(&self, group: &Str, commits: &[Commit]) -> Result<(), CommitError> {
        for topic in commits.iter().map(|commit| &commit.at.topic).collect::<BTreeSet<_>>() {
            let known = self.client.topic(topic).await;
            known.map_err(|why| CommitError::NotCommitted { group: group.to_string(), why })?;
        }
        let within = self.client.config().retry_timeout;
        commit(&self.client, Lane::Shared, group, commits, within, || {
            Some(Committer::outsider(group.clone()))
        })
        .await
    }
}

/// The group exists under the classic protocol, or the broker has only that.
fn is_of_the_other_protocol(error: &ClientError) -> bool {
    matches!(error, ClientError::Unsupported(_)) || error.code() == Some(ErrorCode::GroupIdNotFound)
}

fn read_new(group: &ConsumerGroupDescribedGroup) -> GroupInfo {
    let members = group.members.iter().map(|member| MemberInfo {
        id: member.member_id.clone(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        host: member.client_host.clone(),
        epoch: member.member_epoch,
        partitions: member
            .assignment
            .topic_partitions
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|number| at(&topic.topic_name, *number)))
            .collect(),
    });
    GroupInfo {
        group: group.group_id.clone(),
        kind: Str::from("Consumer"),
        state: group.group_state.clone(),
        epoch: group.group_epoch,
        assignor: group.assignor_name.clone(),
        members: members.collect(),
    }
}

fn read_classic(group: &DescribedGroup) -> GroupInfo {
    let members = group.members.iter().map(|member| MemberInfo {
        id: member.member_id.clone(),
        instance_id: member.group_instance_id.clone(),
        client_id: member.client_id.clone(),
        host: member.client_host.clone(),
        epoch: -1,
        // What the members of a foreign protocol put there cannot be read; then nothing is listed.
        partitions: consumer_protocol::decode::<ConsumerAssignment>(member.member_assignment.clone())
            .map(|(_, assignment)| {
                let topics = assignment.assigned_partitions.iter();
                topics
                    .flat_map(|topic| topic.partitions.iter().map(|number| at(&topic.topic, *number)))
                    .collect()
            })
            .unwrap_or_default(),
    });
    GroupInfo {
        group: group.group_id.clone(),
        kind: Str::from("Classic"),
        state: group.group_state.clone(),
        epoch: -1,
        assignor: group.protocol_data.clone(),
        members: members.collect(),
    }
}

fn at(topic: &Str, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.clone(), partition }
}
