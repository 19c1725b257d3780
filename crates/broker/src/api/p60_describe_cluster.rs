//! DescribeCluster (key 60), v0-2: the one node. v1: endpoints of brokers (1) or controllers (2); v2: fenced brokers.
//!
//! There are no controller endpoints to speak to: asking for them is refused, as a Kafka broker's listener does.

use poruka_wire::ErrorCode;
use poruka_wire::Str;
use poruka_wire::api::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse};

use super::support::{CLUSTER_OPERATIONS, NODE_ID, OPERATIONS_OMITTED};
use super::{Answer, Context, api};

api!(DescribeClusterRequest, versions = 0..=2, handler = describe_cluster);

/// The endpoints of brokers, the only ones there are.
const ENDPOINTS_BROKERS: i8 = 1;

fn describe_cluster(context: Context, request: DescribeClusterRequest) -> Answer<DescribeClusterResponse> {
    if request.endpoint_type != ENDPOINTS_BROKERS {
        return Answer::Now(DescribeClusterResponse {
            error_code: ErrorCode::MismatchedEndpointType,
            error_message: Some(Str::from("only the endpoints of brokers can be described here")),
            endpoint_type: request.endpoint_type,
            ..DescribeClusterResponse::default()
        });
    }
    let (host, port) = context.peer.advertised.clone();
    Answer::Now(DescribeClusterResponse {
        error_message: None,
        cluster_id: context.server.cluster_id_text(),
        controller_id: NODE_ID,
        brokers: vec![DescribeClusterBroker { broker_id: NODE_ID, host, port, rack: None, is_fenced: false }],
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => OPERATIONS_OMITTED,
        },
        ..DescribeClusterResponse::default()
    })
}
