//! SyncGroup (key 14), v0-5, and Heartbeat (key 12), v0-4.
//!
//! The leader's SyncGroup brings the assignment; everyone's answer waits until it is persisted. v5 checks the protocol
//! (KIP-559).

use std::collections::BTreeMap;

use bytes::Bytes;
use poruka_wire::api::{HeartbeatRequest, SyncGroupRequest, SyncGroupResponse};
use poruka_wire::{ErrorCode, Str};

use super::ClassicGroup;
use crate::group::cx::{Cx, Waiting};
use crate::group::limits::GROUP_ASSIGNMENT_BYTES_MAX;
use crate::group::record::classic_group::Phase;

/// A SyncGroup answer with nothing in it.
pub(super) fn nothing() -> SyncGroupResponse {
    SyncGroupResponse { protocol_type: None, protocol_name: None, ..SyncGroupResponse::default() }
}

/// A SyncGroup answer that carries an error and nothing else.
pub(crate) fn failure(error_code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code, ..nothing() }
}

impl ClassicGroup {
    /// A member fetches its assignment; the leader brings everyone's.
    pub(crate) fn sync(&mut self, cx: &mut Cx<'_>, request: &SyncGroupRequest, waiting: Waiting) {
        if let Err(error) = self.check_sync(request) {
            return cx.out.reply(waiting.token, failure(error));
        }
        let member_id = request.member_id.clone();
        match self.phase {
            Phase::Empty => cx.out.reply(waiting.token, failure(ErrorCode::UnknownMemberId)),
            Phase::Preparing => cx.out.reply(waiting.token, failure(ErrorCode::RebalanceInProgress)),
            Phase::Completing => {
                self.has_synced(cx, &member_id);
                let Some(member) = self.members.get_mut(&member_id) else { return };
                if let Some(older) = member.awaiting_sync.replace(waiting) {
                    cx.out.reply(older.token, failure(ErrorCode::RebalanceInProgress));
                }
                if self.is_leader(&member_id) {
                    self.assign(cx, request);
                }
            }
            Phase::Stable => {
                self.has_synced(cx, &member_id);
                let response = self.assignment_of(&member_id);
                cx.out.reply(waiting.token, response);
            }
        }
    }

    fn check_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        self.check_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        // Versions before 5 do not carry the protocol; whatever stands in these fields then is not a claim.
        let differs = |said: &Option<Str>, known: &Option<Str>| match (said, known) {
            (Some(said), Some(known)) => !said.is_empty() && said != known,
            _ => false,
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol_name)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn has_synced(&mut self, cx: &mut Cx<'_>, member_id: &Str) {
        self.pending_sync.remove(member_id);
        if self.pending_sync.is_empty() {
            cx.timers.cancel(&self.sync_timer());
        }
    }

    /// The leader has decided: the group is stable, and whoever waits gets its part. Members it left out get nothing.
    fn assign(&mut self, cx: &mut Cx<'_>, request: &SyncGroupRequest) {
        let total_bytes: usize = request.assignments.iter().map(|one| one.assignment.len()).sum();
        if total_bytes > GROUP_ASSIGNMENT_BYTES_MAX {
            self.cancel_syncs(cx, ErrorCode::UnknownServerError);
            return self.prepare_rebalance(cx);
        }
        let given: BTreeMap<&Str, &Bytes> =
            request.assignments.iter().map(|one| (&one.member_id, &one.assignment)).collect();
        for (id, member) in &mut self.members {
            member.assignment = given.get(id).map(|bytes| Bytes::copy_from_slice(bytes)).unwrap_or_default();
            member.dirty = true;
        }
        self.phase = Phase::Stable;
        let waiting: Vec<Str> = self
            .members
            .iter()
            .filter(|(_, member)| member.awaiting_sync.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in waiting {
            let response = self.assignment_of(&id);
            self.answer_sync(cx, &id, response);
        }
    }

    fn assignment_of(&self, member_id: &Str) -> SyncGroupResponse {
        SyncGroupResponse {
            error_code: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment: self
                .members
                .get(member_id)
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
            ..SyncGroupResponse::default()
        }
    }

    fn answer_sync(&mut self, cx: &mut Cx<'_>, member_id: &Str, response: SyncGroupResponse) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        let session_ms = member.session_timeout_ms;
        if let Some(waiting) = member.awaiting_sync.take() {
            cx.out.reply(waiting.token, response);
            // While it waited its session could not end, so it starts anew now.
            self.restart_session(cx, member_id, session_ms);
        }
    }

    /// The assignment that members wait for will not come.
    pub(super) fn cancel_syncs(&mut self, cx: &mut Cx<'_>, error: ErrorCode) {
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        for id in ids {
            self.answer_sync(cx, &id, failure(error));
        }
    }

    /// A sign of life. Tells the member whether it has to join again.
    pub(crate) fn heartbeat(&mut self, cx: &mut Cx<'_>, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        self.check_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if self.phase == Phase::Empty {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.keep_alive(cx, &request.member_id);
        if self.phase == Phase::Preparing { Err(ErrorCode::RebalanceInProgress) } else { Ok(()) }
    }

    /// The member's session starts anew, if it is a member.
    pub(super) fn keep_alive(&self, cx: &mut Cx<'_>, member_id: &Str) {
        if let Some(member) = self.members.get(member_id) {
            self.restart_session(cx, member_id, member.session_timeout_ms);
        }
    }
}
