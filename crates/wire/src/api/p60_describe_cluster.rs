//! DescribeCluster (key 60), v0-2. KIP-700. v1: brokers or controllers (KIP-919). v2: fenced brokers
//! (KIP-1073).

use crate::{ErrorCode, Str};

api!(DescribeCluster: DescribeClusterRequest => DescribeClusterResponse, versions 0..=2, flexible 0);

message! {
    /// Asks for the cluster's id and its nodes.
    struct DescribeClusterRequest {
        include_cluster_authorized_operations: bool [0..],
        /// 1 for brokers, 2 for controllers.
        endpoint_type: i8 [1..] = 1,
        include_fenced_brokers: bool [2..],
    }
}

message! {
    /// The cluster.
    struct DescribeClusterResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<Str> [0..] = None,
        endpoint_type: i8 [1..] = 1,
        cluster_id: Str [0..],
        controller_id: i32 [0..] = -1,
        brokers: Vec<DescribeClusterBroker> [0..],
        cluster_authorized_operations: i32 [0..] = i32::MIN,
    }

    /// A node and where to reach it.
    struct DescribeClusterBroker {
        broker_id: i32 [0..],
        host: Str [0..],
        port: i32 [0..],
        rack: Option<Str> [0..] = None,
        is_fenced: bool [2..],
    }
}
