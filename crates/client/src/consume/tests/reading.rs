//! The reading: positions only move by what is handed out or told.

use bytes::{Bytes, BytesMut};
use poruka_env::Mono;
use poruka_wire::api::{FetchEpochEndOffset, FetchPartitionData, FetchResponse, FetchableTopicResponse};
use poruka_wire::records::{BatchBuilder, Compression, set_base_offset};
use poruka_wire::{ErrorCode, Str, Uuid};

use super::super::config::{ConsumerConfig, Reset, Start};
use super::super::event::Event;
use super::super::machine::{FetchPlan, Reader};
use super::super::slot::Position;
use crate::cluster::{PartitionInfo, TopicInfo};
use crate::produce::TopicPartition;

const ID: Uuid = Uuid([3; 16]);

fn at(partition: i32) -> TopicPartition {
    TopicPartition { topic: Str::from("t"), partition }
}

fn topic(id: Uuid) -> TopicInfo {
    let partition = |partition| PartitionInfo {
        partition,
        leader: Some(1),
        leader_epoch: 0,
        replicas: vec![1],
        in_sync: vec![1],
    };
    let partitions = (0..3).map(partition).collect();
    TopicInfo { name: Str::from("t"), id, is_internal: false, partitions, learnt: Mono::ZERO }
}

fn reader(config: ConsumerConfig) -> Reader {
    let mut reader = Reader::new(config, true);
    reader.assign(at(0), ID, Position::At(0));
    reader.set_topic(&topic(ID));
    reader
}

/// A batch of `count` records from `base` on.
fn batch(base: i64, count: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for number in 0..count {
        builder.push(5, None, Some(format!("{}", base as usize + number).as_bytes()), &[]).expect("room");
    }
    let mut bytes = BytesMut::from(&builder.build()[..]);
    set_base_offset(&mut bytes, base);
    bytes.freeze()
}

fn control(base: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None).control();
    builder.push(5, Some(&[0, 0, 0, 9]), Some(b"?"), &[]).expect("room");
    let mut bytes = BytesMut::from(&builder.build()[..]);
    set_base_offset(&mut bytes, base);
    bytes.freeze()
}

fn answer(data: FetchPartitionData) -> FetchResponse {
    let topic = FetchableTopicResponse { topic_id: ID, partitions: vec![data], ..Default::default() };
    FetchResponse { responses: vec![topic], ..Default::default() }
}

fn records(bytes: impl Into<Bytes>) -> FetchResponse {
    answer(FetchPartitionData { records: Some(bytes.into()), high_watermark: 100, ..Default::default() })
}

fn code(error_code: ErrorCode) -> FetchResponse {
    answer(FetchPartitionData { error_code, ..Default::default() })
}

fn plan(reader: &mut Reader) -> FetchPlan {
    reader.plan(Mono::from_millis(1)).pop().expect("a fetch")
}

fn feed(reader: &mut Reader, answer: &FetchResponse) {
    let plan = plan(reader);
    reader.answered(Mono::from_millis(1), &plan, Some(answer), 0);
}

/// Offsets handed out, with what comes between them.
fn offsets(reader: &mut Reader) -> Vec<i64> {
    let mut offsets = Vec::new();
    while let Some(Event::Records(records)) = reader.next() {
        offsets.extend(records.records.iter().map(|record| record.offset));
    }
    offsets
}

#[test]
fn one_fetch_is_in_flight_per_node_and_the_next_asks_behind_what_is_buffered() {
    let mut reader = reader(ConsumerConfig::default());
    let first = plan(&mut reader);
    assert!(reader.plan(Mono::from_millis(1)).is_empty());
    reader.answered(Mono::from_millis(1), &first, Some(&records([batch(0, 3), batch(3, 2)].concat())), 0);
    assert_eq!(plan(&mut reader).parts[0].offset, 5);
    assert_eq!(offsets(&mut reader), [0, 1, 2, 3, 4]);
}

#[test]
fn control_batches_are_skipped_and_the_position_passes_them() {
    let mut reader = reader(ConsumerConfig::default());
    feed(&mut reader, &records([batch(0, 1), control(1), batch(2, 1), control(3)].concat()));
    assert_eq!(offsets(&mut reader), [0, 2]);
    assert_eq!(reader.slots[&at(0)].position, Position::At(4));
}

#[test]
fn records_before_the_position_are_left_out_when_it_lies_inside_a_batch() {
    let mut reader = reader(ConsumerConfig::default());
    reader.seek(&at(0), Position::At(2));
    feed(&mut reader, &records(batch(0, 4)));
    assert_eq!(offsets(&mut reader), [2, 3]);
}

#[test]
fn a_cut_batch_at_the_end_is_asked_for_again() {
    let mut reader = reader(ConsumerConfig::default());
    let second = batch(2, 5);
    feed(&mut reader, &records([batch(0, 2), second.slice(..second.len() - 3)].concat()));
    assert_eq!(offsets(&mut reader), [0, 1]);
    assert_eq!(plan(&mut reader).parts[0].offset, 2);
}

#[test]
fn a_damaged_batch_stops_the_partition_and_tells_where() {
    let mut reader = reader(ConsumerConfig::default());
    let mut damaged = BytesMut::from(&batch(2, 2)[..]);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    feed(&mut reader, &records([batch(0, 2), damaged.freeze()].concat()));
    assert!(matches!(reader.next(), Some(Event::Records(_))));
    let Some(Event::Failed { offset, why, .. }) = reader.next() else { panic!("not told") };
    assert_eq!(offset, 2);
    assert!(why.contains("checksum"), "{why}");
    assert!(reader.plan(Mono::from_millis(1)).is_empty(), "stopped until the application seeks");
}

#[test]
fn an_answer_to_a_question_from_before_a_seek_is_not_taken_in() {
    let mut reader = reader(ConsumerConfig::default());
    let old = plan(&mut reader);
    reader.seek(&at(0), Position::At(50));
    reader.answered(Mono::from_millis(1), &old, Some(&records(batch(0, 3))), 0);
    assert_eq!(reader.next(), None);
    assert_eq!(plan(&mut reader).parts[0].offset, 50);
}

#[test]
fn a_position_outside_the_log_follows_the_policy_and_is_told() {
    for (reset, start) in [(Reset::Earliest, Start::Earliest), (Reset::Latest, Start::Latest)] {
        let mut reader = reader(ConsumerConfig { reset, ..Default::default() });
        reader.seek(&at(0), Position::At(7));
        feed(&mut reader, &code(ErrorCode::OffsetOutOfRange));
        let lookup = reader.take_lookups(Mono::from_millis(1)).pop().expect("a look-up");
        assert_eq!(lookup.start, Some(start));
        reader.position_found(&at(0), lookup.generation, 3);
        assert_eq!(reader.next(), Some(Event::Reset { at: at(0), from: Some(7), to: 3 }));
        assert_eq!(plan(&mut reader).parts[0].offset, 3);
    }
    let mut reader = reader(ConsumerConfig { reset: Reset::Stop, ..Default::default() });
    feed(&mut reader, &code(ErrorCode::OffsetOutOfRange));
    assert_eq!(reader.next(), Some(Event::NoPosition { at: at(0), from: Some(0) }));
    assert!(reader.plan(Mono::from_millis(1)).is_empty());
}

#[test]
fn what_is_buffered_is_handed_out_before_a_position_behind_it_is_judged() {
    let mut reader = reader(ConsumerConfig::default());
    feed(&mut reader, &records(batch(0, 2)));
    feed(&mut reader, &code(ErrorCode::OffsetOutOfRange));
    assert_eq!(offsets(&mut reader), [0, 1]);
}

#[test]
fn a_topic_made_anew_is_told_and_its_buffered_records_are_dropped() {
    let mut reader = reader(ConsumerConfig::default());
    feed(&mut reader, &records(batch(0, 2)));
    let new = Uuid([4; 16]);
    reader.set_topic(&topic(new));
    assert_eq!(reader.next(), Some(Event::TopicReborn { topic: Str::from("t"), old: ID, new }));
    assert_eq!(reader.next(), None);
    let lookup = reader.take_lookups(Mono::from_millis(1)).pop().expect("a look-up");
    assert_eq!((lookup.start, lookup.topic_id), (Some(Start::Earliest), new));
    assert_eq!(reader.buffered, 0);
}

#[test]
fn a_log_that_was_cut_back_is_told() {
    let mut reader = reader(ConsumerConfig::default());
    feed(&mut reader, &records(batch(0, 5)));
    assert_eq!(offsets(&mut reader).len(), 5);
    let diverging_epoch = FetchEpochEndOffset { epoch: 0, end_offset: 3 };
    feed(&mut reader, &answer(FetchPartitionData { diverging_epoch, ..Default::default() }));
    assert_eq!(reader.next(), Some(Event::Truncated { at: at(0), from: 5, to: 3 }));
    assert_eq!(plan(&mut reader).parts[0].offset, 3);
}

#[test]
fn a_moved_leader_is_looked_up_and_the_partition_waits_meanwhile() {
    let mut reader = reader(ConsumerConfig::default());
    reader.take_refresh();
    feed(&mut reader, &code(ErrorCode::NotLeaderOrFollower));
    assert!(reader.take_refresh().contains("t"));
    assert!(reader.plan(Mono::from_millis(1)).is_empty());
    let later = reader.wake_at(Mono::from_millis(1)).expect("a back-off");
    assert_eq!(reader.plan(later).len(), 1);
}

#[test]
fn nothing_is_asked_for_while_the_buffer_is_full() {
    let mut reader = reader(ConsumerConfig { buffer_bytes_max: 100, ..Default::default() });
    feed(&mut reader, &records(batch(0, 10)));
    assert!(reader.plan(Mono::from_millis(1)).is_empty());
    assert_eq!(offsets(&mut reader).len(), 10);
    assert_eq!(reader.plan(Mono::from_millis(1)).len(), 1);
}

#[test]
fn a_paused_partition_hands_nothing_out_and_keeps_its_place() {
    let mut reader = reader(ConsumerConfig::default());
    feed(&mut reader, &records(batch(0, 2)));
    reader.slots.get_mut(&at(0)).expect("read").paused = true;
    assert_eq!(reader.next(), None);
    reader.slots.get_mut(&at(0)).expect("read").paused = false;
    assert_eq!(offsets(&mut reader), [0, 1]);
}

#[test]
fn a_busy_partition_does_not_starve_the_others() {
    let mut reader = reader(ConsumerConfig::default());
    reader.assign(at(1), ID, Position::At(0));
    reader.set_topic(&topic(ID));
    let plan = reader.plan(Mono::from_millis(1)).pop().expect("a fetch");
    assert_eq!(plan.parts.len(), 2);
    let part = |partition_index, records: Vec<u8>| FetchPartitionData {
        partition_index,
        records: Some(Bytes::from(records)),
        ..Default::default()
    };
    let many = (0..4).flat_map(|number| batch(number, 1).to_vec()).collect();
    let partitions = vec![part(0, many), part(1, batch(0, 1).to_vec())];
    let topic = FetchableTopicResponse { topic_id: ID, partitions, ..Default::default() };
    let answer = FetchResponse { responses: vec![topic], ..Default::default() };
    reader.answered(Mono::from_millis(1), &plan, Some(&answer), 0);
    let mut served = Vec::new();
    while let Some(Event::Records(records)) = reader.next() {
        served.push(records.at.partition);
    }
    assert_eq!(served.len(), 5);
    assert!(served[..2].contains(&1), "{served:?}");
}
