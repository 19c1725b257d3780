//! What was lost with a page cache or a process is gone; what comes after it is not. A group that had committed past the
//! lost records sees every new one, because no offset that may have been seen is used again under one topic id.
#![expect(clippy::unwrap_used, reason = "a test crate")]

use std::collections::BTreeSet;
use std::time::Duration;

use poruka::{Bus, Consumer, Durability, Guarantee, Name, Record, Topic, TopicSpec};
use poruka_broker::{Broker, BrokerConfig};
use poruka_client::ClientConfig;
use poruka_env::sim::{Process, Sim};
use poruka_env::{Env, FakeDisk};

const ADDRESS: &str = "127.0.0.1:9092";
const OLD: u32 = 60;
const NEW: u32 = 25;
/// Virtual time within which what is there has to come.
const PATIENCE: Duration = Duration::from_secs(120);

async fn start(process: &Process) -> Broker {
    let broker = Broker::open(process.env(), BrokerConfig::new("/data")).await.unwrap();
    broker.listen(ADDRESS).await.unwrap();
    broker
}

async fn send(topic: &Topic, numbers: std::ops::Range<u32>) {
    let producer = topic.producer().await.unwrap();
    for number in numbers {
        producer.send(Record::new(number.to_string())).await.unwrap();
    }
}

/// Handles and commits until all of `wanted` were handled; what is missing after a long while.
async fn handle(env: &Env, consumer: &mut Consumer, wanted: std::ops::Range<u32>) -> BTreeSet<u32> {
    let mut missing: BTreeSet<u32> = wanted.collect();
    let until = env.now() + PATIENCE;
    while !missing.is_empty() && env.now() < until {
        let Ok(Ok(batch)) = env.timeout(PATIENCE, consumer.next()).await else { continue };
        for record in &batch.records {
            missing.remove(&std::str::from_utf8(record.value.as_deref().unwrap()).unwrap().parse().unwrap());
        }
        // A commit for records that are gone may be refused.
        let _ = consumer.commit(&batch).await;
    }
    missing
}

/// Sends, handles and commits everything; ends the broker; sends anew. How many of the old records the log lost.
fn scenario(seed: u64, durability: Durability, power: bool, same_member: bool) -> usize {
    let sim = Sim::new(seed);
    let env = sim.env();
    let process = sim.process(FakeDisk::in_memory(seed));
    sim.block_on(async {
        let broker = start(&process).await;
        let address = format!("kafka://{ADDRESS}");
        let bus = Bus::connect_with(env.clone(), &address, ClientConfig::default()).await.unwrap();
        let guarantee = Guarantee { durability, ..Name::AtLeastOnce.guarantee() };
        let topic = bus.topic("t", TopicSpec::from(guarantee)).await.unwrap();
        let mut consumer = topic.consumer("group").await.unwrap();
        send(&topic, 0..OLD).await;
        assert_eq!(handle(&env, &mut consumer, 0..OLD).await, BTreeSet::new(), "seed {seed}");
        if !same_member {
            consumer.close().await;
            consumer = topic.consumer("group").await.unwrap();
        }
        match power {
            true => process.cut_power(seed).unwrap(),
            false => process.kill(),
        }
        drop(broker);
        let _broker = start(&process).await;
        send(&topic, OLD..OLD + NEW).await;
        let missing = handle(&env, &mut consumer, OLD..OLD + NEW).await;
        assert_eq!(missing, BTreeSet::new(), "seed {seed}: the group passed new records over");
        let mut whole = topic.consumer("another group").await.unwrap();
        handle(&env, &mut whole, 0..OLD + NEW).await.len()
    })
}

#[test]
fn a_group_that_committed_past_a_lost_cached_tail_sees_every_new_record() {
    let lost: usize = (0..8).map(|seed| scenario(seed, Durability::Cached, true, seed % 2 == 0)).sum();
    assert!(lost > 0, "the power cuts have to lose something, or nothing was tried");
}

#[test]
fn a_group_that_committed_in_a_memory_topic_sees_every_new_record_after_a_restart() {
    for seed in 0..8 {
        let lost = scenario(seed, Durability::Memory, seed % 3 == 0, seed % 2 == 0);
        assert_eq!(lost, OLD as usize, "a memory topic is gone with its process");
    }
}

#[test]
fn nothing_is_lost_where_the_durability_survives_the_ending() {
    assert_eq!(scenario(1, Durability::Cached, false, true), 0);
    assert_eq!(scenario(2, Durability::Synced, true, true), 0);
}
