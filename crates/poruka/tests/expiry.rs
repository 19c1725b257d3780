//! An ordered topic whose records are removed before they are read: the reader is told, with the reason.
#![expect(clippy::unwrap_used, reason = "a test crate")]

use std::time::Duration;

use poruka::{Bus, GapReason, Moved, Name, Notice, Record, SequenceEvent, SequenceNotice, TopicSpec};
use poruka_env::Env;
use poruka_wire::api::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use poruka_wire::{Str, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TEST_TIME_MAX: Duration = Duration::from_secs(60);
/// Large enough that a consumer fetches only two or three ahead.
const RECORD_BYTES: usize = 700_000;
const RECORDS: i64 = 9;
const KEPT_FROM: i64 = 7;

async fn delete_before(address: &str, topic: &str, offset: i64) {
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
    let topics = vec![DeleteRecordsTopic { name: Str::from(topic), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 10_000 };
    let bytes = frame::encode_request(1, Some("test"), &request, 2).unwrap();
    let mut stream = Env::real().connect(address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let size = stream.read_u32().await.unwrap();
    let mut answer = vec![0; size as usize];
    stream.read_exact(&mut answer).await.unwrap();
    let (_, answer) = frame::decode_response::<DeleteRecordsRequest>(answer.into(), 2).unwrap();
    assert_eq!(answer.topics[0].partitions[0].low_watermark, offset);
}

async fn gap_after_expiry() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::open(folder.path()).await.unwrap();
    let address = bus.listen("127.0.0.1:0").await.unwrap().to_string();
    let topic = bus.topic("t", TopicSpec::from(Name::Ordered).partitions(1)).await.unwrap();
    let producer = topic.producer().await.unwrap();
    for _ in 0..RECORDS {
        producer.send(Record::new(vec![7; RECORD_BYTES])).await.unwrap();
    }
    let mut consumer = topic.consumer("g").await.unwrap();
    let (mut offsets, mut notices) = (Vec::new(), Vec::new());
    while offsets.last() != Some(&(RECORDS - 1)) {
        let batch = consumer.next().await.unwrap();
        if offsets.is_empty() && !batch.records.is_empty() {
            delete_before(&address, "t", KEPT_FROM).await;
        }
        offsets.extend(batch.records.iter().map(|record| record.offset));
        notices.extend(batch.notices);
    }
    let read_ahead = offsets.iter().take_while(|offset| **offset < KEPT_FROM).count() as i64;
    assert!((1..KEPT_FROM).contains(&read_ahead), "{offsets:?}");
    let moved =
        Notice::PositionMoved { partition: 0, from: read_ahead, to: KEPT_FROM, because: Moved::Expired };
    assert!(notices.contains(&moved), "{notices:?}");
    let gap =
        SequenceEvent::Gap { from: read_ahead as u64, to: KEPT_FROM as u64, reason: GapReason::Expired };
    let is_gap = |notice: &Notice| matches!(notice, Notice::Sequence(SequenceNotice { offset: KEPT_FROM, kind, .. }) if *kind == gap);
    assert!(notices.iter().any(is_gap), "{notices:?}");
    consumer.close().await;
    bus.close().await;
}

#[tokio::test]
async fn records_that_expired_before_they_were_read_are_told_as_such() {
    Env::real().timeout(TEST_TIME_MAX, gap_after_expiry()).await.unwrap();
}
