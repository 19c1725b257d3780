//! DescribeConfigs (key 32), v1-4: settings of topics and of the node, with where each value comes from.
//!
//! v3: types and documentation. Resources: topics (2) and the broker (4; an empty name is every node's defaults, of
//! which only changed ones are shown). Other kinds are refused.

use std::collections::BTreeMap;

use poruka_wire::api::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym, RESOURCE_BROKER, RESOURCE_TOPIC,
};
use poruka_wire::{ErrorCode, Str};

use super::support::{NODE_ID, message};
use super::{Answer, Context, api};
use crate::catalog::{Catalog, Topic};
use crate::settings::{NODE_SETTINGS, NodeSetting, Source, TOPIC_SETTINGS, TopicSetting, static_value};
use crate::topic_name;
use crate::topics::Refusal;

api!(DescribeConfigsRequest, versions = 1..=4, handler = describe_configs);

type Described = Vec<DescribeConfigsResourceResult>;

fn describe_configs(context: Context, request: DescribeConfigsRequest) -> Answer<DescribeConfigsResponse> {
    let catalog = context.server.catalog();
    let results = request
        .resources
        .iter()
        .map(|resource| {
            let described = describe(&context, &catalog, resource);
            let (configs, error_code, error_message) = match described {
                Ok(mut configs) => {
                    trim(&mut configs, resource, &request);
                    (configs, ErrorCode::None, None)
                }
                Err(refusal) => (Vec::new(), refusal.code, message(&refusal)),
            };
            DescribeConfigsResult {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                configs,
            }
        })
        .collect();
    Answer::Now(DescribeConfigsResponse { results, ..DescribeConfigsResponse::default() })
}

/// Leaves what was asked for.
fn trim(configs: &mut Described, resource: &DescribeConfigsResource, request: &DescribeConfigsRequest) {
    if let Some(keys) = &resource.configuration_keys
        && !keys.is_empty()
    {
        configs.retain(|config| keys.contains(&config.name));
    }
    for config in configs {
        if !request.include_synonyms {
            config.synonyms = Vec::new();
        }
        if !request.include_documentation {
            config.documentation = None;
        }
    }
}

fn describe(
    context: &Context,
    catalog: &Catalog,
    resource: &DescribeConfigsResource,
) -> Result<Described, Refusal> {
    let name = &resource.resource_name;
    match resource.resource_type {
        RESOURCE_TOPIC => {
            topic_name::check(name).map_err(|bad| {
                Refusal::new(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {bad}"))
            })?;
            let topic = catalog.get(name).ok_or_else(|| {
                Refusal::new(
                    ErrorCode::UnknownTopicOrPartition,
                    "This server does not host this topic-partition.",
                )
            })?;
            Ok(TOPIC_SETTINGS.iter().map(|setting| of_topic(setting, topic, catalog)).collect())
        }
        RESOURCE_BROKER => of_node(context, catalog, name),
        other => {
            let message =
                format!("settings of resource type {other} are not kept here, only of topics and brokers");
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
    }
}

fn of_topic(setting: &TopicSetting, topic: &Topic, catalog: &Catalog) -> DescribeConfigsResourceResult {
    let (value, source) = setting.effective(&topic.own, &catalog.overrides, topic.class);
    let mut synonyms = Vec::new();
    if let Some(own) = topic.own.get(setting.name) {
        synonyms.push(synonym(setting.name, own, Source::Topic));
    }
    synonyms.extend(node_synonyms(setting, catalog));
    described(setting.name, value, source, setting, synonyms)
}

fn node_synonyms(setting: &TopicSetting, catalog: &Catalog) -> Vec<DescribeConfigsSynonym> {
    if setting.node_name.is_empty() {
        return Vec::new();
    }
    let layer = |values: &BTreeMap<String, String>, source| {
        values.get(setting.node_name).map(|value| synonym(setting.node_name, value, source))
    };
    let overrides = &catalog.overrides;
    layer(&overrides.this_node, Source::Node)
        .into_iter()
        .chain(layer(&overrides.every_node, Source::NodeDefault))
        .chain([synonym(setting.node_name, setting.default, Source::Default)])
        .collect()
}

fn synonym(name: &str, value: &str, source: Source) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym { name: Str::from(name), value: Some(Str::from(value)), source: source.code() }
}

fn described(
    name: &str,
    value: &str,
    source: Source,
    setting: &TopicSetting,
    synonyms: Vec<DescribeConfigsSynonym>,
) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult {
        name: Str::from(name),
        value: Some(Str::from(value)),
        read_only: false,
        config_source: source.code(),
        is_sensitive: false,
        synonyms,
        config_type: setting.kind.code(),
        documentation: Some(Str::from(setting.about)),
    }
}

fn of_node(context: &Context, catalog: &Catalog, name: &Str) -> Result<Described, Refusal> {
    if name.is_empty() {
        return Ok(changed_for_every_node(catalog));
    }
    if name.parse::<i32>() != Ok(NODE_ID) {
        let message =
            format!("Unexpected broker id, expected {NODE_ID} or empty string, but received {name}");
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
    }
    let fixed = NODE_SETTINGS.iter().map(|setting| {
        let value = static_value(setting.name, &context.server.config, &context.peer.advertised);
        DescribeConfigsResourceResult {
            name: Str::from(setting.name),
            value: Some(Str::from(&value)),
            read_only: true,
            config_source: if value == setting.default { Source::Default } else { Source::Static }.code(),
            is_sensitive: false,
            synonyms: fixed_synonyms(setting, &value),
            config_type: setting.kind.code(),
            documentation: Some(Str::from(setting.about)),
        }
    });
    let changeable = TOPIC_SETTINGS.iter().filter(|setting| !setting.node_name.is_empty()).map(|setting| {
        let (value, source) =
            catalog.overrides.value(setting.node_name).unwrap_or((setting.default, Source::Default));
        described(setting.node_name, value, source, setting, node_synonyms(setting, catalog))
    });
    let mut all: Described = fixed.chain(changeable).collect();
    all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

/// Where the value of a setting that is fixed comes from: given at start, over a default if there is one.
fn fixed_synonyms(setting: &NodeSetting, value: &str) -> Vec<DescribeConfigsSynonym> {
    let given = (value != setting.default).then(|| synonym(setting.name, value, Source::Static));
    let default =
        (!setting.default.is_empty()).then(|| synonym(setting.name, setting.default, Source::Default));
    given.into_iter().chain(default).collect()
}

fn changed_for_every_node(catalog: &Catalog) -> Described {
    let rows = TOPIC_SETTINGS.iter().filter_map(|setting| {
        let value = catalog.overrides.every_node.get(setting.node_name)?;
        Some(described(setting.node_name, value, Source::NodeDefault, setting, Vec::new()))
    });
    rows.collect()
}
