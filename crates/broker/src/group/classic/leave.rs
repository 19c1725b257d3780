//! LeaveGroup (key 13), v0-5: one member in v0-2, many since v3, static ones by instance id alone (KIP-345).

use poruka_wire::api::MemberIdentity;
use poruka_wire::{ErrorCode, Str};

use super::ClassicGroup;
use crate::group::cx::Cx;

impl ClassicGroup {
    /// Removes the named members and says of each how it went, then rebalances once.
    pub(crate) fn leave(&mut self, cx: &mut Cx<'_>, leaving: &[MemberIdentity]) -> Vec<ErrorCode> {
        let mut lost = false;
        let mut changed = false;
        let mut errors = Vec::with_capacity(leaving.len());
        for identity in leaving {
            errors.push(match self.leaver(identity) {
                Ok(member_id) => {
                    lost |= self.drop_member(cx, &member_id, ErrorCode::UnknownMemberId);
                    changed = true;
                    ErrorCode::None
                }
                Err(error) => error,
            });
        }
        if changed {
            self.settle_after_removal(cx, lost);
        }
        errors
    }

    /// The id under which the group knows the one who leaves.
    fn leaver(&self, identity: &MemberIdentity) -> Result<Str, ErrorCode> {
        let instance = identity.group_instance_id.as_ref();
        if identity.member_id.is_empty() {
            // An operator removes a static member without knowing its member id.
            return instance
                .and_then(|instance| self.static_members.get(instance))
                .cloned()
                .ok_or(ErrorCode::UnknownMemberId);
        }
        if !self.pending_join.contains(&identity.member_id) {
            self.check_member(&identity.member_id, instance)?;
        }
        Ok(identity.member_id.clone())
    }
}
