//! AddPartitionsToTxn (key 24), v0-5. v3: flexible. v4: many transactions at once, between brokers only. v5:
//! may answer TRANSACTION_ABORTABLE (KIP-890).

use crate::{ErrorCode, Str};

api!(AddPartitionsToTxn: AddPartitionsToTxnRequest => AddPartitionsToTxnResponse, versions 0..=5, flexible 3);

message! {
    /// Takes partitions into a transaction: one transaction up to version 3, many from 4.
    struct AddPartitionsToTxnRequest {
        transactions: Vec<AddPartitionsToTxnTransaction> [4..],
        v3_and_below_transactional_id: Str [0..=3],
        v3_and_below_producer_id: i64 [0..=3],
        v3_and_below_producer_epoch: i16 [0..=3],
        v3_and_below_topics: Vec<AddPartitionsToTxnTopic> [0..=3],
    }

    /// A transaction and its partitions, from version 4.
    struct AddPartitionsToTxnTransaction {
        transactional_id: Str [4..],
        producer_id: i64 [4..],
        producer_epoch: i16 [4..],
        verify_only: bool [4..],
        topics: Vec<AddPartitionsToTxnTopic> [4..],
    }

    /// Partitions of one topic.
    struct AddPartitionsToTxnTopic {
        name: Str [0..],
        partitions: Vec<i32> [0..],
    }
}

message! {
    /// What became of each partition.
    struct AddPartitionsToTxnResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [4..; ignorable],
        results_by_transaction: Vec<AddPartitionsToTxnResult> [4..],
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult> [0..=3],
    }

    /// Outcomes for one transaction.
    struct AddPartitionsToTxnResult {
        transactional_id: Str [4..],
        topic_results: Vec<AddPartitionsToTxnTopicResult> [4..],
    }

    /// Outcomes for one topic.
    struct AddPartitionsToTxnTopicResult {
        name: Str [0..],
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult> [0..],
    }

    /// The outcome for one partition.
    struct AddPartitionsToTxnPartitionResult {
        partition_index: i32 [0..],
        partition_error_code: ErrorCode [0..],
    }
}
