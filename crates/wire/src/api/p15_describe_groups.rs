//! DescribeGroups (key 15), v0-6. v3: authorized operations (KIP-430). v4: static members (KIP-345). v5:
//! flexible. v6: error messages, GROUP_ID_NOT_FOUND (KIP-1043).

use crate::{Bytes, ErrorCode, Str};

api!(DescribeGroups: DescribeGroupsRequest => DescribeGroupsResponse, versions 0..=6, flexible 5);

message! {
    /// Asks about classic groups.
    struct DescribeGroupsRequest {
        groups: Vec<Str> [0..],
        include_authorized_operations: bool [3..],
    }
}

message! {
    /// The groups.
    struct DescribeGroupsResponse {
        throttle_time_ms: i32 [1..; ignorable],
        groups: Vec<DescribedGroup> [0..],
    }

    /// A group, its state and its members.
    struct DescribedGroup {
        error_code: ErrorCode [0..],
        error_message: Option<Str> [6..] = None,
        group_id: Str [0..],
        group_state: Str [0..],
        protocol_type: Str [0..],
        protocol_data: Str [0..],
        members: Vec<DescribedGroupMember> [0..],
        authorized_operations: i32 [3..] = i32::MIN,
    }

    /// A member, its subscription and its assignment.
    struct DescribedGroupMember {
        member_id: Str [0..],
        group_instance_id: Option<Str> [4..; ignorable] = None,
        client_id: Str [0..],
        client_host: Str [0..],
        member_metadata: Bytes [0..],
        member_assignment: Bytes [0..],
    }
}
