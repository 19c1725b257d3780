//! AlterConfigs (key 33), v0-2: gives a topic or the node exactly these changed settings; all others are reset.
//!
//! Superseded by IncrementalAlterConfigs and deprecated in Kafka, but librdkafka's `AlterConfigs` still sends it.

use std::collections::BTreeMap;
use std::sync::Arc;

use poruka_wire::api::{
    AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse, AlterableConfig,
};

use super::altering::{Resource, check_node_value, each, null_value};
use super::support::finished;
use super::{Answer, Context, api};
use crate::server::Server;
use crate::topics::Refusal;

api!(AlterConfigsRequest, versions = 0..=2, handler = alter);

fn alter(context: Context, request: AlterConfigsRequest) -> Answer<AlterConfigsResponse> {
    let asked = request.resources.into_iter();
    let resources = asked.map(|one| (one.resource_type, one.resource_name, one.configs)).collect();
    Answer::alone(async move {
        let done =
            each(context.server, resources, request.validate_only, |server, resource, configs, check| {
                Box::pin(replace(server, resource, configs, check))
            });
        let responses = done.await.into_iter().map(|altered| AlterConfigsResourceResponse {
            error_code: altered.error_code,
            error_message: altered.error_message,
            resource_type: altered.resource_type,
            resource_name: altered.resource_name,
        });
        AlterConfigsResponse { responses: responses.collect(), ..AlterConfigsResponse::default() }
    })
}

async fn replace(
    server: Arc<Server>,
    resource: Resource,
    configs: Vec<AlterableConfig>,
    only_check: bool,
) -> Result<(), Refusal> {
    let mut wanted = BTreeMap::new();
    for config in &configs {
        let value = config.value.as_ref().ok_or_else(|| null_value(&config.name))?;
        wanted.insert(config.name.to_string(), value.to_string());
    }
    match resource {
        Resource::Topic(name) => {
            finished(Arc::clone(&server), async move {
                let replace = |own: &mut BTreeMap<String, String>| {
                    *own = wanted;
                    Ok(())
                };
                server.change_topic_settings(&name, only_check, replace).await
            })
            .await
        }
        Resource::Node { every_node } => {
            wanted.iter().try_for_each(|(name, value)| check_node_value(name, value))?;
            if only_check {
                return Ok(());
            }
            let overrides = server.catalog().overrides.clone();
            let now = if every_node { overrides.every_node } else { overrides.this_node };
            let mut changes: BTreeMap<_, _> = now.into_keys().map(|name| (name, None)).collect();
            changes.extend(wanted.into_iter().map(|(name, value)| (name, Some(value))));
            finished(
                Arc::clone(&server),
                async move { server.change_node_settings(every_node, changes).await },
            )
            .await
        }
    }
}
