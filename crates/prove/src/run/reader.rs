//! The reader of the verdict: a few requests over a plain socket, straight to the broker.
//!
//! It shares no code with the client under test beyond the wire format: what it reads is what any client could read.
//! Every partition is read from its start to its end, batch by batch.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use poruka_env::{Env, Stream};
use poruka_wire::api::{
    FetchPartition, FetchRequest, FetchTopic, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, TIMESTAMP_EARLIEST,
    TIMESTAMP_LATEST,
};
use poruka_wire::frame::{FrameDecoder, decode_response, encode_request};
use poruka_wire::records::{batches_of, records};
use poruka_wire::{ErrorCode, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::history::{Entry, LogRead, PartitionRead};
use crate::payload::Truth;

/// The last versions that name topics by name.
const FETCH_VERSION: i16 = 12;
const LIST_OFFSETS_VERSION: i16 = 6;
const OFFSET_FETCH_VERSION: i16 = 8;
const CLIENT_ID: &str = "poruka-prove-reader";
const FETCH_BYTES_MAX: i32 = 4 << 20;
const FETCH_WAIT_MS: i32 = 200;
/// How long one answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// Answers in a row that bring nothing new, before a partition counts as unreadable.
const IDLE_ANSWERS_MAX: u32 = 50;

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The connection broke.
    #[error("read the log of the broker: {0}")]
    Io(#[from] io::Error),
    /// The broker does not answer as the protocol says.
    #[error("read the log of the broker: {0}")]
    Protocol(String),
    /// The broker answers an error, or the same nothing again and again.
    #[error("read partition {partition} at offset {offset}: {what}")]
    Partition {
        /// The partition.
        partition: i32,
        /// The offset that could not be read.
        offset: i64,
        /// What the broker said.
        what: String,
    },
}

/// Reads what a record says of itself from its key and value.
pub(crate) type Interpret<'a> = &'a (dyn Fn(Option<&[u8]>, Option<&[u8]>) -> Option<Truth> + Sync);

/// Reads the whole topic; positions stay at 0: see [`read_committed`].
///
/// # Errors
/// See [`ReadError`].
pub(crate) async fn read_log(
    env: &Env,
    addr: &str,
    topic: &str,
    partitions: i32,
    interpret: Interpret<'_>,
) -> Result<LogRead, ReadError> {
    let stream = env.connect(addr).await?;
    let mut reader = Reader { env, stream, decoder: FrameDecoder::default(), next_id: 0, topic };
    let mut read = LogRead::default();
    for partition in 0..partitions {
        let entries = reader.partition(partition, interpret).await?;
        read.partitions.push(PartitionRead { partition, entries, committed: 0 });
    }
    Ok(read)
}

/// Where the group stands, by partition.
///
/// # Errors
/// See [`ReadError`].
pub(crate) async fn read_committed(
    env: &Env,
    addr: &str,
    topic: &str,
    partitions: i32,
    group: &str,
) -> Result<Vec<i64>, ReadError> {
    let stream = env.connect(addr).await?;
    let mut reader = Reader { env, stream, decoder: FrameDecoder::default(), next_id: 0, topic };
    let mut committed = Vec::new();
    for partition in 0..partitions {
        committed.push(reader.committed(partition, group).await?);
    }
    Ok(committed)
}

struct Reader<'a> {
    env: &'a Env,
    stream: Box<dyn Stream>,
    decoder: FrameDecoder,
    next_id: i32,
    topic: &'a str,
}

impl Reader<'_> {
    async fn ask<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, ReadError> {
        let protocol = |error: &dyn std::fmt::Display| ReadError::Protocol(error.to_string());
        self.next_id += 1;
        let frame =
            encode_request(self.next_id, Some(CLIENT_ID), request, version).map_err(|e| protocol(&e))?;
        let (env, id) = (self.env, self.next_id);
        let answer = env.timeout(ANSWER_TIME_MAX, async {
            self.stream.write_all(&frame).await?;
            loop {
                if let Some(frame) = self.decoder.next().map_err(io::Error::other)? {
                    return Ok::<Bytes, io::Error>(frame);
                }
                if self.stream.read_buf(&mut self.decoder.read_buffer()).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        });
        let frame = answer.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let (answered, response) = decode_response::<R>(frame, version).map_err(|e| protocol(&e))?;
        if answered != id {
            return Err(ReadError::Protocol(format!("answer {answered} to question {id}")));
        }
        Ok(response)
    }

    async fn offset_at(&mut self, partition: i32, timestamp: i64) -> Result<i64, ReadError> {
        let asked =
            ListOffsetsPartition { partition_index: partition, timestamp, ..ListOffsetsPartition::default() };
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic { name: self.topic.into(), partitions: vec![asked] }],
            ..ListOffsetsRequest::default()
        };
        let answer = self.ask(&request, LIST_OFFSETS_VERSION).await?;
        let found = answer.topics.iter().flat_map(|topic| &topic.partitions).next();
        match found {
            Some(found) if found.error_code == ErrorCode::None => Ok(found.offset),
            found => Err(ReadError::Partition {
                partition,
                offset: timestamp,
                what: format!("{:?}", found.map(|found| found.error_code)),
            }),
        }
    }

    async fn partition(&mut self, partition: i32, interpret: Interpret<'_>) -> Result<Vec<Entry>, ReadError> {
        let mut offset = self.offset_at(partition, TIMESTAMP_EARLIEST).await?;
        let end = self.offset_at(partition, TIMESTAMP_LATEST).await?;
        let mut entries = Vec::new();
        let mut idle = 0;
        while offset < end {
            let fetched = self.fetch(partition, offset).await?;
            let next = take_batches(&fetched, offset, &mut entries, interpret)
                .map_err(|what| ReadError::Partition { partition, offset, what })?;
            idle = if next > offset { 0 } else { idle + 1 };
            if idle > IDLE_ANSWERS_MAX {
                let what = format!("no records, though the log ends at {end}");
                return Err(ReadError::Partition { partition, offset, what });
            }
            offset = next;
        }
        Ok(entries)
    }

    async fn fetch(&mut self, partition: i32, offset: i64) -> Result<Bytes, ReadError> {
        let wanted = FetchPartition {
            partition,
            fetch_offset: offset,
            partition_max_bytes: FETCH_BYTES_MAX,
            ..FetchPartition::default()
        };
        let request = FetchRequest {
            max_wait_ms: FETCH_WAIT_MS,
            min_bytes: 1,
            max_bytes: FETCH_BYTES_MAX,
            topics: vec![FetchTopic {
                topic: self.topic.into(),
                partitions: vec![wanted],
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        };
        let answer = self.ask(&request, FETCH_VERSION).await?;
        let found = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
        match found {
            Some(found) if found.error_code == ErrorCode::None => Ok(found.records.unwrap_or_default()),
            found => Err(ReadError::Partition {
                partition,
                offset,
                what: format!("{:?}", found.map(|found| found.error_code)),
            }),
        }
    }

    async fn committed(&mut self, partition: i32, group: &str) -> Result<i64, ReadError> {
        let topic = OffsetFetchRequestTopics {
            name: self.topic.into(),
            partition_indexes: vec![partition],
            ..OffsetFetchRequestTopics::default()
        };
        let asked = OffsetFetchRequestGroup {
            group_id: group.into(),
            topics: Some(vec![topic]),
            ..OffsetFetchRequestGroup::default()
        };
        let request = OffsetFetchRequest { groups: vec![asked], ..OffsetFetchRequest::default() };
        let answer = self.ask(&request, OFFSET_FETCH_VERSION).await?;
        let mut found =
            answer.groups.iter().flat_map(|group| &group.topics).flat_map(|topic| &topic.partitions);
        // A group that never committed stands at the start.
        Ok(found.next().map_or(0, |found| found.committed_offset.max(0)))
    }
}

/// Adds the records at or above `offset` and returns where to go on.
fn take_batches(
    fetched: &Bytes,
    mut offset: i64,
    entries: &mut Vec<Entry>,
    interpret: Interpret<'_>,
) -> Result<i64, String> {
    for batch in batches_of(fetched) {
        let (header, batch) = match batch {
            Ok(batch) => batch,
            // A broker may cut the last batch of an answer short.
            Err(error) if error.is_truncated() => break,
            Err(error) => return Err(error.to_string()),
        };
        if !header.is_control() {
            let mut all = records(&batch).map_err(|error| error.to_string())?;
            while let Some(record) = all.next_view() {
                let record = record.map_err(|error| error.to_string())?;
                if record.offset >= offset {
                    entries.push(Entry { offset: record.offset, truth: interpret(record.key, record.value) });
                }
            }
        }
        offset = offset.max(header.next_offset());
    }
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use poruka_wire::records::{BatchBuilder, Compression, ControlType, control_batch};

    use super::*;

    fn batch(base: i64, count: u8) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None).base_offset(base);
        for number in 0..count {
            builder.push(0, None, Some(&[number]), &[]).expect("fits");
        }
        builder.build().to_vec()
    }

    #[test]
    fn records_are_taken_once_and_control_batches_are_passed_over() {
        let control = control_batch(ControlType::Commit, b"", 0).base_offset(5).build().to_vec();
        let fetched = Bytes::from([batch(2, 3), control, batch(6, 2)].concat());
        let mut entries = Vec::new();
        let next = take_batches(&fetched, 3, &mut entries, &|_, _| None);
        assert_eq!(next, Ok(8));
        let offsets: Vec<i64> = entries.iter().map(|entry| entry.offset).collect();
        assert_eq!(offsets, [3, 4, 6, 7], "what lies before the place that was asked for is not new");
    }

    #[test]
    fn a_batch_that_is_cut_short_is_asked_for_again() {
        let whole = batch(0, 3);
        let cut = batch(3, 3);
        let fetched = Bytes::from([whole, cut[..cut.len() - 4].to_vec()].concat());
        let mut entries = Vec::new();
        assert_eq!(take_batches(&fetched, 0, &mut entries, &|_, _| None), Ok(3));
        assert_eq!(entries.len(), 3);
    }
}
