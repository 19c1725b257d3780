//! ConsumerGroupDescribe (key 69), v0-1: consumer-protocol groups and their members.
//!
//! What it means is decided in `group`; here it is passed on.
//! When the group log fails, the connection is closed: whether it took effect is not known.

use poruka_wire::api::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};

use super::support::call;
use super::{Answer, Context, api};

api!(ConsumerGroupDescribeRequest, versions = 0..=1, handler = consumer_group_describe);

fn consumer_group_describe(
    context: Context,
    request: ConsumerGroupDescribeRequest,
) -> Answer<ConsumerGroupDescribeResponse> {
    call(context, request, |_| None)
}
