//! JoinGroup: who gets in, when a generation starts, what is refused.

use poruka_wire::ErrorCode;
use poruka_wire::api::{JoinGroupRequest, JoinGroupResponse};

use super::world::{GROUP, World, join, protocols};
use crate::group::GroupConfig;

fn refused(world: &mut World, version: i16, request: JoinGroupRequest) -> ErrorCode {
    world.call::<JoinGroupResponse>(version, request).error_code
}

#[test]
fn a_new_dynamic_member_is_told_its_id_first_since_version_4() {
    let mut world = World::new();
    let told: JoinGroupResponse = world.call(4, join(""));
    assert_eq!(told.error_code, ErrorCode::MemberIdRequired);
    assert!(told.member_id.starts_with("client-"));
    let token = world.send(4, join(&told.member_id));
    let joined = world.joined(token);
    assert_eq!((joined.error_code, joined.generation_id), (ErrorCode::None, 1));
    assert_eq!((&joined.leader, joined.members.len()), (&told.member_id, 1));
}

#[test]
fn before_version_4_a_member_gets_in_at_once() {
    let mut world = World::new();
    let joined: JoinGroupResponse = world.call(3, join(""));
    assert_eq!((joined.error_code, joined.generation_id), (ErrorCode::None, 1));
}

#[test]
fn an_id_that_does_not_come_back_within_the_session_is_forgotten() {
    let mut world = World::new();
    let told: JoinGroupResponse = world.call(9, join(""));
    world.pass(10_001);
    assert_eq!(refused(&mut world, 9, join(&told.member_id)), ErrorCode::UnknownMemberId);
}

#[test]
fn an_id_that_is_awaited_holds_a_rebalance_open() {
    let mut world = World::new();
    let (leader, _) = world.one_member();
    let told: JoinGroupResponse = world.call(9, join(""));
    let token = world.join(&leader);
    assert!(world.take::<JoinGroupResponse>(token).is_none(), "the leader waits for the one on its way");
    let late = world.join(&told.member_id);
    assert_eq!(world.joined(late).generation_id, 2);
    assert_eq!(world.joined(token).members.len(), 2);
}

#[test]
fn an_unknown_member_id_is_refused_with_and_without_a_group() {
    let mut world = World::new();
    assert_eq!(refused(&mut world, 9, join("nobody")), ErrorCode::UnknownMemberId);
    world.one_member();
    assert_eq!(refused(&mut world, 9, join("nobody")), ErrorCode::UnknownMemberId);
}

#[test]
fn a_session_timeout_out_of_range_is_refused() {
    let mut world = World::new();
    for session_timeout_ms in [5_999, 1_800_001, -1] {
        let request = JoinGroupRequest { session_timeout_ms, ..join("") };
        assert_eq!(refused(&mut world, 9, request), ErrorCode::InvalidSessionTimeout);
    }
}

#[test]
fn an_empty_group_id_is_refused() {
    let mut world = World::new();
    let request = JoinGroupRequest { group_id: "".into(), ..join("") };
    assert_eq!(refused(&mut world, 9, request), ErrorCode::InvalidGroupId);
}

#[test]
fn a_protocol_type_or_protocol_that_the_group_does_not_share_is_refused() {
    let mut world = World::new();
    world.one_member();
    let other_type = JoinGroupRequest { protocol_type: "connect".into(), ..join("") };
    assert_eq!(refused(&mut world, 9, other_type), ErrorCode::InconsistentGroupProtocol);
    let other_protocol = JoinGroupRequest { protocols: protocols(&["sticky"]), ..join("") };
    assert_eq!(refused(&mut world, 9, other_protocol), ErrorCode::InconsistentGroupProtocol);
    let none = JoinGroupRequest { protocols: Vec::new(), ..join("") };
    assert_eq!(refused(&mut World::new(), 9, none), ErrorCode::InconsistentGroupProtocol);
}

#[test]
fn the_protocol_is_the_one_that_most_prefer_among_those_that_all_support() {
    let mut world = World::new();
    let offer =
        |member: &str, names: &[&str]| JoinGroupRequest { protocols: protocols(names), ..join(member) };
    let mut members = Vec::new();
    for names in [["range", "sticky"], ["sticky", "range"], ["sticky", "range"]] {
        let told: JoinGroupResponse = world.call(9, offer("", &names));
        members.push((told.member_id, names));
    }
    let tokens: Vec<_> = members.iter().map(|(id, names)| world.send(9, offer(id, names))).collect();
    let names: Vec<_> = tokens.iter().map(|token| world.joined(*token).protocol_name).collect();
    assert!(names.iter().all(|name| name.as_deref() == Some("sticky")), "{names:?}");
}

#[test]
fn the_first_rebalance_waits_for_more_members_and_longer_when_they_come() {
    let mut world = World::with(GroupConfig::default());
    let (_, first) = world.join_new();
    world.pass(2_999);
    assert!(world.take::<JoinGroupResponse>(first).is_none());
    let (_, second) = world.join_new();
    world.pass(1);
    assert!(world.take::<JoinGroupResponse>(first).is_none(), "someone came, so the delay starts again");
    world.pass(3_000);
    let (one, two) = (world.joined(first), world.joined(second));
    assert_eq!((one.generation_id, two.generation_id), (1, 1));
    assert_eq!(one.members.len() + two.members.len(), 2, "one of them leads");
}

#[test]
fn the_first_rebalance_never_waits_longer_than_the_rebalance_timeout() {
    let mut world = World::with(GroupConfig::default());
    let (_, first) = world.join_new();
    for _ in 0..25 {
        world.pass(2_500);
        world.join_new();
    }
    assert!(world.take::<JoinGroupResponse>(first).is_some());
}

#[test]
fn a_follower_that_joins_again_unchanged_is_told_the_current_generation() {
    let mut world = World::new();
    let (_, follower, generation) = world.two_members();
    let token = world.join(&follower);
    let joined = world.joined(token);
    assert_eq!((joined.generation_id, joined.members.len()), (generation, 0));
    assert_eq!(world.heartbeat(&follower, generation), ErrorCode::None);
}

#[test]
fn a_leader_that_joins_again_starts_a_rebalance() {
    let mut world = World::new();
    let (leader, follower, generation) = world.two_members();
    let token = world.join(&leader);
    assert_eq!(world.heartbeat(&follower, generation), ErrorCode::RebalanceInProgress);
    world.join(&follower);
    assert_eq!(world.joined(token).generation_id, generation + 1);
}

#[test]
fn a_member_with_changed_metadata_starts_a_rebalance() {
    let mut world = World::new();
    let (leader, follower, generation) = world.two_members();
    let mut changed = join(&follower);
    changed.protocols[0].metadata = "new".into();
    let token = world.send(9, changed);
    assert_eq!(world.heartbeat(&leader, generation), ErrorCode::RebalanceInProgress);
    world.join(&leader);
    assert_eq!(world.joined(token).generation_id, generation + 1);
}

#[test]
fn in_the_sync_phase_an_unchanged_member_is_told_the_generation_again() {
    let mut world = World::new();
    let (member, token) = world.join_new();
    let first = world.joined(token);
    let token = world.join(&member);
    assert_eq!(world.joined(token), first);
}

#[test]
fn members_that_do_not_join_within_the_rebalance_timeout_are_out() {
    let mut world = World::new();
    let (leader, follower, generation) = world.two_members();
    let token = world.join(&leader);
    // It says it is alive, but it never joins.
    for _ in 0..20 {
        world.pass(3_000);
        world.heartbeat(&follower, generation);
    }
    let joined = world.joined(token);
    assert_eq!((joined.generation_id, joined.members.len()), (generation + 1, 1));
    assert_eq!(world.heartbeat(&follower, generation), ErrorCode::UnknownMemberId);
}

#[test]
fn a_member_that_is_not_heard_of_for_its_session_is_out() {
    let mut world = World::new();
    let (leader, follower, generation) = world.two_members();
    world.pass(6_000);
    assert_eq!(world.heartbeat(&leader, generation), ErrorCode::None);
    world.pass(4_001);
    assert_eq!(world.heartbeat(&follower, generation), ErrorCode::UnknownMemberId);
    assert_eq!(world.heartbeat(&leader, generation), ErrorCode::RebalanceInProgress);
    let token = world.join(&leader);
    assert_eq!(world.joined(token).generation_id, generation + 1);
}

#[test]
fn a_new_member_that_waits_too_long_is_told_to_start_over() {
    let mut world = World::new();
    let (leader, generation) = world.one_member();
    let mut patient = join("");
    patient.rebalance_timeout_ms = 1_000_000;
    let told: JoinGroupResponse = world.call(9, patient.clone());
    patient.member_id = told.member_id;
    let token = world.send(9, patient);
    for _ in 0..60 {
        world.pass(5_000);
        world.heartbeat(&leader, generation);
    }
    assert_eq!(world.joined(token).error_code, ErrorCode::UnknownMemberId);
}

#[test]
fn a_full_group_takes_no_one_in_but_its_members() {
    let mut world =
        World::with(GroupConfig { initial_rebalance_delay_ms: 0, members_max: 2, ..GroupConfig::default() });
    let (leader, follower, generation) = world.two_members();
    assert_eq!(refused(&mut world, 9, join("")), ErrorCode::GroupMaxSizeReached);
    let token = world.join(&leader);
    world.join(&follower);
    assert_eq!(world.joined(token).generation_id, generation + 1);
}

#[test]
fn a_join_that_is_sent_again_answers_the_one_that_waits() {
    let mut world = World::new();
    let (leader, _, _) = world.two_members();
    let first = world.join(&leader);
    let second = world.join(&leader);
    assert_eq!(world.joined(first).error_code, ErrorCode::RebalanceInProgress);
    assert!(world.take::<JoinGroupResponse>(second).is_none());
}

#[test]
fn endless_metadata_is_refused() {
    let mut world = World::new();
    let mut request = join("");
    request.protocols[0].metadata = vec![0; 2 << 20].into();
    assert_eq!(refused(&mut world, 9, request), ErrorCode::InvalidRequest);
    let request = JoinGroupRequest { protocols: protocols(&["p"; 65]), ..join("") };
    assert_eq!(refused(&mut world, 9, request), ErrorCode::InvalidRequest);
}

#[test]
fn a_refused_join_leaves_no_group_behind() {
    let mut world = World::new();
    refused(&mut world, 9, JoinGroupRequest { protocols: Vec::new(), ..join("") });
    assert!(world.groups.state.groups.is_empty());
    world.call::<JoinGroupResponse>(9, join(""));
    world.pass(10_001);
    assert!(
        !world.groups.state.groups.contains_key(GROUP),
        "an id that was never used is no reason to keep a group"
    );
}

#[test]
fn every_version_of_an_answer_can_be_encoded() {
    use poruka_wire::{Message, Writer};
    for version in 0..=9 {
        let mut world = World::new();
        let bad = JoinGroupRequest { session_timeout_ms: 0, ..join("") };
        for request in [join(""), bad, join("nobody")] {
            let response: JoinGroupResponse = world.call(version, request);
            response.encode(&mut Writer::default(), version).expect("fits its version");
        }
    }
}
