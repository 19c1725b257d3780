//! InitProducerId (key 22), v0-6. v2: flexible. v3: a producer can recover its epoch (KIP-360). v4: may
//! answer PRODUCER_FENCED (KIP-588). v5: may answer TRANSACTION_ABORTABLE (KIP-890). v6: prepared
//! transactions (KIP-939), which Apache Kafka 4.3.1 does not advertise.

use crate::{ErrorCode, Str};

api!(InitProducerId: InitProducerIdRequest => InitProducerIdResponse, versions 0..=6, flexible 2);

message! {
    /// Asks for a producer id and epoch; with a transactional id, fences the one before.
    struct InitProducerIdRequest {
        transactional_id: Option<Str> [0..],
        transaction_timeout_ms: i32 [0..],
        /// -1, or the id whose epoch is to be raised.
        producer_id: i64 [3..] = -1,
        producer_epoch: i16 [3..] = -1,
        enable_2pc: bool [6..],
        keep_prepared_txn: bool [6..],
    }
}

message! {
    /// The producer id and epoch to use.
    struct InitProducerIdResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        producer_id: i64 [0..] = -1,
        producer_epoch: i16 [0..],
        ongoing_txn_producer_id: i64 [6..] = -1,
        ongoing_txn_producer_epoch: i16 [6..] = -1,
    }
}
