//! FindCoordinator (key 10), v0-6: who coordinates a group. There is one node: it does.
//!
//! v0-3 ask for one key, v4+ for several. There is no coordinator of transactions yet, and asking for one is refused
//! with a code that clients do not retry; share groups do not exist either.

use poruka_wire::api::{
    COORDINATOR_GROUP, COORDINATOR_TRANSACTION, Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use poruka_wire::{ErrorCode, Str};

use super::support::NODE_ID;
use super::{Answer, Context, api};

api!(FindCoordinatorRequest, versions = 0..=6, handler = find_coordinator);

fn find_coordinator(context: Context, request: FindCoordinatorRequest) -> Answer<FindCoordinatorResponse> {
    let keys = if context.version() >= 4 { request.coordinator_keys } else { vec![request.key] };
    let mut found: Vec<_> = keys.into_iter().map(|key| find(&context, key, request.key_type)).collect();
    if context.version() >= 4 {
        return Answer::Now(FindCoordinatorResponse {
            coordinators: found,
            error_message: None,
            ..FindCoordinatorResponse::default()
        });
    }
    let one = found.pop().unwrap_or_default();
    Answer::Now(FindCoordinatorResponse {
        error_code: one.error_code,
        error_message: one.error_message,
        node_id: one.node_id,
        host: one.host,
        port: one.port,
        ..FindCoordinatorResponse::default()
    })
}

fn find(context: &Context, key: Str, key_type: i8) -> Coordinator {
    let refuse = |key, error_code, why: &str| Coordinator {
        key,
        node_id: -1,
        host: Str::default(),
        port: -1,
        error_code,
        error_message: Some(Str::from(why)),
    };
    match key_type {
        COORDINATOR_GROUP => {
            let (host, port) = context.peer.advertised.clone();
            Coordinator {
                key,
                node_id: NODE_ID,
                host,
                port,
                error_code: ErrorCode::None,
                error_message: None,
            }
        }
        COORDINATOR_TRANSACTION => {
            // A retriable code would make clients ask forever; this one ends initTransactions() with its text.
            let why = "transactions are not supported by this broker yet: leave transactional.id unset";
            refuse(key, ErrorCode::TransactionalIdAuthorizationFailed, why)
        }
        _ => refuse(key, ErrorCode::InvalidRequest, "unknown kind of coordinator"),
    }
}
