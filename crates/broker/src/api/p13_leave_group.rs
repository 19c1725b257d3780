//! LeaveGroup (key 13), v0-5: classic members leave. v3: several at once, and by instance id.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the answer is COORDINATOR_NOT_AVAILABLE.

use poruka_wire::api::{LeaveGroupRequest, LeaveGroupResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(LeaveGroupRequest, versions = 0..=5, handler = leave_group);

fn leave_group(context: Context, request: LeaveGroupRequest) -> Answer<LeaveGroupResponse> {
    call(context, request, |error_code| {
        Some(LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() })
    })
}
