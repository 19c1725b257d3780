//! DeleteGroups (key 42), v0-2: forgets groups without members, with their positions.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the connection is closed: whether it took effect is not known.

use poruka_wire::api::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(DeleteGroupsRequest, versions = 0..=2, handler = delete_groups);

fn delete_groups(context: Context, request: DeleteGroupsRequest) -> Answer<DeleteGroupsResponse> {
    call(context, request, |_| None)
}
