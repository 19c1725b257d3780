//! What goes into the coordinator and what comes out of it.

use bytes::Bytes;
use poruka_wire::Str;
use poruka_wire::api::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse,
    SyncGroupRequest, SyncGroupResponse,
};

/// The two clocks of the driver at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Milliseconds of a clock that never goes back; all timeouts are measured by it. It may start anew with the process.
    pub mono_ms: u64,
    /// Milliseconds since 1970; only retention uses it.
    pub wall_ms: i64,
}

/// The driver's name for a request that waits for its answer. Every request is answered exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A decoded request and what the connection knows about it.
#[derive(Debug, Clone)]
pub struct GroupCall {
    /// Version of the request; the answer is meant for the same version.
    pub api_version: i16,
    /// From the request header, empty when it was null.
    pub client_id: Str,
    /// The peer as Kafka prints it, `/127.0.0.1`.
    pub client_host: Str,
    /// What is asked.
    pub request: GroupRequest,
}

macro_rules! kinds {
    ($($kind:ident: $request:ident => $response:ident,)*) => {
        /// A request to the coordinator.
        #[derive(Debug, Clone)]
        #[expect(missing_docs, reason = "each variant is the request of that name")]
        pub enum GroupRequest {
            $($kind($request),)*
        }

        /// The coordinator's answer: the response of the request's kind.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each variant is the response of that name")]
        pub enum GroupResponse {
            $($kind($response),)*
        }

        $(
            impl From<$request> for GroupRequest {
                fn from(request: $request) -> Self {
                    Self::$kind(request)
                }
            }

            impl From<$response> for GroupResponse {
                fn from(response: $response) -> Self {
                    Self::$kind(response)
                }
            }

            impl TryFrom<GroupResponse> for $response {
                type Error = GroupResponse;

                /// Gives the response back unchanged when it is of another kind.
                fn try_from(response: GroupResponse) -> Result<Self, GroupResponse> {
                    match response {
                        GroupResponse::$kind(response) => Ok(response),
                        other => Err(other),
                    }
                }
            }
        )*
    };
}

kinds! {
    JoinGroup: JoinGroupRequest => JoinGroupResponse,
    SyncGroup: SyncGroupRequest => SyncGroupResponse,
    Heartbeat: HeartbeatRequest => HeartbeatResponse,
    LeaveGroup: LeaveGroupRequest => LeaveGroupResponse,
    ConsumerGroupHeartbeat: ConsumerGroupHeartbeatRequest => ConsumerGroupHeartbeatResponse,
    ConsumerGroupDescribe: ConsumerGroupDescribeRequest => ConsumerGroupDescribeResponse,
    OffsetCommit: OffsetCommitRequest => OffsetCommitResponse,
    OffsetFetch: OffsetFetchRequest => OffsetFetchResponse,
    OffsetDelete: OffsetDeleteRequest => OffsetDeleteResponse,
    DescribeGroups: DescribeGroupsRequest => DescribeGroupsResponse,
    ListGroups: ListGroupsRequest => ListGroupsResponse,
    DeleteGroups: DeleteGroupsRequest => DeleteGroupsResponse,
}

/// What the driver has to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Append these records to the coordinator's log as one atomic entry. Replies that follow, of this call or of later
    /// ones, may leave only once it is durable.
    Persist {
        /// Key, and the new value or `None` to delete.
        records: Vec<(Bytes, Option<Bytes>)>,
    },
    /// Answer a request.
    Reply {
        /// Which request.
        token: Token,
        /// The answer.
        response: GroupResponse,
    },
}
