//! What an answer to one produce attempt proves: the error table, as data.
//!
//! Source: Apache Kafka's `Errors`, the checks of its append path, and the outcome rule: an attempt is provably not
//! appended only when it was refused before it was processed, or answered by a code that Kafka decides *before* the
//! local append (validation, authorisation, sequence and epoch checks at the door). Codes that can also be answered
//! *after* the append (leadership moved while `acks=all` waited, a failed disk, a time-out) prove nothing.
//!
//! Not here: what follows from several attempts together (that is `attempts.rs`), and what to do next (`machine.rs`).

/// What one answer proves about one attempt, and what may be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Appended, and its offset is in the answer.
    Acked,
    /// Appended by an earlier attempt; the broker no longer knows at which offset.
    AckedBefore,
    /// Provably not appended by this attempt.
    Refused(Next),
    /// May or may not have been appended by this attempt.
    Ambiguous(Next),
    /// Not appended by this attempt: the batch before it is not in the log (yet).
    OutOfOrder,
    /// Not appended by this attempt, and the broker no longer accepts this producer id and epoch.
    ProducerGone,
}

/// What may be done after an attempt that was not acked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Trying again cannot help.
    Stop,
    /// Try again after a back-off.
    Retry,
    /// Look up the leader again, then try again.
    Refresh,
}

/// One row of the error table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Kafka's error code.
    pub code: i16,
    /// Kafka's name for it.
    pub name: &'static str,
    /// What it proves.
    pub verdict: Verdict,
    /// What to tell a person whose record ended with this code.
    pub remedy: &'static str,
}

const fn row(code: i16, name: &'static str, verdict: Verdict, remedy: &'static str) -> Row {
    Row { code, name, verdict, remedy }
}

use Next::{Refresh, Retry, Stop};
use Verdict::{Acked, AckedBefore, Ambiguous, OutOfOrder, ProducerGone, Refused};

/// Every code that a produce answer is known to carry. A code that is not listed proves nothing and is not retried.
pub const TABLE: &[Row] = &[
    row(-1, "UNKNOWN_SERVER_ERROR", Ambiguous(Retry), "look at the broker's log"),
    row(0, "NONE", Acked, ""),
    row(2, "CORRUPT_MESSAGE", Refused(Retry), "the batch was damaged on its way; check the network"),
    row(3, "UNKNOWN_TOPIC_OR_PARTITION", Ambiguous(Refresh), "create the topic, or check its name"),
    row(5, "LEADER_NOT_AVAILABLE", Ambiguous(Refresh), "wait for a leader to be elected"),
    row(6, "NOT_LEADER_OR_FOLLOWER", Ambiguous(Refresh), "wait for the leader to settle"),
    row(7, "REQUEST_TIMED_OUT", Ambiguous(Retry), "check that the in-sync replicas keep up"),
    row(8, "BROKER_NOT_AVAILABLE", Ambiguous(Refresh), "check that the broker runs"),
    row(9, "REPLICA_NOT_AVAILABLE", Ambiguous(Refresh), "check that the replica's broker runs"),
    row(
        10,
        "MESSAGE_TOO_LARGE",
        Refused(Stop),
        "send smaller records, or raise max.message.bytes of the topic",
    ),
    row(13, "NETWORK_EXCEPTION", Ambiguous(Refresh), "check the network between the brokers"),
    row(17, "INVALID_TOPIC_EXCEPTION", Refused(Stop), "use a topic name that Kafka allows"),
    row(
        18,
        "RECORD_LIST_TOO_LARGE",
        Refused(Stop),
        "send smaller batches, or raise segment.bytes of the topic",
    ),
    row(19, "NOT_ENOUGH_REPLICAS", Refused(Retry), "bring replicas back until min.insync.replicas is met"),
    row(
        20,
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        Ambiguous(Retry),
        "bring replicas back until min.insync.replicas is met",
    ),
    row(21, "INVALID_REQUIRED_ACKS", Refused(Stop), "use acks 0, 1 or all"),
    row(29, "TOPIC_AUTHORIZATION_FAILED", Refused(Stop), "grant this user WRITE on the topic"),
    row(31, "CLUSTER_AUTHORIZATION_FAILED", Refused(Stop), "grant this user IDEMPOTENT_WRITE on the cluster"),
    row(32, "INVALID_TIMESTAMP", Refused(Stop), "use timestamps within the bounds set for the topic"),
    row(34, "ILLEGAL_SASL_STATE", Refused(Stop), "authenticate before producing"),
    row(35, "UNSUPPORTED_VERSION", Refused(Stop), "upgrade the brokers to Apache Kafka 4.0 or newer"),
    row(41, "NOT_CONTROLLER", Ambiguous(Refresh), "wait for the controller to settle"),
    row(42, "INVALID_REQUEST", Refused(Stop), "report this: the broker finds our request malformed"),
    row(43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", Refused(Stop), "use a topic with message format 2"),
    row(
        44,
        "POLICY_VIOLATION",
        Refused(Stop),
        "send what the topic's policy asks for; the message says what it is",
    ),
    row(
        45,
        "OUT_OF_ORDER_SEQUENCE_NUMBER",
        OutOfOrder,
        "earlier records of this producer are missing in the log",
    ),
    row(46, "DUPLICATE_SEQUENCE_NUMBER", AckedBefore, ""),
    row(47, "INVALID_PRODUCER_EPOCH", ProducerGone, "another producer took over this producer id"),
    row(48, "INVALID_TXN_STATE", Refused(Stop), "abort the transaction and start again"),
    row(49, "INVALID_PRODUCER_ID_MAPPING", Refused(Stop), "initialise the transactional producer again"),
    row(51, "CONCURRENT_TRANSACTIONS", Refused(Retry), "wait until the previous transaction has completed"),
    row(
        53,
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        Refused(Stop),
        "grant this user WRITE on the transactional id",
    ),
    row(54, "SECURITY_DISABLED", Refused(Stop), "enable an authorizer on the broker"),
    row(55, "OPERATION_NOT_ATTEMPTED", Refused(Retry), "mend the other partitions of the same request"),
    row(56, "KAFKA_STORAGE_ERROR", Ambiguous(Refresh), "check the broker's disks"),
    row(58, "SASL_AUTHENTICATION_FAILED", Refused(Stop), "check user name and password"),
    row(59, "UNKNOWN_PRODUCER_ID", ProducerGone, "the broker has forgotten this producer; check retention"),
    row(72, "LISTENER_NOT_FOUND", Ambiguous(Refresh), "check the listeners of the brokers"),
    row(74, "FENCED_LEADER_EPOCH", Ambiguous(Refresh), "wait for the leader to settle"),
    row(75, "UNKNOWN_LEADER_EPOCH", Ambiguous(Refresh), "wait for the leader to settle"),
    row(76, "UNSUPPORTED_COMPRESSION_TYPE", Refused(Stop), "use another compression for this topic"),
    row(87, "INVALID_RECORD", Refused(Stop), "mend the record; the message says what is wrong with it"),
    row(89, "THROTTLING_QUOTA_EXCEEDED", Refused(Retry), "send less, or raise the quota"),
    row(90, "PRODUCER_FENCED", ProducerGone, "another producer took over this producer id"),
    row(100, "UNKNOWN_TOPIC_ID", Ambiguous(Refresh), "the topic was deleted or made anew; check its name"),
    row(
        103,
        "INCONSISTENT_TOPIC_ID",
        Ambiguous(Refresh),
        "the topic was deleted or made anew; check its name",
    ),
    row(120, "TRANSACTION_ABORTABLE", Refused(Stop), "abort the transaction and start again"),
];

/// The row of a code, if the table has one.
pub fn lookup(code: i16) -> Option<&'static Row> {
    TABLE.binary_search_by_key(&code, |row| row.code).ok().map(|at| &TABLE[at])
}

/// What an answer with this code proves. An unlisted code proves nothing and is not retried.
pub fn verdict(code: i16) -> Verdict {
    lookup(code).map_or(Ambiguous(Stop), |row| row.verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched_and_no_code_stands_twice() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn every_code_that_is_not_an_ack_comes_with_a_remedy() {
        for row in TABLE {
            let acked = matches!(row.verdict, Acked | AckedBefore);
            assert_eq!(row.remedy.is_empty(), acked, "{}", row.name);
        }
    }

    #[test]
    fn a_code_nobody_knows_proves_nothing() {
        assert_eq!(verdict(9999), Ambiguous(Stop));
    }
}
