//! Members of a group.

use std::collections::BTreeSet;

use poruka::{Batch, Bus, Consumer, Name, Notice, Record, TopicSpec};

use super::{fresh, number, topic_of};

/// Takes assignments and revocations of a batch into account.
fn follow(owned: &mut BTreeSet<i32>, batch: &Batch) {
    for notice in &batch.notices {
        match notice {
            Notice::Assigned(partitions) => owned.extend(partitions),
            Notice::Revoked(partitions) | Notice::Lost(partitions) => {
                owned.retain(|partition| !partitions.contains(partition));
            }
            _ => {}
        }
    }
}

async fn step(consumer: &mut Consumer, owned: &mut BTreeSet<i32>, seen: &mut Vec<u32>) {
    let batch = consumer.next().await.unwrap();
    follow(owned, &batch);
    seen.extend(batch.records.iter().map(number));
    consumer.commit(&batch).await.unwrap();
}

pub(crate) async fn members_share_the_partitions_and_take_over_from_each_other(bus: Bus) {
    let topic = topic_of(&bus, TopicSpec::from(Name::AtLeastOnce).partitions(4)).await;
    let group = fresh("group");
    let (mut first, mut second) =
        (topic.consumer(&group).await.unwrap(), topic.consumer(&group).await.unwrap());
    let (mut mine, mut theirs, mut seen) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    while mine.len() != 2 || theirs.len() != 2 {
        tokio::select! {
            biased;
            batch = first.next() => follow(&mut mine, &batch.unwrap()),
            batch = second.next() => follow(&mut theirs, &batch.unwrap()),
        }
    }
    assert!(mine.is_disjoint(&theirs));
    let producer = topic.producer().await.unwrap();
    for number in 0..40u32 {
        producer.send(Record::new(number.to_string()).partition(number as i32 % 4)).await.unwrap();
    }
    let mut half = Vec::new();
    while half.len() < 20 {
        step(&mut first, &mut mine, &mut half).await;
    }
    assert!(half.iter().all(|number| mine.contains(&(*number as i32 % 4))), "{half:?} from {mine:?}");
    seen.extend(half);
    first.close().await;
    // What the other one has not read yet, and from now on everything, comes to the one that is left.
    while seen.len() < 40 || theirs.len() < 4 {
        step(&mut second, &mut theirs, &mut seen).await;
    }
    let distinct: BTreeSet<u32> = seen.iter().copied().collect();
    assert_eq!((seen.len(), distinct.len()), (40, 40), "each record once: nobody crashed");
    second.close().await;
}
