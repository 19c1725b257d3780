//! OffsetDelete (key 47), v0: forgets positions of topics that a group no longer reads.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the answer is COORDINATOR_NOT_AVAILABLE.

use poruka_wire::api::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(OffsetDeleteRequest, versions = 0..=0, handler = offset_delete);

fn offset_delete(context: Context, request: OffsetDeleteRequest) -> Answer<OffsetDeleteResponse> {
    call(context, request, |error_code| {
        Some(OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() })
    })
}
