//! Which error codes a response tells: one line for each kind of response, so that a new API cannot forget them.

use poruka_wire::ErrorCode;
use poruka_wire::api::*;

/// A response that can say which errors it tells.
pub(crate) trait Errors {
    /// Calls `told` with every code in the response, [`ErrorCode::None`] too.
    fn errors(&self, told: &mut dyn FnMut(ErrorCode));
}

/// `Response: [] [lists.of.lists];` where codes stand: `[]` for the response itself.
macro_rules! errors {
    ($($response:ty: $([$($list:ident).*])*;)*) => {$(
        impl Errors for $response {
            fn errors(&self, told: &mut dyn FnMut(ErrorCode)) {
                $(errors!(@walk self, told; $($list)*);)*
                // A response without codes uses neither.
                let _ = (self, told);
            }
        }
    )*};
    (@walk $at:expr, $told:ident;) => {
        $told($at.error_code)
    };
    (@walk $at:expr, $told:ident; $list:ident $($rest:ident)*) => {
        for each in &$at.$list {
            errors!(@walk each, $told; $($rest)*);
        }
    };
}

errors! {
    ProduceResponse: [responses.partition_responses];
    FetchResponse: [] [responses.partitions];
    ListOffsetsResponse: [topics.partitions];
    MetadataResponse: [] [topics];
    OffsetCommitResponse: [topics.partitions];
    OffsetFetchResponse: [] [topics.partitions] [groups] [groups.topics.partitions];
    FindCoordinatorResponse: [] [coordinators];
    JoinGroupResponse: [];
    HeartbeatResponse: [];
    LeaveGroupResponse: [] [members];
    SyncGroupResponse: [];
    DescribeGroupsResponse: [groups];
    ListGroupsResponse: [];
    ApiVersionsResponse: [];
    CreateTopicsResponse: [topics];
    DeleteTopicsResponse: [responses];
    DeleteRecordsResponse: [topics.partitions];
    InitProducerIdResponse: [];
    OffsetForLeaderEpochResponse: [topics.partitions];
    DescribeConfigsResponse: [results];
    AlterConfigsResponse: [responses];
    CreatePartitionsResponse: [results];
    DeleteGroupsResponse: [results];
    IncrementalAlterConfigsResponse: [responses];
    OffsetDeleteResponse: [] [topics.partitions];
    DescribeClusterResponse: [];
    ConsumerGroupHeartbeatResponse: [];
    ConsumerGroupDescribeResponse: [groups];
    ListConfigResourcesResponse: [];
    DescribeTopicPartitionsResponse: [topics] [topics.partitions];
}
