//! Client and broker in one simulated world: the broker is killed and its power is cut while records travel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use poruka_broker::{Broker, BrokerConfig};
use poruka_client::admin::{Admin, NewTopic};
use poruka_client::consume::{Consumer, ConsumerConfig, Event, GroupConfig, Start};
use poruka_client::produce::{
    Acks, Mode, Outcome, Payload, Producer, ProducerConfig, Record, TopicPartition,
};
use poruka_client::{Client, ClientConfig, Commit, Spot};
use poruka_env::FakeDisk;
use poruka_env::sim::{Process, Sim};
use poruka_wire::Str;

const STEP_MAX: Duration = Duration::from_secs(600);
const ADDRESS: &str = "127.0.0.1:9092";

/// A broker that can be killed and started again on the same disk and address.
struct Victim {
    process: Process,
    broker: Mutex<Option<Broker>>,
}

impl Victim {
    async fn start(sim: &Sim, seed: u64) -> Victim {
        let victim = Victim { process: sim.process(FakeDisk::in_memory(seed)), broker: Mutex::default() };
        victim.up().await;
        victim
    }

    async fn up(&self) {
        let config = BrokerConfig { auto_create: false, ..BrokerConfig::new("/data") };
        let broker = Broker::open(self.process.env(), config).await.expect("open");
        broker.listen(ADDRESS).await.expect("listen");
        *self.broker.lock().expect("not poisoned") = Some(broker);
    }

    async fn kill(&self, power_cut: Option<u64>) {
        match power_cut {
            Some(seed) => self.process.cut_power(seed).expect("power cut"),
            None => self.process.kill(),
        }
        drop(self.broker.lock().expect("not poisoned").take());
        self.up().await;
    }
}

async fn topic(client: &Client, durability: &str, partitions: i32) -> Str {
    let name = Str::from("t");
    let configs = vec![(Str::from("poruka.durability"), Str::from(durability))];
    let topic = NewTopic { name: name.clone(), partitions: Some(partitions), replication: None, configs };
    let admin = Admin::new(client);
    admin.create_topic(&topic).await.expect("create");
    admin.wait_for_topic(&name).await.expect("ready");
    name
}

fn record(topic: &Str, partition: i32, value: usize) -> Record {
    let payload = Payload { value: Some(Bytes::from(value.to_string())), ..Default::default() };
    Record { topic: topic.clone(), partition: Some(partition), payload }
}

fn at(topic: &Str, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.clone(), partition }
}

/// Every record of a partition, in order.
async fn read_all(client: &Client, topic: &Str, partition: i32, until: i64) -> Vec<usize> {
    let consumer = Consumer::standalone(client, ConsumerConfig::default(), None);
    consumer.assign(&[(at(topic, partition), Start::Earliest)]).await.expect("assign");
    let mut values = Vec::new();
    let mut next = 0;
    while next < until {
        let event = client.env().timeout(STEP_MAX, consumer.next()).await.expect("in time").expect("open");
        if let Event::Records(records) = event {
            values.extend(records.records.iter().map(|record| value(&record.value)));
            next = records.next_offset;
        }
    }
    values
}

fn value(bytes: &Option<Bytes>) -> usize {
    std::str::from_utf8(bytes.as_ref().expect("a value")).expect("text").parse().expect("a number")
}

#[test]
fn stamped_records_are_each_there_once_and_in_order_through_kills_and_power_cuts() {
    for seed in 0..6 {
        let sim = Sim::new(seed);
        let env = sim.env();
        sim.block_on(async {
            let victim = Victim::start(&sim, seed).await;
            let client =
                Client::connect(env.clone(), ADDRESS, ClientConfig::default()).await.expect("connect");
            let topic = topic(&client, "synced", 1).await;
            let config = ProducerConfig { mode: Mode::Stamped, batch_bytes_max: 300, ..Default::default() };
            let producer = Producer::start(&client, config);
            let mut pending = Vec::new();
            for number in 0..600 {
                pending.push(producer.send(record(&topic, 0, number)).await.expect("taken"));
                env.sleep(Duration::from_micros(env.random_below(400))).await;
                if number % 100 == 50 {
                    victim.kill((number % 200 == 50).then_some(seed)).await;
                }
            }
            let mut last = -1;
            for one in pending {
                let Outcome::Acked(acked) = one.await else { panic!("seed {seed}: not acked") };
                let offset = acked.offset.expect("an offset");
                assert!(offset > last, "seed {seed}");
                last = offset;
            }
            let values = read_all(&client, &topic, 0, last + 1).await;
            assert_eq!(values, (0..600).collect::<Vec<_>>(), "seed {seed}");
        });
    }
}

#[test]
fn a_group_sees_every_record_through_kills_and_rebalances_and_no_commit_is_lost() {
    for seed in 0..4 {
        let sim = Sim::new(seed);
        let env = sim.env();
        sim.block_on(async {
            let victim = Victim::start(&sim, seed).await;
            let client =
                Client::connect(env.clone(), ADDRESS, ClientConfig::default()).await.expect("connect");
            let topic = topic(&client, "synced", 4).await;
            let producer = Producer::start(&client, ProducerConfig::default());
            let join = || {
                let group = GroupConfig::new("g", [topic.clone()]);
                Consumer::subscribe(&client, ConsumerConfig::default(), group)
            };
            let mut members = vec![join()];
            let mut seen = BTreeSet::new();
            let mut committed: BTreeMap<i32, i64> = BTreeMap::new();
            for round in 0..5 {
                for number in 0..40 {
                    let pending =
                        producer.send(record(&topic, number % 4, (round * 40 + number) as usize)).await;
                    drop(pending.expect("taken"));
                }
                if round == 1 {
                    members.push(join());
                }
                if round == 3 {
                    members.remove(0).close().await;
                }
                if round > 0 {
                    victim.kill((round == 2).then_some(seed)).await;
                }
                let target = (round as usize + 1) * 40;
                let until = env.now() + STEP_MAX;
                while seen.len() < target {
                    assert!(env.now() < until, "seed {seed}: {} of {target} in round {round}", seen.len());
                    for member in &members {
                        handle(member, &mut seen, &mut committed).await;
                    }
                    env.sleep(Duration::from_millis(5)).await;
                }
            }
            let offsets = Admin::new(&client).group_offsets(&Str::from("g")).await.expect("offsets");
            for found in offsets {
                assert_eq!(found.offset, committed.get(&found.at.partition).copied(), "seed {seed}");
            }
        });
    }
}

/// Takes what is there, commits it, and lets go of what is asked back.
async fn handle(member: &Consumer, seen: &mut BTreeSet<usize>, committed: &mut BTreeMap<i32, i64>) {
    while let Some(event) = member.try_next() {
        match event {
            Event::Records(records) => {
                seen.extend(records.records.iter().map(|record| value(&record.value)));
                let commit = Commit {
                    at: records.at.clone(),
                    topic_id: records.topic_id,
                    offset: records.next_offset,
                    leader_epoch: records.leader_epoch,
                    note: Str::default(),
                };
                match member.commit(&[commit]).await {
                    Ok(()) => {
                        let known = committed.entry(records.at.partition).or_default();
                        assert!(records.next_offset >= *known, "a fenced member overwrote a commit");
                        *known = records.next_offset;
                    }
                    Err(error) => assert!(error.is_fenced(), "{error}"),
                }
            }
            Event::Revoking(partitions) => member.release(&partitions),
            Event::Failed { .. } | Event::GroupFailed { .. } => panic!("{event:?}"),
            _ => {}
        }
    }
}

#[test]
fn a_memory_topic_is_born_again_with_its_broker_and_the_consumer_is_told() {
    let sim = Sim::new(5);
    let env = sim.env();
    sim.block_on(async {
        let victim = Victim::start(&sim, 5).await;
        let client = Client::connect(env.clone(), ADDRESS, ClientConfig::default()).await.expect("connect");
        let topic = topic(&client, "memory", 1).await;
        let producer = Producer::start(&client, ProducerConfig { mode: Mode::Plain, ..Default::default() });
        let consumer = Consumer::standalone(&client, ConsumerConfig::default(), None);
        consumer.assign(&[(at(&topic, 0), Start::Earliest)]).await.expect("assign");
        for number in 0..5 {
            let outcome = producer.send(record(&topic, 0, number)).await.expect("taken").await;
            assert!(matches!(outcome, Outcome::Acked(_)), "{outcome:?}");
        }
        while consumer.position(&at(&topic, 0)) != Some(5) {
            consumer.next().await.expect("open");
        }
        victim.kill(None).await;
        let outcome = producer.send(record(&topic, 0, 100)).await.expect("taken").await;
        assert!(matches!(outcome, Outcome::Acked(_)), "{outcome:?}");
        let event = env.timeout(STEP_MAX, consumer.next()).await.expect("in time").expect("open");
        assert!(matches!(event, Event::TopicReborn { .. }), "{event:?}");
        let event = env.timeout(STEP_MAX, consumer.next()).await.expect("in time").expect("open");
        let Event::Records(records) = event else { panic!("{event:?}") };
        assert_eq!(value(&records.records[0].value), 100);
    });
}

#[test]
fn single_attempts_never_append_twice_and_go_on_after_cuts_and_kills() {
    let mut lost = 0;
    for seed in 0..6 {
        let sim = Sim::new(seed);
        let env = sim.env();
        sim.block_on(async {
            let victim = Victim::start(&sim, seed).await;
            let client =
                Client::connect(env.clone(), ADDRESS, ClientConfig::default()).await.expect("connect");
            let topic = topic(&client, "cached", 1).await;
            let mode = Mode::SingleAttempt { stamped: true };
            let config =
                ProducerConfig { mode, acks: Acks::None, batch_bytes_max: 300, ..Default::default() };
            let producer = Producer::start(&client, config);
            for number in 0..600 {
                drop(producer.send(record(&topic, 0, number)).await.expect("taken"));
                env.sleep(Duration::from_micros(env.random_below(400))).await;
                match number % 100 {
                    20 | 60 => drop(sim.cut(ADDRESS)),
                    50 => victim.kill(None).await,
                    _ => {}
                }
            }
            producer.flush().await;
            env.sleep(Duration::from_secs(2)).await;
            let found =
                Admin::new(&client).list_offsets(&[(at(&topic, 0), Spot::Latest)]).await.expect("the end");
            let values = read_all(&client, &topic, 0, found[0].1.offset.expect("an end")).await;
            let distinct: BTreeSet<usize> = values.iter().copied().collect();
            assert_eq!(distinct.len(), values.len(), "seed {seed}: a record stands twice");
            assert_eq!(values.last(), Some(&599), "seed {seed}: it did not go on");
            lost += 600 - values.len();
        });
    }
    assert!(lost > 0, "cuts and kills must lose something, or they do nothing");
}
