//! How a member goes: by its own wish, for a while, by an operator, or because its time is up.

use poruka_wire::api::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, EPOCH_LEAVE_STATIC, MemberIdentity,
};
use poruka_wire::{ErrorCode, Str};

use super::heartbeat::fenced_instance;
use super::{ConsumerGroup, LEFT_FOR_A_WHILE, Refused};
use crate::group::cx::Cx;
use crate::group::partitions::Partitions;
use crate::group::record::consumer_group::ConsumerGroupRecord;
use crate::group::record::current::{CurrentRecord, MemberState};

impl ConsumerGroup {
    /// A heartbeat with epoch -1, or -2 from a static member that will be back.
    pub(super) fn leave(
        &mut self,
        cx: &mut Cx<'_>,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        let unknown = || Refused::new(ErrorCode::UnknownMemberId, "the sender is not a member of the group");
        let id = &request.member_id;
        match &request.instance_id {
            None if !self.members.contains_key(id) => return Err(unknown()),
            None => {}
            Some(instance) => match self.static_members.get(instance) {
                None => return Err(unknown()),
                Some(known) if known != id => return Err(fenced_instance(instance)),
                Some(_) => {}
            },
        }
        if request.instance_id.is_some() && request.member_epoch == EPOCH_LEAVE_STATIC {
            self.leave_for_a_while(cx, id);
        } else {
            self.fence(cx, std::slice::from_ref(id));
        }
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(id.clone()),
            member_epoch: request.member_epoch,
            ..ConsumerGroupHeartbeatResponse::default()
        })
    }

    /// The member keeps its partitions until it is back or its session ends. It holds them from epoch 0 on, so that its
    /// successor may commit at any epoch.
    fn leave_for_a_while(&mut self, cx: &mut Cx<'_>, id: &Str) {
        let Some(member) = self.members.get(id) else { return };
        let current = CurrentRecord {
            epoch: LEFT_FOR_A_WHILE,
            previous_epoch: member.current.previous_epoch,
            state: MemberState::Stable,
            assigned: member.current.assigned.keys().map(|partition| (*partition, 0)).collect(),
            revoking: Partitions::new(),
        };
        self.set_current(cx, id, current);
        cx.timers.cancel(&self.revoke_timer(id));
    }

    /// Removes members; what they held is free.
    fn fence(&mut self, cx: &mut Cx<'_>, ids: &[Str]) {
        for id in ids {
            self.remove_member(cx, id);
        }
        self.prune_patterns();
        self.refresh_epoch(cx, true);
        if self.members.is_empty() {
            let assignment_epoch = self.epochs.epoch;
            self.set_epochs(cx, ConsumerGroupRecord { assignment_epoch, ..self.epochs });
        }
    }

    /// LeaveGroup by an operator: members by id, static ones by instance id too.
    pub(crate) fn remove_members(&mut self, cx: &mut Cx<'_>, leaving: &[MemberIdentity]) -> Vec<ErrorCode> {
        let mut found: Vec<Str> = Vec::new();
        let mut errors = Vec::with_capacity(leaving.len());
        for identity in leaving {
            let id = match &identity.group_instance_id {
                None => self.members.contains_key(&identity.member_id).then(|| identity.member_id.clone()),
                Some(instance) => self.static_members.get(instance).cloned(),
            };
            errors.push(match id {
                None => ErrorCode::UnknownMemberId,
                Some(id) if !identity.member_id.is_empty() && identity.member_id != id => {
                    ErrorCode::FencedInstanceId
                }
                Some(id) => {
                    if !found.contains(&id) {
                        found.push(id);
                    }
                    ErrorCode::None
                }
            });
        }
        if !found.is_empty() {
            self.fence(cx, &found);
        }
        errors
    }

    /// The member has not been heard of for the session timeout.
    pub(crate) fn on_session_timer(&mut self, cx: &mut Cx<'_>, id: &Str) {
        if self.members.contains_key(id) {
            self.fence(cx, std::slice::from_ref(id));
        }
    }

    /// The member has not given up what it must within its rebalance timeout.
    pub(crate) fn on_revoke_timer(&mut self, cx: &mut Cx<'_>, id: &Str) {
        let late = |member: &super::Member| member.current.state == MemberState::UnrevokedPartitions;
        if self.members.get(id).is_some_and(late) {
            self.fence(cx, std::slice::from_ref(id));
        }
    }
}
