//! The cluster itself (60), and offsets of partitions (2).

use poruka_wire::Str;
use poruka_wire::api::DescribeClusterRequest;

use super::Admin;
use crate::cluster::Lane;
use crate::error::ClientError;
use crate::offsets::{Found, Spot, list_offsets};
use crate::produce::TopicPartition;

/// A cluster as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// Its id.
    pub id: Str,
    /// The node that answers for the controller, if there is one.
    pub controller: Option<i32>,
    /// Its nodes.
    pub nodes: Vec<NodeInfo>,
}

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its id.
    pub id: i32,
    /// Where it listens, "host:port".
    pub address: Str,
    /// Its rack, if it has one.
    pub rack: Option<Str>,
}

impl Admin {
    /// Describes the cluster.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn describe_cluster(&self) -> Result<ClusterInfo, ClientError> {
        let request = DescribeClusterRequest::default();
        self.client
            .retrying(|| async {
                let answer = self.client.call_any("describe the cluster", &request).await?;
                if !answer.error_code.is_none() {
                    let message = answer.error_message.as_deref();
                    return Err(ClientError::refused("describe the cluster", answer.error_code, message));
                }
                let node = |node: &poruka_wire::api::DescribeClusterBroker| NodeInfo {
                    id: node.broker_id,
                    address: Str::from(format!("{}:{}", node.host, node.port)),
                    rack: node.rack.clone(),
                };
                Ok(ClusterInfo {
                    id: answer.cluster_id.clone(),
                    controller: (answer.controller_id >= 0).then_some(answer.controller_id),
                    nodes: answer.brokers.iter().map(node).collect(),
                })
            })
            .await
    }

    /// Offsets of partitions, at one of the ends or by timestamp. Every partition must be answered.
    ///
    /// # Errors
    /// The first partition's error that does not pass by trying again.
    pub async fn list_offsets(
        &self,
        wanted: &[(TopicPartition, Spot)],
    ) -> Result<Vec<(TopicPartition, Found)>, ClientError> {
        let topics = wanted.iter().map(|(at, _)| at.topic.clone()).collect();
        self.client
            .retrying(|| async {
                let refused = self.client.refresh(&topics).await?;
                if let Some((name, _)) = refused.first() {
                    return Err(ClientError::UnknownTopic { topic: name.to_string() });
                }
                let answers = list_offsets(&self.client, Lane::Shared, wanted).await;
                answers.into_iter().map(|(at, found)| found.map(|found| (at, found))).collect()
            })
            .await
    }
}
