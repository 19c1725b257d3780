//! The whole client in simulated time, against a small broker that loses requests and answers.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use poruka_client::consume::{Consumer, ConsumerConfig, Event, Start};
use poruka_client::produce::{
    Acks, Cause, Mode, Outcome, Payload, Producer, ProducerConfig, Record, SendError, TopicPartition,
};
use poruka_client::{Client, ClientConfig, ClientError};
use poruka_env::{Env, sim::Sim};
use poruka_wire::{ErrorCode, Str};
use support::{FakeKafka, Fault, TOPIC};

async fn connect(env: &Env, fake: &FakeKafka) -> Client {
    Client::connect(env.clone(), &fake.address, ClientConfig::default()).await.expect("connect")
}

fn record(partition: i32, value: usize) -> Record {
    let payload = Payload { value: Some(Bytes::from(value.to_string())), ..Default::default() };
    Record { topic: Str::from(TOPIC), partition: Some(partition), payload }
}

fn small_batches(mode: Mode, acks: Acks) -> ProducerConfig {
    ProducerConfig {
        mode,
        acks,
        batch_bytes_max: 200,
        delivery_timeout: Duration::from_secs(20),
        ..Default::default()
    }
}

/// Sends 0, 1, 2… to a partition, and returns the outcome of each.
async fn send(producer: &Producer, partition: i32, count: usize) -> Vec<Outcome> {
    let mut pending = Vec::new();
    for value in 0..count {
        pending.push(producer.send(record(partition, value)).await.expect("taken"));
    }
    let mut outcomes = Vec::new();
    for one in pending {
        outcomes.push(one.await);
    }
    outcomes
}

/// Every third request or so meets a fault.
fn faults(env: &Env, count: usize) -> Vec<Option<Fault>> {
    let one = |_| match env.random_below(9) {
        0 => Some(Fault::LoseAnswer),
        1 => Some(Fault::LoseRequest),
        2 => Some(Fault::Refuse(ErrorCode::NotEnoughReplicas)),
        _ => None,
    };
    (0..count).map(one).collect()
}

fn stamped_run(seed: u64) -> (Vec<Outcome>, Vec<String>) {
    let sim = Sim::new(seed);
    let env = sim.env();
    sim.block_on(async {
        let fake = FakeKafka::start(&env, 1).await;
        let client = connect(&env, &fake).await;
        fake.lock().faults.extend(faults(&env, 60));
        let producer = Producer::start(&client, small_batches(Mode::Stamped, Acks::All));
        let outcomes = send(&producer, 0, 200).await;
        (outcomes, fake.values(0))
    })
}

#[test]
fn a_stamped_producer_appends_each_record_once_and_in_order_under_lost_requests_and_answers() {
    let expected: Vec<String> = (0..200).map(|value| value.to_string()).collect();
    for seed in 0..40 {
        let (outcomes, log) = stamped_run(seed);
        for (value, outcome) in outcomes.iter().enumerate() {
            let Outcome::Acked(acked) = outcome else { panic!("seed {seed}: {outcome:?}") };
            assert_eq!(acked.offset, Some(value as i64), "seed {seed}");
        }
        assert_eq!(log, expected, "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run_twice() {
    for seed in 0..5 {
        assert_eq!(stamped_run(seed), stamped_run(seed));
    }
}

#[test]
fn a_plain_producer_loses_nothing_and_may_repeat() {
    let mut repeated = 0;
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let env = sim.env();
        sim.block_on(async {
            let fake = FakeKafka::start(&env, 1).await;
            let client = connect(&env, &fake).await;
            fake.lock().faults.extend(faults(&env, 60));
            let producer = Producer::start(&client, small_batches(Mode::Plain, Acks::All));
            let outcomes = send(&producer, 0, 200).await;
            assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Acked(_))), "{outcomes:?}");
            let log = fake.values(0);
            let distinct: BTreeSet<&String> = log.iter().collect();
            assert_eq!(distinct.len(), 200);
            repeated += log.len() - 200;
        });
    }
    assert!(repeated > 0, "lost answers must show as repeats, or the faults do nothing");
}

#[test]
fn a_single_attempt_never_appends_twice_and_recovers_after_each_break() {
    for acks in [Acks::None, Acks::All] {
        let mut lost = 0;
        for seed in 0..20 {
            let sim = Sim::new(seed);
            let env = sim.env();
            sim.block_on(async {
                let fake = FakeKafka::start(&env, 1).await;
                let client = connect(&env, &fake).await;
                fake.lock().faults.extend(faults(&env, 20));
                let producer =
                    Producer::start(&client, small_batches(Mode::SingleAttempt { stamped: true }, acks));
                producer.prepare(TOPIC).await.expect("known");
                let mut value = 0;
                for _ in 0..30 {
                    for _ in 0..10 {
                        let taken = producer.send(record(0, value)).await;
                        assert!(taken.is_ok());
                        value += 1;
                    }
                    env.sleep(Duration::from_millis(100)).await;
                }
                producer.flush().await;
                env.sleep(Duration::from_secs(1)).await;
                let log = fake.values(0);
                let distinct: BTreeSet<&String> = log.iter().collect();
                assert_eq!(distinct.len(), log.len(), "seed {seed}: a record stands twice");
                assert_eq!(log.last(), Some(&(value - 1).to_string()), "seed {seed}: it did not recover");
                lost += value - log.len();
            });
        }
        assert!(lost > 0, "{acks:?}: single attempts must show losses, or the faults do nothing");
    }
}

#[test]
fn a_broker_that_is_too_old_is_refused_with_what_is_missing() {
    let sim = Sim::new(1);
    let env = sim.env();
    sim.block_on(async {
        let fake = FakeKafka::start(&env, 1).await;
        fake.lock().versions = Some(vec![(18, 0, 3), (0, 3, 9), (1, 4, 12), (3, 0, 12)]);
        let refused = Client::connect(env.clone(), &fake.address, ClientConfig::default()).await;
        let Err(error @ ClientError::Unsupported(_)) = refused else { panic!("not refused") };
        assert!(error.to_string().contains("Produce (API 0) version 11 or newer (it has 3 to 9)"), "{error}");
        assert!(error.to_string().contains("upgrade the brokers to Apache Kafka 4.0"), "{error}");
    });
}

#[test]
fn a_full_producer_makes_send_wait_and_try_send_drop_and_count() {
    let sim = Sim::new(1);
    let env = sim.env();
    sim.block_on(async {
        let fake = FakeKafka::start(&env, 1).await;
        let client = connect(&env, &fake).await;
        let config =
            ProducerConfig { memory_bytes_max: 100, linger: Duration::from_secs(1), ..Default::default() };
        let producer = Producer::start(&client, config);
        assert!(matches!(producer.try_send(record(0, 0)), Err(SendError::NotReady(_))));
        producer.prepare(TOPIC).await.expect("known");
        let taken: Vec<bool> = (0..10).map(|value| producer.try_send(record(0, value)).is_ok()).collect();
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 4, "25 bytes each in 100");
        assert_eq!(producer.stats().dropped, 1 + 6);
        let began = env.now();
        producer.send(record(0, 99)).await.expect("taken").await;
        assert!(
            env.now() - began >= Duration::from_secs(1),
            "it waited for the linger that frees the memory"
        );
        let large = Payload { value: Some(Bytes::from(vec![0; 200])), ..Default::default() };
        let refused =
            producer.send(Record { topic: Str::from(TOPIC), partition: Some(0), payload: large }).await;
        assert!(matches!(refused, Err(SendError::TooLarge { .. })));
    });
}

#[test]
fn the_deadline_is_kept_while_nobody_answers() {
    let sim = Sim::new(3);
    let env = sim.env();
    sim.block_on(async {
        let fake = FakeKafka::start(&env, 1).await;
        let client = connect(&env, &fake).await;
        let config = ProducerConfig { delivery_timeout: Duration::from_secs(5), ..Default::default() };
        let producer = Producer::start(&client, config);
        producer.prepare(TOPIC).await.expect("known");
        sim.refuse(&fake.address, true);
        sim.cut(&fake.address);
        let began = env.now();
        let outcome = producer.send(record(0, 1)).await.expect("taken").await;
        let Outcome::NotAppended(failure) = &outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.cause, Cause::Deadline);
        assert_eq!(env.now() - began, Duration::from_secs(5));
    });
}

#[test]
fn a_consumer_reads_on_through_cut_connections_and_sees_each_offset_once() {
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let env = sim.env();
        sim.block_on(async {
            let fake = FakeKafka::start(&env, 2).await;
            let client = connect(&env, &fake).await;
            let producer = Producer::start(&client, small_batches(Mode::Stamped, Acks::All));
            let consumer = Consumer::standalone(&client, ConsumerConfig::default(), None);
            let at = |partition| TopicPartition { topic: Str::from(TOPIC), partition };
            consumer.assign(&[(at(0), Start::Earliest), (at(1), Start::Earliest)]).await.expect("assign");
            let mut next = [0, 0];
            for round in 0..10 {
                for value in 0..20 {
                    let partition = value % 2;
                    producer.send(record(partition as i32, round * 20 + value)).await.expect("taken");
                }
                sim.cut(&fake.address);
                while next != [(round as i64 + 1) * 10; 2] {
                    let event = env.timeout(Duration::from_secs(60), consumer.next()).await;
                    let Event::Records(records) = event.expect("in time").expect("open") else { continue };
                    for record in &records.records {
                        assert_eq!(record.offset, next[records.at.partition as usize], "seed {seed}");
                        next[records.at.partition as usize] += 1;
                    }
                }
            }
        });
    }
}

#[test]
fn a_topic_born_again_is_told_and_both_sides_follow() {
    let sim = Sim::new(9);
    let env = sim.env();
    sim.block_on(async {
        let fake = FakeKafka::start(&env, 1).await;
        let client = connect(&env, &fake).await;
        let producer = Producer::start(&client, ProducerConfig::default());
        let consumer = Consumer::standalone(&client, ConsumerConfig::default(), None);
        let at = TopicPartition { topic: Str::from(TOPIC), partition: 0 };
        consumer.assign(&[(at.clone(), Start::Earliest)]).await.expect("assign");
        assert!(send(&producer, 0, 3).await.iter().all(|outcome| matches!(outcome, Outcome::Acked(_))));
        while consumer.position(&at) != Some(3) {
            consumer.next().await.expect("open");
        }
        fake.reborn();
        assert!(send(&producer, 0, 2).await.iter().all(|outcome| matches!(outcome, Outcome::Acked(_))));
        let Event::TopicReborn { old, new, .. } = consumer.next().await.expect("open") else {
            panic!("not told")
        };
        assert_ne!(old, new);
        let Event::Records(records) = consumer.next().await.expect("open") else { panic!("no records") };
        assert_eq!((records.records[0].offset, records.topic_id), (0, new));
    });
}

#[test]
fn an_answer_that_does_not_come_in_time_is_lost_and_the_retry_resolves_it() {
    let sim = Sim::new(4);
    let env = sim.env();
    sim.block_on(async {
        let fake = FakeKafka::start(&env, 1).await;
        let client = connect(&env, &fake).await;
        fake.lock().faults.push_back(Some(Fault::Silence));
        let request_timeout = Duration::from_secs(2);
        let producer = Producer::start(&client, ProducerConfig { request_timeout, ..Default::default() });
        let began = env.now();
        let outcomes = send(&producer, 0, 1).await;
        assert!(matches!(outcomes[0], Outcome::Acked(acked) if acked.offset == Some(0)), "{outcomes:?}");
        assert!(env.now() - began >= request_timeout);
        assert_eq!(fake.values(0), ["0"]);
        assert_eq!(fake.lock().produces, 2);
    });
}

#[test]
fn an_unanswered_single_attempt_is_unknown() {
    let sim = Sim::new(4);
    let env = sim.env();
    sim.block_on(async {
        let fake = FakeKafka::start(&env, 1).await;
        let client = connect(&env, &fake).await;
        fake.lock().faults.push_back(Some(Fault::Silence));
        let mode = Mode::SingleAttempt { stamped: true };
        let request_timeout = Duration::from_secs(2);
        let producer =
            Producer::start(&client, ProducerConfig { mode, request_timeout, ..Default::default() });
        let outcomes = send(&producer, 0, 1).await;
        assert!(
            matches!(&outcomes[0], Outcome::Unknown(failure) if failure.cause == Cause::Lost),
            "{outcomes:?}"
        );
        assert_eq!(fake.lock().produces, 1);
    });
}
