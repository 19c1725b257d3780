//! AlterConfigs (key 33), v0-2: gives a topic or the node exactly these changed settings; all others are reset.
//!
//! Superseded by IncrementalAlterConfigs and deprecated in Kafka, but librdkafka's `AlterConfigs` still sends it.

use std::collections::BTreeMap;
use std::sync::Arc;

use poruka_wire::ErrorCode;
use poruka_wire::api::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
    RESOURCE_BROKER, RESOURCE_TOPIC,
};

use super::p44_incremental_alter_configs::{check_node_value, is_every_node};
use super::support::{finished, message};
use super::{Answer, Context, api};
use crate::topics::Refusal;

api!(AlterConfigsRequest, versions = 0..=2, handler = alter);

fn alter(context: Context, request: AlterConfigsRequest) -> Answer<AlterConfigsResponse> {
    Answer::alone(async move {
        let mut responses = Vec::with_capacity(request.resources.len());
        for resource in request.resources {
            let (resource_type, resource_name) = (resource.resource_type, resource.resource_name.clone());
            let (error_code, error_message) = match replace(&context, resource, request.validate_only).await {
                Ok(()) => (ErrorCode::None, None),
                Err(refusal) => (refusal.code, message(&refusal)),
            };
            responses.push(AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type,
                resource_name,
            });
        }
        AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
    })
}

async fn replace(context: &Context, resource: AlterConfigsResource, only_check: bool) -> Result<(), Refusal> {
    let mut wanted = BTreeMap::new();
    for config in &resource.configs {
        let Some(value) = &config.value else {
            let message = format!("Null value not supported for : {}", config.name);
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        };
        wanted.insert(config.name.to_string(), value.to_string());
    }
    let server = Arc::clone(&context.server);
    match resource.resource_type {
        RESOURCE_TOPIC => {
            let name = resource.resource_name;
            finished(Arc::clone(&context.server), async move {
                let replace = |own: &mut BTreeMap<String, String>| {
                    *own = wanted;
                    Ok(())
                };
                server.change_topic_settings(&name, only_check, replace).await
            })
            .await
        }
        RESOURCE_BROKER => {
            let every_node = is_every_node(&resource.resource_name)?;
            wanted.iter().try_for_each(|(name, value)| check_node_value(name, value))?;
            if only_check {
                return Ok(());
            }
            let overrides = context.server.catalog().overrides.clone();
            let now = if every_node { overrides.every_node } else { overrides.this_node };
            let mut changes: BTreeMap<_, _> = now.into_keys().map(|name| (name, None)).collect();
            changes.extend(wanted.into_iter().map(|(name, value)| (name, Some(value))));
            finished(Arc::clone(&context.server), async move {
                server.change_node_settings(every_node, changes).await
            })
            .await
        }
        other => {
            let message =
                format!("settings of resource type {other} are not kept here, only of topics and brokers");
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
    }
}
