//! OffsetCommit (key 8), v2-10: a group's positions, durable before the answer. v9: the consumer protocol; v10: topic ids.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the connection is closed: whether it took effect is not known.

use poruka_wire::api::{OffsetCommitRequest, OffsetCommitResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(OffsetCommitRequest, versions = 2..=10, handler = offset_commit);

fn offset_commit(context: Context, request: OffsetCommitRequest) -> Answer<OffsetCommitResponse> {
    call(context, request, |_| None)
}
