//! DescribeTransactions (key 65), v0. KIP-664.

use crate::{ErrorCode, Str};

api!(
    DescribeTransactions: DescribeTransactionsRequest => DescribeTransactionsResponse,
    versions 0..=0, flexible 0
);

message! {
    /// Asks about transactional ids.
    struct DescribeTransactionsRequest {
        transactional_ids: Vec<Str> [0..],
    }
}

message! {
    /// The transactions.
    struct DescribeTransactionsResponse {
        throttle_time_ms: i32 [0..],
        transaction_states: Vec<DescribedTransaction> [0..],
    }

    /// One transactional id and what it is doing.
    struct DescribedTransaction {
        error_code: ErrorCode [0..],
        transactional_id: Str [0..],
        transaction_state: Str [0..],
        transaction_timeout_ms: i32 [0..],
        transaction_start_time_ms: i64 [0..],
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        topics: Vec<DescribedTransactionTopic> [0..],
    }

    /// Partitions of one topic in the transaction.
    struct DescribedTransactionTopic {
        topic: Str [0..],
        partitions: Vec<i32> [0..],
    }
}
