//! Static members of classic groups (KIP-345, KIP-814).

use poruka_wire::api::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest,
    SyncGroupResponse,
};
use poruka_wire::{ErrorCode, Str};

use super::world::{GROUP, World, join_static, protocols, sync};

/// A stable group of one static member: its id and generation.
fn one_static(world: &mut World) -> (Str, i32) {
    let joined: JoinGroupResponse = world.call(9, join_static("i", ""));
    let id = joined.member_id;
    let token = world.sync(&id, joined.generation_id, &[(&id, "mine")]);
    assert_eq!(world.synced(token).assignment, "mine");
    (id, joined.generation_id)
}

#[test]
fn a_static_member_gets_in_without_a_second_request() {
    let mut world = World::new();
    let joined: JoinGroupResponse = world.call(9, join_static("i", ""));
    assert_eq!(joined.error_code, ErrorCode::None);
    assert!(joined.member_id.starts_with("i-"));
}

#[test]
fn a_static_member_that_comes_back_keeps_its_assignment_without_a_rebalance() {
    let mut world = World::new();
    let (old, generation) = one_static(&mut world);
    let back: JoinGroupResponse = world.call(9, join_static("i", ""));
    assert_eq!((back.error_code, back.generation_id), (ErrorCode::None, generation));
    assert_ne!(back.member_id, old);
    assert!(back.skip_assignment, "the leader need not compute the assignment again");
    assert_eq!(back.leader, back.member_id);
    let token = world.sync(&back.member_id, generation, &[]);
    assert_eq!(world.synced(token).assignment, "mine");
}

#[test]
fn before_version_9_a_returning_leader_is_told_that_its_former_self_leads() {
    let mut world = World::new();
    let (old, generation) = one_static(&mut world);
    let back: JoinGroupResponse = world.call(8, join_static("i", ""));
    assert_eq!((back.generation_id, &back.leader, back.members.len()), (generation, &old, 0));
    assert!(!back.skip_assignment);
}

#[test]
fn the_former_self_is_fenced_everywhere() {
    let mut world = World::new();
    let (old, generation) = one_static(&mut world);
    let _: JoinGroupResponse = world.call(9, join_static("i", ""));
    assert_eq!(
        world.call::<JoinGroupResponse>(9, join_static("i", &old)).error_code,
        ErrorCode::FencedInstanceId
    );
    let instance = Some(Str::from("i"));
    let beat = HeartbeatRequest {
        group_id: GROUP.into(),
        generation_id: generation,
        member_id: old.clone(),
        group_instance_id: instance.clone(),
    };
    assert_eq!(world.call::<HeartbeatResponse>(4, beat).error_code, ErrorCode::FencedInstanceId);
    let late = SyncGroupRequest { group_instance_id: instance.clone(), ..sync(&old, generation, &[]) };
    assert_eq!(world.call::<SyncGroupResponse>(5, late).error_code, ErrorCode::FencedInstanceId);
    assert_eq!(world.leave(&old, Some("i")), ErrorCode::FencedInstanceId);
    assert_eq!(
        world.commit(&old, generation, 0, 5),
        ErrorCode::UnknownMemberId,
        "and without its instance id"
    );
    assert_eq!(world.committed(0), -1);
}

#[test]
fn a_former_self_that_waits_is_fenced_at_once() {
    let mut world = World::new();
    let (_, generation) = world.one_member();
    let waiting = world.send(9, join_static("i", ""));
    assert!(world.take::<JoinGroupResponse>(waiting).is_none());
    world.send(9, join_static("i", ""));
    assert_eq!(world.joined(waiting).error_code, ErrorCode::FencedInstanceId);
    assert!(generation > 0);
}

#[test]
fn an_unknown_instance_id_with_a_member_id_is_refused() {
    let mut world = World::new();
    one_static(&mut world);
    assert_eq!(
        world.call::<JoinGroupResponse>(9, join_static("j", "x")).error_code,
        ErrorCode::UnknownMemberId
    );
}

#[test]
fn a_static_member_that_comes_back_with_another_protocol_starts_a_rebalance() {
    let mut world = World::new();
    let both = |names: &[&str]| JoinGroupRequest { protocols: protocols(names), ..join_static("i", "") };
    let first: JoinGroupResponse = world.call(9, both(&["range", "sticky"]));
    let token = world.sync(&first.member_id, first.generation_id, &[]);
    world.synced(token);
    let back: JoinGroupResponse = world.call(9, both(&["sticky"]));
    assert_eq!((back.error_code, back.generation_id), (ErrorCode::None, first.generation_id + 1));
    assert_eq!(back.protocol_name.as_deref(), Some("sticky"));
}

#[test]
fn a_static_member_that_comes_back_in_the_sync_phase_starts_a_rebalance() {
    let mut world = World::new();
    let first: JoinGroupResponse = world.call(9, join_static("i", ""));
    let back: JoinGroupResponse = world.call(9, join_static("i", ""));
    assert_eq!(back.generation_id, first.generation_id + 1);
}

#[test]
fn a_static_member_that_misses_a_rebalance_stays_until_its_session_ends() {
    let mut world = World::new();
    let (id, generation) = one_static(&mut world);
    let (_, newcomer) = world.join_new();
    for _ in 0..20 {
        world.pass(3_000);
        let beat = HeartbeatRequest {
            group_id: GROUP.into(),
            generation_id: generation,
            member_id: id.clone(),
            group_instance_id: Some("i".into()),
        };
        world.call::<HeartbeatResponse>(4, beat);
    }
    let joined = world.joined(newcomer);
    assert_eq!(joined.generation_id, generation + 1);
    assert_eq!(joined.members.len(), 2, "the leader assigns to the static member too");
    assert_eq!(joined.leader, joined.member_id, "but who has joined leads");
}

#[test]
fn an_operator_removes_a_static_member_by_its_instance_id_alone() {
    let mut world = World::new();
    let (id, generation) = one_static(&mut world);
    assert_eq!(world.leave("", Some("j")), ErrorCode::UnknownMemberId);
    assert_eq!(world.leave("", Some("i")), ErrorCode::None);
    assert_eq!(world.heartbeat(&id, generation), ErrorCode::UnknownMemberId);
}
