//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup: which group they go to, and what they get when it is not a classic one.
//!
//! A classic client that joins a consumer-protocol group turns it into a classic one if it is empty, and is refused
//! with INCONSISTENT_GROUP_PROTOCOL if it is not, as Apache Kafka does with `group.consumer.migration.policy=disabled`.

use poruka_wire::ErrorCode;
use poruka_wire::api::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, LeaveGroupMemberResponse, LeaveGroupRequest,
    LeaveGroupResponse, MemberIdentity, SyncGroupRequest,
};

use super::classic::{self, ClassicGroup};
use super::cx::{Cx, Waiting};
use super::limits::{GROUP_ID_BYTES_MAX, GROUPS_MAX};
use super::request::GroupCall;
use super::state::{Group, State};

/// From this version on many members can leave at once.
const LEAVE_MANY_FROM: i16 = 3;

pub(crate) fn check_group_id(group: &str) -> Result<(), ErrorCode> {
    if group.is_empty() || group.len() > GROUP_ID_BYTES_MAX { Err(ErrorCode::InvalidGroupId) } else { Ok(()) }
}

impl State {
    pub(crate) fn join_group(
        &mut self,
        cx: &mut Cx<'_>,
        call: &GroupCall,
        request: &JoinGroupRequest,
        waiting: Waiting,
    ) {
        match self.group_to_join(cx, request) {
            Ok(group) => {
                group.join(cx, call, request, waiting);
                group.flush(cx.out);
                self.drop_if_blank(&request.group_id);
            }
            Err(error) => {
                let refused = classic::refusal(waiting.api_version, error, request.member_id.clone());
                cx.out.reply(waiting.token, refused);
            }
        }
    }

    fn group_to_join(
        &mut self,
        cx: &mut Cx<'_>,
        request: &JoinGroupRequest,
    ) -> Result<&mut ClassicGroup, ErrorCode> {
        check_group_id(&request.group_id)?;
        let allowed = cx.config.session_timeout_ms_min..=cx.config.session_timeout_ms_max;
        if !allowed.contains(&request.session_timeout_ms) {
            return Err(ErrorCode::InvalidSessionTimeout);
        }
        classic::check_join(request)?;
        let id = &request.group_id;
        if let Some(Group::Consumer(group)) = self.groups.get_mut(id) {
            if !group.is_empty() {
                return Err(ErrorCode::InconsistentGroupProtocol);
            }
            if !request.member_id.is_empty() {
                return Err(ErrorCode::UnknownMemberId);
            }
            let following = ClassicGroup::following(id.clone(), group.epoch());
            group.erase(cx);
            self.groups.insert(id.clone(), Group::Classic(following));
        }
        if !self.groups.contains_key(id) {
            if !request.member_id.is_empty() {
                return Err(ErrorCode::UnknownMemberId);
            }
            if self.groups.len() >= GROUPS_MAX {
                return Err(ErrorCode::GroupMaxSizeReached);
            }
            self.groups.insert(id.clone(), Group::Classic(ClassicGroup::new(id.clone())));
        }
        match self.groups.get_mut(id) {
            Some(Group::Classic(group)) => Ok(group),
            _ => Err(ErrorCode::InconsistentGroupProtocol),
        }
    }

    fn classic_group(&mut self, id: &str) -> Result<&mut ClassicGroup, ErrorCode> {
        check_group_id(id)?;
        match self.groups.get_mut(id) {
            Some(Group::Classic(group)) => Ok(group),
            // Members of a consumer-protocol group do not sync, and heartbeat in another way: the sender is none.
            Some(Group::Consumer(_)) | None => Err(ErrorCode::UnknownMemberId),
        }
    }

    pub(crate) fn sync_group(&mut self, cx: &mut Cx<'_>, request: &SyncGroupRequest, waiting: Waiting) {
        match self.classic_group(&request.group_id) {
            Ok(group) => {
                group.sync(cx, request, waiting);
                group.flush(cx.out);
            }
            Err(error) => cx.out.reply(waiting.token, classic::sync_failure(error)),
        }
    }

    pub(crate) fn heartbeat(&mut self, cx: &mut Cx<'_>, request: &HeartbeatRequest) -> HeartbeatResponse {
        let beat = self.classic_group(&request.group_id).and_then(|group| group.heartbeat(cx, request));
        HeartbeatResponse {
            error_code: beat.err().unwrap_or(ErrorCode::None),
            ..HeartbeatResponse::default()
        }
    }

    pub(crate) fn leave_group(
        &mut self,
        cx: &mut Cx<'_>,
        call: &GroupCall,
        request: &LeaveGroupRequest,
    ) -> LeaveGroupResponse {
        if let Err(error_code) = check_group_id(&request.group_id) {
            return LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() };
        }
        let many = call.api_version >= LEAVE_MANY_FROM;
        let one =
            [MemberIdentity { member_id: request.member_id.clone(), group_instance_id: None, reason: None }];
        let leaving: &[MemberIdentity] = if many { &request.members } else { &one };
        let errors = match self.groups.get_mut(&request.group_id) {
            Some(Group::Classic(group)) => {
                let errors = group.leave(cx, leaving);
                group.flush(cx.out);
                errors
            }
            Some(Group::Consumer(group)) => group.remove_members(cx, leaving),
            None => vec![ErrorCode::UnknownMemberId; leaving.len()],
        };
        self.drop_if_blank(&request.group_id);
        if !many {
            let error_code = errors.first().copied().unwrap_or(ErrorCode::None);
            return LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() };
        }
        let answer = |(identity, error_code): (&MemberIdentity, ErrorCode)| LeaveGroupMemberResponse {
            member_id: identity.member_id.clone(),
            group_instance_id: identity.group_instance_id.clone(),
            error_code,
        };
        LeaveGroupResponse {
            members: leaving.iter().zip(errors).map(answer).collect(),
            ..LeaveGroupResponse::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_or_endless_group_id_is_refused() {
        assert_eq!(check_group_id(""), Err(ErrorCode::InvalidGroupId));
        assert_eq!(check_group_id(&"g".repeat(5_000)), Err(ErrorCode::InvalidGroupId));
        assert_eq!(check_group_id("g"), Ok(()));
    }
}
