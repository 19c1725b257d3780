//! The group member against a coordinator that plans, revokes and fences as KIP-848 says.
//!
//! Property, under any interleaving of heartbeats, lost answers, new plans, fencing and slow applications: a partition is
//! never given to two members at once, and when things calm down every member has what the plan gives it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use poruka_env::Mono;
use poruka_wire::api::{
    ConsumerGroupHeartbeatAssignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatTopicPartitions,
};
use poruka_wire::{ErrorCode, Str, Uuid};
use proptest::prelude::*;

use super::super::config::GroupConfig;
use super::super::member::{Assignment, Member, MemberEvent};
use crate::backoff::Backoff;

const TOPIC: Uuid = Uuid([5; 16]);

fn member(number: usize) -> Member {
    let config = GroupConfig::new("g", [Str::from("t")]);
    Member::new(config, Str::from(format!("m{number}")), Backoff::default(), Mono::ZERO)
}

fn answer(epoch: i32, partitions: Option<&BTreeSet<i32>>) -> ConsumerGroupHeartbeatResponse {
    let assignment = partitions.map(|partitions| ConsumerGroupHeartbeatAssignment {
        topic_partitions: vec![ConsumerGroupHeartbeatTopicPartitions {
            topic_id: TOPIC,
            partitions: partitions.iter().copied().collect(),
        }],
    });
    ConsumerGroupHeartbeatResponse {
        member_epoch: epoch,
        heartbeat_interval_ms: 1000,
        assignment,
        ..Default::default()
    }
}

fn partitions(numbers: impl IntoIterator<Item = i32>) -> Assignment {
    numbers.into_iter().map(|number| (TOPIC, number)).collect()
}

fn set(numbers: impl IntoIterator<Item = i32>) -> BTreeSet<i32> {
    numbers.into_iter().collect()
}

#[test]
fn the_first_heartbeat_joins_with_every_field_and_the_next_carries_only_what_changed() {
    let mut member = member(1);
    let join = member.heartbeat(Mono::ZERO).expect("due at once");
    assert_eq!((join.member_epoch, join.topic_partitions), (0, Some(Vec::new())));
    assert!(join.subscribed_topic_names.is_some() && join.rebalance_timeout_ms > 0);
    assert_eq!(member.heartbeat(Mono::ZERO), None, "one at a time");
    let events = member.answered(Mono::ZERO, Some(&answer(1, Some(&set([0, 1])))), 0);
    assert_eq!(events, [MemberEvent::Assigned(partitions([0, 1]))]);
    let report = member.heartbeat(Mono::ZERO).expect("what was taken is reported at once");
    assert_eq!(report.topic_partitions.expect("reported")[0].partitions, [0, 1]);
    assert_eq!(report.subscribed_topic_names, None);
    member.answered(Mono::ZERO, Some(&answer(1, None)), 0);
    assert_eq!(member.heartbeat(Mono::from_millis(999)), None);
    let quiet = member.heartbeat(Mono::from_millis(1000)).expect("due");
    assert_eq!((quiet.topic_partitions, quiet.member_epoch), (None, 1));
}

#[test]
fn nothing_new_is_taken_before_the_application_has_let_go_of_what_is_revoked() {
    let mut member = member(1);
    member.heartbeat(Mono::ZERO);
    member.answered(Mono::ZERO, Some(&answer(1, Some(&set([0, 1])))), 0);
    member.heartbeat(Mono::ZERO);
    let events = member.answered(Mono::ZERO, Some(&answer(1, Some(&set([1, 2])))), 0);
    assert_eq!(events, [MemberEvent::Revoke(partitions([0]))]);
    let busy = member.heartbeat(Mono::from_millis(2000)).expect("it goes on while the application finishes");
    assert_eq!(busy.topic_partitions, None, "the revoked one still counts as owned");
    member.answered(Mono::from_millis(2000), Some(&answer(1, None)), 0);
    let events = member.released(Mono::from_millis(2500), &partitions([0]));
    assert_eq!(events, [MemberEvent::Assigned(partitions([2]))]);
    let report = member.heartbeat(Mono::from_millis(2500)).expect("reported at once");
    assert_eq!(report.topic_partitions.expect("reported")[0].partitions, [1, 2]);
}

#[test]
fn a_fenced_member_loses_everything_and_joins_again() {
    let mut member = member(1);
    member.heartbeat(Mono::ZERO);
    member.answered(Mono::ZERO, Some(&answer(3, Some(&set([0])))), 0);
    member.heartbeat(Mono::ZERO);
    let fenced =
        ConsumerGroupHeartbeatResponse { error_code: ErrorCode::FencedMemberEpoch, ..Default::default() };
    let events = member.answered(Mono::ZERO, Some(&fenced), 0);
    assert_eq!(events, [MemberEvent::Lost(partitions([0]))]);
    let join = member.heartbeat(Mono::ZERO).expect("at once");
    assert_eq!((join.member_epoch, join.topic_partitions), (0, Some(Vec::new())));
}

#[test]
fn after_a_lost_answer_every_field_is_sent_again() {
    let mut member = member(1);
    member.heartbeat(Mono::ZERO);
    member.answered(Mono::ZERO, Some(&answer(1, Some(&set([0])))), 0);
    member.heartbeat(Mono::ZERO);
    assert_eq!(member.answered(Mono::ZERO, None, 0), []);
    assert_eq!(member.heartbeat(Mono::ZERO), None, "not before the back-off");
    let again = member.heartbeat(Mono::from_millis(100)).expect("due");
    assert!(again.subscribed_topic_names.is_some());
    assert_eq!(again.topic_partitions.expect("reported")[0].partitions, [0]);
}

#[test]
fn a_refusal_that_does_not_pass_ends_the_membership_and_is_told() {
    let mut member = member(1);
    member.heartbeat(Mono::ZERO);
    let refused =
        ConsumerGroupHeartbeatResponse { error_code: ErrorCode::UnsupportedAssignor, ..Default::default() };
    let events = member.answered(Mono::ZERO, Some(&refused), 0);
    assert!(matches!(events[..], [MemberEvent::Failed(ErrorCode::UnsupportedAssignor, _)]));
    assert_eq!(member.due_at(), None);
}

/// A coordinator: a plan, and who holds what. A partition is only given out once its last holder has reported to be
/// without it.
#[derive(Default)]
struct Coordinator {
    members: BTreeMap<Str, (i32, BTreeSet<i32>)>,
    plan: BTreeMap<Str, BTreeSet<i32>>,
    epoch: i32,
}

impl Coordinator {
    /// What members hold, as far as the coordinator knows: the current assignment until they report less.
    fn held_by_others(&self, id: &Str) -> BTreeSet<i32> {
        let others = self.members.iter().filter(|(other, _)| *other != id);
        others.flat_map(|(_, (_, held))| held.iter().copied()).collect()
    }

    fn heartbeat(&mut self, request: &ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
        let id = &request.member_id;
        if request.member_epoch == 0 {
            // Joining again gives up what was held.
            self.epoch += 1;
            self.members.insert(id.clone(), (self.epoch, BTreeSet::new()));
        }
        let others = self.held_by_others(id);
        let Some((epoch, held)) = self.members.get_mut(id) else {
            return ConsumerGroupHeartbeatResponse {
                error_code: ErrorCode::UnknownMemberId,
                ..Default::default()
            };
        };
        let planned = self.plan.get(id).cloned().unwrap_or_default();
        if let Some(owned) = &request.topic_partitions {
            let owned: BTreeSet<i32> =
                owned.iter().flat_map(|topic| topic.partitions.iter().copied()).collect();
            // What is planned away is free once it is no longer reported.
            held.retain(|number| planned.contains(number) || owned.contains(number));
        }
        let kept: BTreeSet<i32> = held.intersection(&planned).copied().collect();
        let surplus = held.difference(&planned).next().is_some();
        let target = if surplus { kept } else { planned.difference(&others).copied().collect() };
        held.extend(target.iter().copied());
        answer(*epoch, Some(&target))
    }
}

/// A member, and what its application holds.
struct Side {
    member: Member,
    holds: BTreeSet<i32>,
    revoking: Assignment,
}

#[derive(Clone, Debug)]
enum Step {
    Heartbeat(usize),
    LoseAnswer(usize),
    Release(usize),
    Plan(Vec<usize>),
    Fence(usize),
    Wait(u64),
}

fn step(members: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..members).prop_map(Step::Heartbeat),
        1 => (0..members).prop_map(Step::LoseAnswer),
        4 => (0..members).prop_map(Step::Release),
        1 => prop::collection::vec(0..members, 6).prop_map(Step::Plan),
        1 => (0..members).prop_map(Step::Fence),
        4 => (1..1500u64).prop_map(Step::Wait),
    ]
}

struct Group {
    sides: Vec<Side>,
    coordinator: Coordinator,
    now: Mono,
}

impl Group {
    fn new(members: usize) -> Group {
        let side =
            |number| Side { member: member(number), holds: BTreeSet::new(), revoking: Assignment::new() };
        Group {
            sides: (0..members).map(side).collect(),
            coordinator: Coordinator::default(),
            now: Mono::ZERO,
        }
    }

    fn apply(&mut self, place: usize, events: Vec<MemberEvent>) {
        for event in events {
            let side = &mut self.sides[place];
            match event {
                MemberEvent::Assigned(given) => side.holds.extend(given.iter().map(|(_, number)| number)),
                MemberEvent::Revoke(asked) => side.revoking.extend(asked),
                MemberEvent::Lost(lost) => {
                    side.holds.retain(|number| !lost.contains(&(TOPIC, *number)));
                    side.revoking.clear();
                }
                MemberEvent::Failed(..) => panic!("no refusal was made"),
            }
        }
        let mut seen = BTreeSet::new();
        for side in &self.sides {
            // A fenced member learns of it late; what it still holds then is what the commit's epoch check is for.
            let known = self.coordinator.members.contains_key(&side.member.id);
            assert!(!known || side.holds.iter().all(|number| seen.insert(*number)), "held by two members");
        }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Heartbeat(place) | Step::LoseAnswer(place) => {
                let Some(request) = self.sides[*place].member.heartbeat(self.now) else { return };
                let answer = self.coordinator.heartbeat(&request);
                let answer = matches!(step, Step::Heartbeat(_)).then_some(&answer);
                let events = self.sides[*place].member.answered(self.now, answer, 0);
                self.apply(*place, events);
            }
            Step::Release(place) => {
                let side = &mut self.sides[*place];
                let released = std::mem::take(&mut side.revoking);
                side.holds.retain(|number| !released.contains(&(TOPIC, *number)));
                let events = side.member.released(self.now, &released);
                self.apply(*place, events);
            }
            Step::Plan(owners) => {
                self.coordinator.epoch += 1;
                self.coordinator.plan.clear();
                for (number, owner) in owners.iter().enumerate() {
                    let id = self.sides[*owner].member.id.clone();
                    self.coordinator.plan.entry(id).or_default().insert(number as i32);
                }
            }
            Step::Fence(place) => {
                self.coordinator.members.remove(&self.sides[*place].member.id);
            }
            Step::Wait(ms) => self.now += Duration::from_millis(*ms),
        }
    }
}

proptest! {
    #[test]
    fn no_partition_is_held_twice_and_calm_brings_everyone_what_is_planned(steps in prop::collection::vec(step(3), 1..150)) {
        let mut group = Group::new(3);
        for step in &steps {
            group.run(step);
        }
        for _ in 0..20 {
            group.now += Duration::from_secs(2);
            for place in 0..3 {
                group.run(&Step::Heartbeat(place));
                group.run(&Step::Release(place));
            }
        }
        for side in &group.sides {
            let planned = group.coordinator.plan.get(&side.member.id).cloned().unwrap_or_default();
            prop_assert_eq!(&side.holds, &planned);
        }
    }
}
