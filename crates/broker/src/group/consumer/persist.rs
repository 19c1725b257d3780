//! A consumer-protocol group on disk. Every change of state goes through a `set_` here, which changes the memory and
//! writes the record, so the two cannot differ; `restore_` takes a record back.

use poruka_wire::Str;

use super::{ConsumerGroup, Member};
use crate::group::cx::Cx;
#[cfg(test)]
use crate::group::cx::Out;
use crate::group::partitions::PartitionSet;
use crate::group::record::consumer_group::ConsumerGroupRecord;
use crate::group::record::consumer_member::ConsumerMemberRecord;
use crate::group::record::current::{CurrentRecord, MemberState};
use crate::group::record::{Key, target};
use crate::group::timers::Timer;

impl ConsumerGroup {
    fn epochs_key(&self) -> Key {
        Key::ConsumerGroup { group: self.id.clone() }
    }

    fn said_key(&self, member: &Str) -> Key {
        Key::ConsumerMember { group: self.id.clone(), member: member.clone() }
    }

    fn target_key(&self, member: &Str) -> Key {
        Key::Target { group: self.id.clone(), member: member.clone() }
    }

    fn current_key(&self, member: &Str) -> Key {
        Key::Current { group: self.id.clone(), member: member.clone() }
    }

    pub(super) fn set_epochs(&mut self, cx: &mut Cx<'_>, epochs: ConsumerGroupRecord) {
        assert!(epochs.epoch >= self.epochs.epoch, "a group epoch never goes back");
        if self.epochs != epochs || !self.stored {
            cx.out.put(&self.epochs_key(), epochs.encode());
            self.epochs = epochs;
            self.stored = true;
        }
    }

    pub(super) fn set_said(&mut self, cx: &mut Cx<'_>, id: &Str, said: ConsumerMemberRecord) {
        cx.out.put(&self.said_key(id), said.encode());
        let member = self.members.entry(id.clone()).or_default();
        if let Some(instance) = &member.said.instance_id {
            self.static_members.remove(instance);
        }
        if let Some(instance) = &said.instance_id {
            self.static_members.insert(instance.clone(), id.clone());
        }
        member.said = said;
    }

    pub(super) fn set_target(&mut self, cx: &mut Cx<'_>, id: &Str, target: PartitionSet) {
        if self.targets.get(id) != Some(&target) {
            cx.out.put(&self.target_key(id), target::encode(&target));
            self.targets.insert(id.clone(), target);
        }
    }

    pub(super) fn set_current(&mut self, cx: &mut Cx<'_>, id: &Str, current: CurrentRecord) {
        cx.out.put(&self.current_key(id), current.encode());
        self.release(id);
        let member = self.members.entry(id.clone()).or_default();
        for partition in current.assigned.keys().chain(current.revoking.keys()) {
            let other = self.owners.insert(*partition, id.clone());
            assert!(other.is_none_or(|other| other == *id), "a partition has one owner");
        }
        member.current = current;
    }

    /// Takes away what a member holds, in the map of owners alone.
    fn release(&mut self, id: &Str) {
        let Some(member) = self.members.get(id) else { return };
        for partition in member.current.assigned.keys().chain(member.current.revoking.keys()) {
            if self.owners.get(partition) == Some(id) {
                self.owners.remove(partition);
            }
        }
    }

    /// Removes a member with all its records and timers.
    pub(super) fn remove_member(&mut self, cx: &mut Cx<'_>, id: &Str) {
        self.release(id);
        cx.timers.cancel(&self.session_timer(id));
        cx.timers.cancel(&self.revoke_timer(id));
        cx.out.delete(&self.current_key(id));
        cx.out.delete(&self.target_key(id));
        cx.out.delete(&self.said_key(id));
        self.targets.remove(id);
        let Some(member) = self.members.remove(id) else { return };
        if let Some(instance) =
            member.said.instance_id.filter(|instance| self.static_members.get(instance) == Some(id))
        {
            self.static_members.remove(&instance);
        }
    }

    /// Deletes everything that the log knows of the group. Only for empty groups.
    pub(crate) fn erase(&mut self, cx: &mut Cx<'_>) {
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        for id in ids {
            self.remove_member(cx, &id);
        }
        if self.stored {
            cx.out.delete(&self.epochs_key());
            self.stored = false;
        }
    }

    pub(super) fn session_timer(&self, member: &Str) -> Timer {
        Timer::Session { group: self.id.clone(), member: member.clone() }
    }

    pub(super) fn revoke_timer(&self, member: &Str) -> Timer {
        Timer::Revoke { group: self.id.clone(), member: member.clone() }
    }

    pub(super) fn restart_session(&self, cx: &mut Cx<'_>, member: &Str) {
        let at_ms = cx.now.mono_ms.saturating_add(cx.config.consumer_session_timeout_ms);
        cx.timers.set(self.session_timer(member), at_ms);
    }

    pub(super) fn restart_revoke(&self, cx: &mut Cx<'_>, id: &Str) {
        let timeout_ms = self.members.get(id).map_or(0, |member| member.said.rebalance_timeout_ms);
        cx.timers.set(self.revoke_timer(id), cx.now.mono_ms.saturating_add(timeout_ms));
    }

    /// The records that the log must hold for this state.
    #[cfg(test)]
    pub(crate) fn snapshot(&self, out: &mut Out) {
        if self.stored {
            out.put(&self.epochs_key(), self.epochs.encode());
        }
        for (id, member) in &self.members {
            out.put(&self.said_key(id), member.said.encode());
            out.put(&self.current_key(id), member.current.encode());
        }
        for (id, target) in &self.targets {
            out.put(&self.target_key(id), target::encode(target));
        }
    }

    /// What a member holds by the coordinator's state, if it is a member.
    #[cfg(test)]
    pub(crate) fn held_by(&self, id: &str) -> Option<PartitionSet> {
        let current = &self.members.get(id)?.current;
        Some(current.assigned.keys().chain(current.revoking.keys()).copied().collect())
    }

    /// No partition is held twice, and the map of owners says what the members say.
    #[cfg(test)]
    pub(crate) fn assert_one_owner_each(&self) {
        let mut owners = std::collections::BTreeMap::new();
        for (id, member) in &self.members {
            for partition in member.current.assigned.keys().chain(member.current.revoking.keys()) {
                assert_eq!(owners.insert(*partition, id.clone()), None, "{partition:?} has two owners");
            }
        }
        assert_eq!(owners, self.owners);
    }

    pub(crate) fn restore_epochs(&mut self, record: Option<ConsumerGroupRecord>) {
        self.stored = record.is_some();
        self.epochs = record.unwrap_or_default();
    }

    pub(crate) fn restore_member(&mut self, id: Str, record: Option<ConsumerMemberRecord>) {
        match record {
            Some(said) => self.members.entry(id).or_default().said = said,
            None => self.forget_part(&id, |member| member.said = ConsumerMemberRecord::default()),
        }
    }

    pub(crate) fn restore_current(&mut self, id: Str, record: Option<CurrentRecord>) {
        match record {
            Some(current) => self.members.entry(id).or_default().current = current,
            None => self.forget_part(&id, |member| member.current = CurrentRecord::default()),
        }
    }

    pub(crate) fn restore_target(&mut self, id: Str, record: Option<PartitionSet>) {
        match record {
            Some(target) => {
                self.targets.insert(id, target);
            }
            None => {
                self.targets.remove(&id);
            }
        }
    }

    /// One of a member's two records is deleted; with both gone it is no member.
    fn forget_part(&mut self, id: &Str, forget: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(id) {
            forget(member);
            if *member == Member::default() {
                self.members.remove(id);
            }
        }
    }

    /// Whether replay left nothing of the group.
    pub(crate) fn is_forgotten(&self) -> bool {
        !self.stored && self.members.is_empty() && self.targets.is_empty()
    }

    /// All records are replayed: what follows from them is computed, and every session starts anew.
    pub(crate) fn resume(&mut self, cx: &mut Cx<'_>) {
        self.match_patterns(cx.topics);
        self.topics_stale = true;
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        for id in &ids {
            let Some(member) = self.members.get(id) else { continue };
            if let Some(instance) = &member.said.instance_id {
                self.static_members.insert(instance.clone(), id.clone());
            }
            for partition in member.current.assigned.keys().chain(member.current.revoking.keys()) {
                self.owners.insert(*partition, id.clone());
            }
            let revokes = member.current.state == MemberState::UnrevokedPartitions;
            self.restart_session(cx, id);
            if revokes {
                self.restart_revoke(cx, id);
            }
        }
    }

    pub(crate) fn topics_changed(&mut self, cx: &mut Cx<'_>) {
        self.match_patterns(cx.topics);
        self.topics_stale = true;
    }
}
