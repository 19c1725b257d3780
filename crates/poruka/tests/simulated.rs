//! The five names in a simulated world: connections are cut, the broker is killed, its power is cut, consumers crash,
//! while records travel. What each name forbids is not seen.
#![expect(clippy::unwrap_used, reason = "a test crate")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use poruka::{Bus, Consumer, Durability, Guarantee, Name, ProducerOptions, Record, Topic, TopicSpec};
use poruka_broker::{Broker, BrokerConfig};
use poruka_client::ClientConfig;
use poruka_env::sim::{Process, Sim};
use poruka_env::{Env, FakeDisk};

const ADDRESS: &str = "127.0.0.1:9092";
const RECORDS: u32 = 150;
const KEYS: u32 = 4;
/// Sent when the faults are over.
const LAST: u32 = 1_000_000;
const FAULTS: u32 = 12;
/// Virtual time after which a record that has not come will not come.
const SILENCE: Duration = Duration::from_secs(180);

struct World {
    sim: Sim,
    process: Process,
    broker: Mutex<Option<Broker>>,
}

impl World {
    fn new(seed: u64) -> World {
        let sim = Sim::new(seed);
        let process = sim.process(FakeDisk::in_memory(seed));
        World { sim, process, broker: Mutex::default() }
    }

    async fn start_broker(&self) {
        let broker = Broker::open(self.process.env(), BrokerConfig::new("/data")).await.unwrap();
        broker.listen(ADDRESS).await.unwrap();
        *self.broker.lock().unwrap() = Some(broker);
    }

    /// Cuts connections, kills the broker and, if `power`, its power.
    async fn faults(&self, env: &Env, power: bool) {
        for _ in 0..FAULTS {
            env.sleep(Duration::from_millis(100 + env.random_below(500))).await;
            match env.random_below(3) {
                0 => {
                    self.sim.cut(ADDRESS);
                }
                1 if power => {
                    self.process.cut_power(env.random_u64()).unwrap();
                    drop(self.broker.lock().unwrap().take());
                    self.start_broker().await;
                }
                _ => {
                    self.process.kill();
                    drop(self.broker.lock().unwrap().take());
                    self.start_broker().await;
                }
            }
        }
    }
}

/// Sends all records; those whose sends were acked.
async fn send(env: &Env, topic: &Topic) -> BTreeSet<u32> {
    let options = ProducerOptions { delivery_timeout: Duration::from_secs(60), ..ProducerOptions::default() };
    let producer = topic.producer_with(options).await.unwrap();
    let mut pending = Vec::new();
    for number in 0..RECORDS {
        let record = Record::new(number.to_string()).key(format!("key-{}", number % KEYS));
        if let Ok(one) = producer.enqueue(record).await {
            pending.push((number, one));
        }
        env.sleep(Duration::from_micros(env.random_below(50_000))).await;
    }
    let mut acked = BTreeSet::new();
    for (number, one) in pending {
        if one.receipt().await.is_ok_and(|receipt| receipt.offset.is_some()) {
            acked.insert(number);
        }
    }
    acked
}

fn number(record: &poruka::Received) -> u32 {
    std::str::from_utf8(record.value.as_deref().unwrap()).unwrap().parse().unwrap()
}

/// Handles until nothing has come for a long while; now and then it crashes before it commits.
async fn handle(env: &Env, topic: &Topic) -> Vec<u32> {
    let mut handled = Vec::new();
    let mut consumer: Consumer = topic.consumer("group").await.unwrap();
    let mut heard = env.now();
    while env.now() - heard < SILENCE {
        match env.timeout(SILENCE, consumer.next()).await {
            Ok(Ok(batch)) => {
                if !batch.records.is_empty() {
                    heard = env.now();
                }
                handled.extend(batch.records.iter().map(number));
                if env.random_below(25) == 0 {
                    consumer = topic.consumer("group").await.unwrap();
                } else {
                    // A commit that fails is a batch that may come again.
                    let _ = consumer.commit(&batch).await;
                }
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "consumer");
                env.sleep(Duration::from_millis(100)).await;
            }
            Err(_) => break,
        }
    }
    handled
}

/// What was acked, and what was handled in which order, after a run under faults.
fn run(guarantee: Guarantee, seed: u64) -> (BTreeSet<u32>, Vec<u32>) {
    let world = World::new(seed);
    let env = world.sim.env();
    world.sim.block_on(async {
        world.start_broker().await;
        let address = format!("kafka://{ADDRESS}");
        let bus = Bus::connect_with(env.clone(), &address, ClientConfig::default()).await.unwrap();
        let topic = bus.topic("t", TopicSpec::from(guarantee).partitions(2)).await.unwrap();
        let power = guarantee.durability == Durability::Synced;
        let sending = async {
            let (acked, ()) = tokio::join!(send(&env, &topic), world.faults(&env, power));
            env.sleep(Duration::from_secs(5)).await;
            let producer = topic.producer().await.unwrap();
            producer.send(Record::new(LAST.to_string())).await.unwrap();
            producer.close().await;
            acked
        };
        let (acked, mut handled) = tokio::join!(sending, handle(&env, &topic));
        // When all is quiet again, what is sent comes.
        assert!(handled.contains(&LAST), "{guarantee}, seed {seed}: the last record did not come");
        handled.retain(|number| *number != LAST);
        (acked, handled)
    })
}

fn first_times(handled: &[u32]) -> Vec<u32> {
    let mut seen = BTreeSet::new();
    handled.iter().copied().filter(|number| seen.insert(*number)).collect()
}

fn check_nothing_acked_is_lost(name: Name) {
    for seed in 0..4 {
        let (acked, handled) = run(name.guarantee(), seed);
        assert!(acked.len() > RECORDS as usize / 2, "{name}, seed {seed}: only {} acked", acked.len());
        let handled: BTreeSet<u32> = handled.into_iter().collect();
        let lost: Vec<&u32> = acked.difference(&handled).collect();
        assert!(lost.is_empty(), "{name}, seed {seed}: lost {lost:?}");
        assert!(handled.iter().all(|number| *number < RECORDS), "{name}, seed {seed}: a phantom");
    }
}

#[test]
fn at_least_once_loses_nothing_through_cuts_kills_and_crashes() {
    check_nothing_acked_is_lost(Name::AtLeastOnce);
}

#[test]
fn durable_loses_nothing_through_power_cuts_too() {
    check_nothing_acked_is_lost(Name::Durable);
}

#[test]
fn ordered_loses_nothing_and_keeps_the_order_of_each_key() {
    check_nothing_acked_is_lost(Name::Ordered);
    for seed in 10..14 {
        let (_, handled) = run(Name::Ordered.guarantee(), seed);
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        for number in first_times(&handled) {
            let before = last.insert(number % KEYS, number);
            assert!(before.is_none_or(|before| before < number), "seed {seed}: {before:?} before {number}");
        }
    }
}

#[test]
fn at_most_once_handles_nothing_twice() {
    // In memory a killed broker forgets what could come twice; a log that stays is the harder case.
    for durability in [Durability::Memory, Durability::Synced] {
        let guarantee = Guarantee { durability, ..Name::AtMostOnce.guarantee() };
        for seed in 0..4 {
            let (_, handled) = run(guarantee, seed);
            assert_eq!(first_times(&handled), handled, "{guarantee}, seed {seed}: something came twice");
        }
    }
}

#[test]
fn best_effort_goes_on_through_everything() {
    for seed in 0..4 {
        let (acked, handled) = run(Name::BestEffort.guarantee(), seed);
        assert!(acked.is_empty(), "seed {seed}");
        assert!(handled.iter().all(|number| *number < RECORDS), "seed {seed}: a phantom");
    }
}
