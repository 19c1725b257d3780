//! What a consumer hands out, and where it starts.

use std::collections::BTreeSet;
use std::time::Duration;

use poruka::{Bus, ConsumerOptions, From, Moved, Name, Notice, Record, TopicSpec};
use poruka_client::admin::Admin;
use poruka_client::produce::TopicPartition;
use poruka_client::{Commit, Spot};
use poruka_env::Env;
use poruka_wire::{Str, Uuid};

use super::{fresh, number, read, send_numbers, topic, topic_of};

pub(crate) async fn a_reader_of_its_own_reads_all_partitions(bus: Bus) {
    let topic = topic_of(&bus, TopicSpec::from(Name::AtLeastOnce).partitions(4)).await;
    let producer = topic.producer().await.unwrap();
    for number in 0..40u32 {
        producer.enqueue(Record::new(number.to_string()).partition(number as i32 % 4)).await.unwrap();
    }
    producer.flush().await;
    for _ in 0..2 {
        let mut reader = topic.consumer_with(ConsumerOptions::alone()).await.unwrap();
        let found: BTreeSet<u32> = read(&mut reader, 40).await.iter().map(number).collect();
        assert_eq!(found, (0..40).collect());
        reader.close().await;
    }
}

pub(crate) async fn reading_may_start_at_the_end_or_at_a_time(bus: Bus) {
    let topic = topic(&bus, Name::AtLeastOnce).await;
    let producer = topic.producer().await.unwrap();
    let now = Env::real().wall_ms();
    for (number, ms) in [(0, -3000), (1, -2000), (2, -1000)] {
        producer.send(Record::new(number.to_string()).timestamp_ms(now + ms)).await.unwrap();
    }
    let from_time = ConsumerOptions::group(fresh("group")).from(From::Timestamp(now - 2500));
    let mut consumer = topic.consumer_with(from_time).await.unwrap();
    assert_eq!(read(&mut consumer, 2).await.iter().map(number).collect::<Vec<_>>(), [1, 2]);
    consumer.close().await;

    let at_end = ConsumerOptions::group(fresh("group")).from(From::End);
    let mut consumer = topic.consumer_with(at_end).await.unwrap();
    // Its place is taken once the partition is assigned and the end is looked up.
    loop {
        let batch = Env::real().timeout(Duration::from_secs(5), consumer.next()).await;
        match batch {
            Ok(batch) => assert!(batch.unwrap().records.is_empty(), "a record from before the end"),
            Err(_) => break,
        }
    }
    send_numbers(&topic, 3..4).await;
    assert_eq!(read(&mut consumer, 1).await.iter().map(number).collect::<Vec<_>>(), [3]);
    consumer.close().await;
}

pub(crate) async fn a_reader_goes_where_it_is_sent_but_at_most_once_never_back(bus: Bus) {
    for (name, back) in [(Name::AtLeastOnce, true), (Name::AtMostOnce, false)] {
        let topic = topic(&bus, name).await;
        send_numbers(&topic, 0..4).await;
        let mut consumer = topic.consumer(&fresh("group")).await.unwrap();
        read(&mut consumer, 4).await;
        assert!(!consumer.seek(7, 0), "a partition that is not there");
        assert_eq!(consumer.seek(0, 1), back, "{name}");
        if back {
            assert_eq!(read(&mut consumer, 3).await.iter().map(number).collect::<Vec<_>>(), [1, 2, 3]);
        }
        consumer.close().await;
    }
}

pub(crate) async fn an_offset_that_is_not_there_is_told(bus: Bus) {
    for (name, goes_to) in [(Name::AtLeastOnce, 0), (Name::AtMostOnce, 3)] {
        let topic = topic(&bus, name).await;
        let producer = topic.producer().await.unwrap();
        for _ in 0..3 {
            producer.send(Record::new("x")).await.unwrap();
        }
        let at = TopicPartition { topic: Str::from(topic.name()), partition: 0 };
        let admin = Admin::new(bus.client());
        // Without acks the records are on their way when the sends return.
        while admin.list_offsets(&[(at.clone(), Spot::Latest)]).await.unwrap()[0].1.offset != Some(3) {}
        let group = fresh("group");
        let commit = Commit { at, topic_id: Uuid::ZERO, offset: 9, leader_epoch: -1, note: Str::default() };
        admin.alter_group_offsets(&Str::from(group.as_str()), &[commit]).await.unwrap();
        let mut consumer = topic.consumer(&group).await.unwrap();
        let moved = loop {
            let batch = consumer.next().await.unwrap();
            if let Some(Notice::PositionMoved { from, to, because, .. }) =
                batch.notices.into_iter().find(|notice| matches!(notice, Notice::PositionMoved { .. }))
            {
                break (from, to, because);
            }
            assert!(batch.records.is_empty(), "records before the notice");
        };
        assert_eq!(moved, (9, goes_to, Moved::LogEndedBefore), "{name}");
        consumer.close().await;
    }
}
