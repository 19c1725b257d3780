//! A log read from end to end, one fetch after the other, as a client with the usual limits reads it. Every batch's
//! checksum and place are checked; records inside a batch are counted by its header, which the broker has validated.

use bytes::Bytes;
use poruka_env::Env;
use poruka_wire::api::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use poruka_wire::frame::decode_response;
use poruka_wire::records::{batches, crc_ok};

use crate::conn::{Conn, in_order, refused};
use crate::error::{BenchError, Result};
use crate::speech::Topic;
use crate::stop::Stop;

/// Most bytes of a whole answer: the default of librdkafka and of the Java client.
const FETCH_BYTES_MAX: i32 = 50 * 1024 * 1024;
/// Most bytes of a partition: likewise.
const PARTITION_BYTES_MAX: i32 = 1024 * 1024;
const WAIT_MS_MAX: i32 = 500;
/// Answers without a record, one after the other, before the log is taken for shorter than it should be.
const EMPTY_MAX: u32 = 20;

/// What was read.
#[derive(Debug)]
pub(crate) struct Consumed {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
}

/// A fetch of one partition. Session fields stay at "none".
pub(crate) fn fetch_request(topic: &Topic, offset: i64) -> FetchRequest {
    let partition = FetchPartition {
        partition: 0,
        fetch_offset: offset,
        partition_max_bytes: PARTITION_BYTES_MAX,
        ..FetchPartition::default()
    };
    let topic = FetchTopic { topic: topic.name.clone(), topic_id: topic.id, partitions: vec![partition] };
    FetchRequest {
        max_wait_ms: WAIT_MS_MAX,
        min_bytes: 1,
        max_bytes: FETCH_BYTES_MAX,
        topics: vec![topic],
        ..FetchRequest::default()
    }
}

/// The records of the only partition of an answer.
pub(crate) fn fetched(response: FetchResponse) -> Result<Bytes> {
    refused("a fetch", response.error_code, None)?;
    let mut partitions = response.responses.into_iter().flat_map(|topic| topic.partitions);
    let Some(partition) = partitions.next() else { return Ok(Bytes::new()) };
    refused("a fetch", partition.error_code, None)?;
    Ok(partition.records.unwrap_or_default())
}

/// Reads partition 0 from the start until `end`.
pub(crate) fn consume(env: &Env, stop: &Stop, conn: &mut Conn, topic: &Topic, end: i64) -> Result<Consumed> {
    let version = conn.version::<FetchRequest>()?;
    let (mut offset, mut bytes, mut requests, mut empty) = (0, 0, 0, 0);
    let began = env.now();
    while offset < end {
        stop.check()?;
        let asked = conn.ask(&fetch_request(topic, offset), version)?;
        let (answered, response) = decode_response::<FetchRequest>(conn.frame()?, version)?;
        in_order(asked, answered)?;
        let found = fetched(response)?;
        let before = offset;
        offset = walk(&found, offset)?;
        bytes += found.len() as u64;
        requests += 1;
        empty = if offset == before { empty + 1 } else { 0 };
        if empty > EMPTY_MAX {
            return Err(BenchError::Wrong(format!("the log ends at {offset}, not at {end}")));
        }
    }
    if offset != end {
        return Err(BenchError::Wrong(format!("read up to {offset}, but the log should end at {end}")));
    }
    Ok(Consumed { records: end as u64, bytes, seconds: (env.now() - began).as_secs_f64(), requests })
}

/// Checks the batches of an answer that was to begin at `offset`; returns where the next one begins. The last batch may
/// be cut short.
pub(crate) fn walk(found: &[u8], offset: i64) -> Result<i64> {
    let mut next = offset;
    for batch in batches(found) {
        let (header, batch) = match batch {
            Ok(batch) => batch,
            Err(error) if error.is_truncated() && next > offset => break,
            Err(error) => return Err(error.into()),
        };
        if header.base_offset != next {
            return Err(BenchError::Wrong(format!("offset {next} was due, {} came", header.base_offset)));
        }
        if !crc_ok(&header, batch) {
            return Err(BenchError::Wrong(format!("the batch at offset {next} does not match its checksum")));
        }
        if header.record_count != header.last_offset_delta + 1 {
            return Err(BenchError::Wrong(format!("the batch at offset {next} has lost records")));
        }
        next = header.next_offset();
    }
    Ok(next)
}

/// Reads a file through the floor's source, in the given pieces.
pub(crate) fn consume_bare(env: &Env, stop: &Stop, conn: &mut Conn, pieces: &[u32]) -> Result<Consumed> {
    let (mut offset, mut position, mut bytes) = (0, 0_u64, 0);
    let began = env.now();
    for piece in pieces {
        stop.check()?;
        let number = conn.next_correlation();
        let mut frame = [0; 20];
        frame[..4].copy_from_slice(&16_u32.to_be_bytes());
        frame[4..8].copy_from_slice(&number.to_be_bytes());
        frame[8..16].copy_from_slice(&position.to_be_bytes());
        frame[16..].copy_from_slice(&piece.to_be_bytes());
        conn.send(&frame)?;
        let answer = conn.frame()?;
        let answered = poruka_wire::frame::correlation_id(&answer).unwrap_or(-1);
        in_order(number, answered)?;
        offset = walk(&answer[4..], offset)?;
        position += u64::from(*piece);
        bytes += answer.len() as u64 - 4;
    }
    let requests = pieces.len() as u64;
    Ok(Consumed { records: offset as u64, bytes, seconds: (env.now() - began).as_secs_f64(), requests })
}
