//! A classic group on disk: what changed since the last record, and the group that comes back after a restart.
//!
//! At the end of every event the group writes what differs from what is stored, in front of the event's replies. New
//! members are left out until they are part of a generation, so a crowd that joins does not write the group anew each
//! time. After a restart nobody waits any more, so the timer of the phase and all sessions start from the beginning.

use std::collections::BTreeSet;

use poruka_wire::Str;

use super::{ClassicGroup, Member};
use crate::group::cx::{Cx, Out};
use crate::group::record::Key;
use crate::group::record::classic_group::{ClassicGroupRecord, Phase};
use crate::group::record::classic_member::ClassicMemberRecord;

/// What the log knows of a group.
#[derive(Debug, Default)]
pub(super) struct Stored {
    header: Option<Vec<u8>>,
    members: BTreeSet<Str>,
    /// Stored members that are gone.
    gone: BTreeSet<Str>,
}

impl Stored {
    pub(super) fn is_nothing(&self) -> bool {
        self.header.is_none() && self.members.is_empty()
    }

    pub(super) fn forget_member(&mut self, member: &Str) {
        if self.members.remove(member) {
            self.gone.insert(member.clone());
        }
    }
}

impl ClassicGroup {
    fn header_key(&self) -> Key {
        Key::ClassicGroup { group: self.id.clone() }
    }

    fn member_key(&self, member: &Str) -> Key {
        Key::ClassicMember { group: self.id.clone(), member: member.clone() }
    }

    fn header(&self) -> ClassicGroupRecord {
        ClassicGroupRecord {
            phase: self.phase,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            // A leader that is not stored yet is elected anew after a restart.
            leader: self
                .leader
                .clone()
                .filter(|id| self.members.get(id).is_some_and(|member| !member.is_new)),
            empty_since_wall_ms: self.empty_since_wall_ms,
        }
    }

    /// Writes what the log does not know yet.
    pub(crate) fn flush(&mut self, out: &mut Out) {
        let untouched = self.stored.header.is_none() && self.is_empty() && self.generation == 0;
        let header = self.header().encode();
        if !untouched && self.stored.header.as_ref() != Some(&header) {
            out.put(&self.header_key(), header.clone());
            self.stored.header = Some(header);
        }
        for (id, member) in &mut self.members {
            if member.dirty && !member.is_new {
                let key = Key::ClassicMember { group: self.id.clone(), member: id.clone() };
                out.put(&key, member.to_record().encode());
                member.dirty = false;
                self.stored.members.insert(id.clone());
            }
        }
        for id in std::mem::take(&mut self.stored.gone) {
            out.delete(&self.member_key(&id));
        }
    }

    /// Deletes everything that the log knows of the group. Only for groups that nobody waits in.
    pub(crate) fn erase(&mut self, cx: &mut Cx<'_>) {
        for id in std::mem::take(&mut self.pending_join) {
            self.drop_member(cx, &id, poruka_wire::ErrorCode::UnknownMemberId);
        }
        let stored = std::mem::take(&mut self.stored);
        for id in stored.members.iter().chain(&stored.gone) {
            cx.out.delete(&self.member_key(id));
        }
        if stored.header.is_some() {
            cx.out.delete(&self.header_key());
        }
    }

    /// The records that the log must hold for this state.
    #[cfg(test)]
    pub(crate) fn snapshot(&self, out: &mut Out) {
        if self.stored.header.is_some() {
            out.put(&self.header_key(), self.header().encode());
        }
        for (id, member) in self.members.iter().filter(|(_, member)| !member.is_new) {
            out.put(&self.member_key(id), member.to_record().encode());
        }
    }

    pub(crate) fn restore_header(&mut self, record: ClassicGroupRecord) {
        self.stored.header = Some(record.encode());
        self.phase = record.phase;
        self.generation = record.generation;
        self.protocol_type = record.protocol_type;
        self.protocol_name = record.protocol_name;
        self.leader = record.leader;
        self.empty_since_wall_ms = record.empty_since_wall_ms;
    }

    pub(crate) fn forget_header(&mut self) {
        self.stored.header = None;
        self.phase = Phase::Empty;
        self.generation = 0;
        self.protocol_type = None;
        self.protocol_name = None;
        self.leader = None;
        self.empty_since_wall_ms = None;
    }

    pub(crate) fn restore_member(&mut self, id: Str, record: Option<ClassicMemberRecord>) {
        match record {
            Some(record) => {
                self.stored.members.insert(id.clone());
                self.members.insert(id, Member::from_record(record));
            }
            None => {
                self.stored.members.remove(&id);
                self.members.remove(&id);
            }
        }
    }

    /// Whether replay left nothing of the group.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.stored.is_nothing()
    }

    /// All records are replayed: the group goes on from the phase in which it was.
    pub(crate) fn resume(&mut self, cx: &mut Cx<'_>) {
        for (id, member) in &self.members {
            if let Some(instance) = &member.instance_id {
                self.static_members.insert(instance.clone(), id.clone());
            }
        }
        if self.leader.as_ref().is_none_or(|leader| !self.members.contains_key(leader)) {
            self.leader = self.members.keys().next().cloned();
        }
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        for id in &ids {
            self.keep_alive(cx, id);
        }
        if self.members.is_empty() && self.phase != Phase::Empty {
            // Only members that were never stored took part: they are gone with the process.
            self.phase = Phase::Empty;
            self.empty_since_wall_ms = Some(cx.now.wall_ms);
        }
        match self.phase {
            Phase::Preparing => self.prepare_rebalance(cx),
            Phase::Completing => {
                self.pending_sync = ids.into_iter().collect();
                let timeout_ms = self.rebalance_timeout_ms();
                cx.timers.set(self.sync_timer(), cx.now.mono_ms.saturating_add(timeout_ms));
            }
            // Who of a stable group had fetched the assignment is not known; sessions tell who is alive.
            Phase::Empty | Phase::Stable => {}
        }
        self.flush(cx.out);
    }
}
