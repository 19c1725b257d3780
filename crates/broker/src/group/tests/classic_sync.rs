//! SyncGroup, Heartbeat and LeaveGroup.

use poruka_wire::ErrorCode;
use poruka_wire::api::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest, SyncGroupResponse,
};

use super::world::{GROUP, World, join, sync};

#[test]
fn followers_wait_for_the_leader_and_get_what_it_decided() {
    let mut world = World::new();
    let (leader, _) = world.one_member();
    let (follower, follower_join) = world.join_new();
    world.join(&leader);
    let generation = world.joined(follower_join).generation_id;
    let waiting = world.sync(&follower, generation, &[]);
    assert!(world.take::<SyncGroupResponse>(waiting).is_none());
    let persisted = world.log.len();
    let token = world.sync(&leader, generation, &[(&follower, "everything")]);
    assert_eq!(world.log.len(), persisted + 1, "the assignment is persisted before anyone is told");
    assert_eq!(world.synced(waiting).assignment, "everything");
    let own = world.synced(token);
    assert_eq!(
        (own.error_code, own.assignment.len()),
        (ErrorCode::None, 0),
        "left out means nothing, not an error"
    );
}

#[test]
fn a_sync_of_another_generation_member_or_phase_is_refused() {
    let mut world = World::new();
    let (leader, follower, generation) = world.two_members();
    let wrong = world.sync(&leader, generation - 1, &[]);
    assert_eq!(world.synced(wrong).error_code, ErrorCode::IllegalGeneration);
    let stranger = world.sync("nobody", generation, &[]);
    assert_eq!(world.synced(stranger).error_code, ErrorCode::UnknownMemberId);
    world.join(&leader);
    let late = world.sync(&follower, generation, &[]);
    assert_eq!(world.synced(late).error_code, ErrorCode::RebalanceInProgress);
}

#[test]
fn a_sync_without_a_group_is_refused() {
    let mut world = World::new();
    let token = world.sync("nobody", 1, &[]);
    assert_eq!(world.synced(token).error_code, ErrorCode::UnknownMemberId);
    let request = SyncGroupRequest { group_id: "".into(), ..sync("m", 1, &[]) };
    assert_eq!(world.call::<SyncGroupResponse>(5, request).error_code, ErrorCode::InvalidGroupId);
}

#[test]
fn since_version_5_a_sync_under_another_protocol_is_refused() {
    let mut world = World::new();
    let (member, generation) = world.one_member();
    let request = SyncGroupRequest { protocol_name: Some("sticky".into()), ..sync(&member, generation, &[]) };
    assert_eq!(world.call::<SyncGroupResponse>(5, request).error_code, ErrorCode::InconsistentGroupProtocol);
    let request =
        SyncGroupRequest { protocol_type: Some("connect".into()), ..sync(&member, generation, &[]) };
    assert_eq!(world.call::<SyncGroupResponse>(5, request).error_code, ErrorCode::InconsistentGroupProtocol);
    let request = SyncGroupRequest {
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        ..sync(&member, generation, &[])
    };
    let response = world.call::<SyncGroupResponse>(5, request);
    assert_eq!((response.error_code, response.protocol_name.as_deref()), (ErrorCode::None, Some("range")));
}

#[test]
fn in_a_stable_group_the_assignment_can_be_fetched_again() {
    let mut world = World::new();
    let (_, follower, generation) = world.two_members();
    let token = world.sync(&follower, generation, &[]);
    assert_eq!(world.synced(token).assignment, "right");
}

#[test]
fn a_leader_that_does_not_sync_in_time_is_out_and_the_rest_join_again() {
    let mut world = World::new();
    let (leader, _) = world.one_member();
    let (follower, follower_join) = world.join_new();
    world.join(&leader);
    let generation = world.joined(follower_join).generation_id;
    let waiting = world.sync(&follower, generation, &[]);
    for _ in 0..20 {
        world.pass(3_000);
        world.heartbeat(&leader, generation);
    }
    assert_eq!(world.synced(waiting).error_code, ErrorCode::RebalanceInProgress);
    assert_eq!(world.heartbeat(&leader, generation), ErrorCode::UnknownMemberId);
    let token = world.join(&follower);
    assert_eq!(world.joined(token).generation_id, generation + 1);
}

#[test]
fn waiting_in_sync_keeps_a_member_alive() {
    let mut world = World::new();
    let (leader, _) = world.one_member();
    let (follower, follower_join) = world.join_new();
    world.join(&leader);
    let generation = world.joined(follower_join).generation_id;
    let waiting = world.sync(&follower, generation, &[]);
    for _ in 0..10 {
        world.pass(4_000);
        assert_eq!(
            world.heartbeat(&leader, generation),
            ErrorCode::None,
            "heartbeats count in the sync phase"
        );
    }
    world.sync(&leader, generation, &[(&follower, "f")]);
    assert_eq!(world.synced(waiting).assignment, "f");
    world.pass(9_999);
    assert_eq!(
        world.heartbeat(&follower, generation),
        ErrorCode::None,
        "its session starts when it is answered"
    );
}

#[test]
fn a_rebalance_in_the_sync_phase_sends_the_waiting_back_to_join() {
    let mut world = World::new();
    let (leader, _) = world.one_member();
    let (follower, follower_join) = world.join_new();
    world.join(&leader);
    let generation = world.joined(follower_join).generation_id;
    let waiting = world.sync(&follower, generation, &[]);
    let (_, third) = world.join_new();
    assert_eq!(world.synced(waiting).error_code, ErrorCode::RebalanceInProgress);
    world.join(&leader);
    world.join(&follower);
    assert_eq!(world.joined(third).generation_id, generation + 1);
}

#[test]
fn heartbeats_tell_what_is_wrong() {
    let mut world = World::new();
    assert_eq!(world.heartbeat("m", 1), ErrorCode::UnknownMemberId, "no group");
    let (leader, follower, generation) = world.two_members();
    assert_eq!(world.heartbeat(&leader, generation), ErrorCode::None);
    assert_eq!(world.heartbeat(&leader, generation + 1), ErrorCode::IllegalGeneration);
    assert_eq!(world.heartbeat("nobody", generation), ErrorCode::UnknownMemberId);
    world.join(&leader);
    assert_eq!(world.heartbeat(&follower, generation), ErrorCode::RebalanceInProgress);
    let request = HeartbeatRequest::default();
    assert_eq!(world.call::<HeartbeatResponse>(4, request).error_code, ErrorCode::InvalidGroupId);
}

#[test]
fn a_heartbeat_during_a_rebalance_keeps_the_member_alive() {
    let mut world = World::new();
    let (leader, follower, generation) = world.two_members();
    let token = world.join(&leader);
    for _ in 0..5 {
        world.pass(9_000);
        assert_eq!(world.heartbeat(&follower, generation), ErrorCode::RebalanceInProgress);
    }
    world.join(&follower);
    assert_eq!(world.joined(token).members.len(), 2);
}

#[test]
fn when_the_last_member_leaves_the_group_is_empty_and_the_generation_grows() {
    let mut world = World::new();
    let (member, generation) = world.one_member();
    assert_eq!(world.leave(&member, None), ErrorCode::None);
    assert_eq!(world.leave(&member, None), ErrorCode::UnknownMemberId);
    let (_, token) = world.join_new();
    assert_eq!(world.joined(token).generation_id, generation + 2);
}

#[test]
fn a_leaving_member_makes_the_others_rebalance() {
    let mut world = World::new();
    let (leader, follower, generation) = world.two_members();
    assert_eq!(world.leave(&leader, None), ErrorCode::None);
    assert_eq!(world.heartbeat(&follower, generation), ErrorCode::RebalanceInProgress);
    let token = world.join(&follower);
    assert_eq!(world.joined(token).leader, follower);
}

#[test]
fn a_member_that_waits_to_join_and_leaves_is_answered() {
    let mut world = World::new();
    let (leader, _) = world.one_member();
    let (newcomer, token) = world.join_new();
    assert!(world.take::<JoinGroupResponse>(token).is_none());
    assert_eq!(world.leave(&newcomer, None), ErrorCode::None);
    assert_eq!(world.joined(token).error_code, ErrorCode::UnknownMemberId);
    let token = world.join(&leader);
    assert_eq!(world.joined(token).members.len(), 1);
}

#[test]
fn an_id_that_was_handed_out_can_be_given_back() {
    let mut world = World::new();
    let told: JoinGroupResponse = world.call(9, join(""));
    assert_eq!(world.leave(&told.member_id, None), ErrorCode::None);
    assert_eq!(world.leave(&told.member_id, None), ErrorCode::UnknownMemberId);
}

#[test]
fn before_version_3_the_error_of_the_one_who_leaves_stands_at_the_top() {
    let mut world = World::new();
    let (member, _) = world.one_member();
    let leave = |member: &str| LeaveGroupRequest {
        group_id: GROUP.into(),
        member_id: member.into(),
        ..LeaveGroupRequest::default()
    };
    assert_eq!(world.call::<LeaveGroupResponse>(2, leave(&member)).error_code, ErrorCode::None);
    let again = world.call::<LeaveGroupResponse>(2, leave(&member));
    assert_eq!((again.error_code, again.members.len()), (ErrorCode::UnknownMemberId, 0));
}

#[test]
fn an_endless_assignment_is_refused_and_the_group_rebalances() {
    let mut world = World::new();
    let (member, token) = world.join_new();
    let generation = world.joined(token).generation_id;
    let mut request = sync(&member, generation, &[(&member, "")]);
    request.assignments[0].assignment = vec![0; 9 << 20].into();
    assert_eq!(world.call::<SyncGroupResponse>(5, request).error_code, ErrorCode::UnknownServerError);
    assert_eq!(world.heartbeat(&member, generation), ErrorCode::RebalanceInProgress);
}
