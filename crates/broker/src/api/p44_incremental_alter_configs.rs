//! IncrementalAlterConfigs (key 44), v0-1: sets, resets, appends to and subtracts from single settings of topics and of
//! the node, or only says whether it could (`validate_only`).
//!
//! Refusals and their codes are Kafka's: an unknown or bad topic setting is INVALID_CONFIG, a bad broker setting
//! INVALID_REQUEST, a name given twice INVALID_REQUEST. What is changed is durable before the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use poruka_wire::api::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
    IncrementalAlterableConfig, OP_APPEND, OP_DELETE, OP_SET, OP_SUBTRACT,
};
use poruka_wire::{ErrorCode, Str};

use super::altering::{Resource, check_node_value, each, null_value};
use super::support::finished;
use super::{Answer, Context, api};
use crate::server::Server;
use crate::settings::{Kind, NodeOverrides, TopicSetting, list};
use crate::topics::Refusal;

api!(IncrementalAlterConfigsRequest, versions = 0..=1, handler = alter);

fn alter(
    context: Context,
    request: IncrementalAlterConfigsRequest,
) -> Answer<IncrementalAlterConfigsResponse> {
    let asked = request.resources.into_iter();
    let resources = asked.map(|one| (one.resource_type, one.resource_name, one.configs)).collect();
    Answer::alone(async move {
        let done =
            each(context.server, resources, request.validate_only, |server, resource, configs, check| {
                Box::pin(change(server, resource, configs, check))
            });
        let responses = done.await.into_iter().map(|altered| IncrementalAlterConfigsResourceResponse {
            error_code: altered.error_code,
            error_message: altered.error_message,
            resource_type: altered.resource_type,
            resource_name: altered.resource_name,
        });
        let responses = responses.collect();
        IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
    })
}

async fn change(
    server: Arc<Server>,
    resource: Resource,
    configs: Vec<IncrementalAlterableConfig>,
    only_check: bool,
) -> Result<(), Refusal> {
    refuse_repeats(&configs)?;
    match resource {
        Resource::Topic(name) => {
            finished(Arc::clone(&server), async move {
                let apply = |own: &mut BTreeMap<String, String>| {
                    configs.iter().try_for_each(|config| apply_to_topic(own, config))
                };
                server.change_topic_settings(&name, only_check, apply).await
            })
            .await
        }
        Resource::Node { every_node } => {
            let changes = node_changes(&server.catalog().overrides, every_node, &configs)?;
            if only_check {
                return Ok(());
            }
            finished(
                Arc::clone(&server),
                async move { server.change_node_settings(every_node, changes).await },
            )
            .await
        }
    }
}

fn refuse_repeats(configs: &[IncrementalAlterableConfig]) -> Result<(), Refusal> {
    let mut names: Vec<&Str> = configs.iter().map(|config| &config.name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let message = format!("Error due to duplicate config keys: {}", pair[0]);
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
        None => Ok(()),
    }
}

fn apply_to_topic(
    own: &mut BTreeMap<String, String>,
    config: &IncrementalAlterableConfig,
) -> Result<(), Refusal> {
    let name = config.name.as_str();
    if config.config_operation == OP_DELETE {
        own.remove(name);
        return Ok(());
    }
    let setting = TopicSetting::find(name);
    let now = match setting {
        Some(setting) => own.get(name).map_or(setting.default, String::as_str),
        None => "",
    };
    let is_list = setting.is_some_and(|setting| setting.kind == Kind::List);
    let value = combined(config, is_list, now, ErrorCode::InvalidConfig)?;
    own.insert(name.to_owned(), value);
    Ok(())
}

fn node_changes(
    overrides: &NodeOverrides,
    every_node: bool,
    configs: &[IncrementalAlterableConfig],
) -> Result<BTreeMap<String, Option<String>>, Refusal> {
    let layer = if every_node { &overrides.every_node } else { &overrides.this_node };
    let mut changes = BTreeMap::new();
    for config in configs {
        let name = config.name.as_str();
        if config.config_operation == OP_DELETE {
            changes.insert(name.to_owned(), None);
            continue;
        }
        let setting = NodeOverrides::changeable(name);
        let default = setting.map_or("", |setting| setting.default);
        let now = layer.get(name).map_or(default, String::as_str);
        let is_list = setting.is_some_and(|setting| setting.kind == Kind::List);
        let value = combined(config, is_list, now, ErrorCode::InvalidRequest)?;
        check_node_value(name, &value)?;
        changes.insert(name.to_owned(), Some(value));
    }
    Ok(changes)
}

/// The value that an operation leaves.
fn combined(
    config: &IncrementalAlterableConfig,
    is_list: bool,
    now: &str,
    not_a_list: ErrorCode,
) -> Result<String, Refusal> {
    let name = &config.name;
    let Some(given) = config.value.as_deref() else {
        return Err(null_value(name));
    };
    let operation = match config.config_operation {
        OP_SET => return Ok(given.to_owned()),
        OP_APPEND => "APPEND",
        OP_SUBTRACT => "SUBTRACT",
        other => {
            let message = format!("Unknown operation {other} on {name}");
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
    };
    if !is_list {
        let message = format!("Can't {operation} to key {name} because its type is not LIST.");
        return Err(Refusal::new(not_a_list, message));
    }
    let mut items: Vec<&str> = list(now).collect();
    if operation == "APPEND" {
        let new: Vec<&str> = list(given).filter(|item| !items.contains(item)).collect();
        items.extend(new);
    } else {
        let gone: Vec<&str> = list(given).collect();
        items.retain(|item| !gone.contains(item));
    }
    Ok(items.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(operation: i8, name: &str, value: Option<&str>) -> IncrementalAlterableConfig {
        IncrementalAlterableConfig {
            name: Str::from(name),
            config_operation: operation,
            value: value.map(Str::from),
        }
    }

    #[test]
    fn lists_grow_and_shrink_without_repeats() {
        let mut own = BTreeMap::new();
        let mut apply = |operation, value| {
            apply_to_topic(&mut own, &config(operation, "cleanup.policy", Some(value))).expect("a list");
            own["cleanup.policy"].clone()
        };
        assert_eq!(apply(OP_APPEND, "compact"), "delete,compact");
        assert_eq!(apply(OP_APPEND, "compact"), "delete,compact");
        assert_eq!(apply(OP_SUBTRACT, "delete"), "compact");
    }

    #[test]
    fn only_lists_are_appended_to() {
        let mut own = BTreeMap::new();
        let refused =
            apply_to_topic(&mut own, &config(OP_APPEND, "retention.ms", Some("5"))).expect_err("no list");
        assert_eq!(refused.code, ErrorCode::InvalidConfig);
        assert_eq!(refused.message, "Can't APPEND to key retention.ms because its type is not LIST.");
    }

    #[test]
    fn a_bad_node_setting_changes_nothing() {
        let configs = [config(OP_SET, "message.max.bytes", Some("x"))];
        let refused = node_changes(&NodeOverrides::default(), false, &configs).expect_err("no number");
        assert_eq!(refused.code, ErrorCode::InvalidRequest);
    }
}
