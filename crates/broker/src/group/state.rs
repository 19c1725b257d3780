//! All groups and offsets, and how a request finds its group.

use std::collections::BTreeMap;

use poruka_wire::Str;

use super::classic::ClassicGroup;
use super::consumer::ConsumerGroup;
use super::cx::Cx;
use super::offsets::Offsets;
use super::timers::Timer;

/// A group of either protocol. A name belongs to one of them at a time.
#[derive(Debug)]
pub(crate) enum Group {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
}

impl Group {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_empty(),
            Self::Consumer(group) => group.is_empty(),
        }
    }
}

/// Everything that is persisted.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) groups: BTreeMap<Str, Group>,
    pub(crate) offsets: Offsets,
}

impl State {
    /// Deletes a group and its offsets. Only for empty groups.
    pub(crate) fn erase_group(&mut self, cx: &mut Cx<'_>, id: &Str) {
        match self.groups.remove(id) {
            Some(Group::Classic(mut group)) => group.erase(cx),
            Some(Group::Consumer(mut group)) => group.erase(cx),
            None => {}
        }
        self.offsets.remove_group(cx.out, id);
    }

    /// Forgets a group that a refused request made, so that names cost nothing until they are used.
    pub(crate) fn drop_if_blank(&mut self, id: &Str) {
        let blank = matches!(self.groups.get(id), Some(Group::Classic(group)) if group.is_blank());
        if blank && !self.offsets.has_any(id) {
            self.groups.remove(id);
        }
    }

    /// A timer has run out.
    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>, timer: &Timer) {
        let id = match timer {
            Timer::Retention => {
                self.expire(cx);
                let next =
                    cx.now.mono_ms.saturating_add(cx.config.offsets_retention_check_interval_ms.max(1));
                return cx.timers.set(Timer::Retention, next);
            }
            Timer::Session { group, .. }
            | Timer::Join { group }
            | Timer::Sync { group }
            | Timer::Revoke { group, .. } => group,
        };
        match (self.groups.get_mut(id), timer) {
            (Some(Group::Classic(group)), Timer::Session { member, .. }) => {
                group.on_session_timer(cx, member)
            }
            (Some(Group::Classic(group)), Timer::Join { .. }) => group.on_join_timer(cx),
            (Some(Group::Classic(group)), Timer::Sync { .. }) => group.on_sync_timer(cx),
            (Some(Group::Consumer(group)), Timer::Session { member, .. }) => {
                group.on_session_timer(cx, member)
            }
            (Some(Group::Consumer(group)), Timer::Revoke { member, .. }) => group.on_revoke_timer(cx, member),
            _ => {}
        }
        if let Some(Group::Classic(group)) = self.groups.get_mut(id) {
            group.flush(cx.out);
        }
        self.drop_if_blank(id);
    }

    /// The records that the log must hold for this state, by key.
    #[cfg(test)]
    pub(crate) fn snapshot(&self) -> BTreeMap<bytes::Bytes, bytes::Bytes> {
        let mut out = super::cx::Out::default();
        self.offsets.snapshot(&mut out);
        for group in self.groups.values() {
            match group {
                Group::Classic(group) => group.snapshot(&mut out),
                Group::Consumer(group) => group.snapshot(&mut out),
            }
        }
        let effects = out.into_effects();
        let records = effects.into_iter().flat_map(|effect| match effect {
            super::request::Effect::Persist { records } => records,
            super::request::Effect::Reply { .. } => Vec::new(),
        });
        records.filter_map(|(key, value)| Some((key, value?))).collect()
    }
}
