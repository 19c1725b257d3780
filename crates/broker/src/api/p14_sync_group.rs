//! SyncGroup (key 14), v0-5: the leader hands out assignments, members wait for theirs.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the answer is COORDINATOR_NOT_AVAILABLE.

use poruka_wire::api::{SyncGroupRequest, SyncGroupResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(SyncGroupRequest, versions = 0..=5, handler = sync_group);

fn sync_group(context: Context, request: SyncGroupRequest) -> Answer<SyncGroupResponse> {
    call(context, request, |error_code| {
        Some(SyncGroupResponse { error_code, ..SyncGroupResponse::default() })
    })
}
