//! What is said over a connection: Kafka's Produce and Fetch to a broker, or to the floor the least that does the work.
//! Both carry the same batches, so that one generator measures both.
//!
//! ```text
//! to the floor's sink     size 4 | number 4 | batch          its answer   size 4 | number 4 | base offset 8
//! to the floor's source   size 4 | number 4 | position 8 | bytes 4        size 4 | number 4 | bytes as they are
//! ```

use bytes::{BufMut, Bytes};
use poruka_wire::api::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use poruka_wire::frame::decode_response;
use poruka_wire::records::set_max_timestamp;
use poruka_wire::{Str, Uuid};

use crate::conn::{refused, request_frame};
use crate::error::{BenchError, Result};

/// Where a request has its number: after size, key and version.
const KAFKA_NUMBER_AT: usize = 8;
/// Where a floor's frame has it: after its size.
const BARE_NUMBER_AT: usize = 4;
const BARE_PREFIX_BYTES: usize = 8;
/// What stands behind the records of the only partition of the only topic: three empty lists of tags.
const KAFKA_SUFFIX_BYTES: usize = 3;
/// Where a batch has the sequence of its first record.
const SEQUENCE_AT: usize = 53;
/// Where it has its largest timestamp.
const MAX_TIMESTAMP_AT: usize = 35;
/// How long a broker may take to write a batch.
const PRODUCE_TIMEOUT_MS: i32 = 30_000;
/// The first version with tags, which the places above rely on.
pub(crate) const PRODUCE_VERSION_MIN: i16 = 9;

/// A topic of the broker.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: Str,
    pub(crate) id: Uuid,
}

/// To whom a batch is sent.
#[derive(Clone, Debug)]
pub(crate) enum Speech {
    Kafka { topic: Topic, version: i16 },
    Bare,
}

/// What came back for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) number: i32,
    pub(crate) partition: i32,
    pub(crate) base_offset: i64,
}

impl Speech {
    /// The frame that carries a batch.
    pub(crate) fn frame(&self, number: i32, partition: i32, batch: &Bytes) -> Result<Vec<u8>> {
        let mut frame = match self {
            Speech::Kafka { topic, version } => {
                let records = PartitionProduceData { index: partition, records: Some(batch.clone()) };
                let topic_data = TopicProduceData {
                    name: topic.name.clone(),
                    topic_id: topic.id,
                    partition_data: vec![records],
                };
                let request = ProduceRequest {
                    acks: -1,
                    timeout_ms: PRODUCE_TIMEOUT_MS,
                    topic_data: vec![topic_data],
                    ..ProduceRequest::default()
                };
                request_frame(&request, *version)?.into()
            }
            Speech::Bare => {
                let mut frame = Vec::with_capacity(BARE_PREFIX_BYTES + batch.len());
                frame.put_u32((4 + batch.len()) as u32);
                frame.put_i32(0);
                frame.put_slice(batch);
                frame
            }
        };
        self.number(&mut frame, number);
        Ok(frame)
    }

    fn number(&self, frame: &mut [u8], number: i32) {
        let at = match self {
            Speech::Kafka { .. } => KAFKA_NUMBER_AT,
            Speech::Bare => BARE_NUMBER_AT,
        };
        frame[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }

    /// What became of a batch.
    pub(crate) fn ack(&self, frame: Bytes) -> Result<Ack> {
        match self {
            Speech::Kafka { version, .. } => {
                let (number, response) = decode_response::<ProduceRequest>(frame, *version)?;
                kafka_ack(number, &response)
            }
            Speech::Bare => {
                let fields = frame.split_first_chunk::<4>().and_then(|(number, rest)| {
                    Some((i32::from_be_bytes(*number), i64::from_be_bytes(*rest.first_chunk::<8>()?)))
                });
                let (number, base_offset) =
                    fields.ok_or_else(|| BenchError::Wrong("the floor's answer is cut short".to_owned()))?;
                Ok(Ack { number, partition: 0, base_offset })
            }
        }
    }
}

fn kafka_ack(number: i32, response: &ProduceResponse) -> Result<Ack> {
    let partition = response.responses.first().and_then(|topic| topic.partition_responses.first());
    let partition = partition.ok_or_else(|| BenchError::Wrong("an answer names no partition".to_owned()))?;
    refused("a batch", partition.error_code, partition.error_message.as_deref())?;
    Ok(Ack { number, partition: partition.index, base_offset: partition.base_offset })
}

/// A frame with a batch that is encoded once and stamped for each sending.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    frame: Vec<u8>,
    batch_at: usize,
    batch_bytes: usize,
    partition_at: Option<usize>,
    speech: Speech,
    pub(crate) records: u32,
}

impl Template {
    pub(crate) fn new(speech: &Speech, batch: &Bytes, records: u32) -> Result<Template> {
        let frame = speech.frame(0, 0, batch)?;
        let (batch_at, partition_at) = match speech {
            Speech::Kafka { .. } => {
                let at = frame.len() - KAFKA_SUFFIX_BYTES - batch.len();
                (at, Some(at - compact_length_bytes(batch.len()) - 4))
            }
            Speech::Bare => (BARE_PREFIX_BYTES, None),
        };
        let speech = speech.clone();
        Ok(Template { frame, batch_at, batch_bytes: batch.len(), partition_at, speech, records })
    }

    /// Sets what differs from sending to sending, the checksum too.
    pub(crate) fn stamp(&mut self, number: i32, partition: i32, sequence: i32) -> &[u8] {
        self.speech.number(&mut self.frame, number);
        if let Some(at) = self.partition_at {
            self.frame[at..at + 4].copy_from_slice(&partition.to_be_bytes());
        }
        let batch = &mut self.frame[self.batch_at..self.batch_at + self.batch_bytes];
        batch[SEQUENCE_AT..SEQUENCE_AT + 4].copy_from_slice(&sequence.to_be_bytes());
        let mut stamp = [0; 8];
        stamp.copy_from_slice(&batch[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8]);
        // Set to what it is: this renews the checksum over the sequence.
        set_max_timestamp(batch, i64::from_be_bytes(stamp), false);
        &self.frame
    }

    /// The batch as it was stamped last.
    pub(crate) fn batch(&self) -> &[u8] {
        &self.frame[self.batch_at..self.batch_at + self.batch_bytes]
    }
}

/// Bytes of a compact length: a varint of the length plus one.
fn compact_length_bytes(length: usize) -> usize {
    let bits = usize::BITS - (length + 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use poruka_wire::frame::{decode_request, decode_request_header};
    use poruka_wire::records::{Limits, validate};
    use poruka_wire::{Message, Reader, Request};

    use super::*;
    use crate::payload::batches;

    #[test]
    fn a_stamped_template_is_a_sound_request_for_another_partition() {
        let topic = Topic { name: "t".into(), id: Uuid::default() };
        for version in PRODUCE_VERSION_MIN..=*ProduceRequest::VERSIONS.end() {
            for bytes in [200, 20_000, 1_000_000] {
                let speech = Speech::Kafka { topic: topic.clone(), version };
                let (batch, records) = batches(1, bytes, 100, 7, 3).remove(0);
                let mut template = Template::new(&speech, &batch, records).unwrap();
                let frame = template.stamp(17, 999, 4_000).to_vec();
                let mut reader = Reader::new(Bytes::from(frame).slice(4..));
                let header = decode_request_header(&mut reader).unwrap();
                assert_eq!((header.api_key, header.correlation_id), (ProduceRequest::KEY.code(), 17));
                let request: ProduceRequest = decode_request(&mut reader, version).unwrap();
                let partition = &request.topic_data[0].partition_data[0];
                assert_eq!(partition.index, 999);
                let info = validate(partition.records.as_ref().unwrap(), &Limits::default()).unwrap();
                assert_eq!((info.header.base_sequence, info.header.producer_id), (4_000, 7));
                assert_eq!(info.header.record_count as u32, template.records);
            }
        }
    }

    #[test]
    fn the_floor_gets_the_same_batch() {
        let (batch, records) = batches(1, 5_000, 100, 7, 0).remove(0);
        let mut template = Template::new(&Speech::Bare, &batch, records).unwrap();
        let frame = template.stamp(5, 0, 12).to_vec();
        assert_eq!(frame[..8], [(frame.len() as u32 - 4).to_be_bytes(), 5_u32.to_be_bytes()].concat());
        assert_eq!(validate(&frame[8..], &Limits::default()).unwrap().header.base_sequence, 12);
        assert_eq!(template.batch(), &frame[8..]);
    }
}
