//! What a kill, a power cut and a clean close leave of records, topics, producers.

use poruka_guarantee::Durability;
use poruka_wire::ErrorCode;
use poruka_wire::api::*;

use crate::groups::{commit, committed};
use crate::harness::*;

async fn topic_id(client: &mut impl Client, name: &str) -> poruka_wire::Uuid {
    let topics = Some(vec![MetadataRequestTopic { name: Some(name.into()), ..Default::default() }]);
    client.call(12, &MetadataRequest { topics, ..Default::default() }).await.topics.remove(0).topic_id
}

#[test]
fn everything_acknowledged_outlives_a_kill() {
    run(async {
        let node = Mortal::start(1).await;
        let cluster = node.broker.cluster_id();
        let mut client = node.connect();
        let id = client.create("synced", 3, &[("retention.ms", "-1")]).await;
        client.create("cached", 1, &[("poruka.durability", "cached")]).await;
        for topic in ["synced", "cached"] {
            client.produce(topic, -1, batch(&["a", "b"])).await;
        }
        let node = node.kill_and_restart().await;
        let mut client = node.connect();
        assert_eq!(node.broker.cluster_id(), cluster);
        assert_eq!(topic_id(&mut client, "synced").await, id);
        for topic in ["synced", "cached"] {
            let values = client.values(topic, 0).await;
            assert_eq!(values, numbered(0, &["a", "b"]), "{topic}");
            assert_eq!(client.produce(topic, -1, batch(&["c"])).await.error_code, ErrorCode::None);
            assert_eq!(client.values(topic, 0).await.len(), 3, "{topic}");
        }
    });
}

#[test]
fn everything_synced_outlives_power_cuts_at_any_seed() {
    run(async {
        for seed in 0..8 {
            let node = Mortal::start(seed).await;
            let mut client = node.connect();
            client.create("t", 1, &[]).await;
            client.produce("t", -1, batch(&["a"])).await;
            client.produce("t", 1, batch(&["b"])).await;
            let node = node.cut_power_and_restart(seed + 100).await;
            let mut client = node.connect();
            assert_eq!(client.values("t", 0).await, numbered(0, &["a", "b"]));
            let next = client.produce("t", -1, batch(&["c"])).await;
            assert_eq!((next.error_code, next.base_offset), (ErrorCode::None, 2));
        }
    });
}

#[test]
fn a_repeat_is_known_and_the_next_sequence_taken_after_a_kill() {
    run(async {
        let node = Mortal::start(2).await;
        let mut client = node.connect();
        client.create("t", 1, &[]).await;
        let id = client.producer_id().await;
        for n in 0..5 {
            client.produce("t", -1, batch_of((id, 0, n), &["x"])).await;
        }
        let node = node.kill_and_restart().await;
        let mut client = node.connect();
        for n in 0..5 {
            let repeat = client.produce("t", -1, batch_of((id, 0, n), &["x"])).await;
            assert_eq!((repeat.error_code, repeat.base_offset), (ErrorCode::None, i64::from(n)));
        }
        let next = client.produce("t", -1, batch_of((id, 0, 5), &["y"])).await;
        assert_eq!((next.error_code, next.base_offset), (ErrorCode::None, 5));
        assert!(client.producer_id().await > id, "producer ids are never given twice");
    });
}

#[test]
fn a_memory_topic_begins_anew_under_another_id_and_its_positions_are_dropped() {
    run(async {
        let node = Mortal::start(3).await;
        let mut client = node.connect();
        let before = client.create("t", 1, &[("poruka.durability", "memory")]).await;
        client.produce("t", -1, batch(&["gone"])).await;
        assert_eq!(commit(&mut client, "t", 1).await, ErrorCode::None);
        let node = node.kill_and_restart().await;
        let mut client = node.connect();
        assert_ne!(topic_id(&mut client, "t").await, before);
        assert_eq!(client.values("t", 0).await, []);
        assert_eq!(committed(&mut client, "t").await, -1);
    });
}

#[test]
fn after_an_unclean_start_a_cached_topic_goes_on_above_every_offset_it_gave() {
    run(async {
        let node = Mortal::start(4).await;
        let mut client = node.connect();
        client.create("t", 1, &[("poruka.durability", "cached")]).await;
        let last = client.produce("t", -1, batch(&["a", "b"])).await.base_offset + 1;
        let node = node.cut_power_and_restart(5).await;
        let mut client = node.connect();
        let next = client.produce("t", -1, batch(&["c"])).await;
        assert!(next.base_offset > last, "{} is above {last}", next.base_offset);
        let from = client.list_offset("t", TIMESTAMP_EARLIEST).await.offset;
        let values = client.values("t", from).await;
        assert_eq!(values.last().expect("records").1, "c");
    });
}

#[test]
fn a_clean_close_leaves_no_gap() {
    run(async {
        let node = Node::start_with(|config| config.default_durability = Durability::Cached).await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        client.produce("t", -1, batch(&["a"])).await;
        node.broker.close().await;
        let node = node.reopen().await;
        let mut client = node.connect().await;
        assert_eq!(client.produce("t", -1, batch(&["b"])).await.base_offset, 1);
        assert_eq!(client.values("t", 0).await, numbered(0, &["a", "b"]));
    });
}

#[test]
fn deleted_topics_stay_deleted_and_settings_stay_changed() {
    run(async {
        let node = Mortal::start(6).await;
        let mut client = node.connect();
        client.create("gone", 1, &[]).await;
        client.create("kept", 1, &[]).await;
        let topics = vec![DeleteTopicState { name: Some("gone".into()), ..Default::default() }];
        client.call(6, &DeleteTopicsRequest { topics, ..Default::default() }).await;
        let config = IncrementalAlterableConfig {
            name: "max.message.bytes".into(),
            config_operation: OP_SET,
            value: Some("100".into()),
        };
        let resource = IncrementalAlterConfigsResource {
            resource_type: RESOURCE_TOPIC,
            resource_name: "kept".into(),
            configs: vec![config],
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        client.call(1, &request).await;
        let node = node.cut_power_and_restart(9).await;
        let mut client = node.connect();
        assert_eq!(client.fetch("gone", 0).await.error_code, ErrorCode::UnknownTopicOrPartition);
        let large = batch(&[&"x".repeat(200)]);
        assert_eq!(client.produce("kept", -1, large).await.error_code, ErrorCode::MessageTooLarge);
        client.create("gone", 1, &[]).await;
        assert_eq!(client.values("gone", 0).await, []);
    });
}
