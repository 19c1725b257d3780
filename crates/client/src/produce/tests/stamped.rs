//! Stamped producers: stamps fixed over retries, order over reconnects, the epoch rising only when it may.

use super::*;
use crate::produce::machine::IN_FLIGHT_BATCHES_MAX;

#[test]
fn a_lost_answer_is_resolved_by_the_retry_with_the_same_stamp() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.push(0, 1);
    let first = bench.one();
    bench.answer(&first, &Answer::Lost);
    assert!(bench.poll().is_empty(), "not before the back-off");
    bench.back_off();
    let second = bench.one();
    assert_eq!(stamp(&second), stamp(&first));
    bench.code(&second, 0);
    assert!(is_acked(bench.outcome(1)));
}

#[test]
fn a_request_that_was_not_sent_leaves_nothing_unknown() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.push(0, 1);
    let first = bench.one();
    bench.answer(&first, &Answer::NotSent);
    bench.pass(DELIVERY_TIMEOUT);
    assert!(bench.poll().is_empty());
    assert!(is_not_appended(bench.outcome(1)));
    assert_eq!(cause(bench.outcome(1)), &Cause::Deadline);
}

#[test]
fn at_most_five_batches_of_a_partition_are_in_flight() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.anchor();
    for token in 0..12 {
        bench.push(0, token);
    }
    let flights = bench.poll();
    assert_eq!(flights.len(), IN_FLIGHT_BATCHES_MAX);
    let sequences: Vec<i32> = flights.iter().map(|flight| stamp(flight).sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
    bench.code(&flights[0], 0);
    assert_eq!(stamp(&bench.one()).sequence, 6);
}

#[test]
fn after_a_break_everything_goes_again_in_the_old_order_on_the_new_connection() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.anchor();
    for token in 0..8 {
        bench.push(0, token);
    }
    let flights = bench.poll();
    bench.reconnect();
    assert!(bench.poll().is_empty(), "nothing passes what is still in flight on the old connection");
    // The answers of the broken connection come in any order.
    for place in [2, 0, 4, 1, 3] {
        bench.answer(&flights[place], &Answer::Lost);
        bench.back_off();
        if place != 3 {
            assert!(bench.poll().is_empty());
        }
    }
    let again = bench.poll();
    let stamps = |flights: &[Flight]| flights.iter().map(stamp).collect::<Vec<_>>();
    assert_eq!(stamps(&again), stamps(&flights));
    for flight in &again {
        bench.code(flight, 0);
    }
    assert_eq!(bench.poll().iter().map(|flight| stamp(flight).sequence).collect::<Vec<_>>(), [6, 7, 8]);
}

#[test]
fn a_batch_behind_one_that_must_be_retried_waits_for_it_and_keeps_its_stamp() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.anchor();
    bench.push(0, 1);
    bench.push(0, 2);
    let flights = bench.poll();
    bench.code(&flights[0], 19);
    bench.code(&flights[1], 45);
    bench.back_off();
    let again = bench.poll();
    assert_eq!(again.iter().map(stamp).collect::<Vec<_>>(), flights.iter().map(stamp).collect::<Vec<_>>());
    bench.code(&again[0], 0);
    bench.code(&again[1], 0);
    assert!(is_acked(bench.outcome(1)) && is_acked(bench.outcome(2)));
}

#[test]
fn the_epoch_rises_only_when_nothing_stamped_is_unresolved() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.anchor();
    bench.push(0, 1);
    bench.push(1, 2);
    bench.push(0, 3);
    let flights = bench.poll();
    assert_eq!(flights.len(), 2, "one request for both partitions, one for the next batch");
    // Record 1 is refused for good, record 2 is lost: record 3 finds a hole that is ours.
    let parts = vec![part_answer(&at(0), 10, -1), part_answer(&at(1), 7, -1)];
    bench.answer(&flights[0], &Answer::Parts(parts));
    bench.code(&flights[1], 45);
    assert!(is_not_appended(bench.outcome(1)));
    bench.push(2, 4);
    bench.back_off();
    // Only what must be resolved is sent: the same stamp, the old epoch. Record 4 waits.
    let resolving = bench.one();
    assert_eq!(resolving.parts[0].at, at(1));
    assert_eq!(stamp(&resolving), Stamp { producer_id: 9, epoch: 0, sequence: 1 });
    bench.code(&resolving, 0);
    let next = bench.poll();
    let parts: Vec<_> = next.iter().flat_map(|flight| &flight.parts).collect();
    assert_eq!(parts.len(), 2, "records 3 and 4");
    for part in parts {
        assert_eq!(part.stamp, Some(Stamp { producer_id: 9, epoch: 1, sequence: 0 }), "{:?}", part.at);
    }
}

#[test]
fn a_hole_that_is_not_ours_ends_the_batch_as_not_appended() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.push(0, 1);
    let flight = bench.one();
    bench.code(&flight, 45);
    assert!(is_not_appended(bench.outcome(1)));
    bench.push(0, 2);
    assert_eq!(stamp(&bench.one()), Stamp { producer_id: 9, epoch: 1, sequence: 0 });
}

#[test]
fn a_forgotten_producer_id_is_replaced_by_a_new_one() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.push(0, 1);
    let flight = bench.one();
    bench.code(&flight, 59);
    bench.push(0, 2);
    assert!(bench.poll().is_empty());
    assert!(bench.machine.wants_identity());
    bench.machine.identity(Identity { producer_id: 10, epoch: 0 });
    assert_eq!(stamp(&bench.one()), Stamp { producer_id: 10, epoch: 0, sequence: 0 });
}

#[test]
fn the_deadline_is_kept_although_the_answer_is_still_out_and_a_late_ack_needs_no_new_epoch() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.anchor();
    bench.push(0, 1);
    let flight = bench.one();
    bench.pass(DELIVERY_TIMEOUT);
    assert!(bench.poll().is_empty());
    assert!(is_unknown(bench.outcome(1)));
    bench.push(0, 2);
    let next = bench.one();
    bench.code(&flight, 0);
    bench.code(&next, 0);
    bench.push(0, 3);
    assert_eq!(stamp(&bench.one()), Stamp { producer_id: 9, epoch: 0, sequence: 3 });
}

#[test]
fn a_refused_producer_id_ends_what_waits_with_the_reason() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.machine = Machine::new(bench.machine.settings);
    bench.push(0, 1);
    assert!(bench.machine.wants_identity());
    bench.machine.identity_refused(31, None);
    bench.collect();
    assert_eq!(cause(bench.outcome(1)), &Cause::Code(31));
    assert!(is_not_appended(bench.outcome(1)));
}

#[test]
fn closing_ends_what_waits_as_not_appended_and_what_flies_as_unknown() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.anchor();
    for token in 0..7 {
        bench.push(0, token);
    }
    assert_eq!(bench.poll().len(), 5);
    bench.machine.abandon();
    bench.collect();
    assert!((0..5).all(|token| is_unknown(bench.outcome(token))));
    assert!((5..7).all(|token| is_not_appended(bench.outcome(token))));
}

#[test]
fn a_batch_that_cannot_be_encoded_ends_alone() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.push(0, 1);
    bench.push(1, 2);
    let flight = bench.one();
    bench.machine.unencodable(bench.now, flight.id, &at(0), "too long");
    bench.collect();
    assert!(matches!(cause(bench.outcome(1)), Cause::Unencodable(_)));
    bench.code(&flight, 0);
    assert!(is_acked(bench.outcome(2)));
}

#[test]
fn a_flush_is_done_when_all_that_was_handed_over_before_it_has_its_outcome() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.push(0, 1);
    let mark = bench.machine.flush();
    let flight = bench.one();
    assert!(!bench.machine.is_finished_up_to(mark));
    bench.push(0, 2);
    bench.code(&flight, 0);
    assert!(bench.machine.is_finished_up_to(mark));
}

#[test]
fn until_the_broker_has_acked_one_batch_only_one_is_in_flight() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.push(0, 1);
    bench.push(0, 2);
    let first = bench.one();
    bench.code(&first, 19);
    bench.back_off();
    let again = bench.one();
    assert_eq!(stamp(&again), stamp(&first));
    bench.code(&again, 0);
    assert_eq!(stamp(&bench.one()).sequence, 1);
}

#[test]
fn a_batch_that_must_be_tried_again_never_leaves_the_brokers_window_of_five() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.anchor();
    for token in 0..12 {
        bench.push(0, token);
    }
    let flights = bench.poll();
    bench.answer(&flights[0], &Answer::Lost);
    for flight in &flights[1..] {
        bench.code(flight, 0);
    }
    bench.back_off();
    // Four newer ones are in the log: a fifth would push the lost one out of the window if that is refused once more.
    let again = bench.one();
    assert_eq!(stamp(&again), stamp(&flights[0]));
    bench.code(&again, 19);
    bench.back_off();
    let again = bench.one();
    bench.code(&again, 46);
    assert_eq!(bench.poll().len(), 5);
}

#[test]
fn records_gather_in_one_batch_while_nothing_may_leave() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.machine.settings.batch_bytes_max = 1 << 16;
    bench.push(0, 0);
    let first = bench.one();
    for token in 1..100 {
        bench.push(0, token);
        assert!(bench.poll().is_empty());
    }
    bench.code(&first, 0);
    assert_eq!(bench.one().parts[0].records.len(), 99);
}
