//! ListOffsets (key 2), v1-11: offsets by time. Only what readers may see is told.
//!
//! Specials: -1 end, -2 start, -3 record with the largest timestamp (v7), -4 local start (v8), -5 tiered (v9) and
//! -6 pending upload (v11): there are no tiers. v4: leader epochs. Without transactions the end is the same for both
//! isolation levels.

use poruka_log::PartitionLog;
use poruka_wire::ErrorCode;
use poruka_wire::api::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse, TIMESTAMP_EARLIEST, TIMESTAMP_EARLIEST_LOCAL,
    TIMESTAMP_EARLIEST_PENDING_UPLOAD, TIMESTAMP_LATEST, TIMESTAMP_LATEST_TIERED, TIMESTAMP_MAX,
};

use super::support::check_epoch;
use super::{Answer, Context, api};

api!(ListOffsetsRequest, versions = 1..=11, handler = list_offsets);

fn list_offsets(context: Context, request: ListOffsetsRequest) -> Answer<ListOffsetsResponse> {
    let version = context.version();
    let catalog = context.server.catalog();
    let topics = request
        .topics
        .into_iter()
        .map(|asked| {
            let topic = catalog.get(&asked.name);
            let partitions = asked.partitions.iter().map(|partition| {
                let log = topic.and_then(|topic| topic.partition(partition.partition_index));
                let found = log
                    .ok_or(ErrorCode::UnknownTopicOrPartition)
                    .and_then(|log| look_up(log, partition, version));
                answer(partition.partition_index, found, version)
            });
            ListOffsetsTopicResponse { partitions: partitions.collect(), name: asked.name }
        })
        .collect();
    Answer::Now(ListOffsetsResponse { topics, ..ListOffsetsResponse::default() })
}

/// An offset, the timestamp that goes with it (-1 for the specials), and its leader epoch.
type Found = Option<(i64, i64)>;

fn look_up(
    log: &PartitionLog,
    asked: &ListOffsetsPartition,
    version: i16,
) -> Result<(Found, i32), ErrorCode> {
    let epoch = log.leader_epoch();
    check_epoch(asked.current_leader_epoch, epoch)?;
    let found = match asked.timestamp {
        TIMESTAMP_LATEST => Some((log.last_stable_offset(), -1)),
        TIMESTAMP_EARLIEST => Some((log.log_start(), -1)),
        TIMESTAMP_MAX if version >= 7 => log.max_timestamp().map_err(unreadable)?,
        TIMESTAMP_EARLIEST_LOCAL if version >= 8 => Some((log.log_start(), -1)),
        TIMESTAMP_LATEST_TIERED if version >= 9 => None,
        TIMESTAMP_EARLIEST_PENDING_UPLOAD if version >= 11 => None,
        // A special of a later version, or no time at all.
        below if below < 0 => return Err(ErrorCode::UnsupportedVersion),
        time => log.offset_for_timestamp(time).map_err(unreadable)?,
    };
    Ok((found, epoch))
}

fn unreadable(error: poruka_log::ReadError) -> ErrorCode {
    tracing::error!(%error, "looking up an offset by time failed");
    ErrorCode::KafkaStorageError
}

fn answer(index: i32, found: Result<(Found, i32), ErrorCode>, version: i16) -> ListOffsetsPartitionResponse {
    let (error_code, found, epoch) = match found {
        Ok((found, epoch)) => (ErrorCode::None, found, epoch),
        Err(code) => (code, None, -1),
    };
    let (offset, timestamp) = found.unwrap_or((-1, -1));
    ListOffsetsPartitionResponse {
        partition_index: index,
        error_code,
        timestamp,
        offset,
        leader_epoch: if version >= 4 && found.is_some() { epoch } else { -1 },
    }
}
