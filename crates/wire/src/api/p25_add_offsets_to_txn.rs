//! AddOffsetsToTxn (key 25), v0-4. v2: may answer PRODUCER_FENCED. v3: flexible. v4: may answer
//! TRANSACTION_ABORTABLE (KIP-890).

use crate::{ErrorCode, Str};

api!(AddOffsetsToTxn: AddOffsetsToTxnRequest => AddOffsetsToTxnResponse, versions 0..=4, flexible 3);

message! {
    /// Takes a group's offsets into a transaction.
    struct AddOffsetsToTxnRequest {
        transactional_id: Str [0..],
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        group_id: Str [0..],
    }
}

message! {
    /// The outcome.
    struct AddOffsetsToTxnResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
