//! Topics: create (19), delete (20), add partitions (37), describe and list (3).

use std::collections::BTreeSet;

use poruka_wire::api::{
    CreatableTopic, CreatableTopicConfig, CreatePartitionsRequest, CreatePartitionsTopic,
    CreateTopicsRequest, DeleteTopicState, DeleteTopicsRequest,
};
use poruka_wire::{ErrorCode, Str, Uuid};

use super::Admin;
use crate::cluster::TopicInfo;
use crate::error::ClientError;

/// Look-ups of a new topic until every partition has a leader.
const READY_LOOKS_MAX: u32 = 100;

/// A topic to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: Str,
    /// How many partitions; `None` takes the broker's default.
    pub partitions: Option<i32>,
    /// On how many nodes each is kept; `None` takes the broker's default.
    pub replication: Option<i16>,
    /// Settings that differ from the broker's defaults.
    pub configs: Vec<(Str, Str)>,
}

/// A topic as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id.
    pub id: Uuid,
    /// How many partitions it has; -1 if the broker does not say.
    pub partitions: i32,
    /// On how many nodes each is kept; -1 if the broker does not say.
    pub replication: i16,
}

impl Admin {
    /// Makes a topic.
    ///
    /// # Errors
    /// `Refused` with `TOPIC_ALREADY_EXISTS`, `INVALID_CONFIG`, `POLICY_VIOLATION` and so on, with the broker's words.
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<CreatedTopic, ClientError> {
        self.changing(|| self.create_once(topic)).await
    }

    async fn create_once(&self, topic: &NewTopic) -> Result<CreatedTopic, ClientError> {
        let config = |(name, value): &(Str, Str)| CreatableTopicConfig {
            name: name.clone(),
            value: Some(value.clone()),
        };
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: topic.name.clone(),
                num_partitions: topic.partitions.unwrap_or(-1),
                replication_factor: topic.replication.unwrap_or(-1),
                configs: topic.configs.iter().map(config).collect(),
                ..Default::default()
            }],
            timeout_ms: self.timeout_ms(),
            validate_only: false,
        };
        let what = format!("create topic {:?}", topic.name);
        let answer = self.client.call_any("create a topic", &request).await?;
        let Some(made) = answer.topics.first() else { return Err(left_out(what)) };
        if !made.error_code.is_none() {
            return Err(ClientError::refused(what, made.error_code, made.error_message.as_deref()));
        }
        Ok(CreatedTopic {
            id: made.topic_id,
            partitions: made.num_partitions,
            replication: made.replication_factor,
        })
    }

    /// Waits until the cluster describes a topic with a leader for every partition.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn wait_for_topic(&self, name: &str) -> Result<TopicInfo, ClientError> {
        let mut failures = 0;
        loop {
            let found = self.client.look_up(name).await;
            if let Ok(topic) = &found
                && topic.partitions.iter().all(|partition| partition.leader.is_some())
            {
                return found;
            }
            failures += 1;
            if failures >= READY_LOOKS_MAX {
                return found.and(Err(ClientError::refused(
                    format!("wait for topic {name:?}"),
                    ErrorCode::LeaderNotAvailable,
                    None,
                )));
            }
            self.client.back_off(failures).await;
        }
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// `Refused` with `UNKNOWN_TOPIC_OR_PARTITION` and so on.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        self.changing(|| async {
            let state = DeleteTopicState { name: Some(Str::from(name)), ..Default::default() };
            let request = DeleteTopicsRequest {
                topics: vec![state],
                timeout_ms: self.timeout_ms(),
                ..Default::default()
            };
            let what = format!("delete topic {name:?}");
            let answer = self.client.call_any("delete a topic", &request).await?;
            let Some(done) = answer.responses.first() else { return Err(left_out(what)) };
            done.error_code
                .ok()
                .map_err(|code| ClientError::refused(what, code, done.error_message.as_deref()))
        })
        .await
    }

    /// Raises the number of partitions of a topic to `count`.
    ///
    /// # Errors
    /// `Refused` with `INVALID_PARTITIONS` when it has as many or more.
    pub async fn create_partitions(&self, name: &str, count: i32) -> Result<(), ClientError> {
        self.changing(|| async {
            let topic = CreatePartitionsTopic { name: Str::from(name), count, assignments: None };
            let request = CreatePartitionsRequest {
                topics: vec![topic],
                timeout_ms: self.timeout_ms(),
                validate_only: false,
            };
            let what = format!("add partitions to topic {name:?}");
            let answer = self.client.call_any("add partitions", &request).await?;
            let Some(done) = answer.results.first() else { return Err(left_out(what)) };
            done.error_code
                .ok()
                .map_err(|code| ClientError::refused(what, code, done.error_message.as_deref()))
        })
        .await
    }

    /// Describes one topic, as the cluster sees it now.
    ///
    /// # Errors
    /// `UnknownTopic` when there is none of that name.
    pub async fn describe_topic(&self, name: &str) -> Result<TopicInfo, ClientError> {
        self.client.retrying(|| self.client.look_up(name)).await
    }

    /// Every topic, by name.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn list_topics(&self) -> Result<Vec<TopicInfo>, ClientError> {
        let began = self.client.env().now();
        self.client.retrying(|| self.client.refresh_all()).await?;
        // What was learnt earlier and is not in this answer may be gone.
        let metadata = self.client.metadata();
        let listed: BTreeSet<Str> =
            metadata.topics().filter(|topic| topic.learnt >= began).map(|topic| topic.name.clone()).collect();
        Ok(listed.iter().filter_map(|name| metadata.topic(name).cloned()).collect())
    }
}

pub(super) fn left_out(what: impl Into<String>) -> ClientError {
    ClientError::refused(what, ErrorCode::UnknownServerError, Some("the answer does not mention it"))
}
