//! CreateTopics (key 19), v2-7: makes topics, or only says whether it could (`validate_only`).
//!
//! v4: -1 for the defaults of partitions and replicas. v5: the answer shows the settings. v7: and the topic id.
//! Replicas: 1 or -1, there is one node. A name that appears twice is refused for both.

use std::collections::BTreeMap;
use std::sync::Arc;

use poruka_wire::api::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use poruka_wire::{ErrorCode, Str, Uuid};

use super::support::{NODE_ID, finished, message, repeated};
use super::{Answer, Context, api};
use crate::server::Server;
use crate::settings::TOPIC_SETTINGS;
use crate::topics::{NewTopic, Refusal};

api!(CreateTopicsRequest, versions = 2..=7, handler = create_topics);

fn create_topics(context: Context, request: CreateTopicsRequest) -> Answer<CreateTopicsResponse> {
    Answer::alone(async move {
        let mut topics = Vec::with_capacity(request.topics.len());
        let repeated = repeated(request.topics.iter().map(|topic| &topic.name));
        for asked in &request.topics {
            let made = if repeated.contains(&asked.name) {
                Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
            } else {
                create(&context.server, asked, request.validate_only).await
            };
            topics.push(made.unwrap_or_else(|refusal| refused(asked.name.clone(), &refusal)));
        }
        CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
    })
}

fn refused(name: Str, refusal: &Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        error_code: refusal.code,
        error_message: message(refusal),
        configs: None,
        ..CreatableTopicResult::default()
    }
}

async fn create(
    server: &Arc<Server>,
    asked: &CreatableTopic,
    validate_only: bool,
) -> Result<CreatableTopicResult, Refusal> {
    let new = new_topic(asked)?;
    let own = new.own.clone();
    let (id, partitions) = if validate_only {
        (Uuid::ZERO, server.check_new_topic(new)?.partitions)
    } else {
        let maker = Arc::clone(server);
        let topic = finished(Arc::clone(server), async move { maker.create_topic(new).await }).await?;
        (topic.id, topic.count())
    };
    Ok(CreatableTopicResult {
        name: asked.name.clone(),
        topic_id: id,
        error_code: ErrorCode::None,
        error_message: None,
        num_partitions: partitions,
        replication_factor: 1,
        configs: Some(shown(server, &own)),
        ..CreatableTopicResult::default()
    })
}

/// What is asked for, once its replicas and partitions make sense.
fn new_topic(asked: &CreatableTopic) -> Result<NewTopic, Refusal> {
    let mut own = BTreeMap::new();
    for config in &asked.configs {
        let Some(value) = &config.value else {
            let message = format!("Null value not supported for topic configs: {}", config.name);
            return Err(Refusal::new(ErrorCode::InvalidConfig, message));
        };
        own.insert(config.name.to_string(), value.to_string());
    }
    let partitions = if asked.assignments.is_empty() {
        check_replicas(asked.replication_factor)?;
        match asked.num_partitions {
            -1 => None,
            count => Some(count),
        }
    } else {
        Some(assigned_partitions(asked)?)
    };
    Ok(NewTopic { name: asked.name.clone(), partitions, own })
}

fn check_replicas(count: i16) -> Result<(), Refusal> {
    let message = match count {
        -1 | 1 => return Ok(()),
        ..=0 => "Replication factor must be larger than 0, or -1 to use the default value.".to_owned(),
        more => format!(
            "Unable to replicate the partition {more} time(s): The target replication factor of {more} cannot be \
             reached because only 1 broker(s) are registered."
        ),
    };
    Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message))
}

fn assigned_partitions(asked: &CreatableTopic) -> Result<i32, Refusal> {
    if asked.num_partitions != -1 || asked.replication_factor != -1 {
        let message = "A manual partition assignment was specified, but replication factor or number of partitions \
                       was not set to -1.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
    }
    let refuse = |message: String| Refusal::new(ErrorCode::InvalidReplicaAssignment, message);
    let mut numbers: Vec<i32> = asked.assignments.iter().map(|a| a.partition_index).collect();
    numbers.sort_unstable();
    if !numbers.iter().copied().eq((0..).take(numbers.len())) {
        return Err(refuse("partitions should be a consecutive 0-based integer sequence".to_owned()));
    }
    for assignment in &asked.assignments {
        check_assignment(&assignment.broker_ids).map_err(refuse)?;
    }
    Ok(i32::try_from(numbers.len()).unwrap_or(i32::MAX))
}

/// Checks who is to keep a partition: there is one node.
pub(super) fn check_assignment(brokers: &[i32]) -> Result<(), String> {
    if let Some(other) = brokers.iter().find(|id| **id != NODE_ID) {
        return Err(format!(
            "The manual partition assignment includes broker {other}, but no such broker is registered."
        ));
    }
    match brokers.len() {
        0 => Err("The manual partition assignment includes an empty replica list.".to_owned()),
        1 => Ok(()),
        _ => Err(format!("The manual partition assignment includes the broker {NODE_ID} more than once.")),
    }
}

/// The settings of a topic, as the answer shows them.
fn shown(server: &Server, own: &BTreeMap<String, String>) -> Vec<CreatableTopicConfigs> {
    let class = crate::settings::class_of(own, server.config.default_durability);
    let catalog = server.catalog();
    TOPIC_SETTINGS
        .iter()
        .map(|setting| {
            let (value, source) = setting.effective(own, &catalog.overrides, class);
            CreatableTopicConfigs {
                name: Str::from(setting.name),
                value: Some(Str::from(value)),
                read_only: false,
                config_source: source.code(),
                is_sensitive: false,
            }
        })
        .collect()
}
