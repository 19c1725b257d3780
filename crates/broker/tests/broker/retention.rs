//! Committed offsets: forgotten after the retention of KIP-211, on virtual time, and on demand; and they stay forgotten.

use std::time::Duration;

use poruka_broker::{Broker, BrokerConfig};
use poruka_env::sim::Sim;
use poruka_wire::ErrorCode;
use poruka_wire::api::*;

use crate::groups::{commit, committed};
use crate::harness::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn groups(client: &mut impl Client) -> usize {
    client.call(5, &ListGroupsRequest::default()).await.groups.len()
}

#[test]
fn offsets_of_an_unused_group_are_kept_for_a_week_and_then_forgotten_for_good() {
    let sim = Sim::new(11);
    let env = sim.env();
    sim.block_on(async {
        let config = BrokerConfig::new("/data");
        let broker = Broker::open(env.clone(), config.clone()).await.expect("opened");
        let mut client = Local::new(&broker);
        client.create("t", 1, &[]).await;
        assert_eq!(commit(&mut client, "t", 5).await, ErrorCode::None);
        env.sleep(6 * DAY).await;
        assert_eq!(committed(&mut client, "t").await, 5);
        // The time counts through a restart.
        broker.close().await;
        let broker = Broker::open(env.clone(), config.clone()).await.expect("opened again");
        let mut client = Local::new(&broker);
        env.sleep(DAY - HOUR).await;
        assert_eq!(committed(&mut client, "t").await, 5);
        env.sleep(2 * HOUR).await;
        assert_eq!(committed(&mut client, "t").await, -1);
        assert_eq!(groups(&mut client).await, 0, "the group goes with its last offset");
        assert_eq!(broker.metrics().value("poruka_offsets_expired_total", &[]), Some(1.0));
        broker.close().await;
        let broker = Broker::open(env.clone(), config).await.expect("opened once more");
        assert_eq!(committed(&mut Local::new(&broker), "t").await, -1);
    });
}

#[test]
fn the_retention_is_a_setting_of_the_node() {
    let sim = Sim::new(12);
    let env = sim.env();
    sim.block_on(async {
        let mut config = BrokerConfig::new("/data");
        config.offsets_retention_minutes = 1;
        config.offsets_retention_check_interval_ms = 1_000;
        let broker = Broker::open(env.clone(), config).await.expect("opened");
        let mut client = Local::new(&broker);
        client.create("t", 1, &[]).await;
        commit(&mut client, "t", 5).await;
        env.sleep(Duration::from_secs(58)).await;
        assert_eq!(committed(&mut client, "t").await, 5);
        env.sleep(Duration::from_secs(4)).await;
        assert_eq!(committed(&mut client, "t").await, -1);
    });
}

fn delete_request(topics: &[&str]) -> OffsetDeleteRequest {
    let topic = |name: &&str| OffsetDeleteRequestTopic {
        name: (*name).into(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    OffsetDeleteRequest { group_id: "g".into(), topics: topics.iter().map(topic).collect() }
}

#[test]
fn deleted_offsets_and_groups_stay_deleted_after_a_kill() {
    run(async {
        let node = Mortal::start(31).await;
        let mut client = node.connect();
        assert_eq!(client.call(0, &delete_request(&["t"])).await.error_code, ErrorCode::GroupIdNotFound);
        for topic in ["t", "u"] {
            client.create(topic, 1, &[]).await;
            assert_eq!(commit(&mut client, topic, 5).await, ErrorCode::None);
        }
        let answer = client.call(0, &delete_request(&["t", "absent"])).await;
        let codes: Vec<ErrorCode> =
            answer.topics.iter().map(|topic| topic.partitions[0].error_code).collect();
        assert_eq!(codes, [ErrorCode::None, ErrorCode::UnknownTopicOrPartition]);
        let node = node.cut_power_and_restart(32).await;
        let mut client = node.connect();
        assert_eq!(committed(&mut client, "t").await, -1);
        assert_eq!(committed(&mut client, "u").await, 5);
        let delete = DeleteGroupsRequest { groups_names: vec!["g".into(), "other".into()] };
        let answer = client.call(2, &delete).await;
        let codes: Vec<ErrorCode> = answer.results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [ErrorCode::None, ErrorCode::GroupIdNotFound]);
        let node = node.cut_power_and_restart(33).await;
        let mut client = node.connect();
        assert_eq!(committed(&mut client, "u").await, -1);
        assert_eq!(groups(&mut client).await, 0);
    });
}
