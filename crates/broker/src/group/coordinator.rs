//! The coordinator as its driver sees it.

use super::cx::{Cx, Out, Waiting};
use super::figures::GroupFigures;
use super::ids::MemberIds;
use super::limits::GroupConfig;
use super::record::RecordError;
use super::request::{Effect, GroupCall, GroupRequest, GroupResponse, Now, Token};
use super::state::State;
use super::timers::{Timer, Timers};
use super::topics::TopicView;

/// All groups of the broker. The module's documentation says how to drive it.
#[derive(Debug)]
pub struct Groups {
    pub(super) state: State,
    config: GroupConfig,
    topics: TopicView,
    timers: Timers,
    ids: MemberIds,
}

impl Groups {
    /// A coordinator that knows nothing yet. `seed` must be drawn anew at every start: member ids come from it.
    pub fn new(config: GroupConfig, seed: u128) -> Self {
        Self {
            state: State::default(),
            config,
            topics: TopicView::new(),
            timers: Timers::default(),
            ids: MemberIds::new(seed),
        }
    }

    /// Takes over one record of the log. The last value of every key is enough, in any order.
    ///
    /// # Errors
    /// The record is damaged or of a newer version; the broker must not start with a part of its groups.
    pub fn replay(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), RecordError> {
        self.state.replay(key, value)
    }

    /// All records are replayed. Sessions start anew, offsets of topics that are gone are dropped.
    pub fn start(&mut self, now: Now, topics: TopicView) -> Vec<Effect> {
        self.topics = topics;
        let check_ms = self.config.offsets_retention_check_interval_ms;
        self.timers.set(Timer::Retention, now.mono_ms.saturating_add(check_ms));
        self.event(now, |state, cx| state.resume(cx))
    }

    /// Handles a request. Its answer is among the effects, or comes with those of a later call.
    pub fn handle(&mut self, now: Now, token: Token, call: GroupCall) -> Vec<Effect> {
        self.event(now, |state, cx| {
            if let Some(response) = dispatch(state, cx, token, &call) {
                cx.out.reply(token, response);
            }
        })
    }

    /// Time has passed. Call it when [`Self::next_deadline`] is reached; earlier or later does no harm.
    pub fn tick(&mut self, now: Now) -> Vec<Effect> {
        self.event(now, |state, cx| {
            while let Some(timer) = cx.timers.pop_due(now.mono_ms) {
                state.on_timer(cx, &timer);
            }
        })
    }

    /// The monotonic time in milliseconds at which [`Self::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.next()
    }

    /// Topics were made, deleted or given more partitions: `topics` is how they are now.
    pub fn topics_changed(&mut self, now: Now, topics: TopicView) -> Vec<Effect> {
        self.topics = topics;
        self.event(now, |state, cx| state.topics_changed(cx))
    }

    /// How many groups, members and offsets there are.
    pub fn figures(&self) -> GroupFigures {
        self.state.figures()
    }

    fn event(&mut self, now: Now, run: impl FnOnce(&mut State, &mut Cx<'_>)) -> Vec<Effect> {
        let mut out = Out::default();
        let mut cx = Cx {
            now,
            config: &self.config,
            topics: &self.topics,
            timers: &mut self.timers,
            ids: &mut self.ids,
            out: &mut out,
        };
        run(&mut self.state, &mut cx);
        out.into_effects()
    }
}

/// Runs a request; `None` if it waits or has been answered already.
fn dispatch(state: &mut State, cx: &mut Cx<'_>, token: Token, call: &GroupCall) -> Option<GroupResponse> {
    let waiting = Waiting { token, api_version: call.api_version };
    Some(match &call.request {
        GroupRequest::JoinGroup(request) => {
            state.join_group(cx, call, request, waiting);
            return None;
        }
        GroupRequest::SyncGroup(request) => {
            state.sync_group(cx, request, waiting);
            return None;
        }
        GroupRequest::Heartbeat(request) => state.heartbeat(cx, request).into(),
        GroupRequest::LeaveGroup(request) => state.leave_group(cx, call, request).into(),
        GroupRequest::ConsumerGroupHeartbeat(request) => state.consumer_heartbeat(cx, call, request).into(),
        GroupRequest::ConsumerGroupDescribe(request) => state.describe_consumer_groups(cx, request).into(),
        GroupRequest::OffsetCommit(request) => {
            let response = state.offset_commit(cx, call, request);
            state.drop_if_blank(&request.group_id);
            response.into()
        }
        GroupRequest::OffsetFetch(request) => state.offset_fetch(cx, call, request).into(),
        GroupRequest::OffsetDelete(request) => {
            let response = state.offset_delete(cx, request);
            state.drop_if_blank(&request.group_id);
            response.into()
        }
        GroupRequest::DescribeGroups(request) => state.describe_groups(call, request).into(),
        GroupRequest::ListGroups(request) => state.list_groups(request).into(),
        GroupRequest::DeleteGroups(request) => state.delete_groups(cx, request).into(),
    })
}
