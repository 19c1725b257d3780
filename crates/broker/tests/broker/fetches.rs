//! Fetch and ListOffsets: long polls, limits, ids, epochs, times.

use std::time::Duration;

use poruka_wire::api::*;
use poruka_wire::{ErrorCode, Uuid};

use crate::harness::*;

#[test]
fn a_waiting_fetch_is_woken_by_an_append() {
    run(async {
        let node = Node::start().await;
        let mut writer = node.connect().await;
        for class in ["synced", "cached", "memory"] {
            writer.create(class, 1, &[("poruka.durability", class)]).await;
            let mut reader = node.connect().await;
            let started = node.env.now();
            reader.send(12, &fetch_request(class, 0, 1, 15_000)).await;
            writer.produce(class, -1, batch(&["wake up"])).await;
            let (_, mut response) = reader.receive::<FetchRequest>(12).await;
            assert_eq!(
                values_of(&response.responses.remove(0).partitions.remove(0)),
                numbered(0, &["wake up"])
            );
            assert!(node.env.now() - started < Duration::from_secs(10), "it did not wait for its time limit");
        }
    });
}

#[test]
fn a_fetch_without_records_ends_at_its_time_limit() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        let started = node.env.now();
        let mut response = client.call(12, &fetch_request("t", 0, 1, 100)).await;
        assert!(node.env.now() - started >= Duration::from_millis(100));
        let data = response.responses.remove(0).partitions.remove(0);
        assert_eq!((data.error_code, values_of(&data).len()), (ErrorCode::None, 0));
    });
}

#[test]
fn limits_hold_but_the_first_batch_always_comes() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        let big = "x".repeat(3000);
        for _ in 0..4 {
            client.produce("t", -1, batch(&[&big])).await;
        }
        let mut request = fetch_request("t", 0, 0, 0);
        request.topics[0].partitions[0].partition_max_bytes = 100;
        let mut response = client.call(12, &request).await;
        assert_eq!(values_of(&response.responses.remove(0).partitions.remove(0)).len(), 1);
        request.topics[0].partitions[0].partition_max_bytes = 7000;
        let mut response = client.call(12, &request).await;
        assert_eq!(values_of(&response.responses.remove(0).partitions.remove(0)).len(), 2);
        request.max_bytes = 1;
        let mut response = client.call(12, &request).await;
        assert_eq!(values_of(&response.responses.remove(0).partitions.remove(0)).len(), 1);
    });
}

#[test]
fn offsets_epochs_ids_and_sessions_are_checked() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        let id = client.create("t", 1, &[]).await;
        client.produce("t", -1, batch(&["a"])).await;
        assert_eq!(client.fetch("t", 2).await.error_code, ErrorCode::OffsetOutOfRange);
        assert_eq!(client.fetch("absent", 0).await.error_code, ErrorCode::UnknownTopicOrPartition);

        let mut request = fetch_request("", 0, 0, 0);
        request.topics[0].topic_id = id;
        let mut response = client.call(16, &request).await;
        assert_eq!(values_of(&response.responses.remove(0).partitions.remove(0)), numbered(0, &["a"]));
        request.topics[0].topic_id = Uuid([9; 16]);
        let mut response = client.call(16, &request).await;
        assert_eq!(response.responses.remove(0).partitions.remove(0).error_code, ErrorCode::UnknownTopicId);

        let mut request = fetch_request("t", 0, 0, 0);
        request.topics[0].partitions[0].current_leader_epoch = 5;
        let mut response = client.call(12, &request).await;
        assert_eq!(
            response.responses.remove(0).partitions.remove(0).error_code,
            ErrorCode::UnknownLeaderEpoch
        );

        let session = FetchRequest { session_id: 5, ..fetch_request("t", 0, 0, 0) };
        assert_eq!(client.call(12, &session).await.error_code, ErrorCode::FetchSessionIdNotFound);
        let session = FetchRequest { session_epoch: 0, ..fetch_request("t", 0, 0, 0) };
        let answer = client.call(12, &session).await;
        assert_eq!((answer.error_code, answer.session_id), (ErrorCode::None, 0));
    });
}

#[test]
fn readers_of_uncommitted_records_get_no_list_of_aborted_transactions() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        assert_eq!(client.fetch("t", 0).await.aborted_transactions, None);
        let committed = FetchRequest { isolation_level: READ_COMMITTED, ..fetch_request("t", 0, 0, 0) };
        let mut response = client.call(12, &committed).await;
        assert_eq!(response.responses.remove(0).partitions.remove(0).aborted_transactions, Some(Vec::new()));
    });
}

#[test]
fn offsets_are_found_by_time_and_by_name() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        let before = node.env.wall_ms();
        assert_eq!(client.list_offset("t", TIMESTAMP_MAX).await.offset, -1);
        client.produce("t", -1, batch(&["a", "b"])).await;
        assert_eq!(client.list_offset("t", TIMESTAMP_LATEST).await.offset, 2);
        assert_eq!(client.list_offset("t", TIMESTAMP_EARLIEST).await.offset, 0);
        assert_eq!(client.list_offset("t", TIMESTAMP_EARLIEST_LOCAL).await.offset, 0);
        assert_eq!(client.list_offset("t", TIMESTAMP_LATEST_TIERED).await.offset, -1);
        assert_eq!(client.list_offset("t", before).await.offset, 0);
        assert_eq!(client.list_offset("t", before + 1_000_000).await.offset, -1);
        assert_eq!(client.list_offset("absent", 0).await.error_code, ErrorCode::UnknownTopicOrPartition);
        let partition = DeleteRecordsPartition { partition_index: 0, offset: 1 };
        let topic = DeleteRecordsTopic { name: "t".into(), partitions: vec![partition] };
        let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1000 };
        let deleted = client.call(2, &request).await.topics.remove(0).partitions.remove(0);
        assert_eq!((deleted.error_code, deleted.low_watermark), (ErrorCode::None, 1));
        assert_eq!(client.list_offset("t", TIMESTAMP_EARLIEST).await.offset, 1);
    });
}

#[test]
fn large_batches_come_out_of_their_file_as_they_went_in_between_small_ones_and_after_a_restart() {
    run(async {
        let mut node = Node::start().await;
        let mut client = node.connect().await;
        let values: Vec<String> =
            (0..12).map(|n| n.to_string().repeat(if n % 3 == 0 { 300_000 } else { 30 })).collect();
        for class in ["synced", "cached", "memory"] {
            client.create(class, 1, &[("poruka.durability", class)]).await;
            for value in &values {
                client.produce(class, -1, batch(&[value])).await;
            }
        }
        // The second round reads from the file what the first one has checked.
        for round in 0..3 {
            for class in ["synced", "cached", "memory"] {
                if round > 0 && class == "memory" {
                    continue;
                }
                let mut local = Local::new(&node.broker);
                for bytes_max in [1, 700_000, 10_000_000] {
                    let (mut found, mut inside) = (Vec::new(), Vec::new());
                    while found.len() < values.len() {
                        let mut request = fetch_request(class, found.len() as i64, 1, 1000);
                        request.topics[0].partitions[0].partition_max_bytes = bytes_max;
                        let mut response = client.call(12, &request).await;
                        found.extend(values_of(&response.responses.remove(0).partitions.remove(0)));
                        request.topics[0].partitions[0].fetch_offset = inside.len() as i64;
                        let mut response = local.call(12, &request).await;
                        inside.extend(values_of(&response.responses.remove(0).partitions.remove(0)));
                    }
                    let expected: Vec<&str> = values.iter().map(String::as_str).collect();
                    assert!(found == numbered(0, &expected), "{class}, at most {bytes_max} bytes");
                    assert!(inside == found, "{class}, at most {bytes_max} bytes, in the process");
                }
            }
            if round == 0 {
                node.broker.close().await;
                node = node.reopen().await;
                client = node.connect().await;
            }
        }
    });
}
