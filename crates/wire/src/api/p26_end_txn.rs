//! EndTxn (key 26), v0-5. v2: may answer PRODUCER_FENCED. v3: flexible. v4: may answer TRANSACTION_ABORTABLE.
//! v5: the epoch is raised with every transaction (KIP-890).

use crate::{ErrorCode, Str};

api!(EndTxn: EndTxnRequest => EndTxnResponse, versions 0..=5, flexible 3);

message! {
    /// Commits or aborts a transaction.
    struct EndTxnRequest {
        transactional_id: Str [0..],
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        committed: bool [0..],
    }
}

message! {
    /// The outcome, and from version 5 the epoch to go on with.
    struct EndTxnResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        producer_id: i64 [5..; ignorable] = -1,
        producer_epoch: i16 [5..; ignorable] = -1,
    }
}
