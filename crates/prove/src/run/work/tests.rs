//! The driver over a bench that keeps records in memory, in simulated time.

use std::time::Duration;

use poruka_env::sim::Sim;
use poruka_guarantee::Name;

use super::*;
use crate::faults::{FaultPlan, Planned};
use crate::input::{Input, load};
use crate::payload::Phase;
use crate::run::workbench::{Boxed, Words};

/// One partition in memory. Consumers read it from the start; each fails after so many records.
struct Toy {
    env: Env,
    log: Mutex<Vec<(Option<Bytes>, Bytes)>>,
    fails_after: usize,
}

impl Toy {
    fn new(env: &Env, fails_after: usize) -> Arc<Toy> {
        Arc::new(Toy { env: env.clone(), log: Mutex::default(), fails_after })
    }
}

impl BenchProducer for Arc<Toy> {
    fn send(&self, key: Option<Bytes>, value: Bytes) -> Boxed<'_, Started> {
        let offset = {
            let mut log = self.log.lock().expect("no panic");
            log.push((key, value));
            log.len() as i64 - 1
        };
        let env = self.env.clone();
        Box::pin(std::future::ready(Started::Pending(Box::pin(async move {
            env.sleep(Duration::from_millis(3)).await;
            Outcome::Acked { partition: 0, offset }
        }))))
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn crash(&self) {}
}

struct Bench(Arc<Toy>);

impl Workbench for Bench {
    fn prepare(&self) -> Boxed<'_, Result<(), Words>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn producer(&self) -> Boxed<'_, Result<Arc<dyn BenchProducer>, Words>> {
        let producer: Arc<dyn BenchProducer> = Arc::new(Arc::clone(&self.0));
        Box::pin(std::future::ready(Ok(producer)))
    }

    fn consume(&self, handler: Handler) -> Boxed<'_, Words> {
        Box::pin(async move {
            for at in 0..self.0.fails_after {
                let found = || self.0.log.lock().expect("no panic").get(at).cloned();
                let (key, value) = loop {
                    match found() {
                        Some(record) => break record,
                        None => self.0.env.sleep(Duration::from_millis(1)).await,
                    }
                };
                handler(Handled {
                    partition: 0,
                    offset: at as i64,
                    key: key.as_deref(),
                    value: Some(&value),
                });
            }
            "had enough".to_owned()
        })
    }
}

async fn work(env: &Env, name: Name, records: usize, toy: &Arc<Toy>, plan: FaultPlan) -> Arc<Work> {
    let workload = Arc::new(load(env, Input::Generated, Some(records), 5).await.expect("generated"));
    let stamp = Stamp { run: 1, name, phase: Phase::Kill };
    let director = Arc::new(Director::new(env, Phase::Kill, "t", &plan));
    Arc::new(Work::new(env, &workload, stamp, Arc::new(Bench(Arc::clone(toy))), director))
}

#[test]
fn every_record_is_sent_once_and_has_its_outcome_and_its_truth() {
    let sim = Sim::new(1);
    sim.block_on(async {
        let env = sim.env();
        let toy = Toy::new(&env, usize::MAX);
        let work = work(&env, Name::Ordered, 300, &toy, FaultPlan::default()).await;
        let consuming = env.spawn("consumers", consume(Arc::clone(&work)));
        let producers: Vec<Task> = (0..PRODUCERS)
            .map(|producer| env.spawn("producer", produce(Arc::clone(&work), producer)))
            .collect();
        for producer in producers {
            producer.join().await;
        }
        env.sleep(Duration::from_millis(100)).await;
        consuming.abort();
        assert_eq!((work.handed_over(), work.deliveries.distinct()), (300, 300));
        let sends = work.take_sends();
        assert!(sends.iter().all(|send| matches!(send.outcome, Outcome::Acked { .. })));
        assert!(sends.iter().all(|send| send.ended_us >= send.began_us + 3_000));
        let log = toy.log.lock().expect("no panic");
        for (key, value) in log.iter() {
            assert!(work.interpret(key.as_deref(), Some(value)).is_some());
            assert!(work.interpret(Some(b"another key"), Some(value)).is_none());
        }
    });
}

#[test]
fn the_work_is_spread_over_its_time_and_stays_in_order_within_a_key() {
    let sim = Sim::new(2);
    sim.block_on(async {
        let env = sim.env();
        let toy = Toy::new(&env, 0);
        let work = work(&env, Name::Durable, 500, &toy, FaultPlan::default()).await;
        let began = env.now();
        for producer in 0..PRODUCERS {
            produce(Arc::clone(&work), producer).await;
        }
        let took = env.now() - began;
        assert!(took >= WORK_TIME * 5 / 2, "three producers, one after the other: {took:?}");
        let mut next = std::collections::HashMap::new();
        for (key, value) in toy.log.lock().expect("no panic").iter() {
            assert_eq!(*key, None, "an unordered name sends no key");
            let truth = work.interpret(None, Some(value)).expect("ours");
            if truth.key_hash != 0 {
                let next = next.entry(truth.key_hash).or_insert(0);
                assert_eq!(truth.key_seq, *next);
                *next += 1;
            }
        }
    });
}

#[test]
fn a_consumer_that_fails_or_is_crashed_is_followed_by_another() {
    let sim = Sim::new(3);
    sim.block_on(async {
        let env = sim.env();
        let toy = Toy::new(&env, 10);
        let crash = Planned { kind: FaultKind::ConsumerCrashed, at: 1, salt: 0 };
        let work = work(&env, Name::AtLeastOnce, 30, &toy, FaultPlan { faults: vec![crash] }).await;
        let consuming = env.spawn("consumers", consume(Arc::clone(&work)));
        for producer in 0..PRODUCERS {
            produce(Arc::clone(&work), producer).await;
        }
        env.sleep(Duration::from_secs(1)).await;
        consuming.abort();
        let consumers = work.deliveries.take().iter().map(|delivery| delivery.consumer).max();
        assert!(consumers > Some(4), "{consumers:?}");
        let crashes =
            work.director.counts().into_iter().find(|count| count.kind == FaultKind::ConsumerCrashed);
        assert_eq!(crashes.map(|count| count.effective), Some(1));
        let notes = work.take_notes();
        assert!(notes.iter().any(|note| note.contains("had enough")), "{notes:?}");
    });
}
