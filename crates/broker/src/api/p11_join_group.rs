//! JoinGroup (key 11), v0-9: a classic member joins and waits until its generation is complete.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the answer is COORDINATOR_NOT_AVAILABLE.

use poruka_wire::api::{JoinGroupRequest, JoinGroupResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(JoinGroupRequest, versions = 0..=9, handler = join_group);

fn join_group(context: Context, request: JoinGroupRequest) -> Answer<JoinGroupResponse> {
    call(context, request, |error_code| {
        Some(JoinGroupResponse { error_code, generation_id: -1, ..JoinGroupResponse::default() })
    })
}
