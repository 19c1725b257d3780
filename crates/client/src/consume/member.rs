//! One member of a KIP-848 group as a state machine: heartbeats out, answers in, assignments and revocations out. Pure.
//!
//! Invariants: a partition is reported as owned from the moment it is given to the application until the application has
//! let go of it; nothing new is taken while something is still to be revoked; after fencing nothing is owned.
//! A heartbeat whose answer was lost is repeated with every field, because the coordinator may have seen either state.
//! Source: KIP-848, KIP-1082 (the member makes its own id). Not here: commits, positions, sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use poruka_env::Mono;
use poruka_wire::api::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ConsumerGroupHeartbeatTopicPartitions,
    EPOCH_JOIN, EPOCH_LEAVE, EPOCH_LEAVE_STATIC,
};
use poruka_wire::{ErrorCode, Str, Uuid};

use super::config::GroupConfig;
use crate::backoff::Backoff;
use crate::cluster::is_coordinator_trouble;

/// Heartbeat interval until the coordinator names one.
const FIRST_INTERVAL: Duration = Duration::from_secs(3);
/// An interval from outside is kept within these bounds.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Partitions by topic id.
pub(crate) type Assignment = BTreeSet<(Uuid, i32)>;

/// What the member tells the consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberEvent {
    /// These are ours now.
    Assigned(Assignment),
    /// Let go of these, then call `released`.
    Revoke(Assignment),
    /// These are not ours any more.
    Lost(Assignment),
    /// The membership has ended for good.
    Failed(ErrorCode, String),
}

pub(crate) struct Member {
    config: GroupConfig,
    pub(crate) id: Str,
    pub(crate) epoch: i32,
    /// Given to the application and not let go of.
    owned: Assignment,
    /// What the coordinator last assigned.
    target: Assignment,
    /// The application is asked to let go of these.
    revoking: Assignment,
    /// Send every field in the next heartbeat.
    whole: bool,
    /// `owned` has changed since the coordinator last heard of it.
    unreported: bool,
    interval: Duration,
    next_at: Mono,
    in_flight: bool,
    failures: u32,
    backoff: Backoff,
    failed: bool,
}

impl Member {
    pub(crate) fn new(config: GroupConfig, id: Str, backoff: Backoff, now: Mono) -> Member {
        Member {
            config,
            id,
            epoch: EPOCH_JOIN,
            owned: Assignment::new(),
            target: Assignment::new(),
            revoking: Assignment::new(),
            whole: true,
            unreported: false,
            interval: FIRST_INTERVAL,
            next_at: now,
            in_flight: false,
            failures: 0,
            backoff,
            failed: false,
        }
    }

    pub(crate) fn group(&self) -> &Str {
        &self.config.group
    }

    pub(crate) fn instance_id(&self) -> Option<Str> {
        self.config.instance_id.clone()
    }

    /// When the next heartbeat is due; `None` while one is in flight, or after the end.
    pub(crate) fn due_at(&self) -> Option<Mono> {
        (!self.in_flight && !self.failed).then_some(self.next_at)
    }

    /// The next heartbeat, if it is due.
    pub(crate) fn heartbeat(&mut self, now: Mono) -> Option<ConsumerGroupHeartbeatRequest> {
        if self.due_at().is_none_or(|due| due > now) {
            return None;
        }
        self.in_flight = true;
        let joining = self.epoch == EPOCH_JOIN;
        let whole = self.whole || joining;
        let timeout = i32::try_from(self.config.rebalance_timeout.as_millis()).unwrap_or(i32::MAX);
        let report = whole || self.unreported;
        self.unreported = false;
        Some(ConsumerGroupHeartbeatRequest {
            group_id: self.config.group.clone(),
            member_id: self.id.clone(),
            member_epoch: self.epoch,
            instance_id: self.config.instance_id.clone().filter(|_| whole),
            rack_id: None,
            rebalance_timeout_ms: if whole { timeout } else { -1 },
            subscribed_topic_names: whole.then(|| self.config.topics.clone()),
            subscribed_topic_regex: None,
            server_assignor: self.config.assignor.clone().filter(|_| whole),
            topic_partitions: report.then(|| if joining { Vec::new() } else { by_topic(&self.owned) }),
        })
    }

    /// The heartbeat that leaves the group.
    pub(crate) fn leave(&mut self) -> ConsumerGroupHeartbeatRequest {
        self.failed = true;
        ConsumerGroupHeartbeatRequest {
            group_id: self.config.group.clone(),
            member_id: self.id.clone(),
            member_epoch: if self.config.instance_id.is_some() { EPOCH_LEAVE_STATIC } else { EPOCH_LEAVE },
            instance_id: self.config.instance_id.clone(),
            ..Default::default()
        }
    }

    /// There was no answer, or one that says to try again.
    fn try_later(&mut self, now: Mono, random: u64) {
        self.failures = self.failures.saturating_add(1);
        self.whole = true;
        self.next_at = now + self.backoff.wait(self.failures, random);
    }

    /// Takes in how a heartbeat ended; `None` when there was no answer.
    pub(crate) fn answered(
        &mut self,
        now: Mono,
        answer: Option<&ConsumerGroupHeartbeatResponse>,
        random: u64,
    ) -> Vec<MemberEvent> {
        self.in_flight = false;
        let Some(answer) = answer else {
            self.try_later(now, random);
            return Vec::new();
        };
        match answer.error_code {
            ErrorCode::None => self.accepted(now, answer),
            ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch => self.fenced(now),
            code if is_coordinator_trouble(code)
                || code == ErrorCode::UnreleasedInstanceId
                || code.is_retriable() =>
            {
                self.try_later(now, random);
                Vec::new()
            }
            code => {
                self.failed = true;
                let message = answer
                    .error_message
                    .as_ref()
                    .map_or_else(|| code.meaning().to_owned(), ToString::to_string);
                let mut events = self.lose_all();
                events.push(MemberEvent::Failed(code, message));
                events
            }
        }
    }

    /// The coordinator does not know this kind of group.
    pub(crate) fn unsupported(&mut self, why: &str) -> Vec<MemberEvent> {
        self.in_flight = false;
        self.failed = true;
        let mut events = self.lose_all();
        events.push(MemberEvent::Failed(ErrorCode::UnsupportedVersion, why.to_owned()));
        events
    }

    fn accepted(&mut self, now: Mono, answer: &ConsumerGroupHeartbeatResponse) -> Vec<MemberEvent> {
        self.failures = 0;
        self.whole = false;
        self.epoch = answer.member_epoch;
        let interval = u64::try_from(answer.heartbeat_interval_ms).unwrap_or(0);
        self.interval = Duration::from_millis(interval).clamp(INTERVAL_MIN, INTERVAL_MAX);
        self.next_at = now + self.interval;
        if let Some(assignment) = &answer.assignment {
            let topics = &assignment.topic_partitions;
            self.target = topics
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(|number| (topic.topic_id, *number)))
                .collect();
        }
        self.reconcile(now)
    }

    /// Revoke first; take what is new only when nothing is left to revoke.
    fn reconcile(&mut self, now: Mono) -> Vec<MemberEvent> {
        let surplus: Assignment = self.owned.difference(&self.target).copied().collect();
        let newly: Assignment = surplus.difference(&self.revoking).copied().collect();
        let mut events = Vec::new();
        if !newly.is_empty() {
            self.revoking.extend(newly.iter().copied());
            events.push(MemberEvent::Revoke(newly));
        }
        if surplus.is_empty() && self.revoking.is_empty() {
            let added: Assignment = self.target.difference(&self.owned).copied().collect();
            if !added.is_empty() {
                self.owned.extend(added.iter().copied());
                self.report_soon(now);
                events.push(MemberEvent::Assigned(added));
            }
        }
        events
    }

    fn report_soon(&mut self, now: Mono) {
        self.unreported = true;
        self.next_at = now;
    }

    /// The application has let go of these.
    pub(crate) fn released(&mut self, now: Mono, partitions: &Assignment) -> Vec<MemberEvent> {
        let mut any = false;
        for partition in partitions {
            if self.revoking.remove(partition) {
                self.owned.remove(partition);
                any = true;
            }
        }
        if !any {
            return Vec::new();
        }
        // What the coordinator gave back meanwhile is taken again as new, since its position is gone.
        let events = self.reconcile(now);
        if self.revoking.is_empty() {
            self.report_soon(now);
        }
        events
    }

    fn fenced(&mut self, now: Mono) -> Vec<MemberEvent> {
        let events = self.lose_all();
        self.epoch = EPOCH_JOIN;
        self.whole = true;
        self.next_at = now;
        events
    }

    fn lose_all(&mut self) -> Vec<MemberEvent> {
        self.revoking.clear();
        self.target.clear();
        let lost = std::mem::take(&mut self.owned);
        if lost.is_empty() { Vec::new() } else { vec![MemberEvent::Lost(lost)] }
    }
}

fn by_topic(partitions: &Assignment) -> Vec<ConsumerGroupHeartbeatTopicPartitions> {
    let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (topic_id, number) in partitions {
        topics.entry(*topic_id).or_default().push(*number);
    }
    let entry = |(topic_id, partitions)| ConsumerGroupHeartbeatTopicPartitions { topic_id, partitions };
    topics.into_iter().map(entry).collect()
}
