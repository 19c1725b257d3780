//! ListConfigResources (key 74), v0-1: what has settings. v0 asks for client metrics only, of which there are none.

use poruka_wire::ErrorCode;
use poruka_wire::Str;
use poruka_wire::api::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse, RESOURCE_BROKER,
    RESOURCE_BROKER_LOGGER, RESOURCE_CLIENT_METRICS, RESOURCE_GROUP, RESOURCE_TOPIC,
};

use super::support::NODE_ID;
use super::{Answer, Context, api};

api!(ListConfigResourcesRequest, versions = 0..=1, handler = list_config_resources);

/// The kinds that can be asked for; an empty list asks for all of them.
const KINDS: [i8; 5] =
    [RESOURCE_TOPIC, RESOURCE_BROKER, RESOURCE_BROKER_LOGGER, RESOURCE_CLIENT_METRICS, RESOURCE_GROUP];

fn list_config_resources(
    context: Context,
    request: ListConfigResourcesRequest,
) -> Answer<ListConfigResourcesResponse> {
    if request.resource_types.iter().any(|kind| !KINDS.contains(kind)) {
        return Answer::Now(ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion,
            ..ListConfigResourcesResponse::default()
        });
    }
    let asked = |kind| {
        context.version() > 0 && (request.resource_types.is_empty() || request.resource_types.contains(&kind))
    };
    let mut config_resources = Vec::new();
    if asked(RESOURCE_BROKER) {
        let resource_name = Str::from(NODE_ID.to_string());
        config_resources.push(ConfigResource { resource_name, resource_type: RESOURCE_BROKER });
    }
    if asked(RESOURCE_TOPIC) {
        let catalog = context.server.catalog();
        config_resources.extend(catalog.topics().map(|topic| ConfigResource {
            resource_name: topic.name.clone(),
            resource_type: RESOURCE_TOPIC,
        }));
    }
    Answer::Now(ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() })
}
