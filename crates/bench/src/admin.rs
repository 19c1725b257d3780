//! What a run needs of the broker beside the load: topics, a producer id, where a log ends. One node is assumed: the one
//! that was named leads every partition.

use std::time::Duration;

use poruka_guarantee::Durability;
use poruka_wire::api::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, DeleteTopicState, DeleteTopicsRequest,
    InitProducerIdRequest, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic, MetadataRequest,
    MetadataRequestTopic, ProduceRequest, TIMESTAMP_LATEST,
};
use poruka_wire::{ErrorCode, Str};

use crate::conn::{Conn, refused};
use crate::error::{BenchError, Result};
use crate::speech::{PRODUCE_VERSION_MIN, Speech, Topic};
use crate::stop::Stop;

const DURABILITY: &str = "poruka.durability";
const TIMEOUT_MS: i32 = 30_000;
/// Metadata requests until a new topic has its leaders.
const LEADER_TRIES_MAX: u32 = 200;
const LEADER_PAUSE: Duration = Duration::from_millis(50);

/// Makes a topic and waits until it can be written. `class` none leaves durability to the broker.
pub(crate) fn make_topic(
    stop: &Stop,
    conn: &mut Conn,
    name: &str,
    partitions: i32,
    class: Option<Durability>,
) -> Result<Topic> {
    let setting = class
        .map(|class| CreatableTopicConfig { name: DURABILITY.into(), value: Some(class.as_str().into()) });
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: setting.into_iter().collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, validate_only: false };
    let response = conn.call(&request)?;
    let made = response.topics.first();
    let made = made.ok_or_else(|| BenchError::Wrong("an answer names no topic".to_owned()))?;
    refused("a new topic", made.error_code, made.error_message.as_deref())?;
    let empty = vec![0; partitions.max(1) as usize];
    for _ in 0..LEADER_TRIES_MAX {
        if let Some(topic) = led(conn, name, partitions)? {
            // A leader may be told before it knows that it is one.
            match check_ends(conn, &topic, &empty) {
                Err(BenchError::Refused { code, .. }) if is_new(code) => {}
                checked => return checked.map(|()| topic),
            }
        }
        stop.wait(LEADER_PAUSE)?;
    }
    Err(BenchError::Wrong("a new topic got no leader".to_owned()))
}

/// What a partition may answer just after it was made.
fn is_new(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower | ErrorCode::UnknownTopicOrPartition | ErrorCode::LeaderNotAvailable
    )
}

/// The topic, once all its partitions have leaders.
fn led(conn: &mut Conn, name: &str, partitions: i32) -> Result<Option<Topic>> {
    let wanted = MetadataRequestTopic { name: Some(name.into()), ..MetadataRequestTopic::default() };
    let request = MetadataRequest {
        topics: Some(vec![wanted]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let response = conn.call(&request)?;
    let found = response.topics.into_iter().next().filter(|topic| {
        let led = topic
            .partitions
            .iter()
            .filter(|partition| partition.error_code == ErrorCode::None && partition.leader_id >= 0);
        topic.error_code == ErrorCode::None && led.count() == partitions as usize
    });
    Ok(found.map(|topic| Topic { name: Str::from(name), id: topic.topic_id }))
}

/// Deletes a topic, so that its files and pages are free for the next run.
pub(crate) fn delete_topic(conn: &mut Conn, topic: &Topic) -> Result<()> {
    let state = DeleteTopicState { name: Some(topic.name.clone()), ..DeleteTopicState::default() };
    let request = DeleteTopicsRequest {
        topics: vec![state],
        topic_names: vec![topic.name.clone()],
        timeout_ms: TIMEOUT_MS,
    };
    // From version 6 the topics stand in one list, before it in the other.
    let request = match conn.version::<DeleteTopicsRequest>()? {
        6.. => DeleteTopicsRequest { topic_names: Vec::new(), ..request },
        _ => DeleteTopicsRequest { topics: Vec::new(), ..request },
    };
    let response = conn.call(&request)?;
    for deleted in response.responses {
        refused("the deletion of a topic", deleted.error_code, deleted.error_message.as_deref())?;
    }
    Ok(())
}

/// A producer id of its own.
pub(crate) fn producer_id(stop: &Stop, conn: &mut Conn) -> Result<i64> {
    let request = InitProducerIdRequest { transactional_id: None, ..InitProducerIdRequest::default() };
    for _ in 0..LEADER_TRIES_MAX {
        let response = conn.call(&request)?;
        if response.error_code == ErrorCode::CoordinatorLoadInProgress {
            stop.wait(LEADER_PAUSE)?;
            continue;
        }
        refused("a producer id", response.error_code, None)?;
        return Ok(response.producer_id);
    }
    Err(BenchError::Wrong("no producer id came".to_owned()))
}

/// How batches are sent to a topic over this connection.
pub(crate) fn speech(conn: &Conn, topic: &Topic) -> Result<Speech> {
    let version = conn.version::<ProduceRequest>()?;
    if version < PRODUCE_VERSION_MIN {
        let message = Some(format!("version {PRODUCE_VERSION_MIN} of Produce is needed"));
        return Err(BenchError::Refused { what: "Produce", code: ErrorCode::UnsupportedVersion, message });
    }
    Ok(Speech::Kafka { topic: topic.clone(), version })
}

/// Checks that the partitions' logs end where the acknowledgements said.
pub(crate) fn check_ends(conn: &mut Conn, topic: &Topic, ends: &[i64]) -> Result<()> {
    let ask = |index: usize| ListOffsetsPartition {
        partition_index: index as i32,
        timestamp: TIMESTAMP_LATEST,
        ..ListOffsetsPartition::default()
    };
    let asked = ListOffsetsTopic { name: topic.name.clone(), partitions: (0..ends.len()).map(ask).collect() };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![asked], ..ListOffsetsRequest::default() };
    let response = conn.call(&request)?;
    let mut told = 0;
    for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
        refused("the end of a log", partition.error_code, None)?;
        let index = partition.partition_index;
        let end = usize::try_from(index).ok().and_then(|index| ends.get(index)).copied();
        if end != Some(partition.offset) {
            let (offset, end) = (partition.offset, end.unwrap_or(-1));
            return Err(BenchError::Wrong(format!(
                "partition {index} ends at {offset}, but {end} was acked"
            )));
        }
        told += 1;
    }
    if told == ends.len() {
        Ok(())
    } else {
        Err(BenchError::Wrong("a partition's end is missing".to_owned()))
    }
}
