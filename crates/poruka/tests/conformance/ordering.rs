//! Order within a key, and what is told about it.

use std::collections::HashMap;

use poruka::{
    Bus, Consumer, GapReason, Name, Notice, Record, SEQUENCE_HEADER, SendError, SequenceEvent, Stamp,
    TopicSpec,
};
use poruka_client::produce::{Payload, Producer, ProducerConfig, Record as Raw};
use poruka_wire::Str;
use poruka_wire::records::Header;

use super::{fresh, topic, topic_of};

async fn sequence_events(consumer: &mut Consumer, records: usize) -> (Vec<SequenceEvent>, Vec<bool>) {
    let (mut told, mut repeats) = (Vec::new(), Vec::new());
    while repeats.len() < records {
        let batch = consumer.next().await.unwrap();
        repeats.extend(batch.records.iter().map(|record| record.repeat));
        told.extend(batch.notices.iter().filter_map(|notice| match notice {
            Notice::Sequence(told) => Some(told.kind),
            _ => None,
        }));
        consumer.commit(&batch).await.unwrap();
    }
    (told, repeats)
}

pub(crate) async fn a_key_keeps_its_order_and_nothing_is_told(bus: Bus) {
    let topic = topic_of(&bus, TopicSpec::from(Name::Ordered).partitions(3)).await;
    let producer = topic.producer().await.unwrap();
    let mut pending = Vec::new();
    for number in 0..600u32 {
        let record = Record::new(number.to_string()).key(format!("key-{}", number % 7));
        pending.push(producer.enqueue(record).await.unwrap());
    }
    for one in pending {
        one.receipt().await.unwrap();
    }
    let mut consumer = topic.consumer(&fresh("group")).await.unwrap();
    let mut last: HashMap<Vec<u8>, u32> = HashMap::new();
    let (mut count, mut told) = (0, Vec::new());
    while count < 600 {
        let batch = consumer.next().await.unwrap();
        for record in &batch.records {
            let number = super::number(record);
            let before = last.insert(record.key.as_deref().unwrap().to_vec(), number);
            assert!(before.is_none_or(|before| before < number), "{before:?} before {number}");
            assert!(record.header(SEQUENCE_HEADER).and_then(Stamp::from_bytes).is_some());
        }
        count += batch.records.len();
        told.extend(batch.notices.into_iter().filter(|notice| matches!(notice, Notice::Sequence(_))));
        consumer.commit_all().await.unwrap();
    }
    // One producer was seen for the first time in each partition; nothing else happened.
    let starts = |notice: &Notice| matches!(notice, Notice::Sequence(told) if told.kind == SequenceEvent::Start { sequence: 0 });
    assert!(told.iter().all(starts) && told.len() <= 3, "{told:?}");
    consumer.close().await;
}

pub(crate) async fn a_gap_is_told_with_its_reason_and_a_repeat_is_marked(bus: Bus) {
    let topic = topic(&bus, Name::Ordered).await;
    // A producer of another kind, that numbers its records as it likes.
    let raw = Producer::start(bus.client(), ProducerConfig::default());
    for sequence in [4, 5, 8, 8, 9] {
        let stamp = Stamp { instance: 7, sequence }.to_bytes();
        let header = Header { key: Str::from(SEQUENCE_HEADER), value: Some(stamp.to_vec().into()) };
        let payload = Payload { value: Some("0".into()), headers: vec![header], ..Payload::default() };
        raw.send(Raw { topic: Str::from(topic.name()), partition: Some(0), payload }).await.unwrap().await;
    }
    let mut consumer = topic.consumer(&fresh("group")).await.unwrap();
    let (told, repeats) = sequence_events(&mut consumer, 5).await;
    assert_eq!(
        told,
        [
            SequenceEvent::Start { sequence: 4 },
            SequenceEvent::Gap { from: 6, to: 8, reason: GapReason::Lost },
            SequenceEvent::Repeat { sequence: 8 },
        ]
    );
    assert_eq!(repeats, [false, false, false, true, false]);
    consumer.close().await;
}

pub(crate) async fn the_header_and_the_partition_of_ordered_are_not_the_callers(bus: Bus) {
    let topic = topic(&bus, Name::Ordered).await;
    let producer = topic.producer().await.unwrap();
    let refused = producer.send(Record::new("x").key("k").partition(0)).await;
    assert!(matches!(refused, Err(SendError::NotTaken { .. })));
    let refused = producer.send(Record::new("x").header(SEQUENCE_HEADER, "mine")).await;
    assert!(matches!(refused, Err(SendError::NotTaken { .. })));
    assert_eq!(producer.send(Record::new("x").key("k")).await.unwrap().offset, Some(0));
}
