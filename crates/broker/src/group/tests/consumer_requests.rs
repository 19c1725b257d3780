//! ConsumerGroupHeartbeat: what is refused before a group is looked at, and who gets in.

use poruka_wire::api::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, MemberIdentity,
};
use poruka_wire::{ErrorCode, Str};

use super::consumers::{Consumer, settle};
use super::world::{GROUP, World, join};
use crate::group::GroupConfig;

fn error(world: &mut World, request: ConsumerGroupHeartbeatRequest) -> ErrorCode {
    world.consumer(request).error_code
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut world = World::new();
    let good = Consumer::new("m", &["a"]).joining();
    let refused = [
        ConsumerGroupHeartbeatRequest { member_id: "".into(), ..good.clone() },
        ConsumerGroupHeartbeatRequest { group_id: "".into(), ..good.clone() },
        ConsumerGroupHeartbeatRequest { instance_id: Some("".into()), ..good.clone() },
        ConsumerGroupHeartbeatRequest { rack_id: Some("".into()), ..good.clone() },
        ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: -1, ..good.clone() },
        ConsumerGroupHeartbeatRequest { topic_partitions: None, ..good.clone() },
        ConsumerGroupHeartbeatRequest { topic_partitions: Some(vec![Default::default()]), ..good.clone() },
        ConsumerGroupHeartbeatRequest { subscribed_topic_names: None, ..good.clone() },
        ConsumerGroupHeartbeatRequest { member_epoch: -2, ..good.clone() },
        ConsumerGroupHeartbeatRequest { member_epoch: -3, ..good.clone() },
    ];
    for request in refused {
        assert_eq!(error(&mut world, request.clone()), ErrorCode::InvalidRequest, "{request:?}");
    }
    let unknown = ConsumerGroupHeartbeatRequest { server_assignor: Some("sticky".into()), ..good.clone() };
    assert_eq!(error(&mut world, unknown), ErrorCode::UnsupportedAssignor);
    let pattern = ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some("(".into()), ..good };
    assert_eq!(error(&mut world, pattern), ErrorCode::InvalidRegularExpression);
    assert!(world.groups.state.groups.is_empty(), "nothing of it leaves a group behind");
}

#[test]
fn version_0_lets_the_coordinator_choose_the_member_id() {
    let mut world = World::new();
    let request =
        ConsumerGroupHeartbeatRequest { member_id: "".into(), ..Consumer::new("", &["a"]).joining() };
    let response: ConsumerGroupHeartbeatResponse = world.call(0, request);
    assert_eq!(response.error_code, ErrorCode::None);
    assert_eq!(response.member_id.expect("an id").len(), 36);
}

#[test]
fn a_member_that_joins_alone_is_told_everything_at_once() {
    let mut world = World::new();
    let response = world.consumer(Consumer::new("m", &["a", "b"]).joining());
    assert_eq!((response.error_code, response.member_epoch), (ErrorCode::None, 1));
    assert_eq!(response.heartbeat_interval_ms, 5_000);
    let count: usize = response
        .assignment
        .expect("an assignment")
        .topic_partitions
        .iter()
        .map(|topic| topic.partitions.len())
        .sum();
    assert_eq!(count, 6);
}

#[test]
fn without_the_group_or_the_member_an_epoch_is_refused() {
    let mut world = World::new();
    let mut member = Consumer::new("m", &["a"]);
    member.epoch = 3;
    assert_eq!(error(&mut world, member.beating()), ErrorCode::GroupIdNotFound);
    Consumer::new("other", &["a"]).beat(&mut world);
    assert_eq!(error(&mut world, member.beating()), ErrorCode::UnknownMemberId);
    assert_eq!(member.leave(&mut world, -1), ErrorCode::UnknownMemberId);
}

#[test]
fn an_answer_without_news_carries_no_assignment() {
    let mut world = World::new();
    let mut member = Consumer::new("m", &["a"]);
    member.beat(&mut world);
    let again = world.consumer(member.beating());
    assert_eq!((again.member_epoch, again.assignment), (member.epoch, None));
    let persisted = world.log.len();
    world.consumer(member.beating());
    assert_eq!(world.log.len(), persisted, "and costs no write");
    let full = ConsumerGroupHeartbeatRequest { member_epoch: member.epoch, ..member.joining() };
    assert!(world.consumer(full).assignment.is_some(), "a full request is answered in full");
}

#[test]
fn a_full_group_takes_no_one_in_but_its_members() {
    let mut world =
        World::with(GroupConfig { initial_rebalance_delay_ms: 0, members_max: 1, ..GroupConfig::default() });
    let mut first = Consumer::new("first", &["a"]);
    first.beat(&mut world);
    assert_eq!(error(&mut world, Consumer::new("second", &["a"]).joining()), ErrorCode::GroupMaxSizeReached);
    assert_eq!(first.beat(&mut world), ErrorCode::None);
    assert_eq!(error(&mut world, first.joining()), ErrorCode::None, "it may start over");
}

#[test]
fn the_assignor_is_the_one_that_most_ask_for() {
    let mut world = World::new();
    let ask = |id: &str, assignor: &str| ConsumerGroupHeartbeatRequest {
        server_assignor: Some(assignor.into()),
        ..Consumer::new(id, &["a"]).joining()
    };
    world.consumer(ask("1", "uniform"));
    assert_eq!(&*world.describe_consumers().assignor_name, "uniform");
    let before = world.describe_consumers().group_epoch;
    world.consumer(ask("2", "range"));
    world.consumer(ask("3", "range"));
    assert_eq!(&*world.describe_consumers().assignor_name, "range");
    assert!(world.describe_consumers().group_epoch >= before + 2);
}

#[test]
fn an_empty_classic_group_becomes_a_consumer_group_and_keeps_its_offsets() {
    let mut world = World::new();
    let (member, generation) = world.one_member();
    world.commit(&member, generation, 0, 7);
    let mut consumer = Consumer::new("m", &["a"]);
    let refused = world.consumer(consumer.joining());
    assert_eq!(refused.error_code, ErrorCode::GroupIdNotFound, "not while a classic member lives");
    assert!(refused.error_message.expect("words").contains("classic members"));
    world.leave(&member, None);
    assert_eq!(consumer.beat(&mut world), ErrorCode::None);
    assert!(consumer.epoch > generation, "numbers never go back");
    assert_eq!(world.committed(0), 7);
    assert_eq!(world.heartbeat(&member, generation), ErrorCode::UnknownMemberId);
    world.restart();
    assert_eq!(consumer.beat(&mut world), ErrorCode::None);
}

#[test]
fn an_empty_consumer_group_becomes_a_classic_group_and_keeps_its_offsets() {
    let mut world = World::new();
    let mut consumer = Consumer::new("m", &["a"]);
    consumer.beat(&mut world);
    let (id, epoch) = (consumer.id.clone(), consumer.epoch);
    assert_eq!(world.commit(&id, epoch, 0, 7), ErrorCode::None);
    let refused: JoinGroupResponse = world.call(9, join(""));
    assert_eq!(refused.error_code, ErrorCode::InconsistentGroupProtocol);
    consumer.leave(&mut world, -1);
    let (_, generation) = world.one_member();
    assert!(generation > epoch, "numbers never go back");
    assert_eq!(world.committed(0), 7);
    world.restart();
    assert_eq!(consumer.beat(&mut world), ErrorCode::GroupIdNotFound, "now the classic member is in the way");
}

#[test]
fn classic_requests_do_not_touch_a_consumer_group_but_an_operator_may_remove_members() {
    let mut world = World::new();
    let mut members = [Consumer::new("1", &["a"]), Consumer::new_static("2", "i", &["a"])];
    settle(&mut world, &mut members);
    assert_eq!(world.heartbeat("1", members[0].epoch), ErrorCode::UnknownMemberId);
    let identity = |member: &str, instance: Option<&str>| MemberIdentity {
        member_id: member.into(),
        group_instance_id: instance.map(Str::from),
        ..MemberIdentity::default()
    };
    let request = LeaveGroupRequest {
        group_id: GROUP.into(),
        members: vec![
            identity("x", None),
            identity("x", Some("i")),
            identity("", Some("i")),
            identity("1", None),
        ],
        ..LeaveGroupRequest::default()
    };
    let errors: Vec<_> =
        world.call::<LeaveGroupResponse>(5, request).members.iter().map(|member| member.error_code).collect();
    assert_eq!(
        errors,
        [ErrorCode::UnknownMemberId, ErrorCode::FencedInstanceId, ErrorCode::None, ErrorCode::None]
    );
    assert_eq!(&*world.describe_consumers().group_state, "Empty");
}
