//! One suite for every target: what a guarantee means does not depend on where the broker runs.
//!
//! A case is given a bus and may assume nothing else: topics and groups get names of their own, since a target may keep
//! what earlier runs left. The roots (`embedded.rs`, `kafka.rs`, and in the cli crate the spawned `poruka serve`) say
//! how to get the bus; a target that cannot be had is skipped, with the reason, by returning `None`.

pub(crate) mod committing;
pub(crate) mod groups;
pub(crate) mod opening;
pub(crate) mod ordering;
pub(crate) mod receiving;
pub(crate) mod sending;

use std::any::Any;
use std::pin::Pin;
use std::time::Duration;

use poruka::{Batch, Bus, Consumer, Name, Received, Record, Topic, TopicSpec};
use poruka_env::Env;

/// How long one case may take.
const CASE_TIME_MAX: Duration = Duration::from_secs(120);

/// The names that are built.
pub(crate) const BUILT: [Name; 5] =
    [Name::BestEffort, Name::AtMostOnce, Name::AtLeastOnce, Name::Ordered, Name::Durable];

/// A bus, and what must live as long as it.
pub(crate) type Made = Option<(Bus, Box<dyn Any + Send>)>;
/// A target being made.
pub(crate) type Making = Pin<Box<dyn Future<Output = Made> + Send>>;

/// Runs one case on one target.
pub(crate) fn run<F: Future<Output = ()>>(target: fn() -> Making, case: fn(Bus) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some((bus, keep)) = target().await else { return };
        let limited = Env::real().timeout(CASE_TIME_MAX, case(bus.clone())).await;
        assert!(limited.is_ok(), "the case took longer than {CASE_TIME_MAX:?}");
        bus.close().await;
        drop(keep);
    });
}

/// Makes a `#[test]` of each case for the target `$target`.
macro_rules! conformance_tests {
    ($target:path; $($module:ident :: $case:ident),* $(,)?) => {
        $(
            #[test]
            fn $case() {
                conformance::run($target, conformance::$module::$case);
            }
        )*
    };
}

/// The whole suite on the target `$target`.
macro_rules! conformance_suite {
    ($target:path) => {
        conformance_tests! { $target;
            sending::a_record_comes_back_as_it_was_sent_under_every_name,
            sending::a_receipt_says_where_the_record_is_and_what_it_survives,
            sending::without_acks_nothing_is_claimed,
            sending::best_effort_never_waits_and_counts_what_it_drops,
            sending::whoever_is_not_best_effort_waits_and_loses_nothing,
            sending::a_record_that_is_too_large_is_proven_not_written,
            sending::the_partition_is_the_one_that_kafkas_clients_choose,
            sending::nothing_and_empty_are_not_the_same,
            receiving::a_reader_of_its_own_reads_all_partitions,
            receiving::reading_may_start_at_the_end_or_at_a_time,
            receiving::a_reader_goes_where_it_is_sent_but_at_most_once_never_back,
            receiving::an_offset_that_is_not_there_is_told,
            committing::what_was_not_committed_comes_again,
            committing::at_most_once_never_hands_a_record_out_twice,
            committing::at_most_once_needs_a_group,
            committing::a_handler_that_fails_gets_the_record_again,
            committing::a_handler_that_fails_for_good_stops_and_the_record_comes_again,
            committing::at_most_once_gives_a_record_to_a_failing_handler_once,
            groups::members_share_the_partitions_and_take_over_from_each_other,
            ordering::a_key_keeps_its_order_and_nothing_is_told,
            ordering::a_gap_is_told_with_its_reason_and_a_repeat_is_marked,
            ordering::the_header_and_the_partition_of_ordered_are_not_the_callers,
            opening::names_that_are_not_built_and_dials_that_contradict_are_refused,
            opening::a_topic_that_is_too_weak_is_refused_with_the_remedy,
            opening::a_topic_that_is_stronger_is_taken,
            opening::durable_is_synced,
            opening::dials_turned_further_than_a_name_are_kept,
            opening::many_openers_at_once_get_one_topic,
        }
    };
}

/// A name that nobody has used.
pub(crate) fn fresh(prefix: &str) -> String {
    format!("{prefix}-{:012x}", Env::real().random_u64() >> 16)
}

/// A new topic with one partition.
pub(crate) async fn topic(bus: &Bus, name: Name) -> Topic {
    topic_of(bus, TopicSpec::from(name).partitions(1)).await
}

/// A new topic.
pub(crate) async fn topic_of(bus: &Bus, spec: TopicSpec) -> Topic {
    bus.topic(&fresh("conformance"), spec).await.unwrap()
}

/// Sends `count` records with the values 0, 1, 2 … and waits for their receipts.
pub(crate) async fn send_numbers(topic: &Topic, numbers: std::ops::Range<u32>) {
    let producer = topic.producer().await.unwrap();
    let mut pending = Vec::new();
    for number in numbers {
        pending.push(producer.enqueue(Record::new(number.to_string())).await.unwrap());
    }
    for one in pending {
        one.receipt().await.unwrap();
    }
    producer.close().await;
}

/// The number in a record's value.
pub(crate) fn number(record: &Received) -> u32 {
    std::str::from_utf8(record.value.as_deref().unwrap()).unwrap().parse().unwrap()
}

/// The next batch with records in it.
pub(crate) async fn next_records(consumer: &mut Consumer) -> Batch {
    loop {
        let batch = consumer.next().await.unwrap();
        if !batch.records.is_empty() {
            return batch;
        }
    }
}

/// Reads, and commits, until `count` records have come.
pub(crate) async fn read(consumer: &mut Consumer, count: usize) -> Vec<Received> {
    let mut all = Vec::new();
    while all.len() < count {
        let batch = next_records(consumer).await;
        consumer.commit(&batch).await.unwrap();
        all.extend(batch.records);
    }
    all
}

/// True when nothing comes for a while.
pub(crate) async fn is_silent(consumer: &mut Consumer) -> bool {
    Env::real().timeout(Duration::from_millis(700), next_records(consumer)).await.is_err()
}
