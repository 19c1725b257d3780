//! ListTransactions (key 66), v0-2. KIP-664. v1: by duration (KIP-994). v2: by a pattern of ids (KIP-1152).

use crate::{ErrorCode, Str};

api!(ListTransactions: ListTransactionsRequest => ListTransactionsResponse, versions 0..=2, flexible 0);

message! {
    /// Asks which transactional ids the broker coordinates.
    struct ListTransactionsRequest {
        state_filters: Vec<Str> [0..],
        producer_id_filters: Vec<i64> [0..],
        duration_filter: i64 [1..] = -1,
        transactional_id_pattern: Option<Str> [2..] = None,
    }
}

message! {
    /// The transactional ids.
    struct ListTransactionsResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        unknown_state_filters: Vec<Str> [0..],
        transaction_states: Vec<ListedTransaction> [0..],
    }

    /// One transactional id in brief.
    struct ListedTransaction {
        transactional_id: Str [0..],
        producer_id: i64 [0..],
        transaction_state: Str [0..],
    }
}
