//! Produce (key 0), v3-13. v5: log start offset. v7: zstd. v8: which records were refused (KIP-467). v9:
//! flexible. v10: leader hints (KIP-951). v11: may answer TRANSACTION_ABORTABLE (KIP-890). v12: adds the
//! partition to the transaction by itself (KIP-890). v13: topics by id (KIP-516). Apache Kafka advertises 0
//! as the lowest version, so that older librdkafka keeps its codecs, and refuses 0 to 2 (KAFKA-18659).

use crate::{Bytes, ErrorCode, Str, Uuid};

api!(Produce: ProduceRequest => ProduceResponse, versions 3..=13, flexible 9);

message! {
    /// Appends record batches. With `acks` 0 no response is sent at all.
    struct ProduceRequest {
        /// Null outside a transaction.
        transactional_id: Option<Str> [0..] = None,
        /// 0: no answer; 1: the leader has it; -1: every replica in sync has it.
        acks: i16 [0..],
        timeout_ms: i32 [0..],
        topic_data: Vec<TopicProduceData> [0..],
    }

    /// Records for one topic: by name up to version 12, by id from 13.
    struct TopicProduceData {
        name: Str [0..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partition_data: Vec<PartitionProduceData> [0..],
    }

    /// Records for one partition: exactly one batch of magic 2.
    struct PartitionProduceData {
        index: i32 [0..],
        records: Option<Bytes> [0..] = None,
    }
}

message! {
    /// What became of each partition's records.
    struct ProduceResponse {
        responses: Vec<TopicProduceResponse> [0..],
        throttle_time_ms: i32 [0..],
    }
    tags {
        0 node_endpoints: Vec<ProduceNodeEndpoint> [10..],
    }

    /// Outcomes for one topic.
    struct TopicProduceResponse {
        name: Str [0..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partition_responses: Vec<PartitionProduceResponse> [0..],
    }

    /// The outcome for one partition.
    struct PartitionProduceResponse {
        index: i32 [0..],
        error_code: ErrorCode [0..],
        /// The offset of the first record, or -1 after an error.
        base_offset: i64 [0..],
        /// Set if the topic stamps records itself, else -1.
        log_append_time_ms: i64 [0..] = -1,
        log_start_offset: i64 [5..; ignorable] = -1,
        /// Which records made the broker refuse the batch.
        record_errors: Vec<BatchIndexAndErrorMessage> [8..; ignorable],
        error_message: Option<Str> [8..; ignorable] = None,
    }
    tags {
        0 current_leader: ProduceLeaderIdAndEpoch [10..],
    }

    /// A record that made the broker refuse its batch.
    struct BatchIndexAndErrorMessage {
        batch_index: i32 [8..],
        batch_index_error_message: Option<Str> [8..] = None,
    }

    /// The leader to turn to after NOT_LEADER_OR_FOLLOWER.
    struct ProduceLeaderIdAndEpoch {
        leader_id: i32 [10..] = -1,
        leader_epoch: i32 [10..] = -1,
    }

    /// Where that leader is.
    struct ProduceNodeEndpoint {
        node_id: i32 [10..],
        host: Str [10..],
        port: i32 [10..],
        rack: Option<Str> [10..] = None,
    }
}
