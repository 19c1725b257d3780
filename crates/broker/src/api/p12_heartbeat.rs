//! Heartbeat (key 12), v0-4: a classic member is alive.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the answer is COORDINATOR_NOT_AVAILABLE.

use poruka_wire::api::{HeartbeatRequest, HeartbeatResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(HeartbeatRequest, versions = 0..=4, handler = heartbeat);

fn heartbeat(context: Context, request: HeartbeatRequest) -> Answer<HeartbeatResponse> {
    call(context, request, |error_code| {
        Some(HeartbeatResponse { error_code, ..HeartbeatResponse::default() })
    })
}
