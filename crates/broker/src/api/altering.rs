//! What AlterConfigs and IncrementalAlterConfigs share: resources one after the other, each with an answer of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use poruka_wire::api::{RESOURCE_BROKER, RESOURCE_TOPIC};
use poruka_wire::{ErrorCode, Str};

use super::support::{NODE_ID, message};
use crate::connection::Boxed;
use crate::server::Server;
use crate::settings::NodeOverrides;
use crate::topic_name;
use crate::topics::Refusal;

/// Whose settings are to be changed.
pub(super) enum Resource {
    Topic(Str),
    /// This node, or every node's defaults.
    Node {
        every_node: bool,
    },
}

/// What became of a resource.
pub(super) struct Altered {
    pub(super) error_code: ErrorCode,
    pub(super) error_message: Option<Str>,
    pub(super) resource_type: i8,
    pub(super) resource_name: Str,
}

/// Changes the settings of one resource, or only checks that it could.
pub(super) type Change<C> = fn(Arc<Server>, Resource, C, bool) -> Boxed<Result<(), Refusal>>;

/// Changes each of `resources` (type, name, what to do) in turn.
pub(super) async fn each<C>(
    server: Arc<Server>,
    resources: Vec<(i8, Str, C)>,
    only_check: bool,
    change: Change<C>,
) -> Vec<Altered> {
    let mut done: Vec<Altered> = Vec::with_capacity(resources.len());
    let mut seen = BTreeSet::new();
    for (resource_type, resource_name, configs) in resources {
        let twice = !seen.insert((resource_type, resource_name.clone()));
        let changed = match resource(resource_type, &resource_name) {
            _ if twice => Err(invalid("Each resource must appear at most once.")),
            Ok(resource) => change(Arc::clone(&server), resource, configs, only_check).await,
            Err(refusal) => Err(refusal),
        };
        let (error_code, error_message) = match changed {
            Ok(()) => (ErrorCode::None, None),
            Err(refusal) => (refusal.code, message(&refusal)),
        };
        done.push(Altered { error_code, error_message, resource_type, resource_name });
    }
    done
}

fn resource(kind: i8, name: &Str) -> Result<Resource, Refusal> {
    match kind {
        RESOURCE_TOPIC if name.is_empty() => Err(invalid("Default topic resources are not allowed.")),
        RESOURCE_TOPIC => match topic_name::check(name) {
            Ok(()) => Ok(Resource::Topic(name.clone())),
            Err(bad) => {
                let message = format!("Topic name is invalid: {bad}");
                Err(Refusal::new(ErrorCode::InvalidTopicException, message))
            }
        },
        RESOURCE_BROKER if name.is_empty() => Ok(Resource::Node { every_node: true }),
        RESOURCE_BROKER if name.parse() == Ok(NODE_ID) => Ok(Resource::Node { every_node: false }),
        RESOURCE_BROKER => Err(invalid(&format!(
            "Unexpected broker id, expected {NODE_ID} or empty string, but received {name}"
        ))),
        other => Err(invalid(&format!(
            "settings of resource type {other} are not kept here, only of topics and brokers"
        ))),
    }
}

/// A setting without a value, where one is needed.
pub(super) fn null_value(name: &str) -> Refusal {
    invalid(&format!("Null value not supported for : {name}"))
}

/// Checks a value for the node, with the code that Kafka gives for it.
pub(super) fn check_node_value(name: &str, value: &str) -> Result<(), Refusal> {
    NodeOverrides::check(name, value).map_err(|bad| invalid(&bad.to_string()))
}

pub(super) fn invalid(message: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}
