//! ApiVersions (key 18), v0-4: what is spoken here, built from the registrations.
//!
//! v3+: the client names itself; features are told. v4: a feature may have 0 as its lowest version. An unknown
//! version is answered with error 35 in the form of v0 and one entry, this API's own (KIP-511). The response header
//! has no tagged fields in any version.
//!
//! Features: only what works. `group.version` 1 is the consumer protocol (KIP-848). `metadata.version` 30 (4.3) is
//! what the Java admin client reads to know the age of the cluster. No `transaction.version`: there are no
//! transactions yet.

use poruka_wire::api::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use poruka_wire::frame::encode_response_chunks;
use poruka_wire::{ApiKey, ErrorCode, Str};

use super::registry::Api;
use super::{APIS, Answer, Context, api};
use crate::connection::{CloseReason, Reply, filled};

api!(ApiVersionsRequest, versions = 0..=4, handler = api_versions);

/// A feature: its name, the lowest and highest level that could be chosen, and the level in force.
const FEATURES: [(&str, i16, i16, i16); 2] = [("metadata.version", 7, 30, 30), ("group.version", 0, 1, 1)];

/// There is one state of the features for as long as the process lives.
const FEATURES_EPOCH: i64 = 1;

fn api_versions(context: Context, request: ApiVersionsRequest) -> Answer<ApiVersionsResponse> {
    let version = context.version();
    if version >= 3
        && !(is_software(&request.client_software_name) && is_software(&request.client_software_version))
    {
        return Answer::Now(ApiVersionsResponse {
            error_code: ErrorCode::InvalidRequest,
            ..ApiVersionsResponse::default()
        });
    }
    Answer::Now(ApiVersionsResponse {
        error_code: ErrorCode::None,
        api_keys: APIS.iter().map(|api| entry(api)).collect(),
        supported_features: FEATURES
            .iter()
            .filter(|(_, min, ..)| *min > 0 || version >= 4)
            .map(|&(name, min_version, max_version, _)| SupportedFeatureKey {
                name: Str::from(name),
                min_version,
                max_version,
            })
            .collect(),
        finalized_features_epoch: FEATURES_EPOCH,
        finalized_features: FEATURES
            .iter()
            .map(|&(name, .., level)| FinalizedFeatureKey {
                name: Str::from(name),
                max_version_level: level,
                min_version_level: level,
            })
            .collect(),
        ..ApiVersionsResponse::default()
    })
}

fn entry(api: &Api) -> ApiVersion {
    ApiVersion { api_key: api.key.code(), min_version: api.advertised_min, max_version: api.max }
}

/// Letters, digits, dots and dashes, with a letter or digit at both ends.
fn is_software(name: &str) -> bool {
    let (Some(first), Some(last)) = (name.bytes().next(), name.bytes().last()) else { return false };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
}

/// The answer to a version of ApiVersions that is not spoken; `None` for other APIs and for unreadable headers.
pub(super) fn answer_unknown_version(api: &Api, frame: &[u8]) -> Option<Reply> {
    if api.key != ApiKey::ApiVersions {
        return None;
    }
    let correlation_id = i32::from_be_bytes(*frame.get(4..)?.first_chunk()?);
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion,
        api_keys: vec![entry(api)],
        ..ApiVersionsResponse::default()
    };
    let encoded = encode_response_chunks::<ApiVersionsRequest>(correlation_id, &response, 0);
    Some(Reply::Now(
        encoded
            .map(|chunks| Some(filled(chunks, Vec::new())))
            .map_err(|error| CloseReason::Refused(error.to_string())),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_are_checked_as_kip_511_says() {
        for good in ["librdkafka", "apache-kafka-java", "4.3.1", "a"] {
            assert!(is_software(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "é"] {
            assert!(!is_software(bad), "{bad}");
        }
    }
}
