//! Rebuilding the coordinator from its log, and telling it that topics changed.

use poruka_wire::Str;

use super::classic::ClassicGroup;
use super::consumer::ConsumerGroup;
use super::cx::Cx;
use super::record::classic_group::ClassicGroupRecord;
use super::record::classic_member::ClassicMemberRecord;
use super::record::consumer_group::ConsumerGroupRecord;
use super::record::consumer_member::ConsumerMemberRecord;
use super::record::current::CurrentRecord;
use super::record::offset::OffsetRecord;
use super::record::{Key, RecordError, target};
use super::state::{Group, State};

impl State {
    /// Takes over one record; in any order, as long as the last value of each key comes last.
    pub(crate) fn replay(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), RecordError> {
        match Key::decode(key)? {
            Key::Offset { group, topic, partition } => {
                self.offsets.restore(group, (topic, partition), value.map(OffsetRecord::decode).transpose()?);
            }
            Key::ClassicGroup { group } => {
                let record = value.map(ClassicGroupRecord::decode).transpose()?;
                self.replay_classic(&group, record.is_some(), |classic| match record {
                    Some(record) => classic.restore_header(record),
                    None => classic.forget_header(),
                });
            }
            Key::ClassicMember { group, member } => {
                let record = value.map(ClassicMemberRecord::decode).transpose()?;
                self.replay_classic(&group, record.is_some(), |classic| {
                    classic.restore_member(member, record)
                });
            }
            Key::ConsumerGroup { group } => {
                let record = value.map(ConsumerGroupRecord::decode).transpose()?;
                self.replay_consumer(&group, record.is_some(), |consumer| consumer.restore_epochs(record));
            }
            Key::ConsumerMember { group, member } => {
                let record = value.map(ConsumerMemberRecord::decode).transpose()?;
                self.replay_consumer(&group, record.is_some(), |consumer| {
                    consumer.restore_member(member, record)
                });
            }
            Key::Target { group, member } => {
                let record = value.map(target::decode).transpose()?;
                self.replay_consumer(&group, record.is_some(), |consumer| {
                    consumer.restore_target(member, record)
                });
            }
            Key::Current { group, member } => {
                let record = value.map(CurrentRecord::decode).transpose()?;
                self.replay_consumer(&group, record.is_some(), |consumer| {
                    consumer.restore_current(member, record)
                });
            }
        }
        Ok(())
    }

    /// A record of a classic group. A deletion that arrives when the name has gone over to the other protocol is moot.
    fn replay_classic(&mut self, id: &Str, exists: bool, apply: impl FnOnce(&mut ClassicGroup)) {
        if exists && !matches!(self.groups.get(id), Some(Group::Classic(_))) {
            self.groups.insert(id.clone(), Group::Classic(ClassicGroup::new(id.clone())));
        }
        if let Some(Group::Classic(group)) = self.groups.get_mut(id) {
            apply(group);
            if group.is_forgotten() {
                self.groups.remove(id);
            }
        }
    }

    /// A record of a consumer-protocol group.
    fn replay_consumer(&mut self, id: &Str, exists: bool, apply: impl FnOnce(&mut ConsumerGroup)) {
        if exists && !matches!(self.groups.get(id), Some(Group::Consumer(_))) {
            self.groups.insert(id.clone(), Group::Consumer(ConsumerGroup::new(id.clone())));
        }
        if let Some(Group::Consumer(group)) = self.groups.get_mut(id) {
            apply(group);
            if group.is_forgotten() {
                self.groups.remove(id);
            }
        }
    }

    /// Everything is replayed: groups that are known by their offsets alone come back, timers start.
    pub(crate) fn resume(&mut self, cx: &mut Cx<'_>) {
        self.offsets.remove_of_missing_topics(cx.out, cx.topics);
        let named: Vec<Str> =
            self.offsets.groups().filter(|id| !self.groups.contains_key(*id)).cloned().collect();
        for id in named {
            self.groups.insert(id.clone(), Group::Classic(ClassicGroup::new(id)));
        }
        for group in self.groups.values_mut() {
            match group {
                Group::Classic(group) => group.resume(cx),
                Group::Consumer(group) => group.resume(cx),
            }
        }
    }

    /// The view of topics is a new one.
    pub(crate) fn topics_changed(&mut self, cx: &mut Cx<'_>) {
        self.offsets.remove_of_missing_topics(cx.out, cx.topics);
        let blank: Vec<Str> = self.groups.keys().cloned().collect();
        for id in blank {
            if let Some(Group::Consumer(group)) = self.groups.get_mut(&id) {
                group.topics_changed(cx);
            }
            self.drop_if_blank(&id);
        }
    }
}
