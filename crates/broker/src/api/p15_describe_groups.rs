//! DescribeGroups (key 15), v0-6: classic groups and their members. v6: an unknown group is an error.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the connection is closed: whether it took effect is not known.

use poruka_wire::api::{DescribeGroupsRequest, DescribeGroupsResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(DescribeGroupsRequest, versions = 0..=6, handler = describe_groups);

fn describe_groups(context: Context, request: DescribeGroupsRequest) -> Answer<DescribeGroupsResponse> {
    call(context, request, |_| None)
}
