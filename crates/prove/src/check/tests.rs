//! The checker against histories written by hand: clean ones pass, every planted anomaly is found.

use poruka_guarantee::{Anomaly, Durability, Name};
use proptest::prelude::*;

use super::plant::plant;
use super::*;
use crate::history::{BrokerEnd, Delivery, Entry, LogRead, Outcome, PartitionRead, Send};
use crate::input::{Collector, Input, Workload};
use crate::payload::{Phase, Stamp, Truth, key_hash};

const PARTITIONS: usize = 3;

fn workload(records: usize, keys: usize) -> Workload {
    let mut collector = Collector::default();
    for number in 0..records {
        let key = (number % 7 != 0).then(|| format!("key-{}", number % keys));
        collector.add(&format!("id-{number}"), key.as_deref(), b"", 0).expect("fits");
    }
    collector.finish()
}

fn truth(workload: &Workload, index: usize) -> Truth {
    Truth {
        index: u32::try_from(index).expect("small"),
        key_hash: key_hash(workload.key_of(index)),
        key_seq: workload.records[index].key_seq,
    }
}

/// Every record acked, stored by key, delivered once in order; ended once in the middle.
fn clean(workload: &Workload, phase: Phase, durability: Durability) -> History {
    let mut logs = vec![PartitionRead::default(); PARTITIONS];
    let mut sends = Vec::new();
    let mut deliveries = Vec::new();
    for (index, record) in workload.records.iter().enumerate() {
        let at_us = 1000 * index as u64;
        let partition = record.key.map_or(index, |key| key as usize) % PARTITIONS;
        let offset = logs[partition].entries.len() as i64;
        let truth = Some(truth(workload, index));
        logs[partition].partition = partition as i32;
        logs[partition].entries.push(Entry { offset, truth });
        logs[partition].committed = offset + 1;
        let partition = partition as i32;
        sends.push(Send {
            began_us: at_us,
            ended_us: at_us + 500,
            outcome: Outcome::Acked { partition, offset },
        });
        deliveries.push(Delivery { at_us: at_us + 700, consumer: 0, partition, offset, truth });
    }
    let live = LogRead { partitions: logs };
    History {
        stamp: Stamp { run: 1, name: Name::Durable, phase },
        durability,
        acknowledges: true,
        ends: vec![BrokerEnd { at_us: 500 * sends.len() as u64 }],
        sends,
        deliveries,
        after: live.clone(),
        live,
        faults: Vec::new(),
    }
}

fn seen(workload: &Workload, history: &History) -> Vec<(Anomaly, u64)> {
    check(workload, history).0.into_iter().filter(|f| f.seen > 0).map(|f| (f.anomaly, f.seen)).collect()
}

fn seen_of(workload: &Workload, history: &History, anomaly: Anomaly) -> u64 {
    seen(workload, history).into_iter().find(|(found, _)| *found == anomaly).map_or(0, |(_, seen)| seen)
}

#[test]
fn a_clean_history_shows_nothing_and_counts_everything() {
    let workload = workload(100, 9);
    for phase in Phase::ALL {
        let history = clean(&workload, phase, Durability::Synced);
        let (findings, successes) = check(&workload, &history);
        assert!(findings.iter().all(|finding| finding.seen == 0), "{findings:?}");
        assert!(findings.iter().all(|finding| finding.checked >= 80), "{findings:?}");
        assert_eq!(
            (successes.sent, successes.acked, successes.handled, successes.in_log),
            (100, 100, 100, 100)
        );
    }
}

#[test]
fn a_record_that_vanished_without_an_ending_is_lost_and_not_forgotten() {
    let workload = workload(100, 9);
    let mut history = clean(&workload, Phase::Kill, Durability::Cached);
    for read in [&mut history.live, &mut history.after] {
        for partition in &mut read.partitions {
            partition.entries.retain(|entry| entry.truth.is_some_and(|truth| truth.index != 90));
        }
    }
    assert_eq!(seen(&workload, &history), [(Anomaly::Lost, 1)]);
    let (findings, _) = check(&workload, &history);
    let example = &findings[0].examples[0];
    assert_eq!(example.id.as_deref(), Some("id-90"));
    assert!(example.what.contains("acknowledged at"), "{}", example.what);
}

#[test]
fn a_record_that_vanished_with_the_broker_is_forgotten_by_its_phase() {
    let workload = workload(100, 9);
    for (phase, expected) in
        [(Phase::Kill, Anomaly::ForgottenAfterKill), (Phase::Power, Anomaly::ForgottenAfterPowerLoss)]
    {
        let mut history = clean(&workload, phase, Durability::Cached);
        for read in [&mut history.live, &mut history.after] {
            for partition in &mut read.partitions {
                partition.entries.retain(|entry| entry.truth.is_some_and(|truth| truth.index != 10));
            }
        }
        assert_eq!(seen(&workload, &history), [(expected, 1)]);
    }
}

#[test]
fn an_answer_that_overtook_the_end_of_its_broker_does_not_make_a_forgotten_record_a_lost_one() {
    let workload = workload(100, 9);
    let mut history = clean(&workload, Phase::Power, Durability::Cached);
    // Begun at 40 ms, before the ending at 50 ms; its answer was held up in the network.
    history.sends[40].ended_us = 60_000;
    history.deliveries.retain(|delivery| delivery.truth.is_some_and(|truth| truth.index != 40));
    for read in [&mut history.live, &mut history.after] {
        for partition in &mut read.partitions {
            partition.entries.retain(|entry| entry.truth.is_some_and(|truth| truth.index != 40));
        }
    }
    assert_eq!(seen(&workload, &history), [(Anomaly::ForgottenAfterPowerLoss, 1)]);
}

#[test]
fn a_record_that_the_commit_passed_over_is_lost_and_one_before_it_is_stalled() {
    let workload = workload(100, 9);
    let mut history = clean(&workload, Phase::Kill, Durability::Cached);
    history.deliveries.retain(|delivery| delivery.truth.is_some_and(|truth| truth.index != 50));
    assert_eq!(seen(&workload, &history), [(Anomaly::Lost, 1)]);
    for partition in &mut history.live.partitions {
        partition.committed = 0;
    }
    assert_eq!(seen(&workload, &history), [(Anomaly::Stalled, 1)]);
}

#[test]
fn a_redelivery_from_an_earlier_place_is_a_repeat_and_no_reordering() {
    let workload = workload(100, 9);
    let mut history = clean(&workload, Phase::Kill, Durability::Cached);
    let again: Vec<Delivery> = history.deliveries[40..60].to_vec();
    history.deliveries.splice(60..60, again);
    assert_eq!(seen(&workload, &history), [(Anomaly::Duplicated, 20)]);
}

#[test]
fn a_record_that_was_reported_as_not_stored_is_a_phantom_when_it_is_there() {
    let workload = workload(100, 9);
    let mut history = clean(&workload, Phase::Kill, Durability::Cached);
    history.sends[33].outcome = Outcome::NotAppended;
    let phantoms = seen_of(&workload, &history, Anomaly::Phantom);
    assert_eq!(phantoms, 3, "in both reads and in the hands of a handler");
    history.sends[33].outcome = Outcome::Unknown;
    assert_eq!(seen(&workload, &history), [], "unknown may be there or not");
}

#[test]
fn an_offset_that_was_acknowledged_belongs_to_one_record() {
    let workload = workload(100, 9);
    let mut history = clean(&workload, Phase::Power, Durability::Cached);
    let other = history.sends[20].outcome;
    history.sends[60].outcome = other;
    assert!(seen_of(&workload, &history, Anomaly::Phantom) > 0);
    history.durability = Durability::Memory;
    assert_eq!(seen_of(&workload, &history, Anomaly::Phantom), 0, "a memory log starts anew");
}

#[test]
fn without_acknowledgements_a_record_is_lost_only_when_no_ending_explains_it() {
    let workload = workload(100, 9);
    let mut history = clean(&workload, Phase::Kill, Durability::Memory);
    history.acknowledges = false;
    for send in &mut history.sends {
        send.outcome = Outcome::Sent;
    }
    history.deliveries.clear();
    for partition in &mut history.live.partitions {
        partition.entries.clear();
    }
    history.after = history.live.clone();
    assert_eq!(seen(&workload, &history), [(Anomaly::Lost, 49)], "those that were begun after the ending");
}

#[test]
fn examples_name_the_faults_around_them_and_stay_few() {
    let workload = workload(100, 9);
    let mut history = clean(&workload, Phase::Kill, Durability::Cached);
    history.faults = vec![crate::history::FaultMark { at_us: 10_000, what: "killed".into() }];
    history.deliveries.extend(history.deliveries.clone());
    let (findings, _) = check(&workload, &history);
    let duplicated = findings.iter().find(|f| f.anomaly == Anomaly::Duplicated).expect("always there");
    assert_eq!((duplicated.seen, duplicated.examples.len()), (100, examples::EXAMPLES_MAX));
    assert_eq!(duplicated.examples[0].faults, ["killed (9 ms after)"]);
}

const PLANTABLE: [Anomaly; 6] = [
    Anomaly::Lost,
    Anomaly::Duplicated,
    Anomaly::Reordered,
    Anomaly::Phantom,
    Anomaly::ForgottenAfterKill,
    Anomaly::Stalled,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_planted_in_a_clean_history_is_found(
        records in 20_usize..200, keys in 1_usize..12, pick in 0_usize..1000, which in 0..PLANTABLE.len(),
    ) {
        let workload = workload(records, keys);
        let mut history = clean(&workload, Phase::Kill, Durability::Synced);
        prop_assert!(plant(PLANTABLE[which], &mut history, pick));
        prop_assert!(seen_of(&workload, &history, PLANTABLE[which]) > 0);
    }

    #[test]
    fn every_lost_delivery_and_every_extra_one_is_counted(
        records in 20_usize..200, dropped in proptest::collection::btree_set(0_usize..20, 1..10),
        repeated in proptest::collection::btree_set(0_usize..20, 1..10),
    ) {
        let workload = workload(records, 5);
        let mut history = clean(&workload, Phase::Power, Durability::Synced);
        let original = history.deliveries.clone();
        history.deliveries.extend(repeated.difference(&dropped).map(|index| original[*index]));
        history.deliveries.retain(|d| d.truth.is_some_and(|t| !dropped.contains(&(t.index as usize))));
        prop_assert_eq!(seen_of(&workload, &history, Anomaly::Lost), dropped.len() as u64);
        let extra = repeated.difference(&dropped).count() as u64;
        prop_assert_eq!(seen_of(&workload, &history, Anomaly::Duplicated), extra);
    }

    #[test]
    fn any_shuffle_of_one_key_is_seen_as_reordering(shuffled in Just((0..20_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let mut collector = Collector::default();
        for number in 0..20 {
            collector.add(&number.to_string(), Some("one"), b"", 0).expect("fits");
        }
        let workload = collector.finish();
        let mut history = clean(&workload, Phase::Kill, Durability::Synced);
        history.deliveries = shuffled.iter().map(|at| history.deliveries[*at]).collect();
        let in_order = shuffled.is_sorted();
        prop_assert_eq!(seen_of(&workload, &history, Anomaly::Reordered) == 0, in_order);
    }
}

#[test]
fn a_stall_is_planted_even_where_the_last_record_stands_in_the_log_twice() {
    let workload = workload(60, 5);
    let mut history = clean(&workload, Phase::Kill, Durability::Synced);
    for log in &mut history.live.partitions {
        let first = log.entries[0];
        log.entries.push(Entry { offset: log.committed, truth: first.truth });
        log.committed += 1;
    }
    for pick in 0..PARTITIONS {
        let mut history = history.clone();
        assert!(plant(Anomaly::Stalled, &mut history, pick));
        assert!(seen_of(&workload, &history, Anomaly::Stalled) > 0);
    }
}

#[test]
fn the_generated_workload_is_a_workload_like_any_other() {
    let env = poruka_env::Env::real();
    let loaded = futures_free_block_on(crate::input::load(&env, Input::Generated, Some(50), 3));
    let workload = loaded.expect("the generator always works");
    let history = clean(&workload, Phase::Kill, Durability::Synced);
    assert_eq!(seen(&workload, &history), []);
}

fn futures_free_block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}
