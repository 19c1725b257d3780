//! OffsetForLeaderEpoch (key 23), v2-4: where an epoch of a partition ended, so that a client can tell whether what it
//! read is still there (KIP-320). librdkafka speaks exactly v2.

use poruka_log::PartitionLog;
use poruka_wire::ErrorCode;
use poruka_wire::api::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};

use super::support::check_epoch;
use super::{Answer, Context, api};

api!(OffsetForLeaderEpochRequest, versions = 2..=4, handler = offset_for_leader_epoch);

fn offset_for_leader_epoch(
    context: Context,
    request: OffsetForLeaderEpochRequest,
) -> Answer<OffsetForLeaderEpochResponse> {
    let catalog = context.server.catalog();
    let topics = request
        .topics
        .into_iter()
        .map(|asked| {
            let topic = catalog.get(&asked.topic);
            let partitions = asked.partitions.iter().map(|partition| {
                answer(
                    topic.and_then(|topic| topic.partition(partition.partition)).map(|log| &**log),
                    partition,
                )
            });
            OffsetForLeaderTopicResult { partitions: partitions.collect(), topic: asked.topic }
        })
        .collect();
    Answer::Now(OffsetForLeaderEpochResponse { topics, ..OffsetForLeaderEpochResponse::default() })
}

fn answer(log: Option<&PartitionLog>, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let refused =
        |error_code| EpochEndOffset { error_code, partition: asked.partition, ..EpochEndOffset::default() };
    let Some(log) = log else { return refused(ErrorCode::UnknownTopicOrPartition) };
    if let Err(code) = check_epoch(asked.current_leader_epoch, log.leader_epoch()) {
        return refused(code);
    }
    let (leader_epoch, end_offset) = log.epoch_end_offset(asked.leader_epoch).unwrap_or((-1, -1));
    EpochEndOffset { error_code: ErrorCode::None, partition: asked.partition, leader_epoch, end_offset }
}
