//! When positions are committed, and what comes again after a consumer has gone.

use std::ops::ControlFlow;

use poruka::{Bus, ConsumeError, ConsumerOptions, Name, RunError};

use super::{fresh, is_silent, next_records, number, read, send_numbers, topic};

pub(crate) async fn what_was_not_committed_comes_again(bus: Bus) {
    for name in [Name::AtLeastOnce, Name::Ordered, Name::Durable] {
        let topic = topic(&bus, name).await;
        let group = fresh("group");
        send_numbers(&topic, 0..5).await;
        let mut first = topic.consumer(&group).await.unwrap();
        assert_eq!(read(&mut first, 5).await.len(), 5);
        send_numbers(&topic, 5..8).await;
        let lost = next_records(&mut first).await;
        assert_eq!(number(&lost.records[0]), 5);
        first.close().await;
        let mut second = topic.consumer(&group).await.unwrap();
        let found: Vec<u32> = read(&mut second, 3).await.iter().map(number).collect();
        assert_eq!(found, [5, 6, 7], "{name}");
        second.close().await;
    }
}

pub(crate) async fn at_most_once_never_hands_a_record_out_twice(bus: Bus) {
    let topic = topic(&bus, Name::AtMostOnce).await;
    let group = fresh("group");
    send_numbers(&topic, 0..5).await;
    let mut seen = Vec::new();
    let mut first = topic.consumer(&group).await.unwrap();
    while seen.len() < 5 {
        seen.extend(next_records(&mut first).await.records.iter().map(number));
    }
    // Nothing was committed by the caller, and it goes away as in a crash.
    first.close().await;
    send_numbers(&topic, 5..8).await;
    let mut second = topic.consumer(&group).await.unwrap();
    while seen.len() < 8 {
        seen.extend(next_records(&mut second).await.records.iter().map(number));
    }
    assert_eq!(seen, (0..8).collect::<Vec<_>>());
    assert!(is_silent(&mut second).await);
    second.close().await;
}

pub(crate) async fn at_most_once_needs_a_group(bus: Bus) {
    let topic = topic(&bus, Name::AtMostOnce).await;
    let refused = topic.consumer_with(ConsumerOptions::alone()).await;
    assert!(matches!(refused, Err(ConsumeError::NeedsGroup)));
}

pub(crate) async fn a_handler_that_fails_gets_the_record_again(bus: Bus) {
    let topic = topic(&bus, Name::AtLeastOnce).await;
    let group = fresh("group");
    send_numbers(&topic, 0..4).await;
    let mut consumer = topic.consumer(&group).await.unwrap();
    let mut seen = Vec::new();
    consumer
        .run(async |record| {
            seen.push(number(record));
            match (number(record), seen.len()) {
                (1, ..4) => Err("not yet"),
                (2, _) => Ok(ControlFlow::Break(())),
                _ => Ok(ControlFlow::Continue(())),
            }
        })
        .await
        .unwrap();
    assert_eq!(seen, [0, 1, 1, 1, 2]);
    consumer.close().await;
    let mut next = topic.consumer(&group).await.unwrap();
    assert_eq!(read(&mut next, 1).await.iter().map(number).collect::<Vec<_>>(), [3]);
    next.close().await;
}

pub(crate) async fn a_handler_that_fails_for_good_stops_and_the_record_comes_again(bus: Bus) {
    let topic = topic(&bus, Name::Durable).await;
    let group = fresh("group");
    send_numbers(&topic, 0..3).await;
    let options = ConsumerOptions { attempts_max: 3, ..ConsumerOptions::group(&group) };
    let mut consumer = topic.consumer_with(options).await.unwrap();
    let handled = consumer
        .run(async |record| if number(record) == 1 { Err("never") } else { Ok(ControlFlow::Continue(())) })
        .await;
    match handled {
        Err(RunError::Handler { partition: 0, offset: 1, attempts: 3, error: "never" }) => {}
        other => panic!("{other:?}"),
    }
    consumer.close().await;
    let mut next = topic.consumer(&group).await.unwrap();
    assert_eq!(read(&mut next, 2).await.iter().map(number).collect::<Vec<_>>(), [1, 2]);
    next.close().await;
}

pub(crate) async fn at_most_once_gives_a_record_to_a_failing_handler_once(bus: Bus) {
    let topic = topic(&bus, Name::AtMostOnce).await;
    let group = fresh("group");
    send_numbers(&topic, 0..1).await;
    let mut consumer = topic.consumer(&group).await.unwrap();
    let mut calls = 0;
    let handled = consumer
        .run(async |_| {
            calls += 1;
            Err::<ControlFlow<()>, _>("no")
        })
        .await;
    assert!(matches!(handled, Err(RunError::Handler { attempts: 1, .. })));
    assert_eq!(calls, 1);
    consumer.close().await;
    let mut next = topic.consumer(&group).await.unwrap();
    assert!(is_silent(&mut next).await);
    next.close().await;
}
