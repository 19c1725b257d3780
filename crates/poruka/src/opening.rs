//! Opening a topic: made if it is not there, and judged by what the broker says it is, never by what was asked for.

use poruka_client::admin::{Admin, NewTopic, Resource};
use poruka_client::{Client, ClientError};
use poruka_wire::{ErrorCode, Str};

use crate::bus::TopicError;
use crate::judge::{Described, judge};
use crate::settings::Settings;
use crate::topic::{TopicFacts, TopicSpec};

pub(crate) async fn open(
    client: &Client,
    name: &str,
    spec: &TopicSpec,
    settings: &Settings,
) -> Result<TopicFacts, TopicError> {
    let admin = Admin::new(client);
    match admin.describe_topic(name).await {
        Ok(_) => {}
        Err(ClientError::UnknownTopic { .. }) => make(&admin, name, spec, settings).await?,
        Err(error) => return Err(error.into()),
    }
    let topic = admin.wait_for_topic(name).await?;
    let resource = Resource::Topic(Str::from(name));
    let configs = admin.describe_configs(&resource, None).await?;
    let described = Described {
        configs: configs
            .into_iter()
            .filter_map(|entry| Some((entry.name.to_string(), entry.value?.to_string())))
            .collect(),
        replicas: topic.partitions.iter().map(|partition| partition.replicas.len()).min().unwrap_or(0),
    };
    Ok(judge(name, settings, &described)?)
}

/// Makes the topic. A broker that does not know our configs is a stock Kafka, and is given its own.
async fn make(admin: &Admin, name: &str, spec: &TopicSpec, settings: &Settings) -> Result<(), ClientError> {
    let ours = admin.create_topic(&new_topic(name, spec, &settings.topic.poruka_configs)).await;
    let made = match ours {
        Err(error) if error.code() == Some(ErrorCode::InvalidConfig) && is_about_our_configs(&error) => {
            admin.create_topic(&new_topic(name, spec, &settings.topic.kafka_configs)).await
        }
        other => other,
    };
    match made {
        Ok(_) => Ok(()),
        // Somebody else made it in between, or an answer was lost and this is its echo: what it is will be judged.
        Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) || error.may_be_done() => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_about_our_configs(error: &ClientError) -> bool {
    error.to_string().contains("Unknown topic config name: poruka.")
}

fn new_topic(name: &str, spec: &TopicSpec, configs: &[(&'static str, String)]) -> NewTopic {
    let asked = spec.configs.iter().map(|(name, value)| (Str::from(name), Str::from(value)));
    let needed = configs.iter().map(|(name, value)| (Str::from(*name), Str::from(value)));
    NewTopic {
        name: Str::from(name),
        partitions: spec.partitions,
        replication: spec.replicas,
        // What the guarantee needs comes last: it wins.
        configs: asked
            .filter(|(name, _)| configs.iter().all(|(needed, _)| **needed != **name))
            .chain(needed)
            .collect(),
    }
}
