//! ListGroups (key 16), v0-5: all groups. v4: by state; v5: by type.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the answer is COORDINATOR_NOT_AVAILABLE.

use poruka_wire::api::{ListGroupsRequest, ListGroupsResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(ListGroupsRequest, versions = 0..=5, handler = list_groups);

fn list_groups(context: Context, request: ListGroupsRequest) -> Answer<ListGroupsResponse> {
    call(context, request, |error_code| {
        Some(ListGroupsResponse { error_code, ..ListGroupsResponse::default() })
    })
}
