//! Metadata (key 3), v0-13: where everything is. There is one node, so this is mostly about which topics exist.
//!
//! v0: an empty list asks for all topics; v1+: null does. v4: `allow_auto_topic_creation`. v8-10: operations of the
//! cluster. v10: topic ids. v12: topics by id, and then without a name when unknown. v13: error of its own.
//!
//! A topic that is made on first use is made before the answer, so the client need not ask again.

use std::sync::Arc;

use poruka_wire::api::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use poruka_wire::{ErrorCode, Str, Uuid};

use super::support::{CLUSTER_OPERATIONS, NODE_ID, OPERATIONS_OMITTED, TOPIC_OPERATIONS, finished};
use super::{Answer, Context, api};
use crate::catalog::Topic;
use crate::topic_name;
use crate::topics::NewTopic;

api!(MetadataRequest, versions = 0..=13, handler = metadata);

/// Topics are named by id from this version on; the two before it have the field, and Kafka refuses its use.
const TOPIC_IDS_FROM: i16 = 12;

fn metadata(context: Context, request: MetadataRequest) -> Answer<MetadataResponse> {
    let by_id = |topic: &MetadataRequestTopic| topic.name.is_none() || !topic.topic_id.is_zero();
    if context.version() < TOPIC_IDS_FROM && request.topics.iter().flatten().any(by_id) {
        return Answer::Now(invalid(&request));
    }
    let missing = missing_topics(&context, &request);
    if missing.is_empty() {
        return Answer::Now(answer(&context, &request));
    }
    Answer::alone(async move {
        for name in missing {
            let (server, topic) = (Arc::clone(&context.server), name.clone());
            let make = async move {
                server.create_topic(NewTopic { name: topic, partitions: None, own: Default::default() }).await
            };
            if let Err(refusal) = finished(Arc::clone(&context.server), make).await
                && refusal.code != ErrorCode::TopicAlreadyExists
            {
                tracing::warn!(topic = %name, %refusal, "topic was not made on first use");
            }
        }
        answer(&context, &request)
    })
}

fn invalid(request: &MetadataRequest) -> MetadataResponse {
    let topics = request.topics.iter().flatten().map(|asked| MetadataResponseTopic {
        error_code: ErrorCode::InvalidRequest,
        name: Some(asked.name.clone().unwrap_or_default()),
        topic_id: asked.topic_id,
        topic_authorized_operations: OPERATIONS_OMITTED,
        ..MetadataResponseTopic::default()
    });
    MetadataResponse { topics: topics.collect(), ..MetadataResponse::default() }
}

/// The names that are asked for, may be made on first use, and are not there.
fn missing_topics(context: &Context, request: &MetadataRequest) -> Vec<Str> {
    if !request.allow_auto_topic_creation
        || !context.server.config.auto_create
        || context.server.is_draining()
    {
        return Vec::new();
    }
    let catalog = context.server.catalog();
    let names = request.topics.iter().flatten().filter(|topic| topic.topic_id.is_zero());
    names
        .filter_map(|topic| topic.name.clone())
        .filter(|name| catalog.get(name).is_none() && topic_name::check(name).is_ok())
        .filter(|name| !topic_name::is_internal(name))
        .collect()
}

fn answer(context: &Context, request: &MetadataRequest) -> MetadataResponse {
    let with_operations = request.include_topic_authorized_operations;
    let (host, port) = context.peer.advertised.clone();
    MetadataResponse {
        brokers: vec![MetadataResponseBroker { node_id: NODE_ID, host, port, rack: None }],
        cluster_id: Some(context.server.cluster_id_text()),
        controller_id: NODE_ID,
        topics: topics(context, request, with_operations),
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => OPERATIONS_OMITTED,
        },
        ..MetadataResponse::default()
    }
}

fn topics(context: &Context, request: &MetadataRequest, with_operations: bool) -> Vec<MetadataResponseTopic> {
    let catalog = context.server.catalog();
    let all = || catalog.topics().map(|topic| described(topic, with_operations)).collect();
    match &request.topics {
        None => all(),
        Some(none) if none.is_empty() && context.version() == 0 => all(),
        Some(asked) => asked
            .iter()
            .map(|asked| {
                let found = match &asked.name {
                    Some(name) if asked.topic_id.is_zero() => catalog.get(name),
                    _ => catalog.by_id(asked.topic_id),
                };
                found.map_or_else(|| unknown(asked), |topic| described(topic, with_operations))
            })
            .collect(),
    }
}

fn described(topic: &Topic, with_operations: bool) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: ErrorCode::None,
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: false,
        partitions: (0..)
            .zip(&topic.partitions)
            .map(|(index, log)| partition(index, log.leader_epoch()))
            .collect(),
        topic_authorized_operations: if with_operations { TOPIC_OPERATIONS } else { OPERATIONS_OMITTED },
    }
}

fn partition(index: i32, leader_epoch: i32) -> MetadataResponsePartition {
    MetadataResponsePartition {
        error_code: ErrorCode::None,
        partition_index: index,
        leader_id: NODE_ID,
        leader_epoch,
        replica_nodes: vec![NODE_ID],
        isr_nodes: vec![NODE_ID],
        offline_replicas: Vec::new(),
    }
}

fn unknown(asked: &MetadataRequestTopic) -> MetadataResponseTopic {
    let by_id = !asked.topic_id.is_zero();
    let bad_name = asked.name.as_ref().is_some_and(|name| topic_name::check(name).is_err());
    MetadataResponseTopic {
        error_code: match (by_id, bad_name) {
            (true, _) => ErrorCode::UnknownTopicId,
            (false, true) => ErrorCode::InvalidTopicException,
            (false, false) => ErrorCode::UnknownTopicOrPartition,
        },
        name: if by_id { None } else { asked.name.clone() },
        topic_id: if by_id { asked.topic_id } else { Uuid::ZERO },
        ..MetadataResponseTopic::default()
    }
}
