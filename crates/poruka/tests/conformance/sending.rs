//! What a producer promises.

use std::time::Duration;

use poruka::{Action, Bus, Durability, Name, ProducerOptions, Reached, Record, SendError, TopicSpec};
use poruka_env::Env;
use poruka_wire::records::partition_for_key;

use super::{BUILT, fresh, next_records, number, read, send_numbers, topic, topic_of};

pub(crate) async fn a_record_comes_back_as_it_was_sent_under_every_name(bus: Bus) {
    for name in BUILT {
        let topic = topic(&bus, name).await;
        let producer = topic.producer().await.unwrap();
        let sent_at = Env::real().wall_ms() - 1000;
        let record = Record::new("value").key("ключ").header("a", "1").header("a", "2").timestamp_ms(sent_at);
        producer.send(record).await.unwrap();
        let mut consumer = topic.consumer(&fresh("group")).await.unwrap();
        let found = read(&mut consumer, 1).await.remove(0);
        assert_eq!(found.key.as_deref(), Some("ключ".as_bytes()), "{name}");
        assert_eq!(found.value.as_deref(), Some(b"value".as_slice()), "{name}");
        assert_eq!((found.partition, found.offset, found.timestamp_ms), (0, 0, sent_at), "{name}");
        let values: Vec<_> = found.headers.iter().filter(|(name, _)| name == "a").collect();
        assert_eq!(values.len(), 2, "{name}");
        assert_eq!(found.header("a"), Some(b"2".as_slice()), "{name}");
        consumer.close().await;
    }
}

pub(crate) async fn a_receipt_says_where_the_record_is_and_what_it_survives(bus: Bus) {
    let topic = topic(&bus, Name::AtLeastOnce).await;
    let producer = topic.producer().await.unwrap();
    for offset in 0..3 {
        let receipt = producer.send(Record::new("x")).await.unwrap();
        assert_eq!(&*receipt.topic, topic.name());
        assert_eq!((receipt.partition, receipt.offset), (Some(0), Some(offset)));
        assert!(matches!(receipt.reached, Reached::Acked(durability) if durability >= Durability::Cached));
        assert!(receipt.to_string().contains(&format!("-0@{offset} ")), "{receipt}");
    }
}

pub(crate) async fn without_acks_nothing_is_claimed(bus: Bus) {
    for name in [Name::BestEffort, Name::AtMostOnce] {
        let topic = topic(&bus, name).await;
        let producer = topic.producer().await.unwrap();
        let receipt = producer.send(Record::new("x")).await.unwrap();
        assert_eq!((receipt.offset, receipt.reached), (None, Reached::Sent), "{name}");
    }
}

pub(crate) async fn best_effort_never_waits_and_counts_what_it_drops(bus: Bus) {
    let topic = topic(&bus, Name::BestEffort).await;
    let options = ProducerOptions { memory_bytes_max: 20_000, ..ProducerOptions::default() };
    let producer = topic.producer_with(options).await.unwrap();
    let (mut taken, mut dropped) = (0, 0);
    for _ in 0..5_000 {
        // One poll must be enough: whatever waits would end in the time limit of zero.
        match Env::real().timeout(Duration::ZERO, producer.send(Record::new(vec![7; 1000]))).await {
            Ok(Ok(receipt)) => {
                assert_eq!(receipt.reached, Reached::Sent);
                taken += 1;
            }
            Ok(Err(error @ SendError::Dropped { .. })) => {
                assert!(!error.may_be_written() && error.action() == Action::Retry);
                dropped += 1;
            }
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => panic!("a best-effort send waited"),
        }
    }
    assert!(taken > 0 && dropped > 0, "{taken} taken, {dropped} dropped");
    assert_eq!(producer.dropped(), dropped);
}

pub(crate) async fn whoever_is_not_best_effort_waits_and_loses_nothing(bus: Bus) {
    let topic = topic(&bus, Name::AtLeastOnce).await;
    let options = ProducerOptions { memory_bytes_max: 5_000, ..ProducerOptions::default() };
    let producer = topic.producer_with(options).await.unwrap();
    let mut pending = Vec::new();
    for number in 0..200u32 {
        pending.push(
            producer.enqueue(Record::new(number.to_string()).header("pad", vec![0; 500])).await.unwrap(),
        );
    }
    for one in pending {
        one.receipt().await.unwrap();
    }
    assert_eq!(producer.dropped(), 0);
    let mut consumer = topic.consumer(&fresh("group")).await.unwrap();
    let found: Vec<u32> = read(&mut consumer, 200).await.iter().map(number).collect();
    assert_eq!(found, (0..200).collect::<Vec<_>>());
    consumer.close().await;
}

pub(crate) async fn a_record_that_is_too_large_is_proven_not_written(bus: Bus) {
    let topic = topic(&bus, Name::Durable).await;
    let producer = topic.producer().await.unwrap();
    let error = producer.send(Record::new(vec![0; 3 << 20])).await.unwrap_err();
    assert!(!error.may_be_written(), "{error}");
    assert_eq!(error.action(), Action::Fix, "{error}");
    assert!(!error.remedy().is_empty());
    assert_eq!(
        producer.send(Record::new("small")).await.unwrap().offset,
        Some(0),
        "and the producer goes on"
    );
}

pub(crate) async fn the_partition_is_the_one_that_kafkas_clients_choose(bus: Bus) {
    for name in [Name::AtLeastOnce, Name::Ordered] {
        let topic = topic_of(&bus, TopicSpec::from(name).partitions(6)).await;
        let producer = topic.producer().await.unwrap();
        for key in ["a", "b", "N14228", "", "ключ", "order-7"] {
            let receipt = producer.send(Record::new("x").key(key)).await.unwrap();
            assert_eq!(receipt.partition, Some(partition_for_key(key.as_bytes(), 6)), "{name}, key {key:?}");
        }
    }
}

pub(crate) async fn nothing_and_empty_are_not_the_same(bus: Bus) {
    let topic = topic(&bus, Name::AtLeastOnce).await;
    let producer = topic.producer().await.unwrap();
    producer.send(Record { key: Some("k".into()), ..Record::default() }).await.unwrap();
    producer.send(Record::new("").key("")).await.unwrap();
    let mut consumer = topic.consumer(&fresh("group")).await.unwrap();
    let found = read(&mut consumer, 2).await;
    assert_eq!((found[0].value.as_deref(), found[0].key.as_deref()), (None, Some(b"k".as_slice())));
    assert_eq!(
        (found[1].value.as_deref(), found[1].key.as_deref()),
        (Some(b"".as_slice()), Some(b"".as_slice()))
    );
    send_numbers(&topic, 0..1).await;
    assert_eq!(next_records(&mut consumer).await.records[0].key, None);
    consumer.close().await;
}
