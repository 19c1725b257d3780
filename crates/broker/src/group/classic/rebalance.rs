//! The phases of a rebalance and the timers that end them.

use poruka_wire::{ErrorCode, Str};

use super::join::refusal;
use super::{ClassicGroup, InitialDelay};
use crate::group::cx::Cx;
use crate::group::record::classic_group::Phase;
use crate::group::timers::Timer;

impl ClassicGroup {
    pub(super) fn restart_session(&self, cx: &mut Cx<'_>, member: &Str, after_ms: u64) {
        let timer = Timer::Session { group: self.id.clone(), member: member.clone() };
        cx.timers.set(timer, cx.now.mono_ms.saturating_add(after_ms));
    }

    fn join_timer(&self) -> Timer {
        Timer::Join { group: self.id.clone() }
    }

    pub(super) fn sync_timer(&self) -> Timer {
        Timer::Sync { group: self.id.clone() }
    }

    pub(super) fn rebalance_or_complete(&mut self, cx: &mut Cx<'_>) {
        if self.phase == Phase::Preparing {
            self.complete_if_all_have_joined(cx)
        } else {
            self.prepare_rebalance(cx)
        }
    }

    /// Ends the join phase early, unless it is the first one of an empty group: others may be about to come.
    pub(super) fn complete_if_all_have_joined(&mut self, cx: &mut Cx<'_>) {
        if self.phase == Phase::Preparing && self.initial_delay.is_none() && self.all_have_joined() {
            self.complete_join(cx);
        }
    }

    /// Asks everyone to join again.
    pub(super) fn prepare_rebalance(&mut self, cx: &mut Cx<'_>) {
        if self.phase == Phase::Completing {
            self.cancel_syncs(cx, ErrorCode::RebalanceInProgress);
        }
        self.pending_sync.clear();
        cx.timers.cancel(&self.sync_timer());
        let initial = self.is_empty();
        self.phase = Phase::Preparing;
        self.empty_since_wall_ms = None;
        let delay_ms = cx.config.initial_rebalance_delay_ms;
        let timeout_ms = self.rebalance_timeout_ms();
        if initial && delay_ms > 0 {
            let remaining_ms = timeout_ms.saturating_sub(delay_ms);
            self.initial_delay = Some(InitialDelay { step_ms: delay_ms, remaining_ms, grew: false });
            cx.timers.set(self.join_timer(), cx.now.mono_ms.saturating_add(delay_ms));
        } else if self.all_have_joined() {
            self.complete_join(cx);
        } else {
            cx.timers.set(self.join_timer(), cx.now.mono_ms.saturating_add(timeout_ms));
        }
    }

    /// The join phase has lasted long enough, or, at first, one step of its delay has.
    pub(crate) fn on_join_timer(&mut self, cx: &mut Cx<'_>) {
        if self.phase != Phase::Preparing {
            return;
        }
        if let Some(delay) = self.initial_delay.as_mut().filter(|delay| delay.grew && delay.remaining_ms > 0)
        {
            delay.grew = false;
            let step_ms = cx.config.initial_rebalance_delay_ms.min(delay.remaining_ms);
            delay.remaining_ms = delay.remaining_ms.saturating_sub(delay.step_ms);
            delay.step_ms = step_ms;
            cx.timers.set(self.join_timer(), cx.now.mono_ms.saturating_add(step_ms));
        } else {
            self.complete_join(cx);
        }
    }

    /// Starts the next generation with those who have joined. Dynamic members that have not are out; static ones may
    /// be restarting and stay until their session ends.
    fn complete_join(&mut self, cx: &mut Cx<'_>) {
        cx.timers.cancel(&self.join_timer());
        self.initial_delay = None;
        let late: Vec<Str> = self
            .members
            .iter()
            .filter(|(_, member)| member.awaiting_join.is_none() && member.instance_id.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in &late {
            self.drop_member(cx, id, ErrorCode::UnknownMemberId);
        }
        if !self.members.is_empty() && !self.leader_has_joined() {
            // Only static members are left and none has come back: wait on, until one does or their sessions end.
            let timeout_ms = self.rebalance_timeout_ms();
            cx.timers.set(self.join_timer(), cx.now.mono_ms.saturating_add(timeout_ms.max(1)));
            return;
        }
        self.generation += 1;
        self.pending_sync.clear();
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            self.protocol_name = None;
            self.leader = None;
            self.empty_since_wall_ms = Some(cx.now.wall_ms);
            return;
        }
        self.phase = Phase::Completing;
        self.protocol_name = self.elect_protocol();
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.joined_response(&id);
            self.answer_join(cx, &id, response);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.is_new = false;
            member.assignment.clear();
            member.dirty = true;
            let session_ms = member.session_timeout_ms;
            self.restart_session(cx, &id, session_ms);
            self.pending_sync.insert(id);
        }
        cx.timers.set(self.sync_timer(), cx.now.mono_ms.saturating_add(self.rebalance_timeout_ms()));
    }

    /// Makes sure that the leader is one of those who have joined, if there is any.
    fn leader_has_joined(&mut self) -> bool {
        let waits = |id: &Str| self.members.get(id).is_some_and(|member| member.awaiting_join.is_some());
        if self.leader.as_ref().is_some_and(waits) {
            return true;
        }
        let elected =
            self.members.iter().find(|(_, member)| member.awaiting_join.is_some()).map(|(id, _)| id.clone());
        if elected.is_some() {
            self.leader = elected;
            return true;
        }
        false
    }

    /// Members that took too long to fetch the assignment are out.
    pub(crate) fn on_sync_timer(&mut self, cx: &mut Cx<'_>) {
        let waited_for =
            matches!(self.phase, Phase::Completing | Phase::Stable) && !self.pending_sync.is_empty();
        if waited_for {
            for id in std::mem::take(&mut self.pending_sync) {
                self.drop_member(cx, &id, ErrorCode::UnknownMemberId);
            }
            self.prepare_rebalance(cx);
        }
    }

    /// A member has not been heard of for its session timeout, or an id was handed out and never used.
    pub(crate) fn on_session_timer(&mut self, cx: &mut Cx<'_>, member_id: &Str) {
        let silent = match self.members.get(member_id) {
            Some(member) => !member.waiting_keeps_it_alive(),
            None => self.pending_join.contains(member_id),
        };
        if silent {
            let lost = self.drop_member(cx, member_id, ErrorCode::UnknownMemberId);
            self.settle_after_removal(cx, lost);
        }
    }

    /// Goes on without the ids that have just been dropped; `lost` says that a member was among them.
    pub(super) fn settle_after_removal(&mut self, cx: &mut Cx<'_>, lost: bool) {
        match self.phase {
            Phase::Stable | Phase::Completing if lost => self.prepare_rebalance(cx),
            Phase::Preparing if self.members.is_empty() && self.pending_join.is_empty() => {
                self.complete_join(cx)
            }
            Phase::Preparing => self.complete_if_all_have_joined(cx),
            _ => {}
        }
    }

    /// Removes a member or a pending id; whoever waits under that id is told `error`. True if it was a member.
    pub(super) fn drop_member(&mut self, cx: &mut Cx<'_>, member_id: &Str, error: ErrorCode) -> bool {
        cx.timers.cancel(&Timer::Session { group: self.id.clone(), member: member_id.clone() });
        self.pending_join.remove(member_id);
        self.pending_sync.remove(member_id);
        let Some(member) = self.members.remove(member_id) else { return false };
        if let Some(waiting) = member.awaiting_join {
            cx.out.reply(waiting.token, refusal(waiting.api_version, error, Str::default()));
        }
        if let Some(waiting) = member.awaiting_sync {
            cx.out.reply(waiting.token, super::sync::failure(error));
        }
        if let Some(instance) = &member.instance_id {
            self.static_members.remove(instance);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.stored.forget_member(member_id);
        true
    }
}
