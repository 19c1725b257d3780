//! Metadata (key 3), v0-13. v1: null asks for every topic. v4: topics are made on demand only if allowed. v7:
//! leader epochs (KIP-320). v8: authorized operations (KIP-430). v9: flexible. v10, v12: topics by id
//! (KIP-516). v13: an error for the whole answer (KIP-1102).

use crate::{ErrorCode, Str, Uuid};

api!(Metadata: MetadataRequest => MetadataResponse, versions 0..=13, flexible 9);

message! {
    /// Asks which brokers there are and which of them leads each partition.
    struct MetadataRequest {
        /// Null for every topic; in version 0 an empty list means that.
        topics: Option<Vec<MetadataRequestTopic>> [0..; null 1..],
        allow_auto_topic_creation: bool [4..] = true,
        include_cluster_authorized_operations: bool [8..=10],
        include_topic_authorized_operations: bool [8..],
    }

    /// A topic, by name, or from version 12 by id.
    struct MetadataRequestTopic {
        topic_id: Uuid [10..; ignorable],
        name: Option<Str> [0..; null 10..],
    }
}

message! {
    /// The cluster as this broker sees it.
    struct MetadataResponse {
        throttle_time_ms: i32 [3..; ignorable],
        brokers: Vec<MetadataResponseBroker> [0..],
        cluster_id: Option<Str> [2..; ignorable] = None,
        controller_id: i32 [1..; ignorable] = -1,
        topics: Vec<MetadataResponseTopic> [0..],
        cluster_authorized_operations: i32 [8..=10] = i32::MIN,
        error_code: ErrorCode [13..; ignorable],
    }

    /// A broker and where to reach it.
    struct MetadataResponseBroker {
        node_id: i32 [0..],
        host: Str [0..],
        port: i32 [0..],
        rack: Option<Str> [1..; ignorable] = None,
    }

    /// A topic and its partitions.
    struct MetadataResponseTopic {
        error_code: ErrorCode [0..],
        name: Option<Str> [0..; null 12..],
        topic_id: Uuid [10..; ignorable],
        is_internal: bool [1..; ignorable],
        partitions: Vec<MetadataResponsePartition> [0..],
        topic_authorized_operations: i32 [8..] = i32::MIN,
    }

    /// A partition, its leader and its replicas.
    struct MetadataResponsePartition {
        error_code: ErrorCode [0..],
        partition_index: i32 [0..],
        /// -1 if there is none.
        leader_id: i32 [0..],
        leader_epoch: i32 [7..; ignorable] = -1,
        replica_nodes: Vec<i32> [0..],
        isr_nodes: Vec<i32> [0..],
        offline_replicas: Vec<i32> [5..; ignorable],
    }
}
