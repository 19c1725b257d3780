//! Configurations: describe (32) and change (44).

use poruka_wire::Str;
use poruka_wire::api::{
    DescribeConfigsRequest, DescribeConfigsResource, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResource, IncrementalAlterableConfig, OP_APPEND, OP_DELETE, OP_SET, OP_SUBTRACT,
    RESOURCE_BROKER, RESOURCE_GROUP, RESOURCE_TOPIC, SOURCE_DEFAULT, SOURCE_DYNAMIC_BROKER,
    SOURCE_DYNAMIC_DEFAULT_BROKER, SOURCE_STATIC_BROKER,
};

use super::Admin;
use super::topics::left_out;
use crate::cluster::Lane;
use crate::error::ClientError;

/// What a configuration belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A topic, by name.
    Topic(Str),
    /// A node, by id.
    Broker(i32),
    /// A group, by id.
    Group(Str),
}

impl Resource {
    fn kind(&self) -> i8 {
        match self {
            Resource::Topic(_) => RESOURCE_TOPIC,
            Resource::Broker(_) => RESOURCE_BROKER,
            Resource::Group(_) => RESOURCE_GROUP,
        }
    }

    fn name(&self) -> Str {
        match self {
            Resource::Topic(name) | Resource::Group(name) => name.clone(),
            Resource::Broker(node) => Str::from(node.to_string()),
        }
    }
}

/// One setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: Str,
    /// Its value; `None` when it is unset or secret.
    pub value: Option<Str>,
    /// Whether it was set for this resource itself, not inherited from the broker or from a default.
    pub is_own: bool,
    /// It cannot be changed.
    pub is_read_only: bool,
    /// Its value is not shown.
    pub is_sensitive: bool,
}

/// A change of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Set it.
    Set(Str, Str),
    /// Go back to what is inherited.
    Unset(Str),
    /// Add to a list.
    Append(Str, Str),
    /// Take from a list.
    Subtract(Str, Str),
}

impl ConfigChange {
    fn to_wire(&self) -> IncrementalAlterableConfig {
        let (name, config_operation, value) = match self {
            ConfigChange::Set(name, value) => (name, OP_SET, Some(value.clone())),
            ConfigChange::Unset(name) => (name, OP_DELETE, None),
            ConfigChange::Append(name, value) => (name, OP_APPEND, Some(value.clone())),
            ConfigChange::Subtract(name, value) => (name, OP_SUBTRACT, Some(value.clone())),
        };
        IncrementalAlterableConfig { name: name.clone(), config_operation, value }
    }
}

impl Admin {
    /// The settings in force for a resource; `names`: only these.
    ///
    /// # Errors
    /// `Refused` with `UNKNOWN_TOPIC_OR_PARTITION` and so on.
    pub async fn describe_configs(
        &self,
        resource: &Resource,
        names: Option<&[&str]>,
    ) -> Result<Vec<ConfigEntry>, ClientError> {
        self.client.retrying(|| self.describe_once(resource, names)).await
    }

    async fn describe_once(
        &self,
        resource: &Resource,
        names: Option<&[&str]>,
    ) -> Result<Vec<ConfigEntry>, ClientError> {
        let request = DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type: resource.kind(),
                resource_name: resource.name(),
                configuration_keys: names.map(|names| names.iter().map(|name| Str::from(*name)).collect()),
            }],
            ..Default::default()
        };
        let what = format!("describe configs of {resource:?}");
        let answer = match resource {
            // Only the node itself knows its own settings.
            Resource::Broker(node) => {
                self.client.call_node("describe configs", *node, Lane::Shared, &request).await?
            }
            _ => self.client.call_any("describe configs", &request).await?,
        };
        let Some(result) = answer.results.first() else { return Err(left_out(what)) };
        if !result.error_code.is_none() {
            return Err(ClientError::refused(what, result.error_code, result.error_message.as_deref()));
        }
        let inherited = [SOURCE_DEFAULT, SOURCE_STATIC_BROKER, SOURCE_DYNAMIC_DEFAULT_BROKER];
        let is_broker = matches!(resource, Resource::Broker(_));
        let is_own =
            |source: i8| !inherited.contains(&source) && (is_broker || source != SOURCE_DYNAMIC_BROKER);
        let entries = result.configs.iter().map(|config| ConfigEntry {
            name: config.name.clone(),
            value: config.value.clone(),
            is_own: is_own(config.config_source),
            is_read_only: config.read_only,
            is_sensitive: config.is_sensitive,
        });
        Ok(entries.collect())
    }

    /// Changes some settings of a resource and leaves the others alone.
    ///
    /// # Errors
    /// `Refused` with `INVALID_CONFIG`, `POLICY_VIOLATION` and so on, with the broker's words.
    pub async fn alter_configs(
        &self,
        resource: &Resource,
        changes: &[ConfigChange],
    ) -> Result<(), ClientError> {
        self.changing(|| async {
            let request = IncrementalAlterConfigsRequest {
                resources: vec![IncrementalAlterConfigsResource {
                    resource_type: resource.kind(),
                    resource_name: resource.name(),
                    configs: changes.iter().map(ConfigChange::to_wire).collect(),
                }],
                validate_only: false,
            };
            let what = format!("change configs of {resource:?}");
            let answer = match resource {
                Resource::Broker(node) => {
                    self.client.call_node("change configs", *node, Lane::Shared, &request).await?
                }
                _ => self.client.call_any("change configs", &request).await?,
            };
            let Some(done) = answer.responses.first() else { return Err(left_out(what)) };
            done.error_code
                .ok()
                .map_err(|code| ClientError::refused(what, code, done.error_message.as_deref()))
        })
        .await
    }
}
