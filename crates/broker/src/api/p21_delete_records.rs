//! DeleteRecords (key 21), v0-2: moves the start of partitions forward; -1 is their end.
//!
//! Only topics that drop old records allow it (`cleanup.policy` with delete): POLICY_VIOLATION otherwise, as in Kafka.

use std::sync::Arc;

use poruka_log::{PartitionLog, ReadError, TrimError};
use poruka_wire::ErrorCode;
use poruka_wire::api::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use super::{Answer, Context, api};

api!(DeleteRecordsRequest, versions = 0..=2, handler = delete_records);

fn delete_records(context: Context, request: DeleteRecordsRequest) -> Answer<DeleteRecordsResponse> {
    Answer::alone(async move {
        let mut topics = Vec::with_capacity(request.topics.len());
        for asked in request.topics {
            let topic = context.server.catalog().get(&asked.name).cloned();
            let mut partitions = Vec::with_capacity(asked.partitions.len());
            for partition in asked.partitions {
                let log = topic.as_ref().and_then(|topic| topic.partition(partition.partition_index));
                let deleted = match (&topic, log) {
                    (Some(topic), _) if !topic.settings.clean.delete => Err(ErrorCode::PolicyViolation),
                    (_, Some(log)) => delete_before(log, partition.offset).await,
                    _ => Err(ErrorCode::UnknownTopicOrPartition),
                };
                partitions.push(DeleteRecordsPartitionResult {
                    partition_index: partition.partition_index,
                    low_watermark: deleted.unwrap_or(-1),
                    error_code: deleted.err().unwrap_or(ErrorCode::None),
                });
            }
            topics.push(DeleteRecordsTopicResult { name: asked.name, partitions });
        }
        DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() }
    })
}

async fn delete_before(log: &Arc<PartitionLog>, offset: i64) -> Result<i64, ErrorCode> {
    log.delete_records_before(offset).await.map_err(|error| match error {
        TrimError::Offset(ReadError::OffsetOutOfRange { .. }) => ErrorCode::OffsetOutOfRange,
        error => {
            tracing::error!(%error, ?log, "deleting records failed");
            ErrorCode::KafkaStorageError
        }
    })
}
