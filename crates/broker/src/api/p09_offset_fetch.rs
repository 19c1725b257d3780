//! OffsetFetch (key 9), v1-10: the positions of one group, or from v8 on of several. v7: stable only; v10: topic ids.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the connection is closed: whether it took effect is not known.

use poruka_wire::api::{OffsetFetchRequest, OffsetFetchResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(OffsetFetchRequest, versions = 1..=10, handler = offset_fetch);

fn offset_fetch(context: Context, request: OffsetFetchRequest) -> Answer<OffsetFetchResponse> {
    call(context, request, |_| None)
}
