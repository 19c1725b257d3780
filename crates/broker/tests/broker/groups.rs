//! Groups: the whole way of a classic and of a consumer-protocol group, and what a kill leaves of them.

use poruka_wire::api::*;
use poruka_wire::{ErrorCode, Uuid};

use crate::harness::*;

pub(crate) fn commit_request(topic: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: offset,
        committed_metadata: Some("note".into()),
        ..Default::default()
    };
    let topic =
        OffsetCommitRequestTopic { name: topic.into(), partitions: vec![partition], ..Default::default() };
    OffsetCommitRequest { group_id: "g".into(), topics: vec![topic], ..Default::default() }
}

pub(crate) async fn commit(client: &mut impl Client, topic: &str, offset: i64) -> ErrorCode {
    let response = client.call(8, &commit_request(topic, offset)).await;
    response.topics[0].partitions[0].error_code
}

pub(crate) async fn committed(client: &mut impl Client, topic: &str) -> i64 {
    let topics =
        OffsetFetchRequestTopics { name: topic.into(), partition_indexes: vec![0], ..Default::default() };
    let group =
        OffsetFetchRequestGroup { group_id: "g".into(), topics: Some(vec![topics]), ..Default::default() };
    let response = client.call(8, &OffsetFetchRequest { groups: vec![group], ..Default::default() }).await;
    response.groups[0].topics[0].partitions[0].committed_offset
}

#[test]
fn a_classic_group_joins_shares_commits_and_leaves() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        let coordinator = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
        let found = client.call(4, &coordinator).await.coordinators.remove(0);
        assert_eq!((found.error_code, found.node_id), (ErrorCode::None, 1));

        let mut join = JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata: "m".into() }],
            ..Default::default()
        };
        let first = client.call(5, &join).await;
        assert_eq!(first.error_code, ErrorCode::MemberIdRequired);
        join.member_id = first.member_id;
        let joined = client.call(5, &join).await;
        assert_eq!((joined.error_code, &joined.leader), (ErrorCode::None, &joined.member_id));
        let member = joined.member_id.clone();
        let sync = SyncGroupRequest {
            group_id: "g".into(),
            generation_id: joined.generation_id,
            member_id: member.clone(),
            assignments: vec![SyncGroupRequestAssignment {
                member_id: member.clone(),
                assignment: "all".into(),
            }],
            ..Default::default()
        };
        assert_eq!(client.call(3, &sync).await.assignment, "all");
        let beat = HeartbeatRequest {
            group_id: "g".into(),
            generation_id: joined.generation_id,
            member_id: member.clone(),
            ..Default::default()
        };
        assert_eq!(client.call(3, &beat).await.error_code, ErrorCode::None);
        let commit = OffsetCommitRequest {
            generation_id_or_member_epoch: joined.generation_id,
            member_id: member.clone(),
            ..commit_request("t", 5)
        };
        let answer = client.call(8, &commit).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::None);
        let stranger = OffsetCommitRequest { generation_id_or_member_epoch: 77, ..commit };
        let answer = client.call(8, &stranger).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::IllegalGeneration);
        assert_eq!(committed(&mut client, "t").await, 5);
        let leave = LeaveGroupRequest { group_id: "g".into(), member_id: member, ..Default::default() };
        assert_eq!(client.call(2, &leave).await.error_code, ErrorCode::None);
        let listed = client.call(4, &ListGroupsRequest::default()).await.groups.remove(0);
        assert_eq!((listed.group_id.as_str(), listed.group_state.as_str()), ("g", "Empty"));
        let delete = DeleteGroupsRequest { groups_names: vec!["g".into()] };
        assert_eq!(client.call(2, &delete).await.results.remove(0).error_code, ErrorCode::None);
        assert_eq!(committed(&mut client, "t").await, -1);
    });
}

#[test]
fn two_members_wait_for_each_other_on_one_connection_each() {
    run(async {
        let node = Node::start_with(|config| config.initial_rebalance_delay_ms = 300).await;
        let join = JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata: "m".into() }],
            ..Default::default()
        };
        let (mut one, mut other) = (node.connect().await, node.connect().await);
        // Version 3 needs no second round for a member id.
        one.send(3, &join).await;
        other.send(3, &join).await;
        let (_, first) = one.receive::<JoinGroupRequest>(3).await;
        let (_, second) = other.receive::<JoinGroupRequest>(3).await;
        assert_eq!((first.error_code, second.error_code), (ErrorCode::None, ErrorCode::None));
        assert_eq!(first.generation_id, second.generation_id);
        assert_eq!(first.members.len() + second.members.len(), 2, "the leader is told of both");
    });
}

fn heartbeat(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: member.into(),
        member_epoch: epoch,
        rebalance_timeout_ms: 10_000,
        subscribed_topic_names: Some(vec!["t".into()]),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    }
}

#[test]
fn a_consumer_protocol_member_gets_its_partitions_and_new_ones_as_they_are_added() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        let id = client.create("t", 2, &[]).await;
        let member = Uuid([3; 16]).to_string();
        let joined = client.call(1, &heartbeat(&member, 0)).await;
        assert_eq!(joined.error_code, ErrorCode::None, "{:?}", joined.error_message);
        let assigned = joined.assignment.expect("an assignment").topic_partitions.remove(0);
        assert_eq!((assigned.topic_id, assigned.partitions), (id, vec![0, 1]));

        let more = CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic { name: "t".into(), count: 3, assignments: None }],
            ..Default::default()
        };
        assert_eq!(client.call(3, &more).await.results.remove(0).error_code, ErrorCode::None);
        let owned = ConsumerGroupHeartbeatTopicPartitions { topic_id: id, partitions: vec![0, 1] };
        let beat = ConsumerGroupHeartbeatRequest {
            topic_partitions: Some(vec![owned]),
            ..heartbeat(&member, joined.member_epoch)
        };
        let beaten = client.call(1, &beat).await;
        let assigned = beaten.assignment.expect("a new assignment").topic_partitions.remove(0);
        assert_eq!(assigned.partitions, [0, 1, 2]);

        let describe = ConsumerGroupDescribeRequest { group_ids: vec!["g".into()], ..Default::default() };
        let described = client.call(1, &describe).await.groups.remove(0);
        assert_eq!((described.members.len(), described.error_code), (1, ErrorCode::None));
        let left = client.call(1, &heartbeat(&member, -1)).await;
        assert_eq!((left.error_code, left.member_epoch), (ErrorCode::None, -1));
    });
}

#[test]
fn positions_and_groups_outlive_a_kill_and_a_power_cut() {
    run(async {
        let mut node = Mortal::start(11).await;
        let mut client = node.connect();
        client.create("t", 1, &[]).await;
        for round in 1..=4i64 {
            assert_eq!(commit(&mut client, "t", round).await, ErrorCode::None);
            node = match round % 2 {
                0 => node.cut_power_and_restart(u64::try_from(round).expect("small")).await,
                _ => node.kill_and_restart().await,
            };
            client = node.connect();
            assert_eq!(committed(&mut client, "t").await, round);
        }
    });
}
