//! ConsumerGroupHeartbeat (key 68), v0-1: all of the consumer protocol (KIP-848): join, stay, leave, assignments.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the answer is COORDINATOR_NOT_AVAILABLE.

use poruka_wire::api::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(ConsumerGroupHeartbeatRequest, versions = 0..=1, handler = consumer_group_heartbeat);

fn consumer_group_heartbeat(
    context: Context,
    request: ConsumerGroupHeartbeatRequest,
) -> Answer<ConsumerGroupHeartbeatResponse> {
    call(context, request, |error_code| {
        Some(ConsumerGroupHeartbeatResponse {
            error_code,
            error_message: None,
            ..ConsumerGroupHeartbeatResponse::default()
        })
    })
}
