//! Offsets: fencing, fetching, deleting, and their end.

use poruka_wire::api::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    JoinGroupRequest, ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse,
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic, OffsetDeleteResponse,
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
};
use poruka_wire::{ErrorCode, Message, Writer};

use super::world::{GROUP, World, commit, join, topic_id, two_topics};

fn commit_error(world: &mut World, version: i16, request: OffsetCommitRequest) -> ErrorCode {
    let response: OffsetCommitResponse = world.call(version, request);
    response.encode(&mut Writer::default(), version).expect("fits its version");
    response.topics[0].partitions[0].error_code
}

#[test]
fn anyone_may_commit_to_a_group_without_members() {
    let mut world = World::new();
    assert_eq!(world.commit("", -1, 0, 5), ErrorCode::None);
    assert_eq!(world.committed(0), 5);
    let listed: ListGroupsResponse = world.call(5, ListGroupsRequest::default());
    assert_eq!((&*listed.groups[0].group_state, &*listed.groups[0].protocol_type), ("Empty", ""));
}

#[test]
fn a_group_with_members_takes_commits_from_them_alone() {
    let mut world = World::new();
    let (member, generation) = world.one_member();
    assert_eq!(world.commit(&member, generation, 0, 5), ErrorCode::None);
    assert_eq!(world.commit("", -1, 0, 1), ErrorCode::UnknownMemberId);
    assert_eq!(world.commit("nobody", generation, 0, 1), ErrorCode::UnknownMemberId);
    assert_eq!(world.commit(&member, generation - 1, 0, 1), ErrorCode::IllegalGeneration);
    assert_eq!(world.commit(&member, generation + 1, 0, 1), ErrorCode::IllegalGeneration);
    assert_eq!(world.committed(0), 5);
}

#[test]
fn a_member_may_commit_while_it_is_asked_to_join_again_but_not_before_its_assignment() {
    let mut world = World::new();
    let (leader, follower, generation) = world.two_members();
    world.join(&leader);
    assert_eq!(world.commit(&follower, generation, 0, 5), ErrorCode::None);
    world.join(&follower);
    assert_eq!(world.commit(&follower, generation, 0, 6), ErrorCode::IllegalGeneration);
    assert_eq!(world.commit(&follower, generation + 1, 0, 6), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_generation_without_a_group_is_told_apart_since_version_9() {
    let mut world = World::new();
    assert_eq!(commit_error(&mut world, 8, commit("m", 3, 0, 5)), ErrorCode::IllegalGeneration);
    assert_eq!(commit_error(&mut world, 9, commit("m", 3, 0, 5)), ErrorCode::GroupIdNotFound);
}

#[test]
fn a_commit_is_a_sign_of_life() {
    let mut world = World::new();
    let (member, generation) = world.one_member();
    for _ in 0..5 {
        world.pass(9_000);
        assert_eq!(world.commit(&member, generation, 0, 5), ErrorCode::None);
    }
}

#[test]
fn endless_metadata_and_partitions_that_do_not_exist_are_refused_one_by_one() {
    let mut world = World::new();
    let mut request = commit("", -1, 0, 5);
    let mut endless = request.topics[0].partitions[0].clone();
    endless.partition_index = 1;
    endless.committed_metadata = Some("x".repeat(4_097).as_str().into());
    let mut missing = request.topics[0].partitions[0].clone();
    missing.partition_index = 4;
    request.topics[0].partitions.extend([endless, missing]);
    let response: OffsetCommitResponse = world.call(9, request);
    let errors: Vec<_> = response.topics[0].partitions.iter().map(|partition| partition.error_code).collect();
    assert_eq!(
        errors,
        [ErrorCode::None, ErrorCode::OffsetMetadataTooLarge, ErrorCode::UnknownTopicOrPartition]
    );
    assert_eq!((world.committed(0), world.committed(1)), (5, -1));
}

#[test]
fn since_version_10_topics_are_named_by_id() {
    let mut world = World::new();
    let mut request = commit("", -1, 0, 5);
    request.topics[0].name = "".into();
    request.topics[0].topic_id = topic_id(1);
    assert_eq!(commit_error(&mut world, 10, request.clone()), ErrorCode::None);
    request.topics[0].topic_id = topic_id(9);
    assert_eq!(commit_error(&mut world, 10, request), ErrorCode::UnknownTopicId);
    let fetch = |number: u8| OffsetFetchRequestGroup {
        group_id: GROUP.into(),
        topics: Some(vec![OffsetFetchRequestTopics {
            topic_id: topic_id(number),
            partition_indexes: vec![0],
            ..OffsetFetchRequestTopics::default()
        }]),
        ..OffsetFetchRequestGroup::default()
    };
    let request = OffsetFetchRequest { groups: vec![fetch(1), fetch(9)], ..OffsetFetchRequest::default() };
    let response: OffsetFetchResponse = world.call(10, request);
    let partition = |group: usize| &response.groups[group].topics[0].partitions[0];
    assert_eq!((partition(0).committed_offset, partition(0).error_code), (5, ErrorCode::None));
    assert_eq!((partition(1).committed_offset, partition(1).error_code), (-1, ErrorCode::UnknownTopicId));
}

#[test]
fn all_topics_of_a_group_can_be_fetched_in_every_version() {
    let mut world = World::new();
    world.commit("", -1, 2, 7);
    let old = OffsetFetchRequest { group_id: GROUP.into(), topics: None, ..OffsetFetchRequest::default() };
    for version in 2..=7 {
        let response: OffsetFetchResponse = world.call(version, old.clone());
        response.encode(&mut Writer::default(), version).expect("fits its version");
        let partition = &response.topics[0].partitions[0];
        assert_eq!((partition.partition_index, partition.committed_offset), (2, 7));
        assert_eq!(partition.metadata.as_deref(), Some("note"));
    }
    let group = OffsetFetchRequestGroup {
        group_id: GROUP.into(),
        topics: None,
        ..OffsetFetchRequestGroup::default()
    };
    let new = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
    for version in 8..=10 {
        let response: OffsetFetchResponse = world.call(version, new.clone());
        response.encode(&mut Writer::default(), version).expect("fits its version");
        assert_eq!(response.groups[0].topics[0].partitions[0].committed_offset, 7);
        assert_eq!(response.groups[0].topics[0].topic_id, topic_id(1));
    }
}

#[test]
fn what_does_not_exist_is_fetched_as_no_offset_without_an_error() {
    let mut world = World::new();
    assert_eq!(world.committed(0), -1);
    world.commit("", -1, 0, 5);
    assert_eq!(world.committed(3), -1);
}

#[test]
fn offsets_go_with_their_topic_and_do_not_come_back_with_its_name() {
    let mut world = World::new();
    world.commit("", -1, 0, 5_000);
    let mut topics = two_topics();
    topics.insert("a", topic_id(7), 4);
    world.set_topics(topics.clone());
    assert_eq!(world.committed(0), -1, "another life of the topic has no offsets");
    world.set_topics(two_topics());
    assert_eq!(world.committed(0), -1);
}

#[test]
fn offsets_of_a_topic_that_is_reborn_at_the_start_are_dropped() {
    let mut world = World::new();
    world.commit("", -1, 0, 5_000);
    world.topics.insert("a", topic_id(7), 4);
    world.restart();
    assert_eq!(world.committed(0), -1);
    assert!(world.log.last().expect("a deletion").iter().all(|(_, value)| value.is_none()));
}

#[test]
fn an_operator_may_delete_offsets_of_topics_that_are_not_read() {
    let mut world = World::new();
    let delete = |partition: i32| OffsetDeleteRequest {
        group_id: GROUP.into(),
        topics: vec![OffsetDeleteRequestTopic {
            name: "a".into(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: partition }],
        }],
    };
    let response: OffsetDeleteResponse = world.call(0, delete(0));
    assert_eq!(response.error_code, ErrorCode::GroupIdNotFound);
    // A consumer that subscribes to topic a.
    let mut subscriber = join("");
    subscriber.protocols[0].metadata = bytes::Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b'a']);
    let joined: poruka_wire::api::JoinGroupResponse = world.call(3, subscriber);
    let token = world.sync(&joined.member_id, joined.generation_id, &[]);
    world.synced(token);
    world.commit(&joined.member_id, joined.generation_id, 0, 5);
    let response: OffsetDeleteResponse = world.call(0, delete(0));
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::GroupSubscribedToTopic);
    world.leave(&joined.member_id, None);
    let response: OffsetDeleteResponse = world.call(0, delete(9));
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::UnknownTopicOrPartition);
    let response: OffsetDeleteResponse = world.call(0, delete(0));
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::None);
    assert_eq!(world.committed(0), -1);
}

#[test]
fn offsets_of_a_live_group_of_another_kind_cannot_be_deleted() {
    let mut world = World::new();
    let request = JoinGroupRequest { protocol_type: "connect".into(), ..join("") };
    let _: poruka_wire::api::JoinGroupResponse = world.call(3, request);
    let request = OffsetDeleteRequest { group_id: GROUP.into(), topics: Vec::new() };
    assert_eq!(world.call::<OffsetDeleteResponse>(0, request).error_code, ErrorCode::NonEmptyGroup);
}

#[test]
fn only_groups_without_members_can_be_deleted_and_their_offsets_go_with_them() {
    let mut world = World::new();
    let delete = DeleteGroupsRequest { groups_names: vec![GROUP.into()] };
    let error =
        |world: &mut World| world.call::<DeleteGroupsResponse>(2, delete.clone()).results[0].error_code;
    assert_eq!(error(&mut world), ErrorCode::GroupIdNotFound);
    let (member, generation) = world.one_member();
    world.commit(&member, generation, 0, 5);
    assert_eq!(error(&mut world), ErrorCode::NonEmptyGroup);
    world.leave(&member, None);
    assert_eq!(error(&mut world), ErrorCode::None);
    assert_eq!(world.committed(0), -1);
    world.restart();
    assert_eq!(error(&mut world), ErrorCode::GroupIdNotFound, "nor does it come back");
}

#[test]
fn offsets_expire_when_their_group_has_been_empty_for_long_enough() {
    let mut world = World::new();
    let (member, generation) = world.one_member();
    world.commit(&member, generation, 0, 5);
    world.leave(&member, None);
    let retention_ms = world.config.offsets_retention_ms as u64;
    world.pass(retention_ms - 1_000);
    assert_eq!(world.committed(0), 5);
    world.pass(601_000);
    assert_eq!(world.committed(0), -1);
    assert!(world.groups.state.groups.is_empty(), "and the empty group with them");
}

#[test]
fn offsets_of_a_group_in_use_do_not_expire() {
    let mut world = World::new();
    world.config.offsets_retention_ms = 20_000;
    world.config.offsets_retention_check_interval_ms = 1_000;
    world.restart();
    let (member, generation) = world.one_member();
    world.commit(&member, generation, 0, 5);
    for _ in 0..10 {
        world.pass(9_000);
        assert_eq!(world.heartbeat(&member, generation), ErrorCode::None);
    }
    assert_eq!(world.committed(0), 5, "the subscription cannot be read, so every topic counts as read");
}

#[test]
fn a_live_consumer_group_keeps_offsets_of_the_topics_that_it_reads_and_no_others() {
    let mut world = World::new();
    world.config.offsets_retention_ms = 20_000;
    world.config.offsets_retention_check_interval_ms = 1_000;
    world.restart();
    // A consumer that subscribes to topic b; the offset is one of topic a.
    let mut subscriber = join("");
    subscriber.protocols[0].metadata = bytes::Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b'b']);
    let joined: poruka_wire::api::JoinGroupResponse = world.call(3, subscriber);
    let token = world.sync(&joined.member_id, joined.generation_id, &[]);
    world.synced(token);
    world.commit(&joined.member_id, joined.generation_id, 0, 5);
    for round in 0..4 {
        assert_eq!(world.committed(0), if round < 3 { 5 } else { -1 }, "after {} s", round * 9);
        world.pass(9_000);
        assert_eq!(world.heartbeat(&joined.member_id, joined.generation_id), ErrorCode::None);
    }
    assert!(!world.groups.state.groups.is_empty(), "the group is in use");
}

#[test]
fn versions_2_to_4_bring_a_retention_time_of_their_own() {
    let mut world = World::new();
    let request = OffsetCommitRequest { retention_time_ms: 1_000, ..commit("", -1, 0, 5) };
    assert_eq!(commit_error(&mut world, 4, request), ErrorCode::None);
    world.pass(600_000);
    assert_eq!(world.committed(0), -1);
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut world = World::new();
    world.one_member();
    let mut list = |states: &[&str], types: &[&str]| {
        let request = ListGroupsRequest {
            states_filter: states.iter().map(|state| (*state).into()).collect(),
            types_filter: types.iter().map(|kind| (*kind).into()).collect(),
        };
        world.call::<ListGroupsResponse>(5, request).groups.len()
    };
    assert_eq!(list(&[], &[]), 1);
    assert_eq!(list(&["stable", "Empty"], &["Classic"]), 1, "whatever the case");
    assert_eq!(list(&["Empty"], &[]), 0);
    assert_eq!(list(&[], &["consumer"]), 0);
}

#[test]
fn a_group_is_described_with_its_members_and_an_unknown_one_as_dead() {
    let mut world = World::new();
    let (member, _) = world.one_member();
    let request = DescribeGroupsRequest { groups: vec![GROUP.into(), "other".into()], ..Default::default() };
    let response: DescribeGroupsResponse = world.call(5, request.clone());
    let group = &response.groups[0];
    assert_eq!(
        (&*group.group_state, &*group.protocol_type, &*group.protocol_data),
        ("Stable", "consumer", "range")
    );
    assert_eq!((&group.members[0].member_id, &*group.members[0].client_host), (&member, "/127.0.0.1"));
    assert_eq!(group.members[0].member_assignment, "all");
    assert_eq!((&*response.groups[1].group_state, response.groups[1].error_code), ("Dead", ErrorCode::None));
    let response: DescribeGroupsResponse = world.call(6, request);
    assert_eq!(response.groups[1].error_code, ErrorCode::GroupIdNotFound);
}
