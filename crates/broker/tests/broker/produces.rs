//! Produce: every durability, acks and codec; what is refused, and with which code.

use poruka_wire::ErrorCode;
use poruka_wire::api::*;
use poruka_wire::records::{BatchBuilder, Compression};

use crate::harness::*;

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

#[test]
fn every_durability_acks_and_codec_brings_records_there_and_back() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        for class in ["synced", "cached", "memory"] {
            client.create(class, 1, &[("poruka.durability", class)]).await;
            let mut expected = 0;
            for codec in CODECS {
                for acks in [-1, 1, 0] {
                    let values = ["one", "two"];
                    let batch = build(BatchBuilder::new(codec), &values);
                    if acks == 0 {
                        client.send(9, &produce_request(class, 0, batch)).await;
                    } else {
                        let answer = client.produce(class, acks, batch).await;
                        assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::None, expected));
                        assert_eq!(client.values(class, expected).await, numbered(expected, &values));
                    }
                    expected += 2;
                }
            }
            // The record after the last one with acks=0 shows that all of them are there.
            let last = client.produce(class, -1, batch(&["last"])).await;
            assert_eq!(last.base_offset, expected, "{class}");
            assert_eq!(client.values(class, 0).await.len(), usize::try_from(expected).expect("small") + 1);
        }
    });
}

#[test]
fn what_is_refused_gets_kafkas_code_and_nothing_is_appended() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[("max.message.bytes", "1000")]).await;
        client.create("compacted", 1, &[("cleanup.policy", "compact")]).await;
        let good = batch(&["x"]);
        let mut flipped = good.to_vec();
        *flipped.last_mut().expect("bytes") ^= 1;
        let mut old = good.to_vec();
        old[16] = 1;
        let mut counted = good.to_vec();
        counted[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
        let crc = crc32c(&counted[21..]);
        counted[17..21].copy_from_slice(&crc.to_be_bytes());
        let two = [good.clone(), good.clone()].concat();
        let mut keyless = BatchBuilder::new(Compression::None);
        keyless.push(node.env.wall_ms(), None, Some(b"v"), &[]).expect("room");
        let mut future = BatchBuilder::new(Compression::None);
        future.push(node.env.wall_ms() + 7_200_000, None, Some(b"v"), &[]).expect("room");
        let cases = [
            ("t", -1, flipped.into(), ErrorCode::CorruptMessage),
            ("t", -1, old.into(), ErrorCode::InvalidRecord),
            ("t", -1, counted.into(), ErrorCode::InvalidRecord),
            ("t", -1, two.into(), ErrorCode::InvalidRecord),
            ("t", -1, Default::default(), ErrorCode::InvalidRecord),
            ("t", -1, batch(&[&"x".repeat(2000)]), ErrorCode::MessageTooLarge),
            ("t", -1, future.build(), ErrorCode::InvalidTimestamp),
            ("t", 2, good.clone(), ErrorCode::InvalidRequiredAcks),
            ("absent", -1, good.clone(), ErrorCode::UnknownTopicOrPartition),
            ("compacted", -1, keyless.build(), ErrorCode::InvalidRecord),
        ];
        for (topic, acks, bytes, code) in cases {
            let answer = client.produce(topic, acks, bytes).await;
            assert_eq!(answer.error_code, code, "{:?}", answer.error_message);
            assert_eq!(answer.base_offset, -1);
        }
        assert_eq!(client.produce("t", -1, good).await.base_offset, 0, "nothing was appended");
    });
}

#[test]
fn an_error_on_acks_0_closes_the_connection() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.send(9, &produce_request("absent", 0, batch(&["x"]))).await;
        assert_eq!(client.receive_frame().await, None);
        let local = Local::new(&node.broker);
        assert_eq!(local.try_call(9, &produce_request("absent", 0, batch(&["x"]))).await, None);
        assert_eq!(
            local.try_call(9, &produce_request("absent", -1, batch(&["x"]))).await,
            None,
            "it stays closed"
        );
    });
}

#[test]
fn a_repeat_answers_its_first_offset_and_a_gap_is_refused() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        let id = client.producer_id().await;
        assert_ne!(client.producer_id().await, id, "producer ids are unique");
        client.produce("t", -1, batch(&["other"])).await;
        let first = client.produce("t", -1, batch_of((id, 0, 0), &["a", "b"])).await;
        assert_eq!(first.base_offset, 1);
        let repeat = client.produce("t", -1, batch_of((id, 0, 0), &["a", "b"])).await;
        assert_eq!((repeat.error_code, repeat.base_offset), (ErrorCode::None, 1));
        let gap = client.produce("t", -1, batch_of((id, 0, 5), &["f"])).await;
        assert_eq!(gap.error_code, ErrorCode::OutOfOrderSequenceNumber);
        let bumped = client.produce("t", -1, batch_of((id, 1, 0), &["c"])).await;
        assert_eq!((bumped.error_code, bumped.base_offset), (ErrorCode::None, 3));
        let late = client.produce("t", -1, batch_of((id, 0, 2), &["d"])).await;
        assert_eq!(late.error_code, ErrorCode::InvalidProducerEpoch);
        assert_eq!(client.values("t", 0).await, numbered(0, &["other", "a", "b", "c"]));
    });
}

#[test]
fn transactional_ids_are_refused_in_a_way_that_clients_do_not_retry() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        let request = InitProducerIdRequest { transactional_id: Some("tx".into()), ..Default::default() };
        assert_eq!(client.call(4, &request).await.error_code, ErrorCode::TransactionalIdAuthorizationFailed);
        let transactional =
            build(BatchBuilder::new(Compression::None).producer(5, 0, 0).transactional(), &["x"]);
        client.create("t", 1, &[]).await;
        assert_eq!(client.produce("t", -1, transactional).await.error_code, ErrorCode::InvalidTxnState);
    });
}

/// CRC-32C, bit by bit: enough for one header.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 },
        )
    })
}
