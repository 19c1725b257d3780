//! WriteTxnMarkers (key 27), v1-2. v1: flexible. v2: transaction version (KIP-1228). Between brokers only.

use crate::{ErrorCode, Str};

api!(WriteTxnMarkers: WriteTxnMarkersRequest => WriteTxnMarkersResponse, versions 1..=2, flexible 1);

message! {
    /// Writes the decision of transactions into partitions.
    struct WriteTxnMarkersRequest {
        markers: Vec<WritableTxnMarker> [0..],
    }

    /// The decision of one transaction.
    struct WritableTxnMarker {
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        transaction_result: bool [0..],
        topics: Vec<WritableTxnMarkerTopic> [0..],
        coordinator_epoch: i32 [0..],
        transaction_version: i8 [2..; ignorable],
    }

    /// Partitions of one topic.
    struct WritableTxnMarkerTopic {
        name: Str [0..],
        partition_indexes: Vec<i32> [0..],
    }
}

message! {
    /// What became of each marker.
    struct WriteTxnMarkersResponse {
        markers: Vec<WritableTxnMarkerResult> [0..],
    }

    /// Outcomes for one transaction.
    struct WritableTxnMarkerResult {
        producer_id: i64 [0..],
        topics: Vec<WritableTxnMarkerTopicResult> [0..],
    }

    /// Outcomes for one topic.
    struct WritableTxnMarkerTopicResult {
        name: Str [0..],
        partitions: Vec<WritableTxnMarkerPartitionResult> [0..],
    }

    /// The outcome for one partition.
    struct WritableTxnMarkerPartitionResult {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
