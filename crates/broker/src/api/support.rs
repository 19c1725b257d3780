//! What several handlers share.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Waker};

use poruka_wire::{ErrorCode, Str};
use tokio::sync::oneshot;

use super::{Answer, Context};
use crate::connection::CloseReason;
use crate::group::{GroupCall, GroupRequest, GroupResponse};
use crate::group_driver::CoordinatorGone;
use crate::server::Server;
use crate::topics::Refusal;

/// The id of the one node.
pub(super) const NODE_ID: i32 = 1;

/// Everything that may be done to a topic, as Kafka's bit field: there is no authorizer.
pub(super) const TOPIC_OPERATIONS: i32 =
    1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;

/// Everything that may be done to the cluster, as Kafka's bit field: there is no authorizer.
pub(super) const CLUSTER_OPERATIONS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;

/// "Not asked for" in a field of operations.
pub(super) const OPERATIONS_OMITTED: i32 = i32::MIN;

/// The message of a refusal, for a response.
pub(super) fn message(refusal: &Refusal) -> Option<Str> {
    (!refusal.message.is_empty()).then(|| Str::from(&refusal.message))
}

/// Runs a change in a task of its own, so that it is finished whatever becomes of the connection that asked.
pub(super) async fn finished<T: Send + 'static>(
    server: Arc<Server>,
    change: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let (done, result) = oneshot::channel();
    server.env.spawn("change", async move {
        // Nobody may be waiting any more; the change is made all the same.
        let _ = done.send(change.await);
    });
    result
        .await
        .unwrap_or_else(|_| Err(Refusal::new(ErrorCode::KafkaStorageError, "broker is shutting down")))
}

/// Whether a future would be ready now. It is dropped either way.
pub(super) fn is_ready(future: impl Future) -> bool {
    pin!(future).poll(&mut TaskContext::from_waker(Waker::noop())).is_ready()
}

/// Passes a request to the group coordinator. `unavailable` makes the answer for when the group log fails or the broker
/// shuts down; without one the connection is closed.
pub(super) fn call<Q, R>(context: Context, request: Q, unavailable: fn(ErrorCode) -> Option<R>) -> Answer<R>
where
    Q: Into<GroupRequest>,
    R: TryFrom<GroupResponse> + Send + 'static,
{
    let server = context.server;
    let mut pending = server.groups.call(GroupCall {
        api_version: context.header.api_version,
        client_id: context.header.client_id.unwrap_or_default(),
        client_host: context.peer.host.clone(),
        request: request.into(),
    });
    let finish = move |response: Result<GroupResponse, CoordinatorGone>| match response {
        Ok(response) => {
            R::try_from(response).map_err(|_| "the group coordinator answered another request".to_owned())
        }
        Err(gone) => unavailable(ErrorCode::CoordinatorNotAvailable).ok_or_else(|| gone.to_string()),
    };
    if let Some(response) = server.groups.ready(&mut pending) {
        return match finish(response) {
            Ok(response) => Answer::Now(response),
            Err(why) => Answer::Close(CloseReason::Refused(why)),
        };
    }
    Answer::Later(Box::pin(
        async move { finish(server.groups.wait(pending).await).map_err(CloseReason::Refused) },
    ))
}

/// How a leader epoch that a client gives compares with the partition's.
pub(super) fn check_epoch(given: i32, current: i32) -> Result<(), ErrorCode> {
    match given {
        -1 => Ok(()),
        given if given < current => Err(ErrorCode::FencedLeaderEpoch),
        given if given > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// The names that appear more than once. A request may hold a hundred thousand: each is looked at once.
pub(super) fn repeated<'a>(names: impl IntoIterator<Item = &'a Str>) -> BTreeSet<Str> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| !seen.insert(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_the_numbers_that_kafka_sends_without_an_authorizer() {
        assert_eq!(TOPIC_OPERATIONS, 3576);
        assert_eq!(CLUSTER_OPERATIONS, 8096);
    }

    #[test]
    fn leader_epochs_are_checked_as_kip_320_says() {
        assert_eq!(check_epoch(-1, 3), Ok(()));
        assert_eq!(check_epoch(3, 3), Ok(()));
        assert_eq!(check_epoch(2, 3), Err(ErrorCode::FencedLeaderEpoch));
        assert_eq!(check_epoch(4, 3), Err(ErrorCode::UnknownLeaderEpoch));
    }
}
