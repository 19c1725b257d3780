//! Whose clock a topic's records carry, how far a producer's may be off, and how large a batch may be.

use poruka_wire::ErrorCode;
use poruka_wire::api::*;
use poruka_wire::records::{self, BatchBuilder, Compression};

use crate::harness::*;

fn stamped(compression: Compression, timestamps: &[i64]) -> bytes::Bytes {
    let mut builder = BatchBuilder::new(compression);
    for timestamp in timestamps {
        builder.push(*timestamp, Some(b"k"), Some(&[b'v'; 200]), &[]).expect("room");
    }
    builder.build()
}

/// Timestamps as a consumer sees them.
async fn timestamps(client: &mut impl Client, topic: &str) -> Vec<i64> {
    let bytes = client.fetch(topic, 0).await.records.expect("records");
    let batches = records::batches_of(&bytes).map(|found| found.expect("whole batches").1);
    let all = batches.flat_map(|batch| {
        let records: Vec<_> = records::records(&batch).expect("records").collect();
        records.into_iter().map(|record| record.expect("a record").timestamp)
    });
    all.collect()
}

#[test]
fn create_time_is_kept_as_the_producer_gave_it() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        let now = node.env.wall_ms();
        let answer = client.produce("t", -1, stamped(Compression::None, &[now - 7, now, now - 3])).await;
        assert_eq!((answer.error_code, answer.log_append_time_ms), (ErrorCode::None, -1));
        assert_eq!(timestamps(&mut client, "t").await, [now - 7, now, now - 3]);
        for (asked, offset) in [(0, 0), (now - 7, 0), (now - 6, 1), (now, 1), (TIMESTAMP_MAX, 1)] {
            assert_eq!(client.list_offset("t", asked).await.offset, offset, "{asked}");
        }
        assert_eq!(client.list_offset("t", now + 1).await.offset, -1, "there is none so late");
    });
}

#[test]
fn log_append_time_is_the_brokers_for_every_record_and_every_answer() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
        let before = node.env.wall_ms();
        // Any timestamp will do: the limits on a producer's clock do not apply.
        for (compression, sent) in [(Compression::Lz4, [1, i64::MAX / 2]), (Compression::None, [-1, 9])] {
            let answer = client.produce("t", -1, stamped(compression, &sent)).await;
            assert_eq!(answer.error_code, ErrorCode::None);
            assert!((before..=node.env.wall_ms()).contains(&answer.log_append_time_ms));
        }
        let seen = timestamps(&mut client, "t").await;
        assert!(seen.len() == 4 && seen.iter().all(|time| *time >= before), "{seen:?}");
        let first = client.list_offset("t", seen[0]).await;
        assert_eq!((first.offset, first.timestamp), (0, seen[0]));
        assert_eq!(client.list_offset("t", seen[3] + 1).await.offset, -1);
        assert_eq!(client.list_offset("t", 1).await.offset, 0);
        let latest = client.list_offset("t", TIMESTAMP_MAX).await;
        assert_eq!(latest.timestamp, seen[3]);
    });
}

#[test]
fn a_repeat_is_answered_with_the_time_of_the_original() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
        let id = client.producer_id().await;
        let first = client.produce("t", -1, batch_of((id, 0, 0), &["a"])).await.log_append_time_ms;
        while node.env.wall_ms() == first {
            node.env.sleep(std::time::Duration::from_millis(1)).await;
        }
        let repeat = client.produce("t", -1, batch_of((id, 0, 0), &["a"])).await;
        assert_eq!((repeat.base_offset, repeat.log_append_time_ms), (0, first));
    });
}

#[test]
fn a_producers_clock_may_be_off_by_what_the_topic_allows() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        let limits =
            [("message.timestamp.before.max.ms", "60000"), ("message.timestamp.after.max.ms", "60000")];
        client.create("t", 1, &limits).await;
        let now = node.env.wall_ms();
        for (timestamp, code) in [
            (now, ErrorCode::None),
            (now - 50_000, ErrorCode::None),
            (now + 50_000, ErrorCode::None),
            (now - 90_000, ErrorCode::InvalidTimestamp),
            (now + 90_000, ErrorCode::InvalidTimestamp),
            (0, ErrorCode::InvalidTimestamp),
        ] {
            for compression in [Compression::None, Compression::Zstd] {
                let answer = client.produce("t", -1, stamped(compression, &[now, timestamp])).await;
                assert_eq!(answer.error_code, code, "{timestamp} {:?}", answer.error_message);
                if code != ErrorCode::None {
                    let why = answer.error_message.expect("a reason");
                    assert!(why.contains("The timestamp should be within ["), "{why}");
                }
            }
        }
        assert_eq!(client.list_offset("t", -1).await.offset, 12, "refused batches leave nothing");
    });
}

#[test]
fn a_stamp_that_claims_to_be_the_brokers_is_refused() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        for (topic, kind) in [("create", "CreateTime"), ("append", "LogAppendTime")] {
            client.create(topic, 1, &[("message.timestamp.type", kind)]).await;
            let mut lying = stamped(Compression::None, &[5]).to_vec();
            records::set_max_timestamp(&mut lying, node.env.wall_ms(), true);
            let answer = client.produce(topic, -1, lying.into()).await;
            assert_eq!(answer.error_code, ErrorCode::InvalidTimestamp, "{kind}");
        }
    });
}

#[test]
fn the_largest_batch_is_measured_as_it_was_sent() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        let times = vec![node.env.wall_ms(); 50];
        let (plain, small) = (stamped(Compression::None, &times), stamped(Compression::Lz4, &times));
        assert!(small.len() < plain.len() / 2);
        let limit = (small.len() + 1).to_string();
        client.create("t", 1, &[("max.message.bytes", &limit)]).await;
        assert_eq!(client.produce("t", -1, small.clone()).await.error_code, ErrorCode::None);
        assert_eq!(client.produce("t", -1, plain.clone()).await.error_code, ErrorCode::MessageTooLarge);
        client.create("exact", 1, &[("max.message.bytes", &plain.len().to_string())]).await;
        assert_eq!(client.produce("exact", -1, plain.clone()).await.error_code, ErrorCode::None);
        client.create("less", 1, &[("max.message.bytes", &(plain.len() - 1).to_string())]).await;
        assert_eq!(client.produce("less", -1, plain).await.error_code, ErrorCode::MessageTooLarge);
        client.create("none", 1, &[("max.message.bytes", "0")]).await;
        assert_eq!(client.produce("none", -1, small).await.error_code, ErrorCode::MessageTooLarge);
    });
}
