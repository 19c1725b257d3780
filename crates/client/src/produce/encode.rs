//! From a flight to a produce request, and from its answer back to partitions. Pure.

use bytes::Bytes;
use poruka_wire::api::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use poruka_wire::records::{BatchBuilder, NO_TIMESTAMP};

use super::answers::PartAnswer;
use super::batch::TopicPartition;
use super::config::ProducerConfig;
use super::machine::{Flight, Part};

/// The request for a flight, and the batches that cannot be encoded, with the reason.
pub(crate) fn encode(
    flight: &Flight,
    config: &ProducerConfig,
) -> (ProduceRequest, Vec<(TopicPartition, String)>) {
    let mut request = ProduceRequest {
        acks: config.acks.number(),
        timeout_ms: i32::try_from(config.request_timeout.as_millis()).unwrap_or(i32::MAX),
        ..Default::default()
    };
    let mut failed = Vec::new();
    for part in &flight.parts {
        match encode_batch(part, config) {
            Ok(batch) => add(&mut request, part, batch),
            Err(why) => failed.push((part.at.clone(), why)),
        }
    }
    (request, failed)
}

fn add(request: &mut ProduceRequest, part: &Part, batch: Bytes) {
    let data = PartitionProduceData { index: part.at.partition, records: Some(batch) };
    let topics = &mut request.topic_data;
    match topics.iter_mut().find(|topic| topic.name == part.at.topic && topic.topic_id == part.topic_id) {
        Some(topic) => topic.partition_data.push(data),
        None => topics.push(TopicProduceData {
            name: part.at.topic.clone(),
            topic_id: part.topic_id,
            partition_data: vec![data],
        }),
    }
}

fn encode_batch(part: &Part, config: &ProducerConfig) -> Result<Bytes, String> {
    let mut builder = BatchBuilder::new(config.compression);
    if let Some(stamp) = part.stamp {
        builder.set_producer(stamp.producer_id, stamp.epoch, stamp.sequence);
    }
    for record in part.records.iter() {
        let timestamp = record.timestamp_ms.unwrap_or(NO_TIMESTAMP);
        let pushed = builder.push(timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers);
        pushed.map_err(|_| "a batch cannot hold more than 2 GiB, or timestamps this far apart".to_owned())?;
    }
    Ok(builder.build())
}

/// What the answer says about each partition of the flight. Newer answers name topics by id, older ones by name.
pub(crate) fn read_answer(flight: &Flight, response: &ProduceResponse) -> Vec<PartAnswer> {
    let mut answers = Vec::new();
    for topic in &response.responses {
        for answer in &topic.partition_responses {
            let is_it = |part: &&Part| {
                let same_topic = if topic.topic_id.is_zero() {
                    part.at.topic == topic.name
                } else {
                    part.topic_id == topic.topic_id
                };
                same_topic && part.at.partition == answer.index
            };
            let why = answer.record_errors.iter().find_map(|error| error.batch_index_error_message.as_ref());
            answers.push(PartAnswer {
                at: flight.parts.iter().find(is_it).map(|part| part.at.clone()),
                code: answer.error_code.code(),
                base_offset: answer.base_offset,
                append_time_ms: answer.log_append_time_ms,
                message: answer.error_message.as_ref().or(why).map(ToString::to_string),
            });
        }
    }
    answers
}
