//! Produce (key 0), v3-13: appends batches. v0-2 are advertised and refused, as Kafka does: librdkafka before 2.11
//! switches compression off when they are missing (KAFKA-18659).
//!
//! v7: zstd. v8: which record is at fault. v10: leader hints, never needed here. v13: topic ids.
//!
//! An acknowledgement means what the topic's durability says, whatever `acks` asks for: acks=1 and acks=all are the
//! same on one node, acks=0 has no answer, and an error on it closes the connection. Nothing is answered with
//! UNKNOWN_SERVER_ERROR: clients that get it after an append send the batch again (KAFKA-14034).
//!
//! A repeat of a batch answers the offset that it got the first time, once that offset is durable.

use std::sync::Arc;

use bytes::Bytes;
use poruka_log::{AppendError, Origin, PartitionLog, Ticket};
use poruka_wire::api::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use poruka_wire::records::{self, BatchErrorKind, Compression, Limits, NO_TIMESTAMP};
use poruka_wire::{ApiKey, ErrorCode, Str};

use super::support::is_ready;
use super::{Answer, Context, api};
use crate::catalog::Topic;
use crate::connection::{Boxed, CloseReason};
use crate::metrics::Classes;
use crate::settings::TimestampType;

api!(ProduceRequest, versions = 3..=13, advertised_from = 0, handler = produce);

const ACKS_NONE: i16 = 0;
const ACKS: [i16; 3] = [-1, ACKS_NONE, 1];
/// zstd came with this version.
const ZSTD_FROM: i16 = 7;
/// Topics are named by id from this version on.
const TOPIC_IDS_FROM: i16 = 13;

fn produce(context: Context, request: ProduceRequest) -> Answer<ProduceResponse> {
    let acks = request.acks;
    let (server, begun) = (Arc::clone(&context.server), context.server.env.now());
    server.metrics.acks(acks);
    let (mut response, waits, classes) = append_all(&context, request);
    if acks == ACKS_NONE {
        return match first_error(&response) {
            None => Answer::Nothing(room_after(waits)),
            Some(code) => {
                server.metrics.told(ApiKey::Produce, code);
                Answer::Close(CloseReason::Refused(format!(
                    "produce with acks=0 failed with {}, and closing is the only way to say so",
                    code.name()
                )))
            }
        };
    }
    if waits.iter().all(|wait| wait.log.reached(wait.ticket)) {
        server.metrics.acknowledged(classes, server.env.now() - begun);
        return Answer::Now(response);
    }
    // A full journal is not fed from this connection until it has written what it has.
    let crowded = waits.iter().any(|wait| !is_ready(wait.log.room()));
    let finish = async move {
        for wait in waits {
            if wait.log.wait_durable(wait.ticket).await.is_err() {
                let failed = &mut response.responses[wait.topic].partition_responses[wait.partition];
                *failed = refused(
                    failed.index,
                    ErrorCode::KafkaStorageError,
                    "storage failed; whether the batch is kept is not known",
                );
            }
        }
        server.metrics.acknowledged(classes, server.env.now() - begun);
        response
    };
    if crowded { Answer::alone(finish) } else { Answer::later(finish) }
}

/// Room in the journal, when it is full: without it, a producer that waits for nothing could fill the memory.
fn room_after(waits: Vec<Wait>) -> Option<Boxed<()>> {
    let crowded = waits.into_iter().find(|wait| !is_ready(wait.log.room()))?;
    Some(Box::pin(async move { crowded.log.room().await }))
}

/// A partition's answer that may leave only once a ticket is reached.
struct Wait {
    topic: usize,
    partition: usize,
    log: Arc<PartitionLog>,
    ticket: Ticket,
}

/// Appends every batch; tells the classes of the topics that took one.
fn append_all(context: &Context, request: ProduceRequest) -> (ProduceResponse, Vec<Wait>, Classes) {
    let mut classes = Classes::default();
    let mut response = ProduceResponse::default();
    let mut waits = Vec::new();
    let by_id = context.version() >= TOPIC_IDS_FROM;
    for TopicProduceData { name, topic_id, partition_data } in request.topic_data {
        let topic = context.topic(by_id, &name, topic_id);
        let mut answers = Vec::with_capacity(partition_data.len());
        for data in partition_data {
            let appended = match &topic {
                _ if !ACKS.contains(&request.acks) => {
                    Err(refused(data.index, ErrorCode::InvalidRequiredAcks, ""))
                }
                None if by_id => Err(refused(data.index, ErrorCode::UnknownTopicId, "")),
                None => Err(refused(data.index, ErrorCode::UnknownTopicOrPartition, "")),
                Some(topic) => append(context, topic, data),
            };
            let answer = appended.unwrap_or_else(|refused| Appended { answer: refused, wait: None });
            if let Some((log, ticket)) = answer.wait {
                topic.iter().for_each(|topic| classes.add(topic.class));
                waits.push(Wait { topic: response.responses.len(), partition: answers.len(), log, ticket });
            }
            answers.push(answer.answer);
        }
        response.responses.push(TopicProduceResponse { name, topic_id, partition_responses: answers });
    }
    (response, waits, classes)
}

struct Appended {
    answer: PartitionProduceResponse,
    wait: Option<(Arc<PartitionLog>, Ticket)>,
}

fn append(
    context: &Context,
    topic: &Topic,
    data: PartitionProduceData,
) -> Result<Appended, PartitionProduceResponse> {
    let index = data.index;
    let Some(log) = topic.partition(index) else {
        return Err(refused(index, ErrorCode::UnknownTopicOrPartition, ""));
    };
    let now = context.server.env.wall_ms();
    let batch = data.records.unwrap_or_default();
    let batch = checked(topic, batch, now, context.version()).map_err(|bad| bad.answer(index))?;
    let size = batch.len();
    match log.append(batch, Origin::Client) {
        Ok(appended) => {
            count(context, topic, &appended, size);
            Ok(Appended {
                answer: PartitionProduceResponse {
                    index,
                    error_code: ErrorCode::None,
                    base_offset: appended.base_offset,
                    log_append_time_ms: match topic.settings.timestamp_type {
                        TimestampType::LogAppend => appended.timestamp,
                        TimestampType::Create => NO_TIMESTAMP,
                    },
                    log_start_offset: log.log_start(),
                    ..PartitionProduceResponse::default()
                },
                wait: Some((Arc::clone(log), appended.durable)),
            })
        }
        Err(error) => {
            let (code, wait) = code_of(&error);
            if code == ErrorCode::KafkaStorageError {
                tracing::error!(%error, ?log, "append failed");
            }
            Ok(Appended {
                answer: refused(index, code, &error.to_string()),
                wait: wait.map(|ticket| (Arc::clone(log), ticket)),
            })
        }
    }
}

/// A batch that is there is counted once, however often it is sent.
fn count(context: &Context, topic: &Topic, appended: &poruka_log::Appended, bytes: usize) {
    let metrics = &context.server.metrics;
    if appended.duplicate {
        metrics.repeated(topic.class);
    } else {
        metrics.produced(topic.class, appended.last_offset.abs_diff(appended.base_offset) + 1, bytes);
    }
}

/// The code of a refused append; a repeat of an old batch is told only once the original is durable.
fn code_of(error: &AppendError) -> (ErrorCode, Option<Ticket>) {
    match error {
        AppendError::Malformed => (ErrorCode::CorruptMessage, None),
        AppendError::NotAllowed => (ErrorCode::InvalidTxnState, None),
        AppendError::OutOfOrderSequence { .. } => (ErrorCode::OutOfOrderSequenceNumber, None),
        AppendError::InvalidProducerEpoch { .. } => (ErrorCode::InvalidProducerEpoch, None),
        AppendError::DuplicateSequence { durable } => (ErrorCode::DuplicateSequenceNumber, Some(*durable)),
        AppendError::Deleted => (ErrorCode::UnknownTopicOrPartition, None),
        AppendError::Storage(_) => (ErrorCode::KafkaStorageError, None),
    }
}

/// A batch that is not appended, and why.
struct BadBatch {
    code: ErrorCode,
    record: Option<i32>,
    why: String,
}

impl BadBatch {
    fn new(code: ErrorCode, why: impl Into<String>) -> BadBatch {
        BadBatch { code, record: None, why: why.into() }
    }

    fn answer(self, index: i32) -> PartitionProduceResponse {
        let record_errors = self.record.map(|batch_index| BatchIndexAndErrorMessage {
            batch_index,
            batch_index_error_message: Some(Str::from(&self.why)),
        });
        PartitionProduceResponse {
            record_errors: record_errors.into_iter().collect(),
            ..refused(index, self.code, &self.why)
        }
    }
}

/// Validates a batch in full against its topic, and stamps it where the topic says so.
fn checked(topic: &Topic, batch: Bytes, now: i64, version: i16) -> Result<Bytes, BadBatch> {
    if batch.is_empty() {
        let why = format!("Produce requests with version {version} must have a record batch");
        return Err(BadBatch::new(ErrorCode::InvalidRecord, why));
    }
    let limits = Limits { batch_bytes_max: topic.settings.max_message_bytes, ..Limits::default() };
    let info = records::validate(&batch, &limits).map_err(|bad| BadBatch {
        // Anything but one batch of magic 2 is an invalid record to Kafka, not a corrupt one.
        code: match bad.kind() {
            BatchErrorKind::Magic(_) | BatchErrorKind::TrailingBytes(_) => ErrorCode::InvalidRecord,
            _ => bad.code(),
        },
        record: bad.record(),
        why: bad.to_string(),
    })?;
    if info.compression == Compression::Zstd && version < ZSTD_FROM {
        let why = "zstd needs Produce v7 or later";
        return Err(BadBatch::new(ErrorCode::UnsupportedCompressionType, why));
    }
    if batch.len() > topic.settings.segment_bytes as usize {
        let why = format!("batch of {} bytes is larger than a segment", batch.len());
        return Err(BadBatch::new(ErrorCode::RecordListTooLarge, why));
    }
    // A compacted topic keeps the last record of each key, so each record must have one.
    if topic.settings.clean.compact && info.keyless.is_some() {
        let why = "Compacted topic cannot accept message without key".to_owned();
        return Err(BadBatch { code: ErrorCode::InvalidRecord, record: info.keyless, why });
    }
    match topic.settings.timestamp_type {
        TimestampType::LogAppend => Ok(stamped(&batch, now)),
        TimestampType::Create => {
            let (before, after) =
                (topic.settings.timestamp_before_max_ms, topic.settings.timestamp_after_max_ms);
            let outside = |time: i64| {
                time != NO_TIMESTAMP
                    && (now.saturating_sub(time) > before || time.saturating_sub(now) > after)
            };
            match [info.min_timestamp, info.max_timestamp].into_iter().find(|time| outside(*time)) {
                Some(time) => {
                    let why = format!(
                        "Timestamp {time} of message is out of range. The timestamp should be within [{}, {}]",
                        now.saturating_sub(before),
                        now.saturating_add(after)
                    );
                    Err(BadBatch::new(ErrorCode::InvalidTimestamp, why))
                }
                None => Ok(batch),
            }
        }
    }
}

/// The batch with the broker's time on it.
fn stamped(batch: &Bytes, now: i64) -> Bytes {
    let mut stamped = batch.to_vec();
    records::set_max_timestamp(&mut stamped, now, true);
    Bytes::from(stamped)
}

fn refused(index: i32, error_code: ErrorCode, why: &str) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code,
        base_offset: -1,
        error_message: (!why.is_empty()).then(|| Str::from(why)),
        ..PartitionProduceResponse::default()
    }
}

fn first_error(response: &ProduceResponse) -> Option<ErrorCode> {
    let answers = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    answers.map(|answer| answer.error_code).find(|code| *code != ErrorCode::None)
}
