//! What is known of the cluster: nodes, topics, ids, leaders. A value, replaced part by part as answers come in. Pure.

use std::collections::{BTreeMap, HashMap};

use poruka_env::Mono;
use poruka_wire::api::MetadataResponse;
use poruka_wire::{ErrorCode, Str, Uuid};

/// Topics that the cache holds at most; the oldest looked up goes first.
const TOPICS_MAX: usize = 10_000;

/// A topic as the cluster last described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: Str,
    /// Its id: a topic made anew under the same name has another one.
    pub id: Uuid,
    /// Made by the broker for itself.
    pub is_internal: bool,
    /// By number, from 0.
    pub partitions: Vec<PartitionInfo>,
    /// When this was learnt.
    pub learnt: Mono,
}

/// A partition as the cluster last described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its number.
    pub partition: i32,
    /// Who leads it, if anyone.
    pub leader: Option<i32>,
    /// The leader's epoch.
    pub leader_epoch: i32,
    /// The nodes that hold it.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub in_sync: Vec<i32>,
}

/// What is known of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// Its id, once known.
    pub cluster_id: Option<Str>,
    /// The node that answers for the controller.
    pub controller: Option<i32>,
    /// Addresses, "host:port", by node.
    pub nodes: BTreeMap<i32, Str>,
    topics: HashMap<Str, TopicInfo>,
    names: HashMap<Uuid, Str>,
}

impl Metadata {
    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&TopicInfo> {
        self.topics.get(name)
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&TopicInfo> {
        self.names.get(&id).and_then(|name| self.topics.get(name))
    }

    /// Every topic known.
    pub fn topics(&self) -> impl Iterator<Item = &TopicInfo> {
        self.topics.values()
    }

    /// Takes in an answer. Returns the topics it could not describe, with the reason.
    pub(crate) fn take_in(
        &mut self,
        now: Mono,
        answer: &MetadataResponse,
    ) -> Vec<(Option<Str>, Uuid, ErrorCode)> {
        self.cluster_id = answer.cluster_id.clone();
        self.controller = (answer.controller_id >= 0).then_some(answer.controller_id);
        let address = |host: &Str, port: i32| Str::from(format!("{host}:{port}"));
        self.nodes =
            answer.brokers.iter().map(|node| (node.node_id, address(&node.host, node.port))).collect();
        let mut refused = Vec::new();
        for topic in &answer.topics {
            let name = topic.name.clone().filter(|name| !name.is_empty());
            let usable = topic.error_code.is_none();
            match (usable, name) {
                (true, Some(name)) => {
                    let partitions = topic.partitions.iter().map(partition_info).collect::<Vec<_>>();
                    self.insert(TopicInfo {
                        name,
                        id: topic.topic_id,
                        is_internal: topic.is_internal,
                        partitions: in_order(partitions),
                        learnt: now,
                    });
                }
                (_, name) => {
                    self.forget(name.as_ref(), topic.topic_id);
                    refused.push((name, topic.topic_id, topic.error_code));
                }
            }
        }
        refused
    }

    fn insert(&mut self, topic: TopicInfo) {
        if self.topics.len() >= TOPICS_MAX && !self.topics.contains_key(&topic.name) {
            let oldest =
                self.topics.values().min_by_key(|known| known.learnt).map(|known| known.name.clone());
            self.forget(oldest.as_ref(), Uuid::ZERO);
        }
        self.forget(Some(&topic.name), topic.id);
        self.names.insert(topic.id, topic.name.clone());
        self.topics.insert(topic.name.clone(), topic);
    }

    fn forget(&mut self, name: Option<&Str>, id: Uuid) {
        let known = name.cloned().or_else(|| self.names.get(&id).cloned());
        if let Some(topic) = known.and_then(|name| self.topics.remove(&name)) {
            self.names.remove(&topic.id);
        }
    }
}

fn partition_info(partition: &poruka_wire::api::MetadataResponsePartition) -> PartitionInfo {
    // A partition without a leader (error 5) is listed all the same: it has a number, and may get a leader later.
    PartitionInfo {
        partition: partition.partition_index,
        leader: (partition.leader_id >= 0).then_some(partition.leader_id),
        leader_epoch: partition.leader_epoch,
        replicas: partition.replica_nodes.clone(),
        in_sync: partition.isr_nodes.clone(),
    }
}

fn in_order(mut partitions: Vec<PartitionInfo>) -> Vec<PartitionInfo> {
    partitions.sort_by_key(|partition| partition.partition);
    partitions
}
