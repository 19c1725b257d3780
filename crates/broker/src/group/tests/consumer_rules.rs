//! KIP-848 groups: epochs, reconciliation, fencing, static members, patterns, commits.

use std::collections::BTreeSet;

use poruka_wire::ErrorCode;
use poruka_wire::api::{
    ConsumerGroupHeartbeatRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchRequestGroup,
    OffsetFetchResponse,
};

use super::consumers::{Consumer, settle};
use super::world::{GROUP, World, commit, topic_id, two_topics};

#[test]
fn a_partition_moves_only_after_its_owner_has_given_it_up() {
    let mut world = World::new();
    let mut first = Consumer::new("1", &["a"]);
    first.beat(&mut world);
    assert_eq!(first.owned.len(), 4);
    let first_epoch = first.epoch;
    let mut second = Consumer::new("2", &["a"]);
    second.beat(&mut world);
    assert_eq!(
        (second.epoch, second.owned.len()),
        (first_epoch + 1, 0),
        "at the new epoch, but nothing is free"
    );
    let everything = first.owned.clone();
    first.beat(&mut world);
    assert_eq!(
        (first.epoch, first.owned.len()),
        (first_epoch, 2),
        "it gives up first and stays at its epoch"
    );
    second.beat(&mut world);
    assert!(second.owned.is_empty(), "the first has not confirmed yet");
    first.beat(&mut world);
    assert_eq!(first.epoch, first_epoch + 1);
    second.beat(&mut world);
    assert_eq!(second.owned.len(), 2);
    assert_eq!(&first.owned | &second.owned, everything);
    assert_eq!(&*world.describe_consumers().group_state, "Stable");
}

#[test]
fn the_state_of_a_group_says_what_it_is_waiting_for() {
    let mut world = World::new();
    let mut members = [Consumer::new("1", &["a"]), Consumer::new("2", &["a"])];
    members[0].beat(&mut world);
    assert_eq!(&*world.describe_consumers().group_state, "Stable");
    members[1].beat(&mut world);
    assert_eq!(&*world.describe_consumers().group_state, "Reconciling");
    members[1].leave(&mut world, -1);
    assert_eq!(&*world.describe_consumers().group_state, "Assigning");
    members[0].leave(&mut world, -1);
    let group = world.describe_consumers();
    assert_eq!((&*group.group_state, group.group_epoch), ("Empty", group.assignment_epoch));
}

#[test]
fn a_member_that_does_not_give_up_in_time_is_fenced() {
    let mut world = World::new();
    let mut first = Consumer::new("1", &["a"]);
    first.beat(&mut world);
    let mut second = Consumer::new("2", &["a"]);
    second.beat(&mut world);
    let stubborn = first.clone();
    world.consumer(stubborn.beating());
    for _ in 0..13 {
        world.pass(4_999);
        second.beat(&mut world);
        world.consumer(stubborn.beating());
    }
    assert_eq!(world.consumer(stubborn.beating()).error_code, ErrorCode::UnknownMemberId);
    second.beat(&mut world);
    assert_eq!(second.owned.len(), 4);
}

#[test]
fn a_member_that_is_not_heard_of_for_its_session_is_fenced() {
    let mut world = World::new();
    let mut members = [Consumer::new("1", &["a"]), Consumer::new("2", &["a"])];
    settle(&mut world, &mut members);
    world.pass(40_000);
    members[0].beat(&mut world);
    world.pass(5_001);
    assert_eq!(world.consumer(members[1].beating()).error_code, ErrorCode::UnknownMemberId);
    members[0].beat(&mut world);
    assert_eq!(members[0].owned.len(), 4);
}

#[test]
fn an_epoch_ahead_or_too_far_behind_is_fenced() {
    let mut world = World::new();
    let mut member = Consumer::new("1", &["a"]);
    member.beat(&mut world);
    let ahead = Consumer { epoch: member.epoch + 1, ..member.clone() };
    assert_eq!(world.consumer(ahead.beating()).error_code, ErrorCode::FencedMemberEpoch);
    let mut other = Consumer::new("2", &["a"]);
    other.beat(&mut world);
    let before = member.clone();
    for _ in 0..4 {
        member.beat(&mut world);
        other.beat(&mut world);
    }
    other.leave(&mut world, -1);
    member.beat(&mut world);
    assert!(member.epoch >= before.epoch + 2);
    assert_eq!(world.consumer(before.beating()).error_code, ErrorCode::FencedMemberEpoch);
}

#[test]
fn a_lost_answer_is_given_again_to_a_member_that_owns_no_more_than_it_was_given() {
    let mut world = World::new();
    let mut first = Consumer::new("1", &["a"]);
    first.beat(&mut world);
    let mut second = Consumer::new("2", &["a"]);
    second.beat(&mut world);
    first.beat(&mut world);
    // The answer that moves the first member to the new epoch is lost.
    let lost = world.consumer(first.beating());
    assert!(lost.member_epoch > first.epoch);
    let mut greedy = first.clone();
    greedy.owned.insert((topic_id(1), 3));
    greedy.owned.insert((topic_id(1), 2));
    assert_eq!(world.consumer(greedy.beating()).error_code, ErrorCode::FencedMemberEpoch);
    assert_eq!(first.beat(&mut world), ErrorCode::None);
    assert_eq!(first.epoch, lost.member_epoch);
}

#[test]
fn an_assignment_whose_answer_was_lost_is_told_again_even_within_one_epoch() {
    let mut world = World::new();
    let mut first = Consumer::new("1", &["a"]);
    first.beat(&mut world);
    let mut second = Consumer::new("2", &["a"]);
    second.beat(&mut world);
    first.beat(&mut world);
    first.beat(&mut world);
    let lost = world.consumer(second.beating());
    assert_eq!(lost.member_epoch, second.epoch, "it had been at this epoch, waiting");
    assert!(lost.assignment.is_some());
    second.beat(&mut world);
    assert_eq!(second.owned.len(), 2);
}

#[test]
fn a_member_may_start_over_with_epoch_0_and_gets_what_it_had() {
    let mut world = World::new();
    let mut members = [Consumer::new("1", &["a"]), Consumer::new("2", &["a"])];
    settle(&mut world, &mut members);
    let owned = members[0].owned.clone();
    let mut again = Consumer::new("1", &["a"]);
    again.beat(&mut world);
    assert_eq!((again.owned, again.epoch), (owned, members[0].epoch));
}

#[test]
fn a_changed_subscription_takes_effect() {
    let mut world = World::new();
    let mut member = Consumer::new("1", &["a"]);
    member.beat(&mut world);
    let change =
        ConsumerGroupHeartbeatRequest { subscribed_topic_names: Some(vec!["b".into()]), ..member.beating() };
    let response = world.consumer(change);
    member.take(&response);
    assert!(member.owned.is_empty(), "it gives up a first");
    member.beat(&mut world);
    assert_eq!(member.owned, BTreeSet::from([(topic_id(2), 0), (topic_id(2), 1)]));
}

#[test]
fn new_partitions_and_new_topics_are_assigned_and_deleted_ones_are_taken_away() {
    let mut world = World::new();
    let mut member = Consumer::new("1", &["a", "late"]);
    member.beat(&mut world);
    let epoch = member.epoch;
    let mut topics = two_topics();
    topics.insert("a", topic_id(1), 6);
    topics.insert("late", topic_id(3), 1);
    world.set_topics(topics.clone());
    member.beat(&mut world);
    assert_eq!((member.owned.len(), member.epoch), (7, epoch + 1));
    topics.remove("a");
    world.set_topics(topics);
    member.beat(&mut world);
    member.beat(&mut world);
    assert_eq!(member.owned, BTreeSet::from([(topic_id(3), 0)]));
}

#[test]
fn a_change_of_topics_that_nobody_reads_moves_nothing() {
    let mut world = World::new();
    let mut member = Consumer::new("1", &["a"]);
    member.beat(&mut world);
    let epoch = member.epoch;
    let mut topics = two_topics();
    topics.insert("other", topic_id(9), 3);
    world.set_topics(topics);
    member.beat(&mut world);
    assert_eq!(member.epoch, epoch);
}

#[test]
fn a_pattern_subscribes_to_what_it_matches_now_and_later() {
    let mut world = World::new();
    let mut member = Consumer::new("1", &[]);
    let request = ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: None,
        subscribed_topic_regex: Some("b|log-.*".into()),
        ..member.joining()
    };
    let response = world.consumer(request);
    member.take(&response);
    assert_eq!(member.owned.len(), 2);
    let mut topics = two_topics();
    topics.insert("log-1", topic_id(5), 3);
    topics.insert("my-log-1", topic_id(6), 3);
    world.set_topics(topics);
    member.beat(&mut world);
    assert_eq!(member.owned.len(), 5);
    world.restart();
    assert_eq!(member.beat(&mut world), ErrorCode::None);
    assert_eq!(member.owned.len(), 5, "a restart finds the same topics");
    let stop = ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some("".into()), ..member.beating() };
    let response = world.consumer(stop);
    member.take(&response);
    assert!(member.owned.is_empty(), "an empty pattern ends the subscription");
}

#[test]
fn names_and_a_pattern_add_up() {
    let mut world = World::new();
    let member = Consumer::new("1", &["a"]);
    let request =
        ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some("b".into()), ..member.joining() };
    let mut member = member;
    let response = world.consumer(request);
    member.take(&response);
    assert_eq!(member.owned.len(), 6);
}

#[test]
fn a_static_member_that_leaves_for_a_while_finds_its_partitions_again() {
    let mut world = World::new();
    let mut members = [Consumer::new_static("1", "i", &["a"]), Consumer::new("2", &["a"])];
    settle(&mut world, &mut members);
    let (owned, epoch) = (members[0].owned.clone(), members[0].epoch);
    assert_eq!(members[0].leave(&mut world, -2), ErrorCode::None);
    members[1].beat(&mut world);
    assert_eq!(members[1].owned.len(), 2, "nobody else gets them meanwhile");
    let mut back = Consumer::new_static("1b", "i", &["a"]);
    assert_eq!(back.beat(&mut world), ErrorCode::None);
    assert_eq!((back.owned, back.epoch), (owned, epoch), "without a rebalance");
}

#[test]
fn a_static_member_that_does_not_come_back_in_time_is_fenced() {
    let mut world = World::new();
    let mut members = [Consumer::new_static("1", "i", &["a"]), Consumer::new("2", &["a"])];
    settle(&mut world, &mut members);
    members[0].leave(&mut world, -2);
    for _ in 0..10 {
        world.pass(4_600);
        members[1].beat(&mut world);
    }
    assert_eq!(members[1].owned.len(), 4);
}

#[test]
fn an_instance_id_belongs_to_one_live_member() {
    let mut world = World::new();
    let mut first = Consumer::new_static("1", "i", &["a"]);
    first.beat(&mut world);
    let second = Consumer::new_static("2", "i", &["a"]);
    assert_eq!(world.consumer(second.joining()).error_code, ErrorCode::UnreleasedInstanceId);
    let intruder = Consumer { epoch: first.epoch, ..second };
    assert_eq!(world.consumer(intruder.beating()).error_code, ErrorCode::FencedInstanceId);
    let stranger = Consumer { epoch: 1, ..Consumer::new_static("3", "j", &["a"]) };
    assert_eq!(world.consumer(stranger.beating()).error_code, ErrorCode::UnknownMemberId);
    assert_eq!(intruder.clone().leave(&mut world, -2), ErrorCode::FencedInstanceId);
    assert_eq!(first.leave(&mut world, -1), ErrorCode::None, "for good");
    assert_eq!(&*world.describe_consumers().group_state, "Empty");
}

#[test]
fn commits_are_taken_at_the_members_epoch_and_at_earlier_ones_for_what_it_still_holds() {
    let mut world = World::new();
    let mut first = Consumer::new("1", &["a"]);
    first.beat(&mut world);
    let mut second = Consumer::new("2", &["a"]);
    let early = first.epoch;
    for _ in 0..4 {
        second.beat(&mut world);
        first.beat(&mut world);
    }
    assert!(first.epoch > early);
    let held = first.owned.first().expect("it owns some").1;
    let moved = second.owned.first().expect("it owns some").1;
    assert_eq!(world.commit("1", first.epoch, held, 1), ErrorCode::None);
    assert_eq!(world.commit("1", early, held, 2), ErrorCode::None, "held since then");
    assert_eq!(world.commit("1", early, moved, 3), ErrorCode::StaleMemberEpoch, "another owns it by now");
    assert_eq!(world.commit("1", first.epoch + 1, held, 4), ErrorCode::StaleMemberEpoch);
    assert_eq!(world.commit("2", early, moved, 5), ErrorCode::StaleMemberEpoch, "not its own then");
    assert_eq!(world.commit("nobody", first.epoch, held, 6), ErrorCode::UnknownMemberId);
    assert_eq!(world.commit("", -1, held, 7), ErrorCode::UnknownMemberId, "the group is not empty");
    assert_eq!((world.committed(held), world.committed(moved)), (2, -1));
}

#[test]
fn members_must_commit_with_version_9_at_least() {
    let mut world = World::new();
    let mut member = Consumer::new("1", &["a"]);
    member.beat(&mut world);
    let response: OffsetCommitResponse = world.call(8, commit("1", member.epoch, 0, 5));
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::UnsupportedVersion);
}

#[test]
fn a_member_fetches_offsets_at_its_own_epoch() {
    let mut world = World::new();
    let mut member = Consumer::new("1", &["a"]);
    member.beat(&mut world);
    let mut fetch = |member: Option<&str>, epoch: i32| {
        let group = OffsetFetchRequestGroup {
            group_id: GROUP.into(),
            member_id: member.map(Into::into),
            member_epoch: epoch,
            topics: None,
        };
        let request = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
        world.call::<OffsetFetchResponse>(9, request).groups[0].error_code
    };
    assert_eq!(fetch(Some("1"), member.epoch), ErrorCode::None);
    assert_eq!(fetch(None, -1), ErrorCode::None, "an operator says no name");
    assert_eq!(fetch(Some("1"), member.epoch + 1), ErrorCode::StaleMemberEpoch);
    assert_eq!(fetch(Some("2"), 1), ErrorCode::UnknownMemberId);
}

#[test]
fn offsets_of_topics_that_members_read_cannot_be_deleted() {
    let mut world = World::new();
    let mut member = Consumer::new("1", &["a"]);
    member.beat(&mut world);
    let topic = |name: &str| OffsetDeleteRequestTopic {
        name: name.into(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let request = OffsetDeleteRequest { group_id: GROUP.into(), topics: vec![topic("a"), topic("b")] };
    let response: OffsetDeleteResponse = world.call(0, request);
    let errors: Vec<_> = response.topics.iter().map(|topic| topic.partitions[0].error_code).collect();
    assert_eq!(errors, [ErrorCode::GroupSubscribedToTopic, ErrorCode::None]);
}

#[test]
fn a_restart_forgets_no_member_epoch_or_assignment() {
    let mut world = World::new();
    let mut members = [Consumer::new("1", &["a", "b"]), Consumer::new_static("2", "i", &["a"])];
    settle(&mut world, &mut members);
    let before = world.describe_consumers();
    world.restart();
    assert_eq!(world.describe_consumers(), before);
    for member in &mut members {
        assert_eq!(member.beat(&mut world), ErrorCode::None);
    }
    assert_eq!(world.describe_consumers(), before, "and nothing moves because of it");
}

#[test]
fn a_restart_in_the_middle_of_a_move_goes_on_with_it() {
    let mut world = World::new();
    let mut first = Consumer::new("1", &["a"]);
    first.beat(&mut world);
    let mut second = Consumer::new("2", &["a"]);
    second.beat(&mut world);
    first.beat(&mut world);
    world.restart();
    second.beat(&mut world);
    assert!(second.owned.is_empty(), "the first has still not confirmed");
    let stubborn = Consumer { owned: (0..4).map(|index| (topic_id(1), index)).collect(), ..first.clone() };
    for _ in 0..14 {
        world.pass(4_900);
        second.beat(&mut world);
        world.consumer(stubborn.beating());
    }
    second.beat(&mut world);
    assert_eq!(second.owned.len(), 4, "its time limit runs on after the restart");
}
