//! Single-attempt producers: no batch is ever handed to the network twice.

use super::*;

#[test]
fn nothing_is_tried_twice_whatever_the_answer() {
    for answer in [Answer::Lost, Answer::NotSent, Answer::Written] {
        for stamped in [true, false] {
            let mut bench = Bench::new(Mode::SingleAttempt { stamped });
            bench.push(0, 1);
            let flight = bench.one();
            bench.answer(&flight, &answer);
            bench.reconnect();
            bench.back_off();
            assert!(bench.poll().is_empty(), "{answer:?}");
            match answer {
                Answer::Lost => assert!(is_unknown(bench.outcome(1))),
                Answer::NotSent => assert!(is_not_appended(bench.outcome(1))),
                _ => assert_eq!(bench.outcome(1), Some(&Outcome::Sent { partition: 0 })),
            }
        }
    }
}

#[test]
fn after_a_broken_connection_the_epoch_rises_and_sequences_start_at_zero() {
    let mut bench = Bench::new(Mode::SingleAttempt { stamped: true });
    bench.push(0, 1);
    bench.push(0, 2);
    for flight in bench.poll() {
        bench.answer(&flight, &Answer::Written);
    }
    bench.reconnect();
    bench.push(0, 3);
    assert_eq!(stamp(&bench.one()), Stamp { producer_id: 9, epoch: 1, sequence: 0 });
}

#[test]
fn the_epoch_does_not_rise_while_something_of_the_old_one_is_still_in_flight() {
    let mut bench = Bench::new(Mode::SingleAttempt { stamped: true });
    bench.push(0, 1);
    let old = bench.one();
    bench.reconnect();
    bench.push(0, 2);
    bench.push(1, 3);
    assert!(bench.poll().is_empty());
    bench.answer(&old, &Answer::Lost);
    for flight in bench.poll() {
        assert_eq!(stamp(&flight).epoch, 1);
    }
}

#[test]
fn a_record_that_finds_no_connection_before_its_deadline_is_not_appended() {
    let mut bench = Bench::new(Mode::SingleAttempt { stamped: false });
    bench.machine.node_down(NODE, 1);
    bench.push(0, 1);
    assert!(bench.poll().is_empty());
    assert!(bench.machine.wants_connection().contains(&NODE));
    bench.pass(DELIVERY_TIMEOUT);
    bench.poll();
    assert!(is_not_appended(bench.outcome(1)));
}
