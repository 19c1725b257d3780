//! One test per row of the error table: what the code alone proves, what it proves after a lost attempt, and whether it
//! is tried again. The expectations are written out here, apart from the table, so that a change of the table is noticed.

use super::*;
use crate::produce::verdict::TABLE;

/// What one answer, with nothing before it, proves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Proof {
    Appended,
    NotAppended,
    Nothing,
}

/// What a producer that retries does about it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Done,
    End,
    Again,
    LookUpAndAgain,
}

fn check(code: i16, proof: Proof, then: Then) {
    alone_in_one_attempt(code, proof);
    retried(code, proof, then);
    after_a_lost_attempt(code, proof);
}

fn alone_in_one_attempt(code: i16, proof: Proof) {
    let mut bench = Bench::new(Mode::SingleAttempt { stamped: true });
    bench.push(0, 1);
    let flight = bench.one();
    bench.code(&flight, code);
    let outcome = bench.outcome(1);
    match proof {
        Proof::Appended => assert!(is_acked(outcome), "{outcome:?}"),
        Proof::NotAppended => assert!(is_not_appended(outcome), "{outcome:?}"),
        Proof::Nothing => assert!(is_unknown(outcome), "{outcome:?}"),
    }
    bench.back_off();
    assert!(bench.poll().is_empty(), "a single attempt stays single");
}

fn retried(code: i16, proof: Proof, then: Then) {
    let mut bench = Bench::new(Mode::Stamped);
    bench.push(0, 1);
    let flight = bench.one();
    bench.machine.take_refresh();
    bench.code(&flight, code);
    assert_eq!(bench.outcome(1).is_some(), matches!(then, Then::Done | Then::End), "{:?}", bench.outcome(1));
    assert_eq!(!bench.machine.take_refresh().is_empty(), then == Then::LookUpAndAgain);
    bench.back_off();
    let again = bench.poll();
    assert_eq!(again.len(), usize::from(matches!(then, Then::Again | Then::LookUpAndAgain)));
    if let Some(flight) = again.first() {
        // The last word is the deadline's: it is unknown exactly if one attempt proved nothing.
        bench.code(flight, code);
        bench.pass(DELIVERY_TIMEOUT);
        assert!(bench.poll().is_empty());
        let outcome = bench.outcome(1);
        assert_eq!(is_unknown(outcome), proof == Proof::Nothing, "{outcome:?}");
        assert_eq!(is_not_appended(outcome), proof == Proof::NotAppended, "{outcome:?}");
    }
}

fn after_a_lost_attempt(code: i16, proof: Proof) {
    let mut bench = Bench::new(Mode::Stamped);
    bench.push(0, 1);
    let flight = bench.one();
    bench.answer(&flight, &Answer::Lost);
    bench.back_off();
    let flight = bench.one();
    bench.code(&flight, code);
    bench.pass(DELIVERY_TIMEOUT);
    bench.poll();
    let outcome = bench.outcome(1);
    match proof {
        Proof::Appended => assert!(is_acked(outcome), "{outcome:?}"),
        _ => assert!(
            is_unknown(outcome),
            "an earlier unknown attempt makes the final answer unknown: {outcome:?}"
        ),
    }
}

macro_rules! rows {
    ($($name:ident: $code:literal => $proof:ident, $then:ident;)*) => {
        $(#[test] fn $name() { check($code, Proof::$proof, Then::$then); })*

        #[test]
        fn every_row_of_the_table_has_its_test() {
            let tested = [$($code),*];
            assert_eq!(TABLE.iter().map(|row| row.code).collect::<Vec<i16>>(), tested);
        }
    };
}

rows! {
    unknown_server_error: -1 => Nothing, Again;
    none: 0 => Appended, Done;
    corrupt_message: 2 => NotAppended, Again;
    unknown_topic_or_partition: 3 => Nothing, LookUpAndAgain;
    leader_not_available: 5 => Nothing, LookUpAndAgain;
    not_leader_or_follower: 6 => Nothing, LookUpAndAgain;
    request_timed_out: 7 => Nothing, Again;
    broker_not_available: 8 => Nothing, LookUpAndAgain;
    replica_not_available: 9 => Nothing, LookUpAndAgain;
    message_too_large: 10 => NotAppended, End;
    network_exception: 13 => Nothing, LookUpAndAgain;
    invalid_topic_exception: 17 => NotAppended, End;
    record_list_too_large: 18 => NotAppended, End;
    not_enough_replicas: 19 => NotAppended, Again;
    not_enough_replicas_after_append: 20 => Nothing, Again;
    invalid_required_acks: 21 => NotAppended, End;
    topic_authorization_failed: 29 => NotAppended, End;
    cluster_authorization_failed: 31 => NotAppended, End;
    invalid_timestamp: 32 => NotAppended, End;
    illegal_sasl_state: 34 => NotAppended, End;
    unsupported_version: 35 => NotAppended, End;
    not_controller: 41 => Nothing, LookUpAndAgain;
    invalid_request: 42 => NotAppended, End;
    unsupported_for_message_format: 43 => NotAppended, End;
    policy_violation: 44 => NotAppended, End;
    out_of_order_sequence_number: 45 => NotAppended, End;
    duplicate_sequence_number: 46 => Appended, Done;
    invalid_producer_epoch: 47 => NotAppended, End;
    invalid_txn_state: 48 => NotAppended, End;
    invalid_producer_id_mapping: 49 => NotAppended, End;
    concurrent_transactions: 51 => NotAppended, Again;
    transactional_id_authorization_failed: 53 => NotAppended, End;
    security_disabled: 54 => NotAppended, End;
    operation_not_attempted: 55 => NotAppended, Again;
    kafka_storage_error: 56 => Nothing, LookUpAndAgain;
    sasl_authentication_failed: 58 => NotAppended, End;
    unknown_producer_id: 59 => NotAppended, End;
    listener_not_found: 72 => Nothing, LookUpAndAgain;
    fenced_leader_epoch: 74 => Nothing, LookUpAndAgain;
    unknown_leader_epoch: 75 => Nothing, LookUpAndAgain;
    unsupported_compression_type: 76 => NotAppended, End;
    invalid_record: 87 => NotAppended, End;
    throttling_quota_exceeded: 89 => NotAppended, Again;
    producer_fenced: 90 => NotAppended, End;
    unknown_topic_id: 100 => Nothing, LookUpAndAgain;
    inconsistent_topic_id: 103 => Nothing, LookUpAndAgain;
    transaction_abortable: 120 => NotAppended, End;
}

#[test]
fn a_duplicate_is_acked_without_an_offset() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.push(0, 1);
    let flight = bench.one();
    bench.code(&flight, 46);
    let Some(Outcome::Acked(acked)) = bench.outcome(1) else { panic!("{:?}", bench.outcome(1)) };
    assert_eq!(acked.offset, None);
}

#[test]
fn a_code_that_no_table_lists_is_unknown_at_once() {
    let mut bench = Bench::new(Mode::Stamped);
    bench.push(0, 1);
    let flight = bench.one();
    bench.code(&flight, 4242);
    assert!(is_unknown(bench.outcome(1)));
}
