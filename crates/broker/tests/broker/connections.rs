//! Connections: order, hostile bytes, other protocols, bounds, shutdown.

use std::time::Duration;

use poruka_broker::Broker;
use poruka_wire::ErrorCode;
use poruka_wire::api::*;
use poruka_wire::frame::{decode_response, encode_request};
use tokio::io::AsyncWriteExt;

use crate::harness::*;

#[test]
fn pipelined_requests_are_answered_in_order_and_every_append_is_there() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("synced", 1, &[]).await;
        client.create("memory", 1, &[("poruka.durability", "memory")]).await;
        let mut sent = Vec::new();
        for n in 0..200 {
            let topic = if n % 2 == 0 { "synced" } else { "memory" };
            sent.push(client.send(9, &produce_request(topic, -1, batch(&["x"]))).await);
        }
        for (n, id) in (0..).zip(sent) {
            let (received, response) = client.receive::<ProduceRequest>(9).await;
            assert_eq!(received, id);
            assert_eq!(response.responses[0].partition_responses[0].base_offset, n / 2);
        }
    });
}

#[test]
fn a_topic_is_there_for_the_request_after_the_one_that_makes_it() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.send(7, &create_request("t", 1, &[])).await;
        client.send(9, &produce_request("t", -1, batch(&["x"]))).await;
        client.receive::<CreateTopicsRequest>(7).await;
        let (_, response) = client.receive::<ProduceRequest>(9).await;
        assert_eq!(response.responses[0].partition_responses[0].error_code, ErrorCode::None);
    });
}

#[test]
fn hostile_bytes_end_their_own_connection_and_no_other() {
    run(async {
        let node = Node::start().await;
        let mut good = node.connect().await;
        good.create("t", 1, &[]).await;
        let metadata = encode_request(1, None, &MetadataRequest::default(), 9).expect("encoded");
        let mut unknown_version = metadata.to_vec();
        unknown_version[6..8].copy_from_slice(&99i16.to_be_bytes());
        let mut unknown_key = metadata.to_vec();
        unknown_key[4..6].copy_from_slice(&999i16.to_be_bytes());
        let count =
            [&[0, 0, 0, 14, 0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xff][..], &i32::MAX.to_be_bytes()].concat();
        let hostile: [&[u8]; 9] = [
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
            &[0xff; 64],
            &[0x7f, 0xff, 0xff, 0xff],
            &[0, 0, 0, 0],
            &[0, 0, 0, 3, 1, 2, 3],
            &unknown_version,
            &unknown_key,
            &count,
        ];
        for bytes in hostile {
            let mut bad = node.connect().await;
            bad.stream.write_all(bytes).await.expect("sent");
            assert_eq!(bad.receive_frame().await, None, "{bytes:?}");
            assert_eq!(good.produce("t", -1, batch(&["still here"])).await.error_code, ErrorCode::None);
        }
        // Half a frame, and then nothing more.
        let mut half = node.connect().await;
        half.stream.write_all(&metadata[..10]).await.expect("sent");
        half.stream.shutdown().await.expect("shut down");
        assert_eq!(half.receive_frame().await, None);
    });
}

#[test]
fn what_was_asked_before_a_bad_frame_is_answered_and_what_follows_it_has_no_effect() {
    run(async {
        let node = Node::start().await;
        let mut good = node.connect().await;
        good.create("t", 1, &[]).await;
        for round in 0..20 {
            let produce = |id, value: &str| {
                encode_request(id, None, &produce_request("t", -1, batch(&[value])), 9).expect("encoded")
            };
            let hostile = [0, 0, 0, 12, 0, 3, 0, 1, 0, 0, 0, 2, 0x7f, 0xff, 0xff, 0xff];
            let sent = [&produce(1, "before")[..], &hostile, &produce(3, "after")].concat();
            let mut bad = node.connect().await;
            bad.stream.write_all(&sent).await.expect("sent");
            let (id, answer) = bad.receive::<ProduceRequest>(9).await;
            let partition = &answer.responses[0].partition_responses[0];
            assert_eq!((id, partition.error_code, partition.base_offset), (1, ErrorCode::None, round));
            assert_eq!(bad.receive_frame().await, None);
        }
        let values: Vec<String> = good.values("t", 0).await.into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, vec!["before"; 20]);
    });
}

#[test]
fn metadata_asks_by_id_only_where_kafka_lets_it() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        let topic_id = client.create("t", 1, &[]).await;
        for (name, topic_id) in [(None, topic_id), (Some("t".into()), topic_id), (None, Default::default())] {
            let asked = MetadataRequestTopic { topic_id, name };
            let request = MetadataRequest { topics: Some(vec![asked]), ..Default::default() };
            for version in [10, 11] {
                let answer = client.call(version, &request).await;
                assert_eq!(answer.topics[0].error_code, ErrorCode::InvalidRequest, "v{version}");
            }
        }
        let asked = MetadataRequestTopic { topic_id, name: None };
        let request = MetadataRequest { topics: Some(vec![asked]), ..Default::default() };
        assert_eq!(client.call(12, &request).await.topics[0].name.as_deref(), Some("t"));
    });
}

#[test]
fn api_versions_answers_every_version_and_tells_only_what_is_spoken() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        let request =
            ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1.0".into() };
        for version in 0..=4 {
            let response = client.call(version, &request).await;
            assert_eq!(response.error_code, ErrorCode::None);
            let produce = response.api_keys.iter().find(|api| api.api_key == 0).expect("produce");
            assert_eq!((produce.min_version, produce.max_version), (0, 13));
            for absent in [24, 25, 26, 28, 71, 72, 76] {
                assert!(response.api_keys.iter().all(|api| api.api_key != absent), "{absent}");
            }
            let zero_minimum = response.supported_features.iter().any(|feature| feature.min_version == 0);
            assert_eq!(zero_minimum, version >= 4, "v3 must not carry a feature that starts at 0");
        }
        let mut later = encode_request(77, None, &request, 4).expect("encoded").to_vec();
        later[6..8].copy_from_slice(&5i16.to_be_bytes());
        client.stream.write_all(&later).await.expect("sent");
        let answer = client.receive_frame().await.expect("an answer");
        let (id, response) = decode_response::<ApiVersionsRequest>(answer, 0).expect("in the form of v0");
        assert_eq!(
            (id, response.error_code, response.api_keys.len()),
            (77, ErrorCode::UnsupportedVersion, 1)
        );
        assert_eq!((response.api_keys[0].api_key, response.api_keys[0].max_version), (18, 4));
        let nameless = ApiVersionsRequest::default();
        assert_eq!(client.call(3, &nameless).await.error_code, ErrorCode::InvalidRequest);
    });
}

#[test]
fn one_connection_too_many_is_closed_and_room_comes_back() {
    run(async {
        let node = Node::start_with(|config| config.connections_max = 2).await;
        let request = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
        let mut first = node.connect().await;
        let mut second = node.connect().await;
        first.call(9, &request).await;
        second.call(9, &request).await;
        let mut third = node.connect().await;
        assert_eq!(third.receive_frame().await, None);
        drop(second);
        for _ in 0..500 {
            let mut again = node.connect().await;
            let frame = encode_request(1, None, &request, 9).expect("encoded");
            if again.stream.write_all(&frame).await.is_ok() && again.receive_frame().await.is_some() {
                return;
            }
            node.env.sleep(Duration::from_millis(10)).await;
        }
        panic!("no room came back");
    });
}

#[test]
fn closing_answers_what_is_in_flight_and_takes_nothing_new() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        let mut waiting = node.connect().await;
        waiting.send(12, &fetch_request("t", 0, 1, 60_000)).await;
        let local = Local::new(&node.broker);
        // The fetch is known to wait once a request behind it on another connection has been answered.
        client.produce("t", -1, batch(&["a"])).await;
        waiting.receive::<FetchRequest>(12).await;
        waiting.send(12, &fetch_request("t", 1, 1, 60_000)).await;
        client.send(9, &produce_request("t", -1, batch(&["b"]))).await;
        let (_, produced) = client.receive::<ProduceRequest>(9).await;
        assert_eq!(produced.responses[0].partition_responses[0].base_offset, 1);
        node.broker.close().await;
        assert!(waiting.receive_frame().await.is_some(), "a waiting fetch is answered");
        assert_eq!(waiting.receive_frame().await, None);
        assert_eq!(client.receive_frame().await, None);
        assert_eq!(local.try_call(9, &MetadataRequest::default()).await, None);
        assert!(
            node.env.connect(&node.address).await.is_err()
                || Tcp::connect(&node.env, &node.address).await.receive_frame().await.is_none()
        );
        assert!(node.broker.listen("127.0.0.1:0").await.is_err());
    });
}

#[test]
fn metadata_tells_each_peer_where_to_go() {
    run(async {
        let node = Node::start().await;
        let port = node.address.rsplit_once(':').expect("a port").1.to_owned();
        let mut client = node.connect().await;
        let all = client.call(9, &MetadataRequest { topics: None, ..Default::default() }).await;
        assert_eq!((all.brokers.len(), all.brokers[0].node_id, all.controller_id), (1, 1, 1));
        assert_eq!((all.brokers[0].host.as_str(), all.brokers[0].port.to_string()), ("127.0.0.1", port));
        assert_eq!(all.cluster_id.as_deref(), Some(node.broker.cluster_id().as_str()));
        let elsewhere =
            Node::start_with(|config| config.advertise = Some(("kafka.example".to_owned(), 9))).await;
        let answer = elsewhere.connect().await.call(9, &MetadataRequest::default()).await;
        assert_eq!((answer.brokers[0].host.as_str(), answer.brokers[0].port), ("kafka.example", 9));
    });
}

#[test]
fn an_address_in_use_and_a_folder_in_use_are_refused_with_the_reason() {
    run(async {
        let node = Node::start().await;
        let said = node.broker.listen(&node.address).await.expect_err("in use").to_string();
        assert!(said.contains(&node.address), "{said}");
        let mut folder = None;
        let _other = Node::start_with(|config| folder = Some(config.clone())).await;
        let again = Broker::open(node.env.clone(), folder.expect("a config")).await;
        assert!(again.expect_err("in use").to_string().contains(&std::process::id().to_string()));
    });
}
