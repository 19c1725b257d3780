//! What the proxy has to know of a frame: is it a produce or a commit, and did the broker act on it.

use std::collections::BTreeMap;

use bytes::Bytes;
use poruka_wire::api::OffsetCommitRequest;
use poruka_wire::api::ProduceRequest;
use poruka_wire::api::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic, TIMESTAMP_LATEST};
use poruka_wire::frame::{decode_request, decode_request_header, decode_response, encode_request};
use poruka_wire::{ApiKey, ErrorCode, Reader};

/// The version in which the proxy asks where a log ends: the last one without tags.
const LIST_OFFSETS_VERSION: i16 = 5;
const CLIENT_ID: &str = "poruka-prove-proxy";

/// A request, as far as the proxy understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) version: i16,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Records for these partitions.
    Produce {
        acks: i16,
        records: BTreeMap<i32, i64>,
    },
    OffsetCommit,
    Other,
}

impl Asked {
    /// Whether the broker will answer.
    pub(crate) fn is_answered(&self) -> bool {
        !matches!(self.what, What::Produce { acks: 0, .. })
    }

    pub(crate) fn is_produce(&self) -> bool {
        matches!(self.what, What::Produce { .. })
    }
}

/// Reads a request frame (without its size). What cannot be read is passed on as it is: the broker will refuse it.
pub(crate) fn asked(frame: &Bytes) -> Asked {
    let mut reader = Reader::new(frame.clone());
    let Ok(header) = decode_request_header(&mut reader) else {
        return Asked { version: 0, what: What::Other };
    };
    let version = header.api_version;
    let what = match header.key() {
        Some(ApiKey::Produce) => produce(&mut reader, version).unwrap_or(What::Other),
        Some(ApiKey::OffsetCommit) => What::OffsetCommit,
        _ => What::Other,
    };
    Asked { version, what }
}

fn produce(reader: &mut Reader, version: i16) -> Option<What> {
    let request = decode_request::<ProduceRequest>(reader, version).ok()?;
    let mut records = BTreeMap::new();
    for partition in request.topic_data.iter().flat_map(|topic| &topic.partition_data) {
        let batches = partition.records.as_deref().unwrap_or_default();
        *records.entry(partition.index).or_insert(0) += record_count(batches);
    }
    Some(What::Produce { acks: request.acks, records })
}

/// Records in a run of batches, by their headers.
fn record_count(mut batches: &[u8]) -> i64 {
    const LENGTH_AT: usize = 8;
    const LENGTH_END: usize = 12;
    const COUNT_AT: usize = 57;
    let number = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).and_then(|b| b.first_chunk()).map(|b| i32::from_be_bytes(*b))
    };
    let mut count = 0;
    while let (Some(length), Some(records)) = (number(batches, LENGTH_AT), number(batches, COUNT_AT)) {
        count += i64::from(records.max(0));
        let next = LENGTH_END + usize::try_from(length).unwrap_or(usize::MAX - LENGTH_END);
        batches = batches.get(next..).unwrap_or_default();
    }
    count
}

/// Whether the answer to a produce says that records were appended, and without an error beside it.
pub(crate) fn appended(frame: &Bytes, version: i16) -> bool {
    let Ok((_, answer)) = decode_response::<ProduceRequest>(frame.clone(), version) else { return false };
    let mut outcomes = answer.responses.iter().flat_map(|topic| &topic.partition_responses).peekable();
    outcomes.peek().is_some() && outcomes.all(|outcome| outcome.error_code == ErrorCode::None)
}

/// Whether the answer to a commit says that everything was stored.
pub(crate) fn committed(frame: &Bytes, version: i16) -> bool {
    let Ok((_, answer)) = decode_response::<OffsetCommitRequest>(frame.clone(), version) else {
        return false;
    };
    let mut outcomes = answer.topics.iter().flat_map(|topic| &topic.partitions).peekable();
    outcomes.peek().is_some() && outcomes.all(|outcome| outcome.error_code == ErrorCode::None)
}

/// A request for the ends of these partitions, with its size; `None` when it cannot be written.
pub(crate) fn ask_ends<'a>(topic: &str, partitions: impl Iterator<Item = &'a i32>) -> Option<Bytes> {
    let partitions = partitions
        .map(|index| ListOffsetsPartition {
            partition_index: *index,
            timestamp: TIMESTAMP_LATEST,
            ..ListOffsetsPartition::default()
        })
        .collect();
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic { name: topic.into(), partitions }],
        ..ListOffsetsRequest::default()
    };
    encode_request(-1, Some(CLIENT_ID), &request, LIST_OFFSETS_VERSION).ok()
}

/// The ends in the answer to [`ask_ends`].
pub(crate) fn ends(frame: &Bytes) -> BTreeMap<i32, i64> {
    let Ok((_, answer)) = decode_response::<ListOffsetsRequest>(frame.clone(), LIST_OFFSETS_VERSION) else {
        return BTreeMap::new();
    };
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.filter(|p| p.error_code == ErrorCode::None).map(|p| (p.partition_index, p.offset)).collect()
}
