//! ConsumerGroupHeartbeat (key 68), v0-1: joins, reports and is told, all in one request.
//!
//! v1: subscription by pattern, and the client brings its member id (KIP-1082).

use poruka_wire::api::{
    ConsumerGroupHeartbeatAssignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatTopicPartitions, EPOCH_JOIN, EPOCH_LEAVE, EPOCH_LEAVE_STATIC,
};
use poruka_wire::{ErrorCode, Str};

use super::reconcile::Step;
use super::{Checked, ConsumerGroup, LEFT_FOR_A_WHILE, Refused, pattern};
use crate::group::cx::Cx;
use crate::group::limits::GROUPS_MAX;
use crate::group::partitions::{PartitionSet, Partitions};
use crate::group::record::consumer_group::ConsumerGroupRecord;
use crate::group::record::consumer_member::ConsumerMemberRecord;
use crate::group::record::current::{CurrentRecord, MemberState};
use crate::group::request::GroupCall;
use crate::group::state::{Group, State};

impl State {
    pub(crate) fn consumer_heartbeat(
        &mut self,
        cx: &mut Cx<'_>,
        call: &GroupCall,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> ConsumerGroupHeartbeatResponse {
        let answer = super::check::check(call.api_version, request).and_then(|checked| {
            let group = self.consumer_group(cx, request)?;
            match request.member_epoch {
                EPOCH_LEAVE | EPOCH_LEAVE_STATIC => group.leave(cx, request),
                _ => group.heartbeat(cx, call, request, checked),
            }
        });
        answer.unwrap_or_else(|refused| ConsumerGroupHeartbeatResponse {
            error_code: refused.code,
            error_message: Some(Str::from(refused.message)),
            ..ConsumerGroupHeartbeatResponse::default()
        })
    }

    /// The group of that name; one is made for a member that joins, in place of an empty classic group if need be.
    fn consumer_group(
        &mut self,
        cx: &mut Cx<'_>,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<&mut ConsumerGroup, Refused> {
        let id = &request.group_id;
        let joins = request.member_epoch == EPOCH_JOIN;
        let not_found = |why: &str| Refused::new(ErrorCode::GroupIdNotFound, format!("group {id} {why}"));
        let is_full = self.groups.len() >= GROUPS_MAX;
        match self.groups.get_mut(id) {
            Some(Group::Consumer(_)) => {}
            Some(Group::Classic(_)) if !joins => return Err(not_found("is not a consumer group")),
            Some(Group::Classic(group)) if !group.is_empty() => {
                return Err(not_found(
                    "has classic members; stop them first, a group changes its protocol while it is empty",
                ));
            }
            Some(Group::Classic(group)) => {
                let following = ConsumerGroup::following(id.clone(), group.generation());
                group.erase(cx);
                self.groups.insert(id.clone(), Group::Consumer(following));
            }
            None if !joins => return Err(not_found("does not exist")),
            None if is_full => {
                return Err(Refused::new(
                    ErrorCode::GroupMaxSizeReached,
                    "the broker has no room for another group",
                ));
            }
            None => {
                self.groups.insert(id.clone(), Group::Consumer(ConsumerGroup::new(id.clone())));
            }
        }
        match self.groups.get_mut(id) {
            Some(Group::Consumer(group)) => Ok(group),
            _ => Err(not_found("is not a consumer group")),
        }
    }
}

impl ConsumerGroup {
    fn heartbeat(
        &mut self,
        cx: &mut Cx<'_>,
        call: &GroupCall,
        request: &ConsumerGroupHeartbeatRequest,
        checked: Checked,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        self.check_room(request, cx.config.members_max)?;
        let id =
            if request.member_id.is_empty() { Str::from(cx.ids.bare()) } else { request.member_id.clone() };
        let is_new = self.admit(cx, request, &checked, &id)?;
        let before = self.members.get(&id).cloned().unwrap_or_default();
        let assignor_before = self.assignor();
        let said = updated(&before.said, call, request, &checked);
        let mut subscription_changed =
            said.topic_names != before.said.topic_names || said.topic_regex != before.said.topic_regex;
        if is_new || said != before.said {
            if let (Some(text), Some(compiled)) = (&said.topic_regex, &checked.pattern) {
                let matches = || pattern::matching(compiled, cx.topics);
                self.patterns.entry(text.clone()).or_insert_with(matches);
            }
            self.set_said(cx, &id, said);
            self.prune_patterns();
        }
        let bump = is_new || subscription_changed || self.assignor() != assignor_before;
        self.refresh_epoch(cx, bump);
        self.update_target(cx);
        // Deleted topics leave the subscription without a word from the member.
        subscription_changed |=
            before.current.assigned.keys().any(|(topic, _)| cx.topics.name(*topic).is_none());
        let current = self.step(cx, &id, &checked, subscription_changed);
        self.restart_session(cx, &id);
        let is_full = request.rebalance_timeout_ms != -1
            && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
            && request.topic_partitions.is_some();
        // The answer that brought an assignment may have been lost without an epoch to show it: who owns something else
        // than it was given is told again.
        let differs = |owned: &PartitionSet| !owned.iter().eq(current.assigned.keys());
        let tell = request.member_epoch == EPOCH_JOIN
            || is_full
            || current.assigned != before.current.assigned
            || checked.owned.as_ref().is_some_and(differs);
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(id),
            member_epoch: current.epoch,
            heartbeat_interval_ms: cx.config.consumer_heartbeat_interval_ms,
            assignment: tell.then(|| assignment(&current.assigned)),
            ..ConsumerGroupHeartbeatResponse::default()
        })
    }

    fn check_room(&self, request: &ConsumerGroupHeartbeatRequest, members_max: usize) -> Result<(), Refused> {
        let replaces =
            request.instance_id.as_ref().is_some_and(|instance| self.static_members.contains_key(instance));
        if replaces || self.members.len() < members_max || self.members.contains_key(&request.member_id) {
            return Ok(());
        }
        let message = format!("the group has {members_max} members and takes no more");
        Err(Refused::new(ErrorCode::GroupMaxSizeReached, message))
    }

    /// Lets the sender in or refuses it. True if it is a new member.
    fn admit(
        &mut self,
        cx: &mut Cx<'_>,
        request: &ConsumerGroupHeartbeatRequest,
        checked: &Checked,
        id: &Str,
    ) -> Result<bool, Refused> {
        let joins = request.member_epoch == EPOCH_JOIN;
        let Some(instance) = &request.instance_id else {
            return match self.members.get(id) {
                Some(member) => check_epoch(&member.current, request.member_epoch, checked).map(|()| false),
                None if joins => Ok(true),
                None => Err(Refused::new(
                    ErrorCode::UnknownMemberId,
                    format!("{id} is not a member of the group"),
                )),
            };
        };
        match self.static_member(instance).map(|(known, member)| (known.clone(), member.clone())) {
            None if joins => Ok(!self.members.contains_key(id)),
            None => {
                Err(Refused::new(ErrorCode::UnknownMemberId, format!("no member has instance id {instance}")))
            }
            Some((_, former)) if joins => {
                if former.current.epoch != LEFT_FOR_A_WHILE {
                    let message = format!("instance id {instance} is still in use by another member");
                    return Err(Refused::new(ErrorCode::UnreleasedInstanceId, message));
                }
                self.take_over(cx, instance, id);
                Ok(false)
            }
            Some((known, _)) if known != *id => Err(fenced_instance(instance)),
            Some((_, member)) => check_epoch(&member.current, request.member_epoch, checked).map(|()| false),
        }
    }

    /// A static member has come back under a new id: everything of its former self passes to it.
    fn take_over(&mut self, cx: &mut Cx<'_>, instance: &Str, id: &Str) {
        let Some((old_id, former)) =
            self.static_member(instance).map(|(id, member)| (id.clone(), member.clone()))
        else {
            return;
        };
        let target = self.targets.get(&old_id).cloned().unwrap_or_default();
        self.remove_member(cx, &old_id);
        self.set_said(cx, id, former.said);
        self.set_target(cx, id, target);
        self.set_current(cx, id, CurrentRecord { epoch: 0, previous_epoch: 0, ..former.current });
    }

    /// Raises the group epoch if something has changed that the target depends on.
    pub(super) fn refresh_epoch(&mut self, cx: &mut Cx<'_>, bump: bool) {
        if !bump && !self.topics_stale {
            return;
        }
        self.topics_stale = false;
        let topics_hash = self.topics_hash(cx.topics);
        let changed = bump || topics_hash != self.epochs.topics_hash;
        let epoch = self.epochs.epoch + i32::from(changed);
        self.set_epochs(cx, ConsumerGroupRecord { epoch, topics_hash, ..self.epochs });
    }

    /// Moves the member one step towards its target.
    fn step(
        &mut self,
        cx: &mut Cx<'_>,
        id: &Str,
        checked: &Checked,
        subscription_changed: bool,
    ) -> CurrentRecord {
        let Some(member) = self.members.get(id) else { return CurrentRecord::default() };
        let before = &member.current;
        let empty = Default::default();
        let next = Step {
            target: self.targets.get(id).unwrap_or(&empty),
            target_epoch: self.epochs.assignment_epoch,
            subscribed: &self.topic_ids_of(&member.said, cx.topics),
            subscription_changed,
            owned: checked.owned.as_ref(),
            is_free: &|partition| self.owners.get(partition).is_none_or(|owner| owner == id),
        }
        .from(before);
        if next != *before {
            self.set_current(cx, id, next.clone());
            if next.state == MemberState::UnrevokedPartitions {
                self.restart_revoke(cx, id);
            } else {
                cx.timers.cancel(&self.revoke_timer(id));
            }
        }
        next
    }
}

pub(super) fn fenced_instance(instance: &str) -> Refused {
    Refused::new(ErrorCode::FencedInstanceId, format!("instance id {instance} belongs to another member now"))
}

/// The member's epoch must be the one that it was told last, or the one before if that answer may have been lost: then
/// it must not own anything that it was not given.
fn check_epoch(current: &CurrentRecord, received: i32, checked: &Checked) -> Result<(), Refused> {
    if received == EPOCH_JOIN || received == current.epoch {
        return Ok(());
    }
    let within = |given: &Partitions| {
        checked
            .owned
            .as_ref()
            .is_some_and(|owned| owned.iter().all(|partition| given.contains_key(partition)))
    };
    if received < current.epoch && received == current.previous_epoch && within(&current.assigned) {
        return Ok(());
    }
    let message = format!(
        "the member comes with epoch {received} but is at {}; it must give up all partitions and join again",
        current.epoch
    );
    Err(Refused::new(ErrorCode::FencedMemberEpoch, message))
}

/// What the member says of itself after this request; what it leaves out stays.
fn updated(
    before: &ConsumerMemberRecord,
    call: &GroupCall,
    request: &ConsumerGroupHeartbeatRequest,
    checked: &Checked,
) -> ConsumerMemberRecord {
    ConsumerMemberRecord {
        instance_id: request.instance_id.clone().or_else(|| before.instance_id.clone()),
        rack_id: request.rack_id.clone().or_else(|| before.rack_id.clone()),
        client_id: call.client_id.clone(),
        client_host: call.client_host.clone(),
        rebalance_timeout_ms: match request.rebalance_timeout_ms {
            -1 => before.rebalance_timeout_ms,
            timeout_ms => timeout_ms.max(0) as u64,
        },
        assignor: request.server_assignor.clone().or_else(|| before.assignor.clone()),
        topic_names: checked.topic_names.clone().unwrap_or_else(|| before.topic_names.clone()),
        topic_regex: match &request.subscribed_topic_regex {
            Some(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            None => before.topic_regex.clone(),
        },
    }
}

fn assignment(assigned: &Partitions) -> ConsumerGroupHeartbeatAssignment {
    let mut topic_partitions: Vec<ConsumerGroupHeartbeatTopicPartitions> = Vec::new();
    for (topic_id, partition) in assigned.keys() {
        match topic_partitions.last_mut().filter(|topic| topic.topic_id == *topic_id) {
            Some(topic) => topic.partitions.push(*partition),
            None => topic_partitions.push(ConsumerGroupHeartbeatTopicPartitions {
                topic_id: *topic_id,
                partitions: vec![*partition],
            }),
        }
    }
    ConsumerGroupHeartbeatAssignment { topic_partitions }
}
