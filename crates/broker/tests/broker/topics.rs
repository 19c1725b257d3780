//! Topics: made, made on first use, described, given partitions, deleted.

use poruka_wire::api::*;
use poruka_wire::{ErrorCode, Uuid};

use crate::harness::*;

async fn refusal(client: &mut Tcp, request: &CreateTopicsRequest) -> (ErrorCode, String) {
    let made = client.call(7, request).await.topics.remove(0);
    (made.error_code, made.error_message.map(String::from).unwrap_or_default())
}

#[test]
fn what_kafka_refuses_is_refused_with_its_code_and_words() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("a.b", 1, &[]).await;
        let with = |change: fn(&mut CreatableTopic)| {
            let mut request = create_request("new", 1, &[]);
            change(&mut request.topics[0]);
            request
        };
        let assigned = |partition_index, broker_ids: &[i32]| {
            let assignment = CreatableReplicaAssignment { partition_index, broker_ids: broker_ids.to_vec() };
            let mut request = create_request("new", -1, &[]);
            request.topics[0].assignments = vec![assignment];
            request
        };
        let cases = [
            (create_request("a.b", 1, &[]), ErrorCode::TopicAlreadyExists, "Topic 'a.b' already exists."),
            (
                create_request("a_b", 1, &[]),
                ErrorCode::InvalidTopicException,
                "collides with existing topic: a.b",
            ),
            (
                create_request("a b", 1, &[]),
                ErrorCode::InvalidTopicException,
                "Topic name is invalid: 'a b' contains",
            ),
            (create_request("__consumer_offsets", 1, &[]), ErrorCode::InvalidRequest, "internal topic"),
            (create_request("__poruka_groups", 1, &[]), ErrorCode::InvalidRequest, "internal topic"),
            (create_request("new", 0, &[]), ErrorCode::InvalidPartitions, "non-positive"),
            (create_request("new", 1 << 20, &[]), ErrorCode::InvalidPartitions, "more than this node takes"),
            (
                with(|topic| topic.replication_factor = 3),
                ErrorCode::InvalidReplicationFactor,
                "only 1 broker(s)",
            ),
            (
                with(|topic| topic.replication_factor = 0),
                ErrorCode::InvalidReplicationFactor,
                "larger than 0",
            ),
            (assigned(0, &[2]), ErrorCode::InvalidReplicaAssignment, "broker 2"),
            (assigned(1, &[1]), ErrorCode::InvalidReplicaAssignment, "consecutive"),
            (
                create_request("new", 1, &[("nope", "1")]),
                ErrorCode::InvalidConfig,
                "Unknown topic config name: nope",
            ),
            (
                create_request("new", 1, &[("retention.ms", "x")]),
                ErrorCode::InvalidConfig,
                "Not a number of type LONG",
            ),
            (
                create_request("new", 1, &[("poruka.durability", "paper")]),
                ErrorCode::InvalidConfig,
                "String must be one of: memory, cached, synced",
            ),
            (
                create_request("new", 1, &[("poruka.order", "causal"), ("poruka.durability", "memory")]),
                ErrorCode::InvalidConfig,
                "cannot be combined",
            ),
        ];
        for (request, code, words) in cases {
            let (found, message) = refusal(&mut client, &request).await;
            assert_eq!(found, code, "{message}");
            assert!(message.contains(words), "{message:?} says {words:?}");
        }
        let mut twice = create_request("new", 1, &[]);
        twice.topics.push(twice.topics[0].clone());
        assert_eq!(refusal(&mut client, &twice).await.0, ErrorCode::InvalidRequest);
        let all = client.call(9, &MetadataRequest { topics: None, ..Default::default() }).await;
        assert_eq!(all.topics.len(), 1, "nothing else was made");
    });
}

#[test]
fn asking_whether_a_topic_could_be_made_makes_none() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        let asked = CreateTopicsRequest { validate_only: true, ..create_request("t", 3, &[]) };
        let answer = client.call(7, &asked).await.topics.remove(0);
        assert_eq!((answer.error_code, answer.num_partitions), (ErrorCode::None, 3));
        assert_eq!(client.fetch("t", 0).await.error_code, ErrorCode::UnknownTopicOrPartition);
    });
}

#[test]
fn topics_are_made_on_first_use_where_client_and_broker_allow_it() {
    run(async {
        let node = Node::start_with(|config| config.num_partitions = 2).await;
        let mut client = node.connect().await;
        let ask = |name: &str, allow| MetadataRequest {
            topics: Some(vec![MetadataRequestTopic { name: Some(name.into()), ..Default::default() }]),
            allow_auto_topic_creation: allow,
            ..Default::default()
        };
        let absent = client.call(12, &ask("t", false)).await.topics.remove(0);
        assert_eq!(absent.error_code, ErrorCode::UnknownTopicOrPartition);
        let made = client.call(12, &ask("t", true)).await.topics.remove(0);
        assert_eq!((made.error_code, made.partitions.len()), (ErrorCode::None, 2));
        assert!(!made.topic_id.is_zero());
        let bad = client.call(12, &ask("no name", true)).await.topics.remove(0);
        assert_eq!(bad.error_code, ErrorCode::InvalidTopicException);

        let strict = Node::start_with(|config| config.auto_create = false).await;
        let absent = strict.connect().await.call(12, &ask("t", true)).await.topics.remove(0);
        assert_eq!(absent.error_code, ErrorCode::UnknownTopicOrPartition);
    });
}

#[test]
fn a_topic_that_is_made_again_is_another_one() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        let first = client.create("t", 1, &[]).await;
        client.produce("t", -1, batch(&["old"])).await;
        let delete = DeleteTopicsRequest {
            topics: vec![DeleteTopicState { name: Some("t".into()), topic_id: Uuid::ZERO }],
            ..Default::default()
        };
        let deleted = client.call(6, &delete).await.responses.remove(0);
        assert_eq!((deleted.error_code, deleted.topic_id), (ErrorCode::None, first));
        assert_eq!(
            client.call(6, &delete).await.responses.remove(0).error_code,
            ErrorCode::UnknownTopicOrPartition
        );
        let second = client.create("t", 1, &[]).await;
        assert_ne!(first, second);
        assert_eq!(client.values("t", 0).await, []);
        let by_id = DeleteTopicsRequest {
            topics: vec![DeleteTopicState { name: None, topic_id: second }],
            ..Default::default()
        };
        assert_eq!(client.call(6, &by_id).await.responses.remove(0).error_code, ErrorCode::None);
        assert_eq!(client.call(6, &by_id).await.responses.remove(0).error_code, ErrorCode::UnknownTopicId);
    });
}

#[test]
fn partitions_are_added_and_never_taken_away() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 2, &[]).await;
        let ask = |name: &str, count| CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic { name: name.into(), count, assignments: None }],
            ..Default::default()
        };
        for (name, count, code) in [
            ("t", 2, ErrorCode::InvalidPartitions),
            ("t", 1, ErrorCode::InvalidPartitions),
            ("absent", 3, ErrorCode::UnknownTopicOrPartition),
            ("t", 5, ErrorCode::None),
        ] {
            assert_eq!(
                client.call(3, &ask(name, count)).await.results.remove(0).error_code,
                code,
                "{name} {count}"
            );
        }
        let page = DescribeTopicPartitionsRequest { response_partition_limit: 3, ..Default::default() };
        let first = client.call(0, &page).await;
        assert_eq!(first.topics[0].partitions.len(), 3);
        let cursor = first.next_cursor.expect("more");
        let rest = client.call(0, &DescribeTopicPartitionsRequest { cursor: Some(cursor), ..page }).await;
        let numbers: Vec<i32> = rest.topics[0].partitions.iter().map(|p| p.partition_index).collect();
        assert_eq!((numbers, rest.next_cursor), (vec![3, 4], None));
    });
}
