//! Fetch (key 1), v4-18: whole batches from where the client is, below the high watermark.
//!
//! v7: sessions, which are refused by answering session id 0 (KIP-227 allows it; one node gains nothing from them).
//! v9: leader epochs. v12: what the client read last, and where it diverges. v13: topic ids. v15: replica state, unused.
//!
//! A fetch waits until `min_bytes` are there or `max_wait_ms` is over, woken by appends and costing nothing meanwhile.
//! The first batch is given even when it is larger than the limits. No list of aborted transactions goes to readers of
//! uncommitted records: clients would skip records because of it.
//!
//! It reads when its turn to answer comes, so that a connection holds one fetch response in memory, not one for each
//! request in flight.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use poruka_env::Mono;
use poruka_log::{PartitionLog, Piece, ReadError};
use poruka_wire::api::{
    FetchEpochEndOffset, FetchPartition, FetchPartitionData, FetchRequest, FetchResponse, FetchTopic,
    FetchableTopicResponse, READ_COMMITTED,
};
use poruka_wire::{CHUNK_BYTES_MIN, ErrorCode};

use super::support::check_epoch;
use super::{Answer, Context, api};
use crate::catalog::Topic;
use crate::connection::stand_in;
use crate::metrics::Sent;

api!(FetchRequest, versions = 4..=18, handler = fetch);

/// The most bytes of one answer, as `fetch.max.bytes` of Kafka's broker.
pub(crate) const FETCH_BYTES_MAX: usize = 55 * 1024 * 1024;
/// The longest wait, in milliseconds; clients ask for 500 as a rule.
const WAIT_MS_MAX: u64 = 60_000;
/// Topics are named by id from this version on.
const TOPIC_IDS_FROM: i16 = 13;

fn fetch(context: Context, request: FetchRequest) -> Answer<FetchResponse> {
    let refused = match (request.session_id, request.session_epoch) {
        (0, -1..=0) => None,
        (0, _) => Some(ErrorCode::InvalidFetchSessionEpoch),
        _ => Some(ErrorCode::FetchSessionIdNotFound),
    };
    if let Some(error_code) = refused {
        return Answer::Now(FetchResponse { error_code, ..FetchResponse::default() });
    }
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0).min(WAIT_MS_MAX));
    let deadline = context.server.env.now() + wait;
    Answer::Filled(Box::pin(async move {
        let server = Arc::clone(&context.server);
        let begun = server.env.now();
        let pass = Fetching { context, request, deadline }.run().await;
        server.metrics.fetched(&pass.sent, server.env.now() - begun);
        (pass.response, pass.records)
    }))
}

struct Fetching {
    context: Context,
    request: FetchRequest,
    deadline: Mono,
}

/// What one pass over the partitions found.
struct Pass {
    response: FetchResponse,
    /// What takes the places of stand-ins in the response.
    records: Vec<Vec<Piece>>,
    bytes: usize,
    /// What it gives, for the count of it.
    sent: Sent,
    /// An error, or a divergence: to be told at once.
    told: bool,
}

impl Fetching {
    async fn run(self) -> Pass {
        let min_bytes = usize::try_from(self.request.min_bytes).unwrap_or(0);
        let env = self.context.server.env.clone();
        let is_over = |pass: &Pass| {
            let enough = pass.told || pass.bytes >= min_bytes || pass.response.responses.is_empty();
            enough || env.now() >= self.deadline || self.context.server.is_draining()
        };
        loop {
            let pass = self.pass();
            if is_over(&pass) {
                return pass;
            }
            // Watching starts before reading again, so that nothing appended in between is slept through.
            let mut changes: Vec<Change> = self.logs().into_iter().map(change_of).collect();
            let pass = self.pass();
            if is_over(&pass) {
                return pass;
            }
            let mut timer = Box::pin(env.sleep_until(self.deadline));
            let mut draining = self.context.server.draining();
            poll_fn(|cx| {
                let changed = changes.iter_mut().any(|change| change.as_mut().poll(cx).is_ready());
                if changed || timer.as_mut().poll(cx).is_ready() || draining.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                Poll::Pending
            })
            .await;
        }
    }

    /// The logs that are asked for and exist.
    fn logs(&self) -> Vec<Arc<PartitionLog>> {
        let mut logs = Vec::new();
        for asked in &self.request.topics {
            if let Some(topic) = self.topic(asked) {
                let found =
                    asked.partitions.iter().filter_map(|partition| topic.partition(partition.partition));
                logs.extend(found.cloned());
            }
        }
        logs
    }

    fn by_id(&self) -> bool {
        self.context.version() >= TOPIC_IDS_FROM
    }

    fn topic(&self, asked: &FetchTopic) -> Option<Arc<Topic>> {
        self.context.topic(self.by_id(), &asked.topic, asked.topic_id)
    }

    fn pass(&self) -> Pass {
        let bytes_max = usize::try_from(self.request.max_bytes).unwrap_or(0).min(FETCH_BYTES_MAX);
        let mut pass = Pass {
            response: FetchResponse::default(),
            records: Vec::new(),
            bytes: 0,
            sent: Sent::default(),
            told: false,
        };
        for asked in &self.request.topics {
            let topic = self.topic(asked);
            let mut partitions = Vec::with_capacity(asked.partitions.len());
            for partition in &asked.partitions {
                let log = topic.as_ref().map(|topic| topic.partition(partition.partition));
                let placed_before = pass.records.len();
                let mut data = match log {
                    None if self.by_id() => failed(partition, ErrorCode::UnknownTopicId),
                    None | Some(None) => failed(partition, ErrorCode::UnknownTopicOrPartition),
                    Some(Some(log)) => {
                        let left = bytes_max.saturating_sub(pass.bytes);
                        read(log, partition, left, pass.bytes == 0, &mut pass.records)
                    }
                };
                if let (Some(topic), Some(records)) = (&topic, &data.records) {
                    pass.bytes += records.len();
                    match pass.records.get(placed_before..).and_then(<[_]>::first) {
                        Some(pieces) => pieces.iter().for_each(|piece| pass.sent.add(topic.class, piece)),
                        None => pass.sent.add(topic.class, &Piece::Memory(records.clone())),
                    }
                }
                pass.told |= data.error_code != ErrorCode::None || data.diverging_epoch.end_offset >= 0;
                if self.request.isolation_level == READ_COMMITTED && data.error_code == ErrorCode::None {
                    data.aborted_transactions = Some(Vec::new());
                }
                partitions.push(data);
            }
            pass.response.responses.push(FetchableTopicResponse {
                topic: asked.topic.clone(),
                topic_id: asked.topic_id,
                partitions,
            });
        }
        pass
    }
}

type Change = Pin<Box<dyn Future<Output = ()> + Send>>;

fn change_of(log: Arc<PartitionLog>) -> Change {
    let mut watch = log.watch();
    Box::pin(async move {
        // An error means that the log is gone, which the next pass tells.
        let _ = watch.changed().await;
    })
}

fn failed(asked: &FetchPartition, error_code: ErrorCode) -> FetchPartitionData {
    FetchPartitionData {
        partition_index: asked.partition,
        error_code,
        high_watermark: -1,
        aborted_transactions: None,
        records: Some(Bytes::new()),
        ..FetchPartitionData::default()
    }
}

/// One partition's answer. Large records are put into `records`, and a stand-in into the answer.
fn read(
    log: &PartitionLog,
    asked: &FetchPartition,
    left: usize,
    first: bool,
    records: &mut Vec<Vec<Piece>>,
) -> FetchPartitionData {
    if let Err(code) = check_epoch(asked.current_leader_epoch, log.leader_epoch()) {
        return failed(asked, code);
    }
    if let Some(diverging_epoch) = divergence(log, asked) {
        return FetchPartitionData { diverging_epoch, ..failed(asked, ErrorCode::None) };
    }
    let bytes_max = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(left);
    match log.find(asked.fetch_offset, bytes_max, first) {
        Ok(found) => FetchPartitionData {
            partition_index: asked.partition,
            error_code: ErrorCode::None,
            high_watermark: found.high_watermark,
            last_stable_offset: found.last_stable_offset,
            log_start_offset: found.log_start,
            aborted_transactions: None,
            records: Some(placed(found.records, records)),
            ..FetchPartitionData::default()
        },
        Err(ReadError::OffsetOutOfRange { .. }) => failed(asked, ErrorCode::OffsetOutOfRange),
        Err(error) => {
            tracing::error!(%error, ?log, "fetch could not read");
            failed(asked, ErrorCode::KafkaStorageError)
        }
    }
}

/// Where what the client read last parts from what is there.
fn divergence(log: &PartitionLog, asked: &FetchPartition) -> Option<FetchEpochEndOffset> {
    if asked.last_fetched_epoch < 0 {
        return None;
    }
    let (epoch, end_offset) = log.epoch_end_offset(asked.last_fetched_epoch)?;
    let diverges = epoch < asked.last_fetched_epoch || end_offset < asked.fetch_offset;
    diverges.then_some(FetchEpochEndOffset { epoch, end_offset })
}

/// The batches in one piece, or a stand-in for them when they are many bytes.
fn placed(pieces: Vec<Piece>, records: &mut Vec<Vec<Piece>>) -> Bytes {
    let length = pieces.iter().map(Piece::len).sum();
    if length >= CHUNK_BYTES_MIN {
        records.push(pieces);
        return stand_in(length);
    }
    let mut whole = BytesMut::with_capacity(length);
    for piece in &pieces {
        // So few bytes are never in a file.
        if let Piece::Memory(bytes) = piece {
            whole.extend_from_slice(bytes);
        }
    }
    whole.freeze()
}
