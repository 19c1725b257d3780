//! What a group may touch while it handles one event: time, settings, topics, timers, and the list of effects.

use bytes::Bytes;

use super::ids::MemberIds;
use super::limits::GroupConfig;
use super::record::Key;
use super::request::{Effect, GroupResponse, Now, Token};
use super::timers::Timers;
use super::topics::TopicView;

/// A request that cannot be answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) token: Token,
    pub(crate) api_version: i16,
}

/// Records and replies of one event. All records go before all replies, so that no reply reveals what is not durable.
#[derive(Debug, Default)]
pub(crate) struct Out {
    records: Vec<(Bytes, Option<Bytes>)>,
    replies: Vec<(Token, GroupResponse)>,
}

impl Out {
    pub(crate) fn put(&mut self, key: &Key, value: Vec<u8>) {
        self.records.push((key.encode().into(), Some(value.into())));
    }

    pub(crate) fn delete(&mut self, key: &Key) {
        self.records.push((key.encode().into(), None));
    }

    pub(crate) fn reply(&mut self, token: Token, response: impl Into<GroupResponse>) {
        self.replies.push((token, response.into()));
    }

    pub(crate) fn into_effects(self) -> Vec<Effect> {
        let persist = (!self.records.is_empty()).then_some(Effect::Persist { records: self.records });
        let replies = self.replies.into_iter().map(|(token, response)| Effect::Reply { token, response });
        persist.into_iter().chain(replies).collect()
    }
}

/// The surroundings of a group during one event.
pub(crate) struct Cx<'a> {
    pub(crate) now: Now,
    pub(crate) config: &'a GroupConfig,
    pub(crate) topics: &'a TopicView,
    pub(crate) timers: &'a mut Timers,
    pub(crate) ids: &'a mut MemberIds,
    pub(crate) out: &'a mut Out,
}
