//! Which node coordinates which group: looked up, remembered, forgotten when it says that it no longer does.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use poruka_wire::api::FindCoordinatorRequest;
use poruka_wire::{ErrorCode, Request, Str};

use super::client::Client;
use super::connections::Lane;
use crate::error::ClientError;
use crate::net::{CallError, TransportError};

/// Groups remembered; past it everything is forgotten and looked up again.
const GROUPS_MAX: usize = 10_000;

/// The coordinator cache.
#[derive(Default)]
pub(crate) struct Coordinators {
    nodes: Mutex<HashMap<Str, i32>>,
}

impl Coordinators {
    fn nodes(&self) -> std::sync::MutexGuard<'_, HashMap<Str, i32>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the code says that another node coordinates, or that this one is not ready yet.
pub(crate) fn is_coordinator_trouble(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress
    )
}

impl Client {
    /// The node that coordinates a group.
    pub(crate) async fn coordinator(&self, group: &Str) -> Result<i32, ClientError> {
        if let Some(node) = self.coordinators().nodes().get(group) {
            return Ok(*node);
        }
        let request = FindCoordinatorRequest {
            key_type: 0,
            coordinator_keys: vec![group.clone()],
            ..Default::default()
        };
        let answer = self.call_any("find the group's coordinator", &request).await?;
        let Some(found) = answer.coordinators.first() else {
            return Err(ClientError::refused(
                "find the group's coordinator",
                ErrorCode::CoordinatorNotAvailable,
                None,
            ));
        };
        if !found.error_code.is_none() {
            let message = found.error_message.as_deref();
            return Err(ClientError::refused("find the group's coordinator", found.error_code, message));
        }
        self.note_address(found.node_id, &found.host, found.port);
        let mut nodes = self.coordinators().nodes();
        if nodes.len() >= GROUPS_MAX {
            nodes.clear();
        }
        nodes.insert(group.clone(), found.node_id);
        Ok(found.node_id)
    }

    /// Forgets who coordinates a group, so that it is looked up again.
    pub(crate) fn forget_coordinator(&self, group: &Str) {
        self.coordinators().nodes().remove(group);
    }

    /// One attempt at a request to a group's coordinator, on a lane.
    pub(crate) async fn call_coordinator<R: Request>(
        &self,
        what: &'static str,
        group: &Str,
        lane: Lane,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        let node = self.coordinator(group).await?;
        let answer = self.call_node(what, node, lane, request).await;
        let broken = matches!(
            &answer,
            Err(ClientError::Connect { .. }
                | ClientError::Call { source: CallError::Transport(TransportError::Lost(_)), .. })
        );
        if broken {
            self.forget_coordinator(group);
        }
        answer
    }
}
