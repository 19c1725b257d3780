//! JoinGroup (key 11), v0-9: how a member gets in, comes back, or replaces its former self.
//!
//! v4: a dynamic member is told its id first (KIP-394). v5: static members (KIP-345). v7: protocol type in the answer
//! (KIP-559). v9: a returning static leader may skip the assignment (KIP-814).

use poruka_wire::api::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember, SyncGroupResponse};
use poruka_wire::{ErrorCode, Str};

use super::{ClassicGroup, Member};
use crate::group::cx::{Cx, Waiting};
use crate::group::limits::{
    GROUP_METADATA_BYTES_MAX, ID_BYTES_MAX, MEMBER_METADATA_BYTES_MAX, PENDING_MEMBERS_MAX,
    PROTOCOLS_PER_MEMBER_MAX,
};
use crate::group::record::classic_group::Phase;
use crate::group::request::GroupCall;
use crate::group::timers::Timer;

/// From this version on a dynamic member has to come back with the id it was given.
const MEMBER_ID_REQUIRED_FROM: i16 = 4;
/// From this version on the answer may leave the protocol out.
const NULL_PROTOCOL_FROM: i16 = 7;
/// From this version on the leader may be told to skip the assignment.
const SKIP_ASSIGNMENT_FROM: i16 = 9;

/// A JoinGroup answer that carries an error and nothing else.
pub(crate) fn refusal(api_version: i16, error_code: ErrorCode, member_id: Str) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code,
        generation_id: -1,
        protocol_type: None,
        protocol_name: (api_version < NULL_PROTOCOL_FROM).then(Str::default),
        member_id,
        ..JoinGroupResponse::default()
    }
}

/// Whether the request is within every bound that does not depend on the group.
pub(crate) fn check(request: &JoinGroupRequest) -> Result<(), ErrorCode> {
    let metadata_bytes: usize =
        request.protocols.iter().map(|protocol| protocol.name.len() + protocol.metadata.len()).sum();
    let instance_bytes = request.group_instance_id.as_ref().map_or(0, |instance| instance.len());
    let ok = request.protocols.len() <= PROTOCOLS_PER_MEMBER_MAX
        && metadata_bytes <= MEMBER_METADATA_BYTES_MAX
        && request.member_id.len() <= ID_BYTES_MAX
        && instance_bytes <= ID_BYTES_MAX
        && request.group_instance_id.as_deref() != Some("");
    if ok { Ok(()) } else { Err(ErrorCode::InvalidRequest) }
}

impl ClassicGroup {
    /// A member wants in. The answer comes at once or when the join phase ends.
    pub(crate) fn join(
        &mut self,
        cx: &mut Cx<'_>,
        call: &GroupCall,
        request: &JoinGroupRequest,
        waiting: Waiting,
    ) {
        let member_id = request.member_id.clone();
        let names = request.protocols.iter().map(|protocol| protocol.name.as_str());
        let full =
            self.metadata_bytes() >= GROUP_METADATA_BYTES_MAX && !self.members.contains_key(&member_id);
        if full || !self.has_room_for(&member_id, cx.config.members_max) {
            cx.out.reply(
                waiting.token,
                refusal(waiting.api_version, ErrorCode::GroupMaxSizeReached, Str::default()),
            );
            if !member_id.is_empty() {
                let lost = self.drop_member(cx, &member_id, ErrorCode::UnknownMemberId);
                self.settle_after_removal(cx, lost);
            }
        } else if !self.accepts_protocols(&request.protocol_type, names) {
            cx.out.reply(
                waiting.token,
                refusal(waiting.api_version, ErrorCode::InconsistentGroupProtocol, member_id),
            );
        } else if member_id.is_empty() {
            self.join_new(cx, call, request, waiting);
        } else {
            self.join_known(cx, call, request, waiting);
        }
    }

    fn metadata_bytes(&self) -> usize {
        self.members.values().flat_map(|member| &member.protocols).map(|(_, metadata)| metadata.len()).sum()
    }

    /// In Preparing the ones that have joined count, so that the last to come back are turned away.
    fn has_room_for(&self, member: &str, members_max: usize) -> bool {
        match self.phase {
            Phase::Empty => true,
            Phase::Preparing => {
                let waits = self.members.get(member).is_some_and(|member| member.awaiting_join.is_some());
                waits || self.joined() < members_max
            }
            Phase::Completing | Phase::Stable => {
                self.members.contains_key(member) || self.members.len() < members_max
            }
        }
    }

    fn join_new(&mut self, cx: &mut Cx<'_>, call: &GroupCall, request: &JoinGroupRequest, waiting: Waiting) {
        if let Some(instance) = &request.group_instance_id {
            let new_id = Str::from(cx.ids.with_prefix(instance));
            match self.static_members.get(instance).cloned() {
                Some(old_id) => self.join_replacing(cx, call, request, waiting, &old_id, new_id),
                None => self.add_and_rebalance(cx, call, request, waiting, new_id),
            }
            return;
        }
        let new_id = Str::from(cx.ids.with_prefix(&call.client_id));
        if waiting.api_version < MEMBER_ID_REQUIRED_FROM {
            self.add_and_rebalance(cx, call, request, waiting, new_id);
        } else if self.pending_join.len() >= PENDING_MEMBERS_MAX {
            cx.out.reply(
                waiting.token,
                refusal(waiting.api_version, ErrorCode::GroupMaxSizeReached, Str::default()),
            );
        } else {
            self.pending_join.insert(new_id.clone());
            self.restart_session(cx, &new_id, request.session_timeout_ms.max(0) as u64);
            cx.out.reply(waiting.token, refusal(waiting.api_version, ErrorCode::MemberIdRequired, new_id));
        }
    }

    fn join_known(
        &mut self,
        cx: &mut Cx<'_>,
        call: &GroupCall,
        request: &JoinGroupRequest,
        waiting: Waiting,
    ) {
        let member_id = request.member_id.clone();
        let instance = request.group_instance_id.as_ref();
        if instance.is_none() && self.pending_join.contains(&member_id) {
            return self.add_and_rebalance(cx, call, request, waiting, member_id);
        }
        if let Err(error) = self.check_member(&member_id, instance) {
            return cx.out.reply(waiting.token, refusal(waiting.api_version, error, member_id));
        }
        let Some(member) = self.members.get(&member_id) else { return };
        let rejoin = match self.phase {
            Phase::Preparing => true,
            Phase::Completing => !member.offers_the_same(request),
            // The leader may know of a change that its metadata does not show, such as new partitions.
            Phase::Stable => self.is_leader(&member_id) || !member.offers_the_same(request),
            Phase::Empty => {
                let refused = refusal(waiting.api_version, ErrorCode::UnknownMemberId, member_id);
                return cx.out.reply(waiting.token, refused);
            }
        };
        if rejoin {
            self.await_join(cx, call, request, waiting, &member_id);
            self.rebalance_or_complete(cx);
        } else {
            // The answer of this generation may have been lost: give it again.
            let response = self.joined_response(&member_id);
            cx.out.reply(waiting.token, response);
        }
    }

    /// Puts the request in the member's place at the table; an older one that still waits is told to come again.
    fn await_join(
        &mut self,
        cx: &mut Cx<'_>,
        call: &GroupCall,
        request: &JoinGroupRequest,
        waiting: Waiting,
        member_id: &Str,
    ) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        member.update(call, request);
        if let Some(older) = member.awaiting_join.replace(waiting) {
            let refused = refusal(older.api_version, ErrorCode::RebalanceInProgress, member_id.clone());
            cx.out.reply(older.token, refused);
        }
    }

    fn add_and_rebalance(
        &mut self,
        cx: &mut Cx<'_>,
        call: &GroupCall,
        request: &JoinGroupRequest,
        waiting: Waiting,
        member_id: Str,
    ) {
        if let Some(delay) = &mut self.initial_delay {
            delay.grew = true;
        }
        let mut member = Member::new(call, request);
        member.awaiting_join = Some(waiting);
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        if let Some(instance) = &member.instance_id {
            self.static_members.insert(instance.clone(), member_id.clone());
        }
        self.leader.get_or_insert_with(|| member_id.clone());
        self.pending_join.remove(&member_id);
        self.members.insert(member_id.clone(), member);
        // It cannot send heartbeats yet, and a client that went away would stay in the group for good: so waiting
        // itself has a time limit for new members.
        self.restart_session(cx, &member_id, cx.config.new_member_join_timeout_ms);
        self.rebalance_or_complete(cx);
    }

    /// A static member comes back without its member id: it takes the place of its former self at once.
    fn join_replacing(
        &mut self,
        cx: &mut Cx<'_>,
        call: &GroupCall,
        request: &JoinGroupRequest,
        waiting: Waiting,
        old_id: &Str,
        new_id: Str,
    ) {
        let leader_before = self.leader.clone();
        self.replace_static(cx, old_id, new_id.clone());
        self.await_join(cx, call, request, waiting, &new_id);
        if let Some(member) = self.members.get(&new_id) {
            let session_ms = member.session_timeout_ms;
            self.restart_session(cx, &new_id, session_ms);
        }
        match self.phase {
            Phase::Stable if self.protocol_name == self.elect_protocol() => {
                let mut response = self.joined_response(&new_id);
                if waiting.api_version >= SKIP_ASSIGNMENT_FROM {
                    response.skip_assignment = self.is_leader(&new_id);
                } else {
                    // An older client would compute a new assignment if it saw itself as the leader.
                    response.leader = leader_before.unwrap_or_default();
                    response.members = Vec::new();
                }
                self.answer_join(cx, &new_id, response);
            }
            Phase::Stable => self.rebalance_or_complete(cx),
            // The leader may already be computing an assignment for the old id.
            Phase::Completing => self.prepare_rebalance(cx),
            Phase::Preparing | Phase::Empty => self.complete_if_all_have_joined(cx),
        }
    }

    fn replace_static(&mut self, cx: &mut Cx<'_>, old_id: &Str, new_id: Str) {
        let Some(mut member) = self.members.remove(old_id) else { return };
        if let Some(waiting) = member.awaiting_join.take() {
            let refused = refusal(waiting.api_version, ErrorCode::FencedInstanceId, old_id.clone());
            cx.out.reply(waiting.token, refused);
        }
        if let Some(waiting) = member.awaiting_sync.take() {
            let error_code = ErrorCode::FencedInstanceId;
            cx.out.reply(waiting.token, SyncGroupResponse { error_code, ..super::sync::nothing() });
        }
        cx.timers.cancel(&Timer::Session { group: self.id.clone(), member: old_id.clone() });
        self.stored.forget_member(old_id);
        member.dirty = true;
        if let Some(instance) = &member.instance_id {
            self.static_members.insert(instance.clone(), new_id.clone());
        }
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        if self.pending_sync.remove(old_id) {
            self.pending_sync.insert(new_id.clone());
        }
        self.members.insert(new_id, member);
    }

    /// What a member is told about the current generation.
    pub(super) fn joined_response(&self, member_id: &Str) -> JoinGroupResponse {
        let members = if self.is_leader(member_id) { self.members_for_leader() } else { Vec::new() };
        JoinGroupResponse {
            error_code: ErrorCode::None,
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: Some(self.protocol_name.clone().unwrap_or_default()),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.clone(),
            members,
            ..JoinGroupResponse::default()
        }
    }

    fn members_for_leader(&self) -> Vec<JoinGroupResponseMember> {
        let entry = |(id, member): (&Str, &Member)| JoinGroupResponseMember {
            member_id: id.clone(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata(self.protocol_name.as_ref()),
        };
        self.members.iter().map(entry).collect()
    }

    /// Answers the member's JoinGroup if one waits.
    pub(super) fn answer_join(&mut self, cx: &mut Cx<'_>, member_id: &Str, response: JoinGroupResponse) {
        if let Some(waiting) = self.members.get_mut(member_id).and_then(|member| member.awaiting_join.take())
        {
            cx.out.reply(waiting.token, response);
        }
    }
}
